"""A profile is a rate over time: pieces in which it is steady, or changes evenly, once or in rounds.

It is integer arithmetic, exact to the nanosecond however long it lasts: within a piece the arrivals
up to a time are a polynomial of at most the second degree, and a due time is its inverse.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

SECOND_NS = 1_000_000_000

ONE = 1 << 32
"""An arrival. Spacing that is not even needs parts of it, and parts this fine."""

SINE = (0, 98017, 195090, 290285, 382683, 471397, 555570, 634393, 707107, 773010, 831470, 881921,
        923880, 956940, 980785, 995185, 1000000)  # fmt: skip
"""A quarter of a sine in 16 steps, in millionths: a table, since processors differ in the last bit."""

CHANGES = 512
"""How often chaos changes before it begins anew."""
SHOWN_MAX = 6
"""Pieces that a description tells."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A rate that goes evenly from `from_per_s` to `to_per_s`."""

    from_per_s: Fraction
    to_per_s: Fraction
    lasts_ns: int | None = None
    """None: for ever, which only a last piece can that is steady."""

    @property
    def arrivals(self) -> Fraction:
        """How many arrivals it has, if it ends."""
        assert self.lasts_ns is not None, "the last piece has no end"
        return (self.from_per_s + self.to_per_s) / 2 * self.lasts_ns / SECOND_NS


@dataclass(frozen=True, slots=True)
class _Solved:
    """A piece in integers: x ns after `began_ns`, base + a·x + b·x² arrivals have come, times the scale."""

    began_ns: int
    base: int
    a: int
    b: int

    def when(self, scaled: int) -> int:
        """Return the last nanosecond at which no more than so many arrivals have come."""
        left = scaled - self.base
        if not self.b:
            return self.began_ns + left // self.a
        root_squared = self.a * self.a + 4 * self.b * left
        if self.b > 0:
            return self.began_ns + (math.isqrt(root_squared) - self.a) // (2 * self.b)
        # The smaller of two roots, rounded down: so the square root is rounded up.
        root = math.isqrt(root_squared - 1) + 1 if root_squared > 0 else 0
        return self.began_ns + (self.a - root) // (-2 * self.b)

    def by(self, at_ns: int) -> int:
        """Return how many arrivals have come by `at_ns`."""
        x = at_ns - self.began_ns
        return self.base + self.a * x + self.b * x * x


