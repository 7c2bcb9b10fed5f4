"""A worker's side of the talk: what it asks, and how it follows the answers. Pure, as the desk is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

from locustfiles.fleet.counts import Counts
from locustfiles.fleet.ends import End, Inbox, Outbox
from locustfiles.fleet.holder import Held, Holder
from locustfiles.fleet.messages import Answer, Ask, Bound, Slice
from locustfiles.fleet.offset import Offset

BOUND_MAX = 2000
"""Words on accounts in one ask; more would keep the event loop packing."""


class Sender(Protocol):
    """What sends, as its agent tells it."""

    def begin(self, phase: int, began_ns: int) -> None:
        """Begin a phase; its first arrival is due `began_ns` by the master's clock."""
        ...

    def move(self, began_ns: int) -> None:
        """Take the phase as having begun `began_ns`, since it was paused: what was due before is over."""
        ...

    def step(self, began_ns: int, rate_per_s: int) -> None:
        """Begin a step of the phase, at a rate of its own; its first arrival is due `began_ns`."""
        ...

    def go_on(self, *, sending: bool) -> None:
        """Send in the current phase, or send no more and wait for what was sent."""
        ...

    def extend(self, slices: Sequence[Slice]) -> None:
        """Take in which arrivals are its own."""
        ...

    def learn(self, bound: Sequence[Bound]) -> None:
        """Take in what others saw of accounts, and of commands that replays wait for."""
        ...

    def over(self, ends: Sequence[End]) -> None:
        """Take in that others saw the outcome of commands; it is written down."""
        ...

    def watch(self, lease: Held, position: int) -> None:
        """Look for the outcome of a command that another worker may have sent."""
        ...


class Agent:
    """Speaks for one worker: asks with a new number each time, and follows the newest answer."""

    def __init__(
        self,
        run: str,
        term: int,
        worker: str,
        sender: Sender,
        raw_now_ns: Callable[[], int],
        *,
        lease_ns: int,
        room: int,
        ahead_ns: int = 0,
    ) -> None:
        """Read the worker's own clock; the rest is as for `Holder`."""
        self._run, self._term, self._worker = run, term, worker
        self._sender = sender
        self._raw_now_ns = raw_now_ns
        self._room = room
        self.holder = Holder(raw_now_ns, lease_ns, ahead_ns)
        self.offset = Offset()
        self.heard_ns = raw_now_ns()
        """When an answer last came, by the own clock."""
        self.ask_ns = 0
        """How long to wait before the next ask, as the master wishes."""
        self.over = False
        """The master said that the run has ended, or that it follows another."""
        self._asked_empty = self._got_nothing = False
        self._turn = 0
        self._phase = -1
        self._step = 0
        self._began_ns = 0
        self._sliced_ns = 0
        self._said = 0
        self._to_say: deque[Bound] = deque()
        self._seen = Outbox()
        self._told = Inbox()

    def say(self, bound: Bound) -> None:
        """Let the master know what was seen; said again until the master has it."""
        self._to_say.append(bound)

    def say_over(self, end: End) -> None:
        """Let whoever sent a command know that its outcome was seen here; said until the master has it."""
        self._seen.put(end)

    def ask(
        self,
        counts: Counts,
        *,
        stopped: bool,
        idle: bool = False,
        leaving: bool = False,
        money: Sequence[int] = (),
    ) -> Ask:
        """Return the next ask: how everything stands here.

        While there is nobody to send (`idle`), and when `leaving`, leases are for others.
        """
        self.holder.expire()
        if idle or leaving:
            self.holder.return_all()
        bound = tuple(islice(self._to_say, BOUND_MAX))
        words = self.holder.words()
        self._asked_empty = self.holder.empty
        return Ask(
            run=self._run,
            term=self._term,
            worker=self._worker,
            number=self.holder.number,
            sent_ns=self._raw_now_ns(),
            turn=self._turn,
            stopped=stopped,
            room=0 if idle or leaving else self._room,
            leases=words,
            counts=counts,
            bound_first=self._said,
            bound=bound,
            partial=len(bound) < len(self._to_say),
            sliced_ns=self._sliced_ns,
            error_ns=self.offset.estimate.error_ns if self.offset.estimate else 0,
            ends_first=self._seen.said,
            ends=self._seen.now(),
            heard=self._told.through,
            money=tuple(money),
        )

    def follow(self, answer: Answer) -> bool:
        """Do what an answer says; tell whether it was news. Late and doubled ones are none."""
        if answer.run != self._run or not self.holder.is_news(answer):
            return False
        received_ns = self.heard_ns = self._raw_now_ns()
        if answer.over or answer.term != self._term:
            self.over = True
            self.holder.drop()
            return True
        self.offset.answered(answer.sent_ns, answer.at_ns, received_ns)
        self.ask_ns = answer.ask_ns
        for _ in range(max(answer.bound_through - self._said, 0)):
            self._to_say.popleft()
            self._said += 1
        self._seen.heard(answer.ends_through)
        self._come_to(answer)
        for lease in answer.leases:
            self._sender.learn(lease.bound)
        ends = self._told.take(answer.ends_first, answer.ends)
        if ends:
            self._sender.over(ends)
        watched = self.holder.take(answer)
        self._got_nothing = self._asked_empty and self.holder.empty
        self._slice(answer.slices)
        if answer.turn != self._turn:
            self._turn = answer.turn
            self._sender.go_on(sending=answer.sending)
        for held, position in watched:
            self._sender.watch(held, position)
        return True

    @property
    def in_vain(self) -> bool:
        """Whether asking for more is of no use for now: with nothing left it was asked, and brought nothing.

        The master calls when something has come free, or is asked again in its time.
        """
        return self._got_nothing and self.holder.empty

    def _come_to(self, answer: Answer) -> None:
        """Begin what the answer is about, where that is new: a phase, a step, or what follows a pause."""
        if answer.phase != self._phase:
            self._phase, self._step, self._sliced_ns = answer.phase, 0, 0
            self.holder.drop()
            self._sender.begin(answer.phase, answer.began_ns)
        elif answer.step == self._step and answer.began_ns != self._began_ns:
            self._sliced_ns = 0
            self._sender.move(answer.began_ns)
        if answer.step != self._step:
            self._step, self._sliced_ns = answer.step, 0
            self._sender.step(answer.began_ns, answer.rate_per_s)
        self._began_ns = answer.began_ns

    def _slice(self, slices: Sequence[Slice]) -> None:
        """Pass on the slices that are new, without what was known before."""
        news: list[Slice] = []
        for one in slices:
            from_ns = max(one.from_ns, self._sliced_ns)
            if from_ns < one.until_ns:
                news.append(Slice(from_ns, one.until_ns, one.of, one.mine))
                self._sliced_ns = one.until_ns
        if news:
            self._sender.extend(news)
