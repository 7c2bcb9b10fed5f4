"""Portions: a pool's commands in the order of sending, addressed for files that are made beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

import numpy as np

from e2e_data.batch import Batch
from e2e_data.commands import Channel, Kind
from e2e_data.ids import REPLAY_ATTEMPT, Correlations, Ids, static_account_id
from e2e_data.pool import Pool
from e2e_data.replays import replays_of
from e2e_data.sequence import interleave
from e2e_data.shard import Shard
from e2e_data.tables import Int64s

ROWS = 1024
"""Rows of a portion: enough for the work in bulk, few enough to stay in the processor's cache."""
SHARDS_AT_HAND = 16
"""So many shards take turns, so that the load is spread over all their accounts."""

Pass = Sequence[Sequence[Kind]]
"""What is gone through together: kinds in one sequence are merged evenly."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Some commands of a shard, as they are sent."""

    batch: Batch
    indices: Int64s
    """Of the commands themselves: for replays those of the batch are their originals'."""

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True, slots=True)
class Addressing:
    """What all ids and dates of an export are made with."""

    ids: Ids
    channel: Channel
    first_day: date


def portions(pool: Pool, addressing: Addressing, passes: Sequence[Pass]) -> Iterator[Portion]:
    """Go through the whole pool once for each pass; a few shards are in memory at a time."""
    for sequences in passes:
        numbers = iter(range(pool.shard_count))
        while group := [
            _Addressed(pool.shard(number), addressing) for number in islice(numbers, SHARDS_AT_HAND)
        ]:
            for kinds in sequences:
                yield from _turns([shard.portions(kinds) for shard in group])


def _turns(at_hand: list[Iterator[Portion]]) -> Iterator[Portion]:
    """Take one of each in turn until all have ended."""
    while at_hand:
        left = []
        for one in at_hand:
            portion = next(one, None)
            if portion is not None:
                yield portion
                left.append(one)
        at_hand = left


class _Addressed:
    """A shard, with the ids of its customers and accounts."""

    def __init__(self, shard: Shard, addressing: Addressing) -> None:
        self._shard = shard
        self._addressing = addressing
        self._named = replays_of(shard).named(len(shard))
        accounts = range(shard.counts.account)
        self._customers = addressing.ids.customer_ids(0, shard.number, accounts)
        self._accounts = list(map(static_account_id, self._customers))

    def portions(self, kinds: Sequence[Kind]) -> Iterator[Portion]:
        """Go through the shard's commands of some kinds, merged evenly."""
        order = interleave([self._shard.range_of(kind) for kind in kinds])
        for start in range(0, len(order), ROWS):
            yield self._portion(order[start : start + ROWS])

    def _portion(self, indices: Int64s) -> Portion:
        shard, addressing = self._shard, self._addressing
        named = self._named[indices]
        kind = shard.kind[indices]
        numbers = shard.account_number[named].tolist()
        account_ids: list[str | None] = [self._accounts[number] for number in numbers]
        for row in np.flatnonzero(kind == Kind.ACCOUNT).tolist():
            account_ids[row] = None
        correlations = Correlations(
            tag=addressing.ids.tag,
            lap=0,
            shard=shard.number,
            index=named,
            attempt=np.where(named == indices, 0, REPLAY_ATTEMPT).astype(np.uint8),
            kind=kind,
            channel=addressing.channel,
            expected=shard.expected[named],
            phase=kind,
        )
        batch = Batch(
            shard=shard,
            indices=named,
            command_ids=addressing.ids.command_ids(0, shard.number, named),
            customer_ids=[self._customers[number] for number in numbers],
            account_ids=account_ids,
            first_day=addressing.first_day,
            correlation_ids=correlations.texts(),
        )
        return Portion(batch, indices)
