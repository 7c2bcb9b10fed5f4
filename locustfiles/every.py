"""Every n-th: the whole numbers whose remainder is one of some. Counting them needs no loop."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Every:
    """The numbers from 0 up whose remainder modulo `of` is in `mine`, which is in order."""

    of: int
    mine: tuple[int, ...]

    def below(self, number: int) -> int:
        """Return how many of them are below `number`."""
        turns, rest = divmod(number, self.of)
        return turns * len(self.mine) + (bisect_left(self.mine, rest) if rest else 0)

    def at(self, ordinal: int) -> int:
        """Return the one that has `ordinal` others before it."""
        turns, rest = divmod(ordinal, len(self.mine))
        return turns * self.of + self.mine[rest]


ALL = Every(1, (0,))
"""All numbers."""
