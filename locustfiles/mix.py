"""The mix of channels: over which of them each command goes, and in which order arrivals take turns.

Both are pure functions of the weights, the same in every process: a command that is sent again, by
whomever, goes over the channel that it went over before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Channel
from locustfiles.every import Every

WEIGHT_MAX = 10_000
"""The most that reduced weights may add up to: what a mix is told with, a hundredth of a percent."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2**64 divided by the golden ratio. Its multiples, modulo 2**64, are spread more evenly than those of
any other number (Knuth, The Art of Computer Programming 3, section 6.4), and follow no period that
kinds of commands, interleaved, might have too."""


@dataclass(frozen=True)
class Mix:
    """Channels with their weights, whole numbers without a common divisor, in the channels' order."""

    weights: tuple[tuple[Channel, int], ...]

    @classmethod
    def of(cls, shares: Mapping[Channel, float]) -> Mix:
        """Return the mix with these shares, of whatever sum; a channel without any is left out.

        Raises ValueError for shares that are negative, nothing at all, or finer than 1 in 10,000.
        """
        exact = {channel: Fraction(str(share)) for channel, share in sorted(shares.items())}
        if any(share < 0 for share in exact.values()):
            raise ValueError("a share is 0 or more")
        exact = {channel: share for channel, share in exact.items() if share}
        if not exact:
            raise ValueError("give one channel a share above 0")
        scale = lcm(*(share.denominator for share in exact.values()))
        whole = {channel: int(share * scale) for channel, share in exact.items()}
        common = gcd(*whole.values())
        if sum(whole.values()) // common > WEIGHT_MAX:
            raise ValueError(f"shares finer than 1 in {WEIGHT_MAX:,} are too fine")
        return cls(tuple((channel, weight // common) for channel, weight in whole.items()))

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that have a share."""
        return tuple(channel for channel, _ in self.weights)

    @property
    def total(self) -> int:
        """The sum of the weights."""
        return sum(weight for _, weight in self.weights)

    @cached_property
    def turns(self) -> dict[Channel, Every]:
        """For each channel the arrivals that are its own: of `total` in a row, its weight, spread evenly."""
        # Each time that channel's turn which is furthest behind its share (smooth round-robin).
        behind = dict.fromkeys(self.channels, 0)
        mine: dict[Channel, list[int]] = {channel: [] for channel in self.channels}
        for number in range(self.total):
            for channel, weight in self.weights:
                behind[channel] += weight
            turn = max(self.channels, key=lambda channel: (behind[channel], -channel))
            behind[turn] -= self.total
            mine[turn].append(number)
        return {channel: Every(self.total, tuple(numbers)) for channel, numbers in mine.items()}

    def channels_of(self, numbers: NDArray[np.int64], seed: int) -> NDArray[np.uint8]:
        """Return the Channel of each of `numbers`, such as positions or accounts of shard `seed`.

        Of any run of consecutive numbers each channel has its share, but for a few.
        """
        if len(self.weights) == 1:
            return np.full(len(numbers), self.channels[0], np.uint8)
        start = np.uint64(seed * 0xD1342543DE82EF95 % 2**64)
        points = numbers.astype(np.uint64) * _GOLDEN + start
        bounds = np.cumsum([weight for _, weight in self.weights])[:-1]
        edges = np.array([int(bound) * 2**64 // self.total for bound in bounds], dtype=np.uint64)
        return np.array(self.channels, np.uint8)[np.searchsorted(edges, points, side="right")]

    def quotas(self, users: int) -> dict[Channel, int]:
        """Divide `users` by the weights, as evenly as whole users can; at least one for each channel.

        Of fewer users than channels, those with the largest weights have one each.
        """
        heaviest = sorted(self.weights, key=lambda one: -one[1])
        if users < len(heaviest):
            return {channel: int(place < users) for place, (channel, _) in enumerate(heaviest)}
        spare = users - len(heaviest)
        quotas = {channel: 1 + spare * weight // self.total for channel, weight in self.weights}
        rests = sorted(self.weights, key=lambda one: -(spare * one[1] % self.total))
        for channel, _ in rests[: users - sum(quotas.values())]:
            quotas[channel] += 1
        return quotas
