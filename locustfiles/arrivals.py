"""Arrivals of one phase: each is given once, in order, with the time at which it was due."""

from __future__ import annotations

from typing import NamedTuple

from locustfiles.pacing import Pace


class Arrival(NamedTuple):
    """A slot in the plan's time: the command that takes it should be sent at `intended_ns`."""

    number: int
    intended_ns: int
    free_ns: int
    """When a user was free to take it: before it was due, unless all users were waiting."""


class Arrivals:
    """Hands out the arrivals of a phase. Times are nanoseconds since the run's epoch."""

    def __init__(
        self,
        pace: Pace,
        began_ns: int,
        *,
        duration_ns: int | None = None,
        drop_after_ns: int | None = None,
    ) -> None:
        """Begin at `began_ns`, and end after `duration_ns`, if not None.

        Arrivals that are later than `drop_after_ns`, if not None, are given up.
        """
        self._pace = pace
        self.began_ns = began_ns
        self._drop_after_ns = drop_after_ns
        self._next = 0
        self._end = None if duration_ns is None else pace.due_by(duration_ns - 1)
        self.overdue = 0
        """Arrivals that were due before any user was free."""
        self.dropped = 0
        """Arrivals that were given up; the command goes to the next one."""

    def take(self, now_ns: int, *, not_before_ns: int = 0) -> Arrival | None:
        """Return the next arrival for a user that is free `now_ns`; None when there are no more.

        A command that cannot be sent before `not_before_ns` is not due before: for its sake nobody
        is late, and nothing is given up.
        """
        if self._drop_after_ns is not None and not not_before_ns:
            self._drop(now_ns - self._drop_after_ns)
        if self.ended:
            return None
        number, self._next = self._next, self._next + 1
        intended_ns = max(self.began_ns + self._pace.due_ns(number), not_before_ns)
        self.overdue += intended_ns < now_ns
        return Arrival(number, intended_ns, now_ns)

    def _drop(self, before_ns: int) -> None:
        """Skip the arrivals that were due before `before_ns`."""
        first_kept = self.due(before_ns - 1)
        if first_kept > self._next:
            self.dropped += first_kept - self._next
            self._next = first_kept

    def end(self) -> None:
        """Let no further arrival be due: there is nothing left to send."""
        self._end = self._next

    def give_up(self, now_ns: int) -> None:
        """Drop what is due until `now_ns`, and end: the phase is over."""
        self._drop(now_ns + 1)
        self.end()

    @property
    def ended(self) -> bool:
        """Whether all arrivals were taken or given up."""
        return self._end is not None and self._next >= self._end

    def due(self, now_ns: int) -> int:
        """Return how many arrivals were due until `now_ns`."""
        due = self._pace.due_by(now_ns - self.began_ns)
        return due if self._end is None else min(due, self._end)
