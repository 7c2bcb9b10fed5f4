"""A run in one process that sends: the phases' commands in their time, one at a time per user.

The process does as its agent tells it: begins phases, sends or stops sending, and reports.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

import gevent
from gevent.event import Event

from e2e_data.commands import Channel
from e2e_data.ids import Ids
from e2e_data.platform import Platform, Sending
from e2e_data.pool import Pool
from locustfiles.addressing import Addresser, Attempt
from locustfiles.arrivals import Arrival, Arrivals
from locustfiles.bindings import Bindings, Key, Stage
from locustfiles.clock import Clock
from locustfiles.completions import CompletionSource, Place
from locustfiles.fleet.agent import Agent
from locustfiles.fleet.figures import Figures
from locustfiles.fleet.holder import Held
from locustfiles.fleet.messages import Ask, Bound, Counts, Slice
from locustfiles.hand import HELD_MAX, LAP, Card, Hand
from locustfiles.leases import WATCH
from locustfiles.pacing import SECOND_NS
from locustfiles.plans import Plan
from locustfiles.replays import Ending
from locustfiles.tracker import Tracker
from locustfiles.work import Service, Turn, Work
from reports.journal import Journal
from reports.rundir import RunDirectory

log = logging.getLogger(__name__)

BLOCKED_AT_ONCE = 1000
"""So many blocked commands are recorded before others have their turn on the event loop."""

AHEAD_NS = 2 * SECOND_NS
"""A worker asks for what it will take so long to send: several answers may be lost meanwhile."""
ALONE_AHEAD_NS = SECOND_NS // 4
"""One process alone has its answers at once; so much is made together."""


class Run:
    """The state of one run in one process that sends. `take` is the users'."""

    def __init__(
        self,
        plan: Plan,
        pool: Pool,
        platform: Platform,
        ids: Ids,
        directory: RunDirectory,
        clock: Clock,
        users: int,
        service: Service,
        raw_now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.plan = plan
        self.users = users
        self.directory = directory
        self.clock = clock
        self.platform = platform
        self.ids = ids
        self.pool = pool
        self.service = service
        self.journal = Journal(directory.journal, service.worker)
        self.bindings = Bindings(
            directory.bindings / f"{service.worker}.jsonl",
            *([self._say] if service.shared else []),
        )
        self.tracker = Tracker(self.journal, self.bindings, clock.now_ns, self._say_ended)
        self._addresser = Addresser(platform, ids, self.bindings, clock)
        self.agent = Agent(
            service.run,
            service.term,
            service.worker,
            self,
            raw_now_ns,
            lease_ns=service.lease_ns,
            room=HELD_MAX,
            ahead_ns=AHEAD_NS if service.shared else ALONE_AHEAD_NS,
        )
        self.figures = Figures()
        self.hand = Hand(self.agent.holder, pool, ids, self._hungry)
        self.deliver: Callable[[Ask], None] = lambda _: None
        """Brings an ask to the master; the answer comes to `agent.follow`, at once or later."""
        self.warned: Callable[[str, str], None] = lambda _phase, _note: None
        self.completions: CompletionSource | None = None
        self.hungry = Event()
        """Set when the next ask should not wait."""
        self.users_now: Callable[[], int] = lambda: users
        self.lag_ns = 0
        self.cpu_percent = 0.0
        self.leaving = False
        self._work: Work | None = None
        self._sending = False
        self._began = Event()
        self._finished_arrivals = [0, 0, 0]
        self._warned_overdue = False

    # -- the agent's side -----------------------------------------------------------------------

    def begin(self, phase: int, began_ns: int) -> None:
        """Begin a phase; its first arrival is due `began_ns`."""
        self._leave()
        name, planned = list(self.plan.phases.items())[phase]
        self.hand.begin(planned.sends)
        self.tracker.set_aside.clear()
        self._work = Work(phase, name, self._arrivals(phase, began_ns))

    def go_on(self, *, sending: bool) -> None:
        """Send in the current phase, or send no more and wait for what was sent."""
        if not sending:
            self._leave()
            return
        work = self._work
        if work is not None and work.over.is_set():
            # The phase goes on: somebody's commands are to be sent again.
            began_ns = work.arrivals.began_ns
            work = self._work = Work(work.number, work.name, self._arrivals(work.number, began_ns))
            work.arrivals.skip(self.clock.now_ns())
        self._sending = True
        self.hand.prepare()
        self._began.set()

    def extend(self, slices: Sequence[Slice]) -> None:
        """Take in which arrivals are this process's."""
        if self._work is not None and self.service.shared:
            self._work.arrivals.extend(slices)
            self._work.news.set()

    def learn(self, bound: Sequence[Bound]) -> None:
        """Take in what others saw of accounts, and of commands that replays wait for."""
        for shard, number, stage, account_id in bound:
            if number < self.pool.shard_counts(shard).account:
                self.bindings.learn((LAP, shard, number), stage, account_id)
            else:
                self.tracker.set_aside.ended(
                    (LAP, shard, number), self.clock.now_ns(), complete=stage == Ending.COMPLETE
                )

    def watch(self, lease: Held, position: int) -> None:
        """Look for the outcome of a command that another worker may have sent."""
        assert self._work is not None, "a lease belongs to a phase"
        card = self.hand.card(lease, position, WATCH)
        self.tracker.watch(card, self._work.number, Channel.HTTP)
        self.expect(card.place, card.command_id)

    def ask(self) -> None:
        """Tell the master how everything stands here, and ask for what is wanted."""
        self.hungry.clear()
        self.tracker.set_aside.let_go()
        if not self.service.shared:
            self.release_ended(self.tracker.take_ended())
        counts = self.counts()
        idle = self.service.shared and not counts.users_now
        self.deliver(self.agent.ask(counts, stopped=self.stopped, idle=idle, leaving=self.leaving))

    def heard(self) -> None:
        """Make ready what an answer brought, and let users look if there is anything to draw."""
        if self._sending:
            self.hand.prepare()
        if self.hand.ready:
            self.wake()

    def wake(self) -> None:
        """Let the users look again that found nothing to send."""
        if self._work is not None:
            self._work.news.set()

    @property
    def stopped(self) -> bool:
        """Whether nothing more is sent until the master says that the phase goes on."""
        return not self._sending and not (self._work and self._work.in_hand)

    def release_ended(self, cards: Sequence[Card]) -> None:
        """Let go of commands whose end the journal has."""
        for card in cards:
            card.done()

    def close(self) -> None:
        """Close the journal in good order. Nothing may be sent or observed any more."""
        self._leave()
        self.journal.flush()
        self.bindings.close()

    def _hungry(self) -> None:
        self.hungry.set()
        if not self.service.shared:
            self.ask()

    def _say(self, key: Key, stage: Stage, account_id: str) -> None:
        _, shard, account = key
        self.agent.say((shard, account, int(stage), account_id))

    def _say_ended(self, place: Place, complete: bool) -> None:  # noqa: FBT001 - a callback's
        if self.service.shared:
            self.agent.say((*place[1:], int(Ending.of(complete=complete)), ""))
        self.wake()

    def _arrivals(self, number: int, began_ns: int) -> Arrivals:
        phase = list(self.plan.phases.values())[number]
        return Arrivals(
            phase.pace(self.plan.pool.seed, number),
            began_ns,
            duration_ns=phase.duration_ns,
            drop_after_ns=phase.drop_after_ns,
            shared=self.service.shared,
        )

    def _leave(self) -> None:
        """End the sending of the current phase; users that wait for their time come back empty."""
        self._began.clear()
        work = self._work
        if work is None or not self._sending:
            return
        self._sending = False
        self.tracker.set_aside.lay_down()
        now_ns = self.clock.now_ns()
        work.end(now_ns)
        for place, count in enumerate(work.counts(now_ns)):
            self._finished_arrivals[place] += count

    # -- what is to be seen ---------------------------------------------------------------------

    def counts(self) -> Counts:
        """Return how this process stands."""
        tally = self.tracker.tally
        due, overdue, dropped = self.arrivals()
        return Counts(
            due=due,
            sent=tally.sent,
            acknowledged=tally.acknowledged,
            completed=tally.completed,
            unanswered=tally.unanswered,
            blocked=tally.blocked,
            overdue=overdue,
            dropped=dropped,
            pending_now=len(self.tracker.pending),
            in_hand_now=(self._work.in_hand if self._work else 0) + len(self.tracker.set_aside),
            users_now=self.users_now(),
            waiting_now=tally.waiting,
            retried=tally.retried,
            held_back=tally.held_back,
            moved_ns=max(self.tracker.moved_ns, 0),
            lag_us=max(self.lag_ns, 0) // 1000,
            cpu_permille=round(max(self.cpu_percent, 0) * 10),
        )

    @property
    def phase_name(self) -> str:
        """The phase that is being sent; empty between phases."""
        return self._work.name if self._work and self._sending else ""

    def arrivals(self) -> tuple[int, int, int]:
        """Return the arrivals due, overdue and dropped until now, over all phases."""
        work, now = self._work, (0, 0, 0)
        if work is not None and self._sending:
            now = work.counts(self.clock.now_ns())
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

    # -- the users' side ------------------------------------------------------------------------

    def take(self, channel: Channel) -> Turn | None:
        """Wait for the next command and its time; None where the phase ended meanwhile."""
        self._began.wait()
        work = self._work
        if work is None or work.over.is_set():
            return None
        # Before a card is drawn: making it takes time, which is ours and not the platform's.
        free_ns = self.clock.now_ns()
        card = self._draw(work, channel)
        if card is None:
            work.over.wait()
            return None
        work.in_hand += 1
        turn = None
        try:
            turn = self._turn(work, card, channel, free_ns)
        finally:
            work.in_hand -= 1
            if turn is None:
                card.put_back()
        return turn

    def _turn(self, work: Work, card: Card, channel: Channel, free_ns: int) -> Turn | None:
        """Wait for the time of a card; None where it may not be sent any more."""
        arrival = self._arrival(work, free_ns, card.ready_ns)
        if arrival is None:
            work.over.wait()
            return None
        # Made before the command's time, so that what is left to do then is little.
        draft = self._addresser.draft(card, work.number) if channel is Channel.HTTP else None
        self._warn_overdue(work)
        if arrival.intended_ns > free_ns:
            early_ns = arrival.intended_ns - self.clock.now_ns()
            if early_ns > 0:
                work.over.wait(early_ns / SECOND_NS)
        if work.over.is_set() or self._work is not work:
            return None
        if card.lease is not None and not self.agent.holder.may_send(card.lease):
            return None
        return Turn(card, arrival, channel, work.number, draft)

    def sending(self, turn: Turn, *, again: bool = False) -> Sending:
        """Return an attempt at a turn's command as the platform's adapter takes it."""
        card, number = turn.card, turn.card.numbered(again=again)
        attempt = Attempt(card.lap, number, turn.channel, turn.phase, turn.arrival.intended_ns)
        return self._addresser.sending(card, attempt)

    def measure(self, turn: Turn, at_ns: int) -> None:
        """Count the response time of a command that was answered `at_ns`, for the master to add up."""
        if self.service.shared:
            self.figures.add(turn.phase, turn.card.kind, at_ns - turn.arrival.intended_ns)

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

    def _arrival(self, work: Work, free_ns: int, ready_ns: int) -> Arrival | None:
        """Wait until it is known which arrival is the next; None where there is none."""
        while not work.over.is_set():
            arrival = work.arrivals.take(free_ns, not_before_ns=ready_ns)
            if arrival is not None or work.arrivals.ended:
                return arrival
            work.wait_for_news()
        return None

    def _draw(self, work: Work, channel: Channel) -> Card | None:
        """Wait for a command that may be sent; those that may not are blocked, or wait."""
        aside = self.tracker.set_aside
        while not work.over.is_set() and self._work is work and not work.arrivals.ended:
            card = aside.take() or self.hand.draw()
            if card is None:
                work.dry = not self.hand.waiting
                if not self._gave_up(work):
                    work.wait_for_news()
                continue
            work.wet(self.clock.now_ns())
            why = self.bindings.blocked(card.account_key, card.kind)
            if why is None and card.original >= 0 and card.waits:
                if not aside.admits(card):
                    work.aside_ns = self.clock.now_ns()
                    continue
                why = aside.blocked(card)
            if why is None:
                return card
            self.tracker.blocked(card, work.number, channel, why)
            if self.tracker.tally.blocked % BLOCKED_AT_ONCE == 0:
                # A whole phase may be blocked: heartbeats and the journal need their turn.
                gevent.sleep(0)
        return None

    def _gave_up(self, work: Work) -> bool:
        """Have the replays come back that wait in vain: nothing else is left, and nothing moves."""
        aside = self.tracker.set_aside
        quiet_ns = self.clock.now_ns() - max(self.tracker.moved_ns, work.aside_ns)
        settle_ns = self.plan.phases[work.name].settle_ns
        if not (work.dry and aside.waiting) or work.in_hand or quiet_ns < settle_ns:
            return False
        aside.give_up(self.clock.now_ns())
        return True

    def _warn_overdue(self, work: Work) -> None:
        if self._warned_overdue:
            return
        note = work.overdue_note(self.users)
        if note:
            self._warned_overdue = True
            log.warning("phase %s: %s", work.name, note)
            self.warned(work.name, note)
