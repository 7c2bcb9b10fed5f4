"""The director of a run: its phases, its leases, its timeline. One process has it; it sends nothing."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from e2e_data.platform import Platform
from e2e_data.pool import Pool
from locustfiles.clock import Clock
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.desk import Desk
from locustfiles.fleet.figures import FleetFigures
from locustfiles.fleet.parts import Part
from locustfiles.leases import Known, LeaseBook
from locustfiles.phases import Progress, State
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan
from locustfiles.profiles import SECOND_NS
from locustfiles.resumed import Resumed
from locustfiles.schedule import machine_of
from locustfiles.standing import second_of
from locustfiles.steps import Steps
from locustfiles.watch import Watch
from reports.grants import GrantLog
from reports.lines import LineLog
from reports.rundir import RunDirectory
from reports.slos import Slo
from reports.steps import read_steps
from reports.timeline import PHASE_BEGAN, PHASE_ENDED, PHASE_SETTLES, RESUMED, RUN_ENDED, Second
from reports.timeline import Event as TimelineEvent

log = logging.getLogger(__name__)

LEAD_NS = 100_000_000
"""From the decision to begin a phase to its first arrival: free users and commands are there by then."""
FLEET_LEAD_NS = 1_000_000_000
"""The same for a fleet, whose workers have to hear of it and be given their leases."""
RECENT_SECONDS = 120
RECENT_EVENTS = 200
"""So much of the timeline is kept for whoever watches the run."""


class Director:
    """Moves a run through its phases. `advance` is called about once a second."""

    _steps: Steps | None = None
    """Those of the phase that searches."""
    halted = False
    """Whether it was ended at once, so that what was sent was not awaited."""

    def __init__(
        self,
        plan: Plan,
        pool: Pool,
        platform: Platform,
        directory: RunDirectory,
        clock: Clock,
        *,
        fleet: bool = False,
        resumed: Resumed | None = None,
    ) -> None:
        """Direct a `fleet`, or the one process that sends; or go on where another left off."""
        self.plan, self.pool, self.platform = plan, pool, platform
        self.directory = directory
        self.clock = clock
        self.timeline = LineLog(directory.timeline)
        self.grants = GrantLog(directory.grants)
        self.machine = machine_of(plan, fleet=fleet)
        self.refresh: Callable[[], None] = lambda: None
        """Has the newest word of a sender that is at hand."""
        self.queues: Callable[[], Mapping[str, int]] = dict
        """Tells how many messages there are on the queues that commands go over."""
        self.command_id: Callable[[int, int, int], str] = "{}:{}:{}".format
        """Names a command by its lap, shard and index."""
        self.watch = Watch(plan.slos, plan.slos_of)
        """Looks at the SLOs that may end the run."""
        self.figures = FleetFigures()
        """The response times of all that send."""
        self.wake: Callable[[], None] = lambda: None
        """Lets workers know that there is news, so that they ask at once."""
        self.audit: Callable[[str, str], None] = lambda _what, _detail: None
        """Notes what was done to the run, and by whom."""
        self.recent: deque[Second] = deque(maxlen=RECENT_SECONDS)
        """The last rows of the timeline."""
        self.told: deque[TimelineEvent] = deque(maxlen=RECENT_EVENTS)
        """The last events of the timeline."""
        self.faults: set[str] = set()
        """What the plan's faults do now, by their titles."""
        self._fleet = fleet
        self._resumed = resumed
        resend, epoch = plan.fleet.resend and platform.idempotent, resumed.epoch if resumed else 0
        self.desk = Desk(
            directory.name,
            resumed.term if resumed else 1,
            LeaseBook(self.grants, clock.now_ns, resend=resend, epoch=epoch),
            clock.now_ns,
            lease_ns=plan.fleet.lease_ns,
            accounts=resumed.accounts if resumed else None,
            tell=self._tell,
        )
        self._began_once = False
        self._run_began_ns: int | None = None
        self._before = 0
        """Commands sent, and arrivals dropped, before the current phase."""
        self._dropped = 0
        """Arrivals that were dropped in the phases that are over."""
        # Workers of the master before may send for as long as their leases last.
        wait = resumed is not None and fleet
        self._not_before_ns = clock.now_ns() + (plan.fleet.lease_ns if wait else 0)

    def begin(self) -> None:
        """Begin the first phase, or the one that was begun before: the users are there."""
        now_ns = self.clock.now_ns()
        if now_ns < self._not_before_ns:
            return
        if self._resumed is not None and self.machine.state is State.WAITING:
            if self.machine.stopping:
                self.machine.begin(now_ns)
            else:
                self.machine.resume(now_ns, self._resumed.phase, self._resumed.sent_ns)
            # Time and commands of the master before are not counted: its budget was its own.
            self._run_began_ns = now_ns
            phase, note = (
                list(self.plan.phases)[self._resumed.phase],
                f"master {self._resumed.term}",
            )
            self.event(RESUMED, phase, note, self._resumed.dropped)
            self._enter(self._resumed.known)
        elif self.machine.begin(now_ns):
            self._run_began_ns = now_ns
            self.event("run began")
            self._enter()

    def stop(self, reason: str) -> None:
        """Ask for an orderly end: nothing further is sent, and what was sent is awaited."""
        if self.machine.state is not State.ENDED and not self.machine.stopping:
            self.event("stop asked", note=reason)
            self.audit("change", f"stop: {reason}")
            self.machine.stop()

    def control(self, command: str, note: str) -> None:
        """Do what was asked for from outside, one of `control.COMMANDS`, at once."""
        if command == "stop":
            self.stop(note)
        elif self.machine.state is not State.ENDED:
            self.event(f"{command} asked", self.phase_name, note)
            self.audit("change", f"{command}: {note}")
            if command == "emergency":
                self._halt()
            elif command == "skip":
                self.machine.skip()
            else:
                self.machine.pause(paused=command == "pause")
        self.advance()

    def _halt(self) -> None:
        """End at once, whatever is pending."""
        self.halted = True
        self.machine.halt(self.clock.now_ns())
        self._enter()
        self.wake()

    def advance(self) -> State:
        """Move on through the phases as far as progress allows, and return where the run stands."""
        self.refresh()
        if self._fleet:
            self.desk.tick()
        before = self.machine.state, self.machine.phase
        while True:
            # Before the machine passes the gate, since a search may not be over.
            if not self._step():
                if not self.machine.advance(self.clock.now_ns(), self._progress()):
                    break
                self._moved(*before)
            before = self.machine.state, self.machine.phase
            self.wake()
            self.refresh()
        if self.machine.state is State.SETTLING:
            self._settle()
        elif self._steps is not None and self.machine.state is State.SENDING:
            self._steps.look(self.clock.now_ns(), self.total(), self._seen)
        self._watch()
        self._spend()
        return self.machine.state

    def _progress(self) -> Progress:
        total = self.total()
        return replace(self.desk.progress(), sent=total.sent + total.dropped - self._before)

    def close(self) -> None:
        """Close the files. Nobody may send any more."""
        self.grants.close()

    def event(
        self, name: str, phase: str = "", note: str = "", dropped: int = 0, channel: str = ""
    ) -> None:
        """Write down that something happened."""
        event = TimelineEvent(self.clock.now_ns(), name, phase, note, dropped, channel)
        self.told.append(event)
        self.timeline.write(event)

    def write_second(self) -> None:
        """Write down how the run stands."""
        self.refresh()
        total = self.total()
        second = second_of(total, self.clock.now_ns(), self.phase_name, self.queues())
        self.recent.append(second)
        self.timeline.write(second)

    @property
    def needs_figures(self) -> bool:
        """Whether somebody asks what the workers count while the run is on."""
        profiles = {phase.profile for phase in self.plan.phases.values()}
        return "search" in profiles or bool(self.plan.watched)

    @property
    def phase_name(self) -> str:
        """The phase that is being sent; empty between phases."""
        sending = self.machine.state is State.SENDING
        return list(self.plan.phases)[self.machine.phase] if sending else ""

    def total(self) -> Counts:
        """Return how the fleet stands: the sum over its workers' last words.

        The lag and the CPU are those of the worst. What stands `now` is not counted of lost ones.
        """
        members = self.desk.members.values()
        return Counts.over((member.counts, member.lost) for member in members)

    def oldest(self) -> str:
        """Describe the command, of all that send, that has been pending for the longest."""
        oldest = self.total().oldest
        if oldest is None:
            return "none"
        age_s = (self.clock.now_ns() - oldest.sent_ns) / SECOND_NS
        names, command_id = list(self.plan.phases), self.command_id(*oldest[1:4])
        # Numbers of a worker's are no names until there is one of that number.
        phase = names[oldest.phase] if oldest.phase < len(names) else "other"
        return (
            f"{oldest.kind.label} {command_id} of phase {phase} over {oldest.channel.name.lower()}, "
            f"sent {age_s:.1f} s ago"
        )

    # -- phases ---------------------------------------------------------------------------------

    def _moved(self, state: State, phase: int) -> None:
        """Do what the machine's new state means; before, it was in `state` of `phase`."""
        name = list(self.plan.phases)[self.machine.phase]
        if self.machine.state is State.PAUSED:
            self.event("phase paused", name)
            if self._steps is not None:
                self._steps.spoil()
            self.desk.pause()
        elif state is State.PAUSED and self.machine.state is State.SENDING:
            self.event("phase resumed", name)
            self.machine.delay(self._lead_ns)
            self.desk.go_on(self._lead_ns)
        elif self.machine.state is State.SENDING and self.machine.phase == phase:
            self.event("phase goes on", name, "a lost worker's commands are to be sent again")
            self.desk.send()
        else:
            self._enter()

    def _enter(self, known: Mapping[int, Known] | None = None) -> None:
        state, number = self.machine.state, self.machine.phase
        name, phase = list(self.plan.phases.items())[number]
        if state is State.SENDING:
            if self._began_once:
                self._note_end(number - 1)
            total = self.total()
            self._before = total.sent + total.dropped
            self.event(PHASE_BEGAN, name)
            log.info("phase %s: %s at %s", name, _kinds(phase), phase.rates)
            self._began_once = True
            sizes = [
                sum(counts[kind] for kind in phase.sends)
                for counts in map(self.pool.shard_counts, range(self.pool.shard_count))
            ]
            began_ns = self.clock.now_ns() + self._lead_ns
            self.desk.begin(number, sizes, began_ns, known)
            self._steps = self._steps_of(name, phase)
            if self._steps is not None and not self._begin_step(self._steps, began_ns):
                # A master before had found all out.
                self.machine.step(began_ns, began_ns)
        elif state is State.SETTLING:
            self._settle()
            self.event(PHASE_SETTLES, name)
        elif state is State.ENDED:
            if self._began_once:
                self._note_end(number)
            self.desk.end()
            self.event(RUN_ENDED)

    def _steps_of(self, name: str, phase: Phase) -> Steps | None:
        """Return the steps of a phase that searches; those of a master before count."""
        if phase.profile != "search":
            return None
        before = read_steps(self.directory.steps)
        log = LineLog(self.directory.steps)
        return Steps(name, phase, self.plan.slos_of(name), self.plan.fitness, log, before)

    def _begin_step(self, steps: Steps, began_ns: int) -> bool:
        """Begin the next step of a search, if there is one, and tell whether there is."""
        rate_per_s = steps.next_per_s
        if rate_per_s is None:
            return False
        self.machine.step(self.clock.now_ns(), steps.begin(rate_per_s, began_ns))
        self.desk.step(rate_per_s, began_ns)
        name = list(self.plan.phases)[self.machine.phase]
        self.event("step began", name, f"{rate_per_s}/s")
        return True

    def _step(self) -> bool:
        """End the step of a search that is settled, and begin the next; tell whether that was done."""
        steps, now_ns = self._steps, self.clock.now_ns()
        if steps is None or not self.machine.may_step:
            return False
        progress = self._progress()
        if not self.machine.settled(now_ns, progress):
            return False
        name, phase = list(self.plan.phases.items())[self.machine.phase]
        if progress.exhausted:
            self.event("warning", name, f"the pool ran out while it searched: {steps.found}")
            return False
        ended = steps.end(now_ns, self.total(), self._seen, progress.pending)
        if ended is not None:
            told = f"too high: {ended.missed}" if ended.missed else "held"
            self.event("step ended", name, f"{ended.rate_per_s}/s {told}")
            log.info("phase %s: %d/s %s", name, ended.rate_per_s, told)
        time_up = (
            phase.duration_ns is not None and self.machine.sent_for_ns(now_ns) >= phase.duration_ns
        )
        return not time_up and self._begin_step(steps, now_ns + self._lead_ns)

    def _watch(self) -> None:
        """End the run when an SLO has been missed for as long as the plan bears."""
        missed = self.watch.look(self.clock.now_ns(), self._warm_phase, self.total(), self._seen)
        if missed is not None:
            self.event("aborted", self.phase_name, missed.title)
            self.stop(f"missed for {missed.abort_after_s:g} s: {missed.title}")

    def _spend(self) -> None:
        """End the run when its budget is spent."""
        if self._run_began_ns is not None:
            seconds = (self.clock.now_ns() - self._run_began_ns) / SECOND_NS
            moved = dict(zip(self.pool.config.currencies, self.desk.money, strict=False))
            spent = "; ".join(self.plan.budget.spent(self.total().sent, seconds, moved))
            if spent:
                self.stop(f"the budget is spent: {spent}")

    @property
    def _warm_phase(self) -> str:
        """The phase that is being sent, past its warm-up; empty where none is."""
        # A search goes on where an SLO is missed.
        name = "" if self._steps is not None else self.phase_name
        warm_ns = round(self.plan.phases[name].warm_up_s * SECOND_NS) if name else 0
        return name if self.machine.sent_for_ns(self.clock.now_ns()) >= warm_ns else ""

    def _seen(self, slo: Slo) -> Part:
        return self.figures.part(self.plan.watched.index(slo))

    @property
    def _lead_ns(self) -> int:
        return FLEET_LEAD_NS if self._fleet else LEAD_NS

    def _settle(self) -> None:
        self.desk.settle(finally_=self.machine.is_final(self.clock.now_ns()))

    def _note_end(self, number: int) -> None:
        name = list(self.plan.phases)[number]
        left = self.desk.book.awaited
        note = f"{left} commands were pending" if left else ""
        if self._steps is not None:
            note = "; ".join(filter(None, (self._steps.found, note)))
            self._steps = None
        if left and self.plan.phases[name].if_pending == "stop":
            note += ", so the run stops, as the plan asks"
        if left:
            log.warning(
                "phase %s ended with %d commands pending, oldest %s", name, left, self.oldest()
            )
        # By now every worker has said what it gave up when its sending ended.
        dropped = self.total().dropped
        self.event(PHASE_ENDED, name, note, dropped - self._dropped)
        self._dropped = dropped

    def _tell(self, event: str, note: str) -> None:
        if not self._fleet:
            return
        self.event(event, self.phase_name, note)
        (log.warning if event == "worker lost" else log.info)("%s: %s", event, note)


def _kinds(phase: Phase) -> str:
    return ", ".join(kind.label for kind in phase.sends)
