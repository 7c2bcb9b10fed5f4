"""Arrivals of one phase: each is given once, in order, with the time at which it was due."""

from __future__ import annotations

from dataclasses import dataclass

from locustfiles.pacing import Pace


@dataclass(frozen=True, slots=True)
class Arrival:
    """A slot in the plan's time: the command that takes it should be sent at `intended_ns`."""

    number: int
    intended_ns: int
    free_ns: int
    """When a user was free to take it: before it was due, unless all users were waiting."""


class Arrivals:
    """Hands out the arrivals of a phase. Times are nanoseconds since the run's epoch."""

    def __init__(self, pace: Pace, began_ns: int, drop_after_ns: int | None) -> None:
        """Begin at `began_ns`; give up arrivals that are later than `drop_after_ns`, if not None."""
        self._pace = pace
        self.began_ns = began_ns
        self._drop_after_ns = drop_after_ns
        self._next = 0
        self._end: int | None = None
        self.overdue = 0
        """Arrivals that were due before any user was free."""
        self.dropped = 0
        """Arrivals that were given up; the command goes to the next one."""

    def take(self, now_ns: int) -> Arrival:
        """Return the next arrival for a user that is free `now_ns`."""
        if self._drop_after_ns is not None:
            self._drop(now_ns - self._drop_after_ns)
        number, self._next = self._next, self._next + 1
        intended_ns = self.began_ns + self._pace.due_ns(number)
        self.overdue += intended_ns < now_ns
        return Arrival(number, intended_ns, now_ns)

    def _drop(self, before_ns: int) -> None:
        """Skip the arrivals that were due before `before_ns`."""
        first_kept = self._pace.due_by(before_ns - self.began_ns - 1)
        if first_kept > self._next:
            self.dropped += first_kept - self._next
            self._next = first_kept

    def end(self) -> None:
        """Let no further arrival be due: there is nothing left to send."""
        self._end = self._next

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._end is not None

    def due(self, now_ns: int) -> int:
        """Return how many arrivals were due until `now_ns`."""
        due = self._pace.due_by(now_ns - self.began_ns)
        return due if self._end is None else min(due, self._end)
