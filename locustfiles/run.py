"""A run: the plan's phases carried out, one command at a time per user."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import NamedTuple

import gevent
from gevent.event import Event

from e2e_data.commands import Channel
from e2e_data.drafts import Draft
from e2e_data.ids import Ids
from e2e_data.platform import Platform, Sending
from e2e_data.pool import Pool
from locustfiles.addressing import Addresser, Attempt
from locustfiles.arrivals import Arrival, Arrivals
from locustfiles.bindings import Bindings
from locustfiles.clock import RunClock
from locustfiles.completions import CompletionSource, Place
from locustfiles.hand import Card, Hand
from locustfiles.leases import LeaseBook
from locustfiles.pacing import SECOND_NS
from locustfiles.phases import PhaseMachine, PhaseTimes, Progress, State
from locustfiles.plans import Phase, Plan
from locustfiles.tracker import Tracker
from reports.grants import GrantLog
from reports.journal import Journal
from reports.lines import LineLog
from reports.rundir import RunDirectory
from reports.timeline import Event as TimelineEvent

log = logging.getLogger(__name__)

WORKER = "local"
"""The name of the one process that sends, in grants and journals."""

BLOCKED_AT_ONCE = 1000
"""So many blocked commands are recorded before others have their turn on the event loop."""

LOOK_S = 0.02
"""How often users look whether a replay may be sent, once there is nothing else to send."""

LEAD_NS = 20_000_000
"""From the decision to begin a phase to its first arrival, so that free users are there in time."""


class Turn(NamedTuple):
    """A command whose time has come, for one user to send now."""

    card: Card
    arrival: Arrival
    channel: Channel
    phase: int
    draft: Draft | None
    """Its request, where that is made already."""


@dataclass(slots=True)
class _Work:
    """What is left of the current phase."""

    number: int
    name: str
    arrivals: Arrivals
    over: Event = field(default_factory=Event)
    in_hand: int = 0
    """Commands that users hold while they wait for their time."""


class Run:
    """The state of one run in one process. `advance` is the shape's, `take` is the users'."""

    def __init__(
        self,
        plan: Plan,
        pool: Pool,
        platform: Platform,
        ids: Ids,
        directory: RunDirectory,
        clock: RunClock,
        users: int,
    ) -> None:
        self.plan = plan
        self.users = users
        self.directory = directory
        self.clock = clock
        self.platform = platform
        self.ids = ids
        self.pool = pool
        self.journal = Journal(directory.journal, WORKER)
        self.timeline = LineLog(directory.timeline)
        self.bindings = Bindings(directory.bindings / f"{WORKER}.jsonl")
        self.tracker = Tracker(self.journal, self.bindings, clock.now_ns)
        self._addresser = Addresser(platform, ids, self.bindings, clock)
        self.machine = PhaseMachine([_times(phase) for phase in plan.phases.values()])
        self._grants = GrantLog(directory.grants)
        self._book = LeaseBook(self._grants, clock.now_ns)
        self._hand = Hand(self._book, pool, ids, WORKER)
        self.completions: CompletionSource | None = None
        self._work: _Work | None = None
        self._began = Event()
        self._began_once = False
        self._finished_arrivals = [0, 0, 0]
        self._warned_overdue = False

    # -- the shape's side -----------------------------------------------------------------------

    def begin(self) -> None:
        """Begin the first phase: the users are there."""
        if self.machine.begin(self.clock.now_ns()):
            self.event("run began")
            self._enter()

    def stop(self, reason: str) -> None:
        """Ask for an orderly end: nothing further is sent, and what was sent is awaited."""
        if self.machine.state is not State.ENDED and not self.machine.stopping:
            self.event("stop asked", note=reason)
            self.machine.stop()

    def advance(self) -> State:
        """Move on through the phases as far as progress allows, and return where the run stands."""
        while self.machine.advance(self.clock.now_ns(), self._progress()):
            self._enter()
        return self.machine.state

    def close(self) -> None:
        """Close the journal in good order. Nothing may be sent or observed any more."""
        self._hand.lay_down()
        self.journal.flush()
        self.bindings.close()
        self._grants.write_closed(WORKER, self.journal.chunks)
        self._grants.close()

    def event(self, name: str, phase: str = "", note: str = "", dropped: int = 0) -> None:
        """Write down that something happened."""
        self.timeline.write(TimelineEvent(self.clock.now_ns(), name, phase, note, dropped))

    def _enter(self) -> None:
        """Do what entering the machine's state means."""
        state, number = self.machine.state, self.machine.phase
        name, phase = list(self.plan.phases.items())[number]
        if state is State.SENDING:
            if number > 0:
                self._note_end(number - 1)
            self.event("phase began", name)
            log.info("phase %s: %s at %s", name, _kinds(phase), phase.rates)
            self._began_once = True
            self._work = self._begin(number, name, phase)
            self._began.set()
        elif state is State.SETTLING:
            self.event("phase settles", name, dropped=self._leave())
        elif state is State.ENDED:
            if self._began_once:
                self._note_end(number)
            self.event("run ended")

    def _begin(self, number: int, name: str, phase: Phase) -> _Work:
        sizes = [
            sum(counts[kind] for kind in phase.sends)
            for counts in map(self.pool.shard_counts, range(self.pool.shard_count))
        ]
        self._book.open(number, sizes)
        self._hand.begin(phase.sends, max(float(piece.to_per_s) for piece in phase.rates.pieces))
        drop_after_ns = round(phase.drop_after_s * SECOND_NS) if phase.late == "drop" else None
        arrivals = Arrivals(
            phase.pace(self.plan.pool.seed, number),
            self.clock.now_ns() + LEAD_NS,
            duration_ns=_times(phase).duration_ns,
            drop_after_ns=drop_after_ns,
        )
        return _Work(number, name, arrivals)

    def _leave(self) -> int:
        """End the sending of the current phase, and return how many arrivals it dropped.

        Users that wait for their time come back empty.
        """
        work = self._work
        if work is None:
            return 0
        self._began.clear()
        self._work = None
        self._hand.lay_down()
        self.tracker.set_aside.clear()
        work.arrivals.give_up(self.clock.now_ns())
        for place, count in enumerate(self._arrival_counts(work)):
            self._finished_arrivals[place] += count
        work.over.set()
        return work.arrivals.dropped

    def _note_end(self, number: int) -> None:
        name = list(self.plan.phases)[number]
        left = len(self.tracker.pending)
        note = f"{left} commands were pending" if left else ""
        if left:
            log.warning(
                "phase %s ended with %d commands pending, oldest %s", name, left, self.oldest()
            )
        self.event("phase ended", name, note)

    def _progress(self) -> Progress:
        work = self._work
        return Progress(
            exhausted=work is not None and work.arrivals.ended and work.in_hand == 0,
            pending=len(self.tracker.pending),
            moved_ns=self.tracker.moved_ns,
        )

    # -- what is to be seen ---------------------------------------------------------------------

    @property
    def phase_name(self) -> str:
        """The phase that is being sent; empty between phases."""
        return self._work.name if self._work else ""

    def arrivals(self) -> tuple[int, int, int]:
        """Return the arrivals due, overdue and dropped until now, over all phases."""
        now = self._arrival_counts(self._work) if self._work else (0, 0, 0)
        due, overdue, dropped = (a + b for a, b in zip(self._finished_arrivals, now, strict=True))
        return due, overdue, dropped

    def oldest(self) -> str:
        """Describe the pending command that was sent first."""
        oldest = self.tracker.oldest()
        if oldest is None:
            return "none"
        (lap, shard, index), pending = oldest
        age_s = (self.clock.now_ns() - pending.sent_ns) / SECOND_NS
        command_id = self.ids.command_ids(lap, shard, [index])[0]
        return f"{pending.kind.label} {command_id}, sent {age_s:.1f} s ago"

    def _arrival_counts(self, work: _Work) -> tuple[int, int, int]:
        arrivals = work.arrivals
        return arrivals.due(self.clock.now_ns()), arrivals.overdue, arrivals.dropped

    # -- the users' side ------------------------------------------------------------------------

    def take(self, channel: Channel) -> Turn | None:
        """Wait for the next command and its time; None where the phase ended meanwhile."""
        self._began.wait()
        work = self._work
        if work is None:
            return None
        # Before a card is drawn: making its shard takes time, which is ours and not the platform's.
        free_ns = self.clock.now_ns()
        card = None if work.arrivals.ended else self._draw(work, channel)
        while card is None and self._await_replay(work):
            card = self._draw(work, channel)
        if card is None:
            work.arrivals.end()
            work.over.wait()
            return None
        arrival = work.arrivals.take(free_ns, not_before_ns=card.ready_ns)
        if arrival is None:
            return None
        # Made before the command's time, so that what is left to do then is little.
        draft = self._addresser.draft(card, work.number) if channel is Channel.HTTP else None
        if not self._warned_overdue and (work.arrivals.overdue or work.arrivals.dropped):
            self._warn_overdue(work)
        if arrival.intended_ns > free_ns and not self._await(work, arrival.intended_ns):
            return None
        return Turn(card, arrival, channel, work.number, draft)

    def _await(self, work: _Work, intended_ns: int) -> bool:
        """Wait for a command's time; False where the phase ended before."""
        work.in_hand += 1
        try:
            early_ns = intended_ns - self.clock.now_ns()
            if early_ns > 0 and work.over.wait(early_ns / SECOND_NS):
                return False
        finally:
            work.in_hand -= 1
        return self._work is work

    def sending(self, turn: Turn, *, again: bool = False) -> Sending:
        """Return an attempt at a turn's command as the platform's adapter takes it."""
        card, intended_ns = turn.card, turn.arrival.intended_ns
        attempt = Attempt(card.lap, card.attempt + again, turn.channel, turn.phase, intended_ns)
        return self._addresser.sending(card, attempt)

    def hold_back(self, seconds: float) -> None:
        """Have a user wait as the platform asked, unless the phase ends before.

        Arrivals go on being due meanwhile: what nobody else takes is overdue.
        """
        work = self._work
        if seconds > 0 and work is not None:
            self.tracker.tally.held_back += 1
            work.over.wait(seconds)

    def expect(self, place: Place, command_id: str) -> None:
        """Look for the outcome of a command that was sent."""
        assert self.completions is not None, "a run has its completion source before its users"
        self.completions.expect(place, command_id)

    def _draw(self, work: _Work, channel: Channel) -> Card | None:
        """Draw the next command that may be sent; those that may not are blocked, or wait."""
        aside = self.tracker.set_aside
        while (card := aside.take() or self._hand.draw()) is not None:
            why = self.bindings.blocked(card.account_key, card.kind)
            if why is None and card.original >= 0 and card.waits:
                if not aside.admits(card):
                    continue
                why = aside.blocked(card)
            if why is None:
                return card
            self.tracker.blocked(card, work.number, channel, why)
            if self.tracker.tally.blocked % BLOCKED_AT_ONCE == 0:
                # A whole phase may be blocked: heartbeats and the journal need their turn.
                gevent.sleep(0)
                if self._work is not work:
                    return None
        return None

    def _await_replay(self, work: _Work) -> bool:
        """Wait until a replay comes back, to be sent or blocked; False when none will."""
        aside = self.tracker.set_aside
        settle_ns = _times(self.plan.phases[work.name]).settle_ns
        while aside.waiting and not aside.back and not work.arrivals.ended:
            quiet_ns = self.clock.now_ns() - self.tracker.moved_ns
            if not work.in_hand and quiet_ns >= settle_ns:
                aside.give_up(self.clock.now_ns())
            elif work.over.wait(LOOK_S):
                return False
        return aside.back and self._work is work

    def _warn_overdue(self, work: _Work) -> None:
        self._warned_overdue = True
        what = (
            "arrivals are dropped, as the plan asks"
            if work.arrivals.dropped
            else "arrivals are overdue. They count against its response time"
        )
        note = (
            f"all {self.users} users are waiting for the platform: {what}. "
            "More users (-u) would keep the rate."
        )
        log.warning("phase %s: %s", work.name, note)
        self.event("warning", work.name, note)


def _times(phase: Phase) -> PhaseTimes:
    duration_s = phase.duration_s
    return PhaseTimes(
        duration_ns=None if duration_s is None else round(duration_s * SECOND_NS),
        settle_ns=round(phase.settle_s * SECOND_NS),
    )


def _kinds(phase: Phase) -> str:
    return ", ".join(kind.label for kind in phase.sends)