class Profile:
    """An arrival rate over time. It may be 0 for a while, but not for ever."""

    def __init__(self, pieces: Sequence[Piece], *, repeats: bool = False) -> None:
        """Take pieces, each of which begins where the one before ends.

        The last has no end; or the pieces come again and again (`repeats`), and each has one.
        """
        self.pieces = tuple(pieces)
        self._scale, self._solved, self._round = _solved(self.pieces)
        self.round_ns = sum(piece.lasts_ns or 0 for piece in self.pieces) if repeats else 0
        """How long the pieces take until they come again; 0 where they do not."""
        assert self._round if repeats else self.pieces[-1].from_per_s, "nothing would ever be due"
        self._began_ns = [solved.began_ns for solved in self._solved]
        self._bases = [solved.base * ONE for solved in self._solved]
        self._only = self._solved[0] if len(self._solved) == 1 else None
        endless = self._only is not None and not (self.round_ns or self._only.b)
        self.steady = (self._scale, self._only.a) if endless and self._only else None
        """Where the rate never changes, the nanoseconds of an arrival, as a fraction."""

    def when(self, share: int) -> int:
        """Return when `share` / ONE arrivals have come, in ns since the beginning, rounded down."""
        scaled, rounds = share * self._scale, 0
        if self.round_ns:
            rounds, scaled = divmod(scaled, self._round * ONE)
        solved = self._only or self._solved[bisect_right(self._bases, scaled) - 1]
        return rounds * self.round_ns + solved.when(scaled // ONE)

    def shares_before(self, elapsed_ns: int) -> int:
        """Return how many shares have come just before `elapsed_ns`, rounded up; 0 at the beginning."""
        if elapsed_ns <= 0:
            return 0
        rounds = 0
        if self.round_ns:
            rounds, elapsed_ns = divmod(elapsed_ns, self.round_ns)
        solved = self._only or self._solved[bisect_right(self._began_ns, elapsed_ns) - 1]
        return -(-(rounds * self._round + solved.by(elapsed_ns)) * ONE // self._scale)

    def __str__(self) -> str:
        """Describe it, such as "50/s to 500/s in 60 s, then 500/s"."""
        shown = list(map(_described, self.pieces[:SHOWN_MAX]))
        hidden = len(self.pieces) - len(shown)
        shown += [f"{hidden} more"] if hidden else []
        return ", then ".join(shown) + (", again and again" if self.round_ns else "")

    @property
    def peak_per_s(self) -> Fraction:
        """The highest rate that it ever has."""
        return max(max(piece.from_per_s, piece.to_per_s) for piece in self.pieces)


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


def burst(base_per_s: Fraction, burst_per_s: Fraction, burst_ns: int, every_ns: int) -> Profile:
    """Return a base with spikes over it: each lasts `burst_ns`, and ends a round of `every_ns`."""
    base = Piece(base_per_s, base_per_s, every_ns - burst_ns)
    return Profile([base, Piece(burst_per_s, burst_per_s, burst_ns)], repeats=True)


def wave(mean_per_s: Fraction, swing_per_s: Fraction, every_ns: int) -> Profile:
    """Return a rate that swings around its mean, a round in `every_ns`, first upwards.

    A sine, drawn straight between 64 points of it: nowhere further off than 0.13 % of the swing.
    """
    up = [mean_per_s + swing_per_s * Fraction(height, SINE[-1]) for height in SINE]
    down = [mean_per_s - swing_per_s * Fraction(height, SINE[-1]) for height in SINE]
    heights = [*up, *up[-2::-1], *down[1:], *down[-2::-1]]
    points = len(heights) - 1
    return Profile(
        [
            Piece(low, high, every_ns * (n + 1) // points - every_ns * n // points)
            for n, (low, high) in enumerate(pairwise(heights))
        ],
        repeats=True,
    )


def chaos(low_per_s: Fraction, high_per_s: Fraction, every_ns: int, seed: int) -> Profile:
    """Return a rate that nobody would foresee, the same for the same seed everywhere.

    After half to one and a half `every_ns` it leaves for another level from `low_per_s` to
    `high_per_s`; one time in two it jumps, else it slides there. After 512 times it begins anew.
    """
    words = np.random.Philox(key=np.array([seed, 0], dtype=np.uint64)).random_raw(CHANGES)
    span = high_per_s - low_per_s
    levels = [low_per_s + span * Fraction(int(word) >> 48, 2**16 - 1) for word in words]
    pieces = []
    for n, word in enumerate(map(int, words)):
        slides = word >> 32 & 1
        # One of 16 lengths: with any, the common denominator of all pieces would be huge.
        lasts_ns = every_ns * (8 + (word & 15)) // 16
        pieces.append(Piece(levels[n - 1] if slides else levels[n], levels[n], lasts_ns))
    return Profile(pieces, repeats=True)


def soak(per_s: Fraction, over_ns: int, lasts_ns: int) -> Profile:
    """Return a rate that is gentle at both ends: up in `over_ns`, held, and down in as long."""
    zero = Fraction(0)
    held = Piece(per_s, per_s, lasts_ns - 2 * over_ns)
    return Profile([Piece(zero, per_s, over_ns), held, Piece(per_s, zero, over_ns)], repeats=True)


def trace(levels: Sequence[tuple[Fraction, int]], peak_per_s: Fraction) -> Profile:
    """Return the rates of a real day, (per second, ns) each, with `peak_per_s` at its busiest."""
    scale = peak_per_s / max(per_s for per_s, _ in levels)
    return Profile(
        [Piece(per_s * scale, per_s * scale, lasts_ns) for per_s, lasts_ns in levels], repeats=True
    )


def climb(first_per_s: int, most_per_s: int, step_ns: int) -> Profile:
    """Return the rates that a search tries for as long as all of them hold: each twice the one before.

    What it tries then nobody knows beforehand, so this is only what is foreseen.
    """
    levels = [first_per_s]
    while levels[-1] < most_per_s:
        levels.append(min(2 * levels[-1], most_per_s))
    *before, last = [(Fraction(per_s), step_ns) for per_s in levels]
    return steps(before, last[0])


def _solved(pieces: Sequence[Piece]) -> tuple[int, list[_Solved], int]:
    """Return a scale that makes all pieces whole numbers, these, and the arrivals of a round."""
    solved, began_ns, base = [], 0, Fraction(0)
    for piece in pieces:
        a, b = piece.from_per_s / SECOND_NS, Fraction(0)
        if piece.lasts_ns is not None:
            b = (piece.to_per_s - piece.from_per_s) / (2 * SECOND_NS * piece.lasts_ns)
        solved.append((began_ns, base, a, b))
        if piece.lasts_ns is not None:
            began_ns += piece.lasts_ns
            base += piece.arrivals
    scale = math.lcm(base.denominator, *(one.denominator for _, *three in solved for one in three))
    whole = [_Solved(at_ns, *(int(one * scale) for one in three)) for at_ns, *three in solved]
    return scale, whole, int(base * scale)


def _described(piece: Piece) -> str:
    steady = piece.from_per_s == piece.to_per_s
    rate = f"{float(piece.from_per_s):g}/s"
    if not steady:
        rate += f" to {float(piece.to_per_s):g}/s"
    if piece.lasts_ns is None:
        return rate
    return f"{rate} {'for' if steady else 'in'} {piece.lasts_ns / SECOND_NS:g} s"
