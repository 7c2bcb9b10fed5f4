"""A run in one process that sends: the phases' commands in their time, one at a time per user.

The process does as its agent tells it: begins phases, sends or stops sending, and reports.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from gevent.event import Event

from e2e_data.commands import Channel
from e2e_data.ids import Ids
from e2e_data.platform import Platform, Sending
from e2e_data.pool import Pool
from locustfiles.addressing import Addresser, Attempt
from locustfiles.bindings import Bindings, Key, Stage
from locustfiles.card import Card
from locustfiles.clock import Clock
from locustfiles.completions import CompletionSource, Place
from locustfiles.counting import Counting
from locustfiles.dealer import Dealer
from locustfiles.fleet.agent import Agent
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.ends import End
from locustfiles.fleet.holder import Held
from locustfiles.fleet.messages import Ask, Bound, Slice
from locustfiles.fleet.parts import Parts
from locustfiles.hand import HELD_MAX, LAP, Hand
from locustfiles.leases import WATCH
from locustfiles.lines import Line
from locustfiles.pacing import SECOND_NS
from locustfiles.plans import Plan
from locustfiles.replays import Ending
from locustfiles.roster import Roster
from locustfiles.spending import Spending
from locustfiles.tracker import Pending, Tracker
from locustfiles.vigil import Vigil
from locustfiles.work import Lane, Service, Turn, Work, lanes_of
from reports.journal import Journal
from reports.rundir import RunDirectory

log = logging.getLogger(__name__)

AHEAD_NS = 2 * SECOND_NS
"""A worker asks for what it will take so long to send: several answers may be lost meanwhile."""
ALONE_AHEAD_NS = SECOND_NS
"""One process alone has its answers at once; so much is made together."""


class Run:
    """The state of one run in one process that sends. `take` is the users'."""

    lag_ns = 0
    cpu_percent = 0.0
    memory_kb = 0
    _rate_per_s = 0
    """Of the step of a search; 0 where the plan says what the rate is."""
    _left_ns = 0
    """How long the phase had been on when its sending ended, or was paused."""
    leaving = False

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
        self.service, self.plan, self.users = service, plan, users
        self.directory, self.clock = directory, clock
        self.platform, self.ids, self.pool = platform, ids, pool
        self.counting = Counting(
            service,
            pool,
            Parts(plan.watched, tuple(plan.phases), pool, clock.now_ns),
            Vigil.of(platform, pool, ids, clock.epoch_utc_ns, sends_all=service.sends_all),
        )
        self.journal = Journal(directory.journal, service.worker, self.counting.take)
        self.bindings = Bindings(
            directory.bindings / f"{service.worker}.jsonl",
            *([self._say] if service.shared else []),
        )
        self.tracker = Tracker(self.journal, self.bindings, clock.now_ns, self._say_ended)
        self.addresser = Addresser(platform, ids, self.bindings, clock)
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
        self.roster = Roster(self.wake)
        """Which user serves which channel."""
        self.hand = Hand(self.agent.holder, pool, ids, self._hungry)
        state = (clock.now_ns, self.hand, self.agent.holder, self.bindings, self.tracker)
        self.dealer = Dealer(*state, self.addresser, self.roster)
        self.spending = Spending(len(pool.config.currencies), asked=bool(plan.budget.moved))
        self.take = self.spending.counting(self.dealer.take)
        self.at_once = self.spending.counting(self.dealer.at_once)
        self.deliver: Callable[[Ask], None] = lambda _: None
        """Brings an ask to the master; the answer comes to `agent.follow`, at once or later."""
        self.completions: CompletionSource | None = None
        self.lines: dict[Channel, Line] = {}
        """How commands leave, by channel."""
        self.hungry = Event()
        """Set when the next ask should not wait."""
        self.users_now: Callable[[], int] = lambda: users
        self._sending = self._asked_idle = False
        self._finished_arrivals = [0, 0, 0]
        if service.shared:
            self.let_watch()

    def let_watch(self) -> None:
        """Count what happens from now on: somebody looks, as a fleet's master always may."""
        self.counting.begin(self.tracker)

    # -- the agent's side -----------------------------------------------------------------------

    def begin(self, phase: int, began_ns: int) -> None:
        """Begin a phase; its first arrival is due `began_ns`."""
        self._leave()
        self._rate_per_s = 0
        name, planned = list(self.plan.phases.items())[phase]
        mix = self.plan.mix(planned)
        by_account = self.plan.channels_by == "account"
        self.hand.begin(planned.sends, mix, planned.kind_weights, by_account=by_account)
        self.tracker.set_aside.clear()
        self.dealer.work = Work(phase, name, planned.settle_ns, self._lanes(phase, began_ns))
        self.roster.follow(mix)

    def move(self, began_ns: int) -> None:
        """Take the phase as having begun `began_ns`, since it was paused: what was due before is over."""
        self._leave()
        work = self.dealer.work
        if work is not None:
            lanes = self._lanes(work.number, began_ns, self._left_ns)
            self.dealer.work = replace(work, lanes=lanes, over=Event())

    def step(self, began_ns: int, rate_per_s: int) -> None:
        """Begin a step of a search, at a rate of its own; its first arrival is due `began_ns`."""
        self._leave()
        self._rate_per_s = rate_per_s
        work = self.dealer.work
        if work is not None:
            lanes = self._lanes(work.number, began_ns)
            self.dealer.work = replace(work, lanes=lanes, over=Event())

    def go_on(self, *, sending: bool) -> None:
        """Send in the current phase, or send no more and wait for what was sent."""
        if not sending:
            self._leave()
            return
        work = self.dealer.work
        if work is not None and work.over.is_set():
            # The phase goes on: somebody's commands are to be sent again.
            work = self.dealer.work = replace(
                work, lanes=self._lanes(work.number, work.began_ns), over=Event()
            )
            for lane in work.lanes.values():
                lane.arrivals.skip(self.clock.now_ns())
        self._sending = True
        self.hand.prepare()
        self.dealer.open.set()

    def extend(self, slices: Sequence[Slice]) -> None:
        """Take in which arrivals are this process's."""
        if self.dealer.work is not None and self.service.shared:
            for lane in self.dealer.work.lanes.values():
                lane.arrivals.extend(slices)
            self.dealer.work.wake()

    def learn(self, bound: Sequence[Bound]) -> None:
        """Take in what others saw of accounts, and of commands that replays wait for."""
        for shard, number, stage, account_id in bound:
            if number < self.pool.shard_counts(shard).account:
                self.bindings.learn((LAP, shard, number), stage, account_id)
            else:
                self.tracker.set_aside.ended(
                    (LAP, shard, number), self.clock.now_ns(), complete=stage == Ending.COMPLETE
                )

    def over(self, ends: Sequence[End]) -> None:
        """Take in that others saw the outcome of commands; it is written down."""
        for shard, index, outcome in ends:
            self.tracker.over((LAP, shard, index), outcome)

    def say_over(self, place: Place, outcome: int) -> None:
        """Let whoever sent a command know which outcome was seen here."""
        if self.service.shared:
            self.agent.say_over((*place[1:], outcome))

    def watch(self, lease: Held, position: int) -> None:
        """Look for the outcome of a command that another worker may have sent."""
        assert self.dealer.work is not None, "a lease belongs to a phase"
        card = self.hand.card(lease, position, WATCH)
        self.tracker.watch(card, self.dealer.work.number)
        self.expect(card.place, card.command_id)

    def ask(self) -> None:
        """Tell the master how everything stands here, and ask for what is wanted."""
        self.hungry.clear()
        self.tracker.set_aside.let_go()
        counts = self.counts()
        idle = self._asked_idle = self._idle
        if idle and self.dealer.work is not None:
            for lane in self.dealer.work.lanes.values():
                lane.lay_down()
        how = {"stopped": self.stopped, "idle": idle, "leaving": self.leaving}
        self.deliver(self.agent.ask(counts, **how, money=self.spending.minor))

    def look_ahead(self) -> None:
        """Make ready what will be needed soon; called about once a second while commands are sent."""
        if self._sending and not self.service.shared:
            self.hand.stock_next()

    def heard(self) -> None:
        """Make ready what an answer brought, and let users look if there is anything to draw."""
        if self._sending:
            self.hand.prepare()
        if self.hand.ready:
            self.wake()

    def wake(self) -> None:
        """Let the users look again that found nothing to send."""
        if self.dealer.work is not None:
            self.dealer.work.wake()

    @property
    def stopped(self) -> bool:
        """Whether nothing more is sent until the master says that the phase goes on."""
        return not self._sending and not (self.dealer.work and self.dealer.work.in_hand)

    @property
    def settling(self) -> bool:
        """Whether a phase may wait for nothing but that what came of its commands is written down."""
        work, alone = self.dealer.work, not self.service.shared
        dry = work is not None and all(lane.dry for lane in work.lanes.values())
        return (self.stopped or (alone and dry)) and bool(
            self.tracker.pending or self.tracker.has_ended
        )

    def release_ended(self, cards: Sequence[Card]) -> None:
        """Let go of commands whose end the journal has."""
        for card in cards:
            card.done()
        holder = self.agent.holder
        if cards and holder.empty and not any(lease.out for lease in holder.leases):
            # The phase may wait for this word alone.
            self.hungry.set()

    def close(self) -> None:
        """Close the journal in good order. Nothing may be sent or observed any more."""
        self._leave()
        self.journal.flush()
        self.bindings.close()

    def _hungry(self) -> None:
        if self.service.shared and self.agent.in_vain and self._idle == self._asked_idle:
            return
        self.hungry.set()
        if not self.service.shared:
            self.ask()

    @property
    def _idle(self) -> bool:
        """Whether nobody is to send here: with fewer users than channels, some commands would lie about."""
        return self.service.shared and self.users_now() < self.roster.least

    def _say(self, key: Key, stage: Stage, account_id: str) -> None:
        _, shard, account = key
        self.agent.say((shard, account, int(stage), account_id))

    def _say_ended(self, place: Place, complete: bool) -> None:  # noqa: FBT001 - a callback's
        if self.service.shared:
            self.agent.say((*place[1:], int(Ending.of(complete=complete)), ""))
        self.wake()

    def _lanes(self, number: int, began_ns: int, since_ns: int = 0) -> dict[Channel, Lane]:
        step = began_ns, since_ns, self._rate_per_s
        return lanes_of(self.plan, number, *step, shared=self.service.shared)

    def _leave(self) -> None:
        """End the sending of the current phase; users that wait for their time come back empty."""
        self.dealer.open.clear()
        work = self.dealer.work
        if work is None or not self._sending:
            return
        self._sending = False
        self.tracker.set_aside.lay_down()
        now_ns = self.clock.now_ns()
        self._left_ns = now_ns - work.began_ns
        work.end(now_ns)
        for place, count in enumerate(work.counts(now_ns)):
            self._finished_arrivals[place] += count

    # -- what is to be seen ---------------------------------------------------------------------

    def counts(self) -> Counts:
        """Return how this process stands."""
        tally = self.tracker.tally
        due, overdue, dropped = self.arrivals()
        held = self.dealer.work.in_hand if self.dealer.work else 0
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
            in_hand_now=held + len(self.tracker.set_aside) + tally.retrying,
            users_now=self.users_now(),
            waiting_now=tally.waiting,
            retried=tally.retried,
            held_back=tally.held_back,
            moved_ns=max(self.tracker.moved_ns, 0),
            lag_us=max(self.lag_ns, 0) // 1000,
            cpu_permille=round(max(self.cpu_percent, 0) * 10),
            memory_kb=self.memory_kb,
            oldest=self.tracker.oldest(),
        )

    @property
    def phase_name(self) -> str:
        """The phase that is being sent; empty between phases."""
        return self.dealer.work.name if self.dealer.work and self._sending else ""

    def arrivals(self) -> tuple[int, int, int]:
        """Return the arrivals due, overdue and dropped until now, over all phases."""
        work = self.dealer.work
        now = work.counts(self.clock.now_ns()) if work and self._sending else (0, 0, 0)
        due, overdue, dropped = (a + b for a, b in zip(self._finished_arrivals, now, strict=True))
        return due, overdue, dropped

    # -- the users' side ------------------------------------------------------------------------

    def sending(self, turn: Turn, again: int = 0) -> Sending:
        """Return an attempt at a turn's command as the platform's adapter takes it."""
        return self._addressed(turn, turn.card.numbered(again))

    def named(self, turn: Turn, number: int) -> dict[str, str]:
        """Return what the log says of the attempt of that number at a turn's command (logs.EXTRAS)."""
        sending = self._addressed(turn, number)
        return {"command_id": sending.command_id, "correlation_id": sending.correlation_id}

    def _addressed(self, turn: Turn, number: int) -> Sending:
        card, intended_ns = turn.card, turn.arrival.intended_ns
        attempt = Attempt(card.lap, number, turn.channel, turn.phase, intended_ns)
        return self.addresser.sending(card, attempt)

    def hold_back(self, seconds: float) -> None:
        """Have a user wait as the platform asked, unless the phase ends before.

        Arrivals go on being due meanwhile: what nobody else takes is overdue.
        """
        work = self.dealer.work
        if seconds > 0 and work is not None:
            self.tracker.tally.held_back += 1
            work.over.wait(seconds)

    def expect_all(self, several: Sequence[Pending]) -> None:
        """Look for the outcomes of commands that were sent, where they are still to come."""
        assert self.completions is not None, "a run has its completion source before its users"
        pending, expect = self.tracker.pending, self.completions.expect
        for sent in several:
            card = sent.card
            if card.place in pending:
                expect(card.place, card.command_id)

    def expect(self, place: Place, command_id: str) -> None:
        """Look for the outcome of a command that was sent."""
        assert self.completions is not None, "a run has its completion source before its users"
        self.completions.expect(place, command_id)
