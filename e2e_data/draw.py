"""The random numbers of one shard: a pure function of configuration, seed and shard number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e_data import tables
from e2e_data.config import PoolConfig
from e2e_data.tables import Int64s, Stream, bounded


class Draw:
    """What is drawn for one shard."""

    def __init__(self, config: PoolConfig, seed: int, number: int) -> None:
        self.config = config
        self.seed = seed
        self.number = number
        self.accounts = config.accounts_in(number)

    def words(self, stream: Stream, count: int) -> NDArray[np.uint64]:
        """Return `count` uniform 64-bit words for one purpose."""
        return tables.words(self.seed, self.number, stream, count)

    def draws(self, stream: Stream, count: int) -> tables.Draws:
        """Return `count` uniform 32-bit numbers for one purpose."""
        return tables.draws(self.seed, self.number, stream, count)

    def below(self, stream: Stream, count: int, end: int) -> Int64s:
        """Return `count` integers from 0 up to, but without, `end`."""
        return bounded(self.draws(stream, count), end)
