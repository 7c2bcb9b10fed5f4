"""Arrivals of one phase: each is given once, in order, with the time at which it was due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice, takewhile
from typing import NamedTuple

from locustfiles.every import ALL, Every
from locustfiles.fleet.messages import Slice
from locustfiles.pacing import Pace

ENDLESS_NS = 2**62
ENDLESS = 2**62
"""More arrivals than ever come."""


class Arrival(NamedTuple):
    """A slot in the plan's time: the command that takes it should be sent at `intended_ns`."""

    number: int
    intended_ns: int
    free_ns: int
    """When a user was free to take it: before it was due, unless all users were waiting."""


@dataclass(frozen=True, slots=True)
class _Block:
    """A stretch of arrivals from `first` up to `end`: of this process's the lane's."""

    first: int
    end: int
    mine: Every
    """The process's arrivals."""
    lane: Every
    """The lane's, among the process's as they come one after the other over all blocks."""
    before: int
    """How many of the process's arrivals came in earlier blocks, less those below `first`."""
    is_whole: bool
    """Whether all arrivals are this lane's."""

    def next_from(self, number: int) -> int | None:
        """Return the first arrival that is not before `number`; None where there is none."""
        if self.is_whole:
            return max(number, self.first) if number < self.end else None
        number = next(self._lanes_from(number))
        return number if number < self.end else None

    def _lanes_from(self, number: int) -> Iterator[int]:
        """Yield what would be the lane's from `number` on, if the stretch had no end."""
        ordinal = self.before + self.mine.below(max(number, self.first))
        for place in count(self.lane.below(ordinal)):
            yield self.mine.at(self.lane.at(place) - self.before)

    def numbers(self, number: int, end: int) -> Iterable[int]:
        """Return the arrivals from `number` up to `end`, in their order."""
        if self.is_whole:
            return range(max(number, self.first), min(self.end, end))
        return takewhile(lambda one: one < min(self.end, end), self._lanes_from(number))

    def count(self, start: int, stop: int) -> int:
        """Return how many arrivals from `start` up to `stop` there are."""
        start, stop = max(start, self.first), min(stop, self.end)
        return self._below(stop) - self._below(start) if start < stop else 0

    def _below(self, number: int) -> int:
        return self.lane.below(self.before + self.mine.below(number))


