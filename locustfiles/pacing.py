"""Pacing is arithmetic: when the n-th arrival is due. It reads no clock and remembers nothing."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

SECOND_NS = 1_000_000_000


class Pace(Protocol):
    """An arrival rate over time."""

    def due_ns(self, arrival: int) -> int:
        """Return when arrival number `arrival` (from 0) is due, in ns since the phase began."""
        ...

    def due_by(self, elapsed_ns: int) -> int:
        """Return how many arrivals are due until `elapsed_ns`, inclusive."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """The same rate all the time, evenly spaced, without drift: no rounding adds up."""

    per_s: Fraction

    def due_ns(self, arrival: int) -> int:
        """Return when arrival number `arrival` is due."""
        return arrival * SECOND_NS * self.per_s.denominator // self.per_s.numerator

    def due_by(self, elapsed_ns: int) -> int:
        """Return how many arrivals are due until `elapsed_ns`."""
        if elapsed_ns < 0:
            return 0
        # The n-th is due at floor(n * s / rate), so it is due by e when n * s / rate < e + 1.
        ahead = (elapsed_ns + 1) * self.per_s.numerator
        return -(-ahead // (SECOND_NS * self.per_s.denominator))
