"""Replays: the commands of a shard that repeat another, under that one's id."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Kind, Label
from e2e_data.shard import Shard


@dataclass(frozen=True, slots=True)
class Replays:
    """The replays of a shard in their order; no command is repeated twice."""

    rows: NDArray[np.int64]
    """The replays' own indices in the shard."""
    originals: NDArray[np.int64]
    """Beside each the index of the command that it repeats."""
    racing: NDArray[np.bool_]
    """Whether it is sent while the original may still be under way."""

    def named(self, size: int) -> NDArray[np.int64]:
        """Return for each of a shard's `size` commands the one that its ids name.

        It is itself, or the original of a replay.
        """
        named = np.arange(size, dtype=np.int64)
        named[self.rows] = self.originals
        return named

    def awaited(self, size: int) -> NDArray[np.bool_]:
        """Return which of a shard's `size` commands must be complete before they are repeated."""
        awaited = np.zeros(size, np.bool_)
        awaited[self.originals[~self.racing]] = True
        return awaited


def replays_of(shard: Shard) -> Replays:
    """Return the replays of a shard; each column has one row per replay."""
    payments = np.flatnonzero(shard.original >= 0)
    rows = payments + shard.range_of(Kind.PAYMENT).start
    return Replays(
        rows=rows,
        originals=shard.original[payments].astype(np.int64),
        racing=shard.label[rows] == Label.RACING_REPLAY,
    )