class Arrivals:
    """Hands out the arrivals of a phase. Times are nanoseconds since the run's epoch."""

    def __init__(
        self,
        pace: Pace,
        began_ns: int,
        *,
        duration_ns: int | None = None,
        count: int | None = None,
        since_ns: int = 0,
        drop_after_ns: int | None = None,
        shared: bool = False,
        lane: Every = ALL,
    ) -> None:
        """Begin at `began_ns`, and end after `duration_ns` or `count` arrivals, if not None.

        What was due in the first `since_ns` is over: it was before a pause.

        Arrivals that are later than `drop_after_ns`, if not None, are given up. Where they are
        `shared` with other processes, `extend` says which ones are this one's. Of this process's, as
        they come one after the other, a `lane` takes its own and leaves the others to other lanes.
        """
        self._pace = pace
        self.began_ns = began_ns
        self._drop_after_ns = drop_after_ns
        self._first = self._next = pace.due_by(since_ns - 1) if since_ns > 0 else 0
        ends = [] if duration_ns is None else [pace.due_by(duration_ns - 1)]
        ends += [] if count is None else [count]
        self._end = min(ends, default=None)
        self._known = 0
        """Whose the arrivals before this number are is known."""
        self._blocks: list[_Block] = []
        self._block = 0
        """The first block that may have arrivals left."""
        self._lane = lane
        self._before = 0
        """How many arrivals of this process, in whatever lane, there are in all blocks."""
        self._skipped = 0
        self.overdue = 0
        """Arrivals that were due before any user was free."""
        self.dropped = 0
        """Arrivals that were given up; the command goes to the next one."""
        if not shared:
            self.extend([Slice(0, ENDLESS_NS, 1, (0,))])

    def extend(self, slices: Sequence[Slice]) -> None:
        """Learn which of the arrivals in the time ahead are this process's."""
        for one in slices:
            first = self._pace.due_by(one.from_ns - 1)
            # Random arrivals are counted one by one: up to the end of time is never asked for.
            endless = one.until_ns >= ENDLESS_NS
            end = ENDLESS if endless else self._pace.due_by(one.until_ns - 1)
            self._known = end if self._end is None else min(end, self._end)
            if one.mine and first < self._known:
                mine = Every(one.of, one.mine)
                before = self._before - mine.below(first)
                is_whole = all(every.of == len(every.mine) for every in (mine, self._lane))
                block = _Block(first, self._known, mine, self._lane, before, is_whole)
                self._blocks.append(block)
                self._before = before + mine.below(self._known)

    def take(self, now_ns: int, *, not_before_ns: int = 0) -> Arrival | None:
        """Return the next arrival for a user that is free `now_ns`.

        None when there are no more, or when it is not known yet whose the next ones are. A command
        that cannot be sent before `not_before_ns` is not due before: for its sake nobody is late,
        and nothing is given up.
        """
        if self._drop_after_ns is not None and not not_before_ns:
            self._drop(now_ns - self._drop_after_ns)
        number = self._peek()
        if number is None:
            return None
        self._next = number + 1
        intended_ns = max(self.began_ns + self._pace.due_ns(number), not_before_ns)
        self.overdue += intended_ns < now_ns
        return Arrival(number, intended_ns, now_ns)

    def overdue_by(self, now_ns: int, most: int) -> list[tuple[int, int]]:
        """Return (number, intended_ns) of the next arrivals, `most` at most, that are overdue by now.

        None where the plan has them given up: whoever takes such an arrival looks at it alone.
        """
        found: list[tuple[int, int]] = []
        if self._drop_after_ns is not None:
            return found
        due_ns, began_ns = self._pace.due_ns, self.began_ns
        for number in islice(self._upcoming(), most):
            intended_ns = began_ns + due_ns(number)
            if intended_ns >= now_ns:
                break
            found.append((number, intended_ns))
        return found

    def take_overdue(self, several: Sequence[tuple[int, int]]) -> None:
        """Take the first of those that `overdue_by` gave."""
        if several:
            self._next = several[-1][0] + 1
            self.overdue += len(several)

    def give_back(self, number: int, count: int) -> None:
        """Undo the taking of the last `count` overdue arrivals, which begin with `number`."""
        self._next, self._block = number, 0
        self.overdue -= count

    def skip(self, now_ns: int) -> None:
        """Pass over what is due before `now_ns`: there was nothing to send, so nothing is late."""
        first_kept = self._pace.due_by(now_ns - 1 - self.began_ns)
        if first_kept > self._next:
            self._skipped += self._count(self._next, first_kept)
            self._next = first_kept

    def end(self) -> None:
        """Let no further arrival be due: there is nothing left to send."""
        self._end = self._known = self._next

    def give_up(self, now_ns: int) -> None:
        """Drop what is due until `now_ns`, and end: the phase is over."""
        self._drop(now_ns + 1)
        self.end()

    @property
    def ended(self) -> bool:
        """Whether all arrivals were taken or given up."""
        return self._end is not None and self._known >= self._end and self._peek() is None

    def due(self, now_ns: int) -> int:
        """Return how many arrivals were due until `now_ns`."""
        due = self._pace.due_by(now_ns - self.began_ns)
        return (
            self._count(self._first, due if self._end is None else min(due, self._end))
            - self._skipped
        )

    def _peek(self) -> int | None:
        """Return the next arrival; None where none is known."""
        while self._block < len(self._blocks):
            number = self._blocks[self._block].next_from(self._next)
            if number is not None:
                return number if self._end is None or number < self._end else None
            self._block += 1
        return None

    def _upcoming(self) -> Iterator[int]:
        """Yield the next arrivals that are known."""
        end = ENDLESS if self._end is None else self._end
        for block in self._blocks[self._block :]:
            yield from block.numbers(self._next, end)

    def _drop(self, before_ns: int) -> None:
        """Give up the arrivals that were due before `before_ns`."""
        first_kept = self._pace.due_by(before_ns - 1 - self.began_ns)
        if self._end is not None:
            first_kept = min(first_kept, self._end)
        if first_kept > self._next:
            self.dropped += self._count(self._next, first_kept)
            self._next = first_kept

    def _count(self, start: int, stop: int) -> int:
        """Return how many arrivals from number `start` up to `stop` are this process's."""
        return sum(block.count(start, stop) for block in self._blocks)


class Closed(Arrivals):
    """Arrivals of a closed model: none is due before a user is free, so none is ever late.

    They keep the distances of the pace, as the least: whatever it took longer shifts all that follow.
    """

    _shift_ns = 0
    _taken = 0

    def take(self, now_ns: int, *, not_before_ns: int = 0) -> Arrival | None:
        """Return the next arrival, which is due now or, where the pace says so, later."""
        number = self._peek()
        if number is None:
            return None
        self._next = number + 1
        self._taken += 1
        paced_ns = self.began_ns + self._pace.due_ns(number) + self._shift_ns
        intended_ns = max(paced_ns, now_ns, not_before_ns)
        self._shift_ns += intended_ns - paced_ns
        return Arrival(number, intended_ns, now_ns)

    def overdue_by(self, now_ns: int, most: int) -> list[tuple[int, int]]:  # noqa: ARG002 - nothing is
        """Return nothing: nothing is late."""
        return []

    def skip(self, now_ns: int) -> None:
        """Pass over nothing: nothing is late."""

    def give_up(self, now_ns: int) -> None:  # noqa: ARG002 - nothing was due
        """End, with nothing given up: the phase is over."""
        self.end()

    def due(self, now_ns: int) -> int:  # noqa: ARG002 - what is due is taken at once
        """Return how many arrivals were taken: no other was due."""
        return self._taken
