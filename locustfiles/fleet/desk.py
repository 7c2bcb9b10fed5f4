"""The master's desk: every ask gets an answer that says how everything stands for its worker.

an ask that is            does                                      answer
of another run or master  nothing                                   it is over
newer than the last       the book takes it in; the worker lives    new
the last once more        nothing                                   the same
older than the last       nothing                                   none

a worker                  is asked for `lease_ns` of nothing        asks again
alive                     lost: its leases end                      alive
lost                      (nothing)                                 alive, without any lease
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from locustfiles.fleet.accounts import AccountBook
from locustfiles.fleet.calls import Calls
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.ends import Router
from locustfiles.fleet.messages import Answer, Ask, Bound, LeaseGiven
from locustfiles.fleet.shares import Shares
from locustfiles.leases import Known, Lease, LeaseBook
from locustfiles.phases import Progress

SECOND_NS = 1_000_000_000
ASK_NS = SECOND_NS // 2
"""How often a worker asks, at the least."""
ASK_EACH_NS = 4_000_000
"""So long for each worker of the fleet: the master has a budget of 250 asks a second."""
QUIET_ASKS = 3
"""Whoever was not heard of for so many asks gets no arrivals of the time ahead."""
FIRST_POSITIONS = 64
"""Granted with a new lease."""
BOUND_MAX = 2000
"""About so many accounts are described in one answer."""


@dataclass(slots=True)
class Member:
    """A worker as the master knows it."""

    name: str
    heard_ns: int
    number: int = 0
    answer: Answer | None = None
    turn: int = -1
    stopped: bool = True
    counts: Counts = field(default_factory=Counts)
    money: tuple[int, ...] = ()
    error_ns: int = 0
    bound: int = 0
    """So many of its words on accounts have come in."""
    lost: bool = False
    """It is no longer there: given up, or gone in good order."""
    closed: bool = False
    """It is gone in good order."""
    room: int = 0
    """How many leases it can hold; 0 while it has no users, and when it leaves."""
    left: int = 0
    """Commands that it could send by what it holds: kept, since all are asked for at each decision."""


@dataclass(slots=True)
class _Loss:
    """A worker that was lost, and its shards that nobody has taken over yet."""

    worker: str
    heard_ns: int
    held: int
    shards: set[int]


class Desk:
    """What the fleet does, and who is in it. Pure: the clock and the grant log are given."""

    def __init__(
        self,
        run: str,
        term: int,
        book: LeaseBook,
        now_ns: Callable[[], int],
        *,
        lease_ns: int,
        first_positions: int = FIRST_POSITIONS,
        accounts: AccountBook | None = None,
        tell: Callable[[str, str], None] = lambda _event, _note: None,
    ) -> None:
        """Serve a run as its master number `term`; `tell` gets (event, note) of workers' fates."""
        self.run = run
        self.term = term
        self.book = book
        self.accounts = accounts or AccountBook()
        self.ends = Router()
        self.calls = Calls(book)
        self.members: dict[str, Member] = {}
        self._living: set[str] = set()
        self._losses: list[_Loss] = []
        self._able: set[str] = set()
        """The living that have room for leases: kept, since every ask needs to know how many."""
        self._now_ns = now_ns
        self._lease_ns = lease_ns
        self._first_positions = first_positions
        self._tell = tell
        self._turn = 0
        self._phase = -1
        self._sending = False
        self.over = False
        """Whether the run has ended: workers shall leave it."""
        self._began_ns = 0
        self._paused_ns = 0
        self._step = self._rate_per_s = 0
        self._shares = Shares()
        self._decided_ns = 0

    # -- what shall be done ---------------------------------------------------------------------

    def begin(
        self,
        phase: int,
        sizes: Sequence[int],
        began_ns: int,
        known: Mapping[int, Known] | None = None,
    ) -> None:
        """Begin a phase whose first arrival is due `began_ns`; the rest is as for `LeaseBook.open`."""
        self.book.open(phase, sizes, known)
        self._phase, self._began_ns = phase, began_ns
        self._step = self._rate_per_s = 0
        self._shares = Shares()
        self.ends.begin()
        self._losses = []
        for member in self.members.values():
            member.left = 0
        self.send()

    def send(self) -> None:
        """Let the phase send: it begins, or a lost worker's commands are to be sent again."""
        self._turn += 1
        self._sending = True
        self.book.allow(sending=True, watching=False)

    def step(self, rate_per_s: int, began_ns: int) -> None:
        """Begin another step of the phase, at a rate of its own; its first arrival is due `began_ns`."""
        self._step += 1
        self._rate_per_s, self._began_ns = rate_per_s, began_ns
        self._shares = Shares()
        self.send()

    def pause(self) -> None:
        """Send nothing for a while."""
        self._paused_ns = self._now_ns()
        self.settle(finally_=False)

    def go_on(self, lead_ns: int) -> None:
        """Send again, `lead_ns` from now, what was due next when it was paused."""
        self._began_ns += self._now_ns() - self._paused_ns + lead_ns
        self.send()

    def settle(self, *, finally_: bool) -> None:
        """Send no more, and wait; `finally_` when whatever is in doubt will not be sent again."""
        if self._sending:
            self._turn += 1
        self._sending = False
        self.book.allow(sending=False, watching=finally_)

    def end(self) -> None:
        """Let all workers leave the run."""
        self.over = True
        self.settle(finally_=False)

    # -- asks and answers -----------------------------------------------------------------------

    def receive(self, ask: Ask) -> Answer | None:
        """Take in an ask and return its answer; None where it is too old to have one.

        What the grant log cannot write raises its error, and nothing was granted then.
        """
        if (ask.run, ask.term) != (self.run, self.term):
            return self._answer(ask, (), over=True)
        member = self._member(ask.worker)
        if ask.number <= member.number:
            return member.answer if ask.number == member.number else None
        self._living.add(ask.worker)
        (self._able.add if ask.room else self._able.discard)(ask.worker)
        if member.lost:
            member.lost = member.closed = False
            self._tell("worker back", f"{ask.worker}: asks again, without its leases")
        member.number, member.heard_ns = ask.number, self._now_ns()
        member.turn, member.stopped = ask.turn, ask.stopped
        member.counts, member.money = ask.counts, ask.money
        member.error_ns, member.room = ask.error_ns, ask.room
        self._learn(member, ask)
        self.ends.take(ask.worker, ask.ends_first, ask.ends)
        self.ends.outbox(ask.worker).heard(ask.heard)
        self._serve(ask)
        member.left = ask.counts.in_hand_now + sum(
            self.book.left_of(lease) for lease in self.book.leases_of(ask.worker).values()
        )
        self.calls.answered(ask.worker, empty_handed=bool(ask.room) and not member.left)
        self._tell_replaced()
        self._decide()
        member.answer = self._answer(ask, self._given(ask), over=self.over)
        return member.answer

    def _member(self, name: str) -> Member:
        if name not in self.members:
            self.members[name] = Member(name, self._now_ns())
            self._living.add(name)
            self._tell("worker joined", name)
        return self.members[name]

    def _learn(self, member: Member, ask: Ask) -> None:
        """Take in what is said of accounts and leases; what is done counts only with its accounts."""
        ahead = member.bound - ask.bound_first
        whole = ahead >= 0 and not ask.partial
        if ahead >= 0:
            self.accounts.learn(ask.worker, ask.bound[ahead:])
            member.bound = max(member.bound, ask.bound_first + len(ask.bound))
        if not whole:
            return
        mine = self.book.leases_of(ask.worker)
        for word in ask.leases:
            lease = mine.get(word.epoch)
            if lease is not None:
                self.book.report(lease, word.known, word.unsent, word.out)
                if word.returned and not lease.custody:
                    self.book.give_back(lease)

    def _serve(self, ask: Ask) -> None:
        """Extend what the worker holds, and lease it more, up to a fair share."""
        if self.over or not ask.room:
            return
        held = self.book.held(ask.worker)
        fair = -(-self.book.active // max(len(self._able), 1))
        wants = {word.epoch: word.wants for word in ask.leases if not word.returned}
        mine = self.book.leases_of(ask.worker).values()
        unheard = [one for one in mine if one.epoch not in wants and not one.custody]
        wants |= {lease.epoch: self._first_positions for lease in unheard}
        described = sum(len(self._news(ask.worker, lease)) for lease in unheard)
        while held < min(ask.room, fair) and described < BOUND_MAX:
            offered = self.book.offer(ask.worker, 1)
            if not offered:
                break
            held += 1
            described += len(self._news(ask.worker, offered[0]))
            wants[offered[0].epoch] = self._first_positions
        if held < min(ask.room, fair) and described < BOUND_MAX:
            self.book.recall(fair, min(ask.room, fair) - held)
        self.book.extend(wants, ask.worker)

    def _given(self, ask: Ask) -> Iterator[LeaseGiven]:
        words = {word.epoch: word for word in ask.leases}
        for lease in self.book.leases_of(ask.worker).values():
            word = words.get(lease.epoch)
            self.ends.holds(ask.worker, lease.shard)
            first = word.known if word else 0
            yield LeaseGiven(
                epoch=lease.epoch,
                shard=lease.shard,
                first=first,
                grants=tuple(lease.grants[first:]),
                more=not lease.custody and self.book.more(lease),
                recalled=lease.recalled,
                bound=self._news(ask.worker, lease, word.told if word else 0),
                told=self.accounts.told(lease.shard),
            )

    def _news(self, worker: str, lease: Lease, told: int = 0) -> tuple[Bound, ...]:
        return self.accounts.news_for(worker, lease.shard, told)

    def _answer(self, ask: Ask, given: Iterator[LeaseGiven] | tuple[()], *, over: bool) -> Answer:
        member = self.members.get(ask.worker)
        told = self.ends.outbox(ask.worker)
        slices = self._shares.of(ask.worker, ask.sliced_ns if ask.turn == self._turn else 0)
        return Answer(
            run=self.run,
            term=self.term,
            number=ask.number,
            sent_ns=ask.sent_ns,
            at_ns=max(self._now_ns(), 0),
            turn=self._turn,
            phase=self._phase,
            sending=self._sending,
            over=over,
            began_ns=self._began_ns,
            step=self._step,
            rate_per_s=self._rate_per_s,
            leases=tuple(given),
            slices=slices if self._sending and not over else (),
            bound_through=member.bound if member else 0,
            ask_ns=self.ask_ns,
            ends_through=self.ends.through(ask.worker),
            ends_first=told.said,
            ends=told.now(),
        )

    # -- the fleet ------------------------------------------------------------------------------

    @property
    def ask_ns(self) -> int:
        """How long a worker should wait between its asks."""
        return min(max(ASK_NS, ASK_EACH_NS * len(self._living)), self._lease_ns // 4)

    @property
    def money(self) -> list[int]:
        """What the payments of all workers would move, by the pool's currencies; empty where none tell."""
        said = (member.money for member in self.members.values())
        return [sum(column) for column in zip_longest(*said, fillvalue=0)]

    def alive(self) -> list[Member]:
        """Return the workers that are not lost."""
        return [member for member in self.members.values() if not member.lost]

    def tick(self) -> list[str]:
        """Give up the workers that were not heard of for too long, and return their names."""
        now_ns = self._now_ns()
        lost = [member for member in self.alive() if now_ns - member.heard_ns >= self._lease_ns]
        for member in lost:
            self._lose(member, f"not heard of for {(now_ns - member.heard_ns) / SECOND_NS:.1f} s")
        self.calls.look()
        return [member.name for member in lost]

    def leave(self, name: str) -> None:
        """Let a worker go that has closed its journal in good order."""
        member = self.members.get(name)
        if member is not None and not member.lost:
            self._end(member)
            member.closed = True

    def _end(self, member: Member) -> int:
        member.lost = True
        self._living.discard(member.name)
        self._able.discard(member.name)
        self.calls.answered(member.name, empty_handed=False)
        self.ends.lose(member.name)
        return self.book.lose(member.name)

    def _lose(self, member: Member, why: str) -> None:
        held = {lease.shard for lease in self.book.leases_of(member.name).values()}
        doubtful = self._end(member)
        self._tell("worker lost", f"{member.name}: {why}; {doubtful} commands in doubt")
        left = self.book.unserved(held)
        if left:
            self._losses.append(_Loss(member.name, member.heard_ns, len(left), left))

    def _tell_replaced(self) -> None:
        """Tell of lost workers whose last shard has just been taken over, and how long that took."""
        for loss in list(self._losses):
            loss.shards = self.book.unserved(loss.shards)
            if not loss.shards:
                self._losses.remove(loss)
                took_s = (self._now_ns() - loss.heard_ns) / SECOND_NS
                self._tell(
                    "worker replaced",
                    f"{loss.worker}: {loss.held} shards were taken over {took_s:.1f} s after it was "
                    "last heard of",
                )

    def progress(self) -> Progress:
        """Return how far the current phase has come, over the whole fleet."""
        alive = self.alive()
        in_hand = sum(member.counts.in_hand_now for member in alive)
        exhausted = self.book.exhausted and not in_hand
        # What is out is counted only when a phase could end: it takes a look at every lease.
        pending = self.book.awaited if exhausted or not self._sending else 0
        return Progress(
            exhausted=exhausted,
            pending=pending,
            moved_ns=max((member.counts.moved_ns for member in alive), default=0),
            busy=any(
                self.book.held(member.name) and not (member.stopped and member.turn == self._turn)
                for member in alive
            ),
        )

    def _decide(self) -> None:
        """Decide whose the arrivals of the time ahead are."""
        now_ns = self._now_ns()
        ask_ns = self.ask_ns
        lately = self._shares.until_ns and now_ns < self._decided_ns + ask_ns // 2
        if not self._sending or lately:
            return
        alive = [self.members[name] for name in self._able]
        everybody = all(member.turn == self._turn for member in alive)
        if not self._shares.until_ns and not everybody and now_ns < self._began_ns:
            return
        left = {
            member.name: member.left
            for member in alive
            if now_ns - member.heard_ns < QUIET_ASKS * ask_ns
        }
        since_ns = now_ns - self._began_ns
        self._shares.decide(max(since_ns, 0), max(since_ns, 0) + 2 * ask_ns + SECOND_NS, left)
        self._decided_ns = now_ns
