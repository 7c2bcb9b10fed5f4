"""A worker's hand: the leases it holds, and the next command to send from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Kind
from e2e_data.ids import Ids
from e2e_data.pool import Pool
from e2e_data.sequence import interleave
from e2e_data.shard import Shard
from locustfiles.leases import Lease, LeaseBook

HELD_MAX = 16
"""Shards held at once: enough to spread the load over many accounts, in bounded memory."""
GRANT_POSITIONS = 64
"""Positions asked for at a time: what a crash leaves in doubt, against a line in the grant log."""


@dataclass(frozen=True, slots=True)
class Card:
    """A command that this worker may send now, with its id."""

    lap: int
    shard: Shard
    index: int
    kind: Kind
    account: int
    command_id: str
    customer_id: str

    @property
    def place(self) -> tuple[int, int, int]:
        """Return (lap, shard, index), as the journal has it."""
        return self.lap, self.shard.number, self.index


@dataclass(slots=True)
class _Held:
    """A held lease with what its current grant still allows."""

    lease: Lease
    shard: Shard
    order: NDArray[np.int64]
    cards: deque[Card] = field(default_factory=deque)


class Hand:
    """Takes commands from leases of one phase, turning round-robin over the shards it holds."""

    def __init__(self, book: LeaseBook, pool: Pool, ids: Ids, worker: str) -> None:
        self._book = book
        self._pool = pool
        self._ids = ids
        self._worker = worker
        self._sends: Sequence[Kind] = ()
        self._held: deque[_Held] = deque()

    def begin(self, sends: Sequence[Kind]) -> None:
        """Begin a phase that sends the kinds `sends`; the book has been opened for it."""
        self._sends = sends
        self._fill()

    def draw(self) -> Card | None:
        """Return the next command to send, or None when the phase has no more."""
        while self._held:
            held = self._held[0]
            if not held.cards:
                self._refill(held)
            if held.cards:
                self._held.rotate(-1)
                return held.cards.popleft()
            self._book.give_back(self._held.popleft().lease)
            self._fill()
        return None

    def lay_down(self) -> None:
        """Give all leases back: the phase ends here, whatever is left."""
        while self._held:
            self._book.give_back(self._held.popleft().lease)

    def _fill(self) -> None:
        for lease in self._book.offer(self._worker, HELD_MAX - len(self._held)):
            shard = self._pool.shard(lease.shard)
            # The first command of a shard takes long: better now than when it is due.
            shard.command(0)
            order = interleave([shard.range_of(kind) for kind in self._sends])
            self._held.append(_Held(lease, shard, order))

    def _refill(self, held: _Held) -> None:
        granted = self._book.grant(held.lease, GRANT_POSITIONS)
        lap, shard = held.lease.lap, held.shard
        indices = held.order[granted.start : granted.stop]
        accounts = shard.account_number[indices].astype(np.int64)
        columns = (
            indices.tolist(),
            shard.kind[indices].tolist(),
            accounts.tolist(),
            self._ids.command_ids(lap, shard.number, indices),
            self._ids.customer_ids(lap, shard.number, accounts),
        )
        held.cards.extend(
            Card(lap, shard, index, Kind(kind), account, command_id, customer_id)
            for index, kind, account, command_id, customer_id in zip(*columns, strict=True)
        )
