"""A profile is a rate over time: pieces in which it is steady, or changes evenly.

It is integer arithmetic, exact to the nanosecond however long it lasts: within a piece the arrivals
up to a time are a polynomial of at most the second degree, and a due time is its inverse.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

SECOND_NS = 1_000_000_000

ONE = 1 << 32
"""An arrival. Spacing that is not even needs parts of it, and parts this fine."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A rate that goes evenly from `from_per_s` to `to_per_s`."""

    from_per_s: Fraction
    to_per_s: Fraction
    lasts_ns: int | None = None
    """None: for ever, which only a steady last piece can."""

    @property
    def arrivals(self) -> Fraction:
        """How many arrivals it has, if it ends."""
        assert self.lasts_ns is not None, "the last piece has no end"
        return (self.from_per_s + self.to_per_s) / 2 * self.lasts_ns / SECOND_NS


@dataclass(frozen=True, slots=True)
class _Solved:
    """A piece in integers: x ns after `began_ns`, (base + a·x + b·x²) / scale arrivals have come."""

    began_ns: int
    base: int
    a: int
    b: int
    scale: int

    def when(self, share: int) -> int:
        """Return the last nanosecond at which no more than `share` / ONE arrivals have come."""
        left = share * self.scale // ONE - self.base
        if not self.b:
            return self.began_ns + left // self.a
        root_squared = self.a * self.a + 4 * self.b * left
        if self.b > 0:
            return self.began_ns + (math.isqrt(root_squared) - self.a) // (2 * self.b)
        # The smaller of two roots, rounded down: so the square root is rounded up.
        root = math.isqrt(root_squared - 1) + 1 if root_squared > 0 else 0
        return self.began_ns + (self.a - root) // (-2 * self.b)

    def by(self, at_ns: int) -> int:
        """Return how many shares have come by `at_ns`, rounded up."""
        x = at_ns - self.began_ns
        return -(-(self.base + self.a * x + self.b * x * x) * ONE // self.scale)


class Profile:
    """An arrival rate over time, that only ever is 0 where it begins."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        """Take pieces, each of which begins where the one before ends; the last has no end."""
        self.pieces = tuple(pieces)
        self._solved: list[_Solved] = []
        began_ns, base = 0, Fraction(0)
        for piece in self.pieces:
            self._solved.append(_solved(piece, began_ns, base))
            if piece.lasts_ns is not None:
                began_ns += piece.lasts_ns
                base += piece.arrivals
        self._began_ns = [solved.began_ns for solved in self._solved]
        self._shares = [-(-solved.base * ONE // solved.scale) for solved in self._solved]
        self._only = self._solved[0] if len(self._solved) == 1 else None
        self.steady = (self._only.scale, self._only.a) if self._only and not self._only.b else None
        """Where the rate never changes, the nanoseconds of an arrival, as a fraction."""

    def when(self, share: int) -> int:
        """Return when `share` / ONE arrivals have come, in ns since the beginning, rounded down."""
        solved = self._only or self._solved[bisect_right(self._shares, share) - 1]
        return solved.when(share)

    def shares_before(self, elapsed_ns: int) -> int:
        """Return how many shares have come just before `elapsed_ns`, rounded up; 0 at the beginning."""
        if elapsed_ns <= 0:
            return 0
        solved = self._only or self._solved[bisect_right(self._began_ns, elapsed_ns) - 1]
        return solved.by(elapsed_ns)

    def __str__(self) -> str:
        """Describe it, such as "50/s to 500/s in 60 s, then 500/s"."""
        return ", then ".join(map(_described, self.pieces))


def constant(per_s: Fraction) -> Profile:
    """Return the same rate all the time."""
    return Profile([Piece(per_s, per_s)])


def ramp(from_per_s: Fraction, to_per_s: Fraction, over_ns: int) -> Profile:
    """Return a rate that changes evenly for `over_ns`, and then stays."""
    return Profile([Piece(from_per_s, to_per_s, over_ns), Piece(to_per_s, to_per_s)])


def steps(levels: Sequence[tuple[Fraction, int]], last_per_s: Fraction) -> Profile:
    """Return a rate that stays at each of `levels` (per second, ns), and then at `last_per_s`."""
    pieces = [Piece(per_s, per_s, lasts_ns) for per_s, lasts_ns in levels]
    return Profile([*pieces, Piece(last_per_s, last_per_s)])


def _solved(piece: Piece, began_ns: int, base: Fraction) -> _Solved:
    a = piece.from_per_s / SECOND_NS
    b = Fraction(0)
    if piece.lasts_ns is not None:
        b = (piece.to_per_s - piece.from_per_s) / (2 * SECOND_NS * piece.lasts_ns)
    scale = math.lcm(base.denominator, a.denominator, b.denominator)
    return _Solved(began_ns, int(base * scale), int(a * scale), int(b * scale), scale)


def _described(piece: Piece) -> str:
    steady = piece.from_per_s == piece.to_per_s
    rate = f"{float(piece.from_per_s):g}/s"
    if not steady:
        rate += f" to {float(piece.to_per_s):g}/s"
    if piece.lasts_ns is None:
        return rate
    return f"{rate} {'for' if steady else 'in'} {piece.lasts_ns / SECOND_NS:g} s"
