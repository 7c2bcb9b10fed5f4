"""Pacing is arithmetic: when the n-th arrival is due. It reads no clock.

Evenly spaced, arrival n is due when the profile has brought n arrivals. In a Poisson process the
gaps between arrivals, counted in arrivals of the profile, are exponential with the mean 1 (the
time-rescaling theorem), whatever the rate does meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cache, lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from locustfiles.profiles import ONE, SECOND_NS, Profile

__all__ = ["SECOND_NS", "Even", "Pace", "Poisson"]

BLOCK = 4096
"""Gaps that are drawn at a time. Of those before, only their sum is kept."""


class Pace(Protocol):
    """When arrivals are due."""

    def due_ns(self, arrival: int) -> int:
        """Return when arrival number `arrival` (from 0) is due, in ns since the phase began."""
        ...

    def due_by(self, elapsed_ns: int) -> int:
        """Return how many arrivals are due until `elapsed_ns`, inclusive."""
        ...


@dataclass(frozen=True, slots=True)
class Even:
    """Evenly spaced, without drift: no rounding adds up."""

    profile: Profile

    def due_ns(self, arrival: int) -> int:
        """Return when arrival number `arrival` is due; the first is due at once."""
        steady = self.profile.steady
        if steady is not None:
            return arrival * steady[0] // steady[1]
        return self.profile.when(arrival * ONE)

    def due_by(self, elapsed_ns: int) -> int:
        """Return how many arrivals are due until `elapsed_ns`."""
        # A due time is rounded down, so it is there by e when it is, unrounded, before e + 1.
        return -(-self.profile.shares_before(elapsed_ns + 1) // ONE)


class Poisson:
    """Random arrivals at the profile's rate: the same for the same seed and stream, everywhere."""

    def __init__(self, profile: Profile, seed: int, stream: int = 0) -> None:
        """`seed` is below 2 ** 64; streams of one seed, such as phases, are independent."""
        self.profile = profile
        self._seed = seed
        self._stream = stream
        self._starts = [0]
        """The share at which each block begins, as far as anybody has looked."""
        self._block = lru_cache(maxsize=2)(self._drawn)

    def due_ns(self, arrival: int) -> int:
        """Return when arrival number `arrival` is due."""
        number, place = divmod(arrival, BLOCK)
        self._reach(number)
        return self.profile.when(self._starts[number] + self._block(number)[place])

    def due_by(self, elapsed_ns: int) -> int:
        """Return how many arrivals are due until `elapsed_ns`."""
        shares = self.profile.shares_before(elapsed_ns + 1)
        while self._starts[-1] < shares:
            self._reach(len(self._starts))
        number = max(bisect_left(self._starts, shares) - 1, 0)
        inside = bisect_left(self._block(number), shares - self._starts[number])
        return number * BLOCK + inside

    def _reach(self, number: int) -> None:
        """Find out where the blocks begin, up to block `number`."""
        while len(self._starts) <= number:
            self._starts.append(self._starts[-1] + self._block(len(self._starts) - 1)[-1])

    def _drawn(self, number: int) -> list[int]:
        """Return the shares between a block's beginning and each of its arrivals."""
        key = np.array([self._seed, self._stream], dtype=np.uint64)
        counter = np.array([0, number, 0, 0], dtype=np.uint64)
        raw = np.random.Philox(key=key, counter=counter).random_raw(BLOCK)
        sums: list[int] = np.cumsum(exponential(raw)).tolist()
        return sums


def exponential(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Turn uniform 64-bit words into exponential numbers with the mean ONE, in integers alone.

    -ln u is k·ln 2 - ln v, where k halvings bring u into [1/2, 1): the leading zeros of a word are
    the halvings, and 32 other bits are v, of whose logarithm there is a table. After von Neumann
    (1951), "Various techniques used in connection with random digits".
    """
    high = (words >> np.uint64(32)).astype(np.int64)
    # Exact, since 32 bits fit into a float: the exponent is the length in bits.
    halvings = 32 - np.frexp(high.astype(np.float64))[1].astype(np.int64)
    low = (words & np.uint64(0xFFFFFFFF)).astype(np.int64)
    cell, inside = low >> 22, low & (2**22 - 1)
    knots = _logarithms()
    part = knots[cell] + ((knots[cell + 1] - knots[cell]) * inside >> 22)
    gaps: NDArray[np.int64] = halvings * _LN_2 + part
    return gaps


@cache
def _logarithms() -> NDArray[np.int64]:
    """Return -ln of 1/2, …, 1 in 1024 steps, times ONE; in decimals, which are exact everywhere."""
    context = Context(prec=40)
    return np.array(
        [int(-context.ln(Decimal(1024 + step) / 2048) * ONE) for step in range(1025)],
        dtype=np.int64,
    )


_LN_2 = int(Context(prec=40).ln(Decimal(2)) * ONE)
