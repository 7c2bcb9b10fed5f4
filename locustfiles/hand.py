"""A worker's hand: the leases it holds, and the next command to send from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Kind, Label
from e2e_data.drafts import Draft
from e2e_data.ids import REPLAY_ATTEMPT, Ids
from e2e_data.pool import Pool
from e2e_data.replays import replays_of
from e2e_data.sequence import interleave
from e2e_data.shard import Shard
from locustfiles.leases import Lease, LeaseBook

HELD_MAX = 16
"""Shards held at once: enough to spread the load over many accounts, in bounded memory."""
GRANT_POSITIONS = 64
"""Positions asked for at a time, at least: what a crash leaves in doubt, against a line in the log."""
GRANT_POSITIONS_MAX = 512
GRANT_S = 0.25
"""Above that, what is sent in so long: making what commands need costs less for many at once."""

# A table, because a sender makes thousands of commands a second and enum look-ups are slow.
_KINDS = tuple(Kind)


@dataclass(slots=True)
class Deal:
    """Commands that were granted together, so that what each needs can be made for all at once."""

    lap: int
    shard: Shard
    named: NDArray[np.int64]
    """The index of the command under whose ids each is sent: its own, but for replays."""
    accounts: NDArray[np.int64]
    attempts: NDArray[np.int64]
    command_ids: list[str]
    customer_ids: list[str]
    drafts: Sequence[Draft | None] | None = None
    """Their requests, once one was asked for; None for those that are made one by one."""


@dataclass(slots=True)
class Card:
    """A command that this worker may send now, with its id."""

    lap: int
    shard: Shard
    index: int
    kind: Kind
    account: int
    command_id: str
    """For a replay that of its original, as everything that is sent for it."""
    customer_id: str
    original: int = -1
    """For a replay the index of the command that it repeats; -1 for what is none."""
    is_awaited: bool = False
    """Whether a replay waits for this command's completion."""
    ready_ns: int = 0
    """Since when a replay that waited may be sent; 0 for what never had to wait."""
    expected: int = 0
    """Its set of right outcomes, as the number of an Outcome."""
    deal: Deal | None = None
    row: int = 0
    """Its row in the deal."""

    @property
    def place(self) -> tuple[int, int, int]:
        """Return (lap, shard, index), as the journal has it."""
        return self.lap, self.shard.number, self.index

    @property
    def account_key(self) -> tuple[int, int, int]:
        """Return (lap, shard, account number), as the bindings have it."""
        return self.lap, self.shard.number, self.account

    @property
    def original_place(self) -> tuple[int, int, int]:
        """Return the place of the command that is sent: for a replay, its original's."""
        return self.lap, self.shard.number, self.original if self.is_replay else self.index

    @property
    def is_replay(self) -> bool:
        """Whether it repeats another command."""
        return self.original >= 0

    @property
    def attempt(self) -> int:
        """Return the number of the attempt; replays have numbers of their own."""
        return REPLAY_ATTEMPT if self.is_replay else 0

    @property
    def waits(self) -> bool:
        """Whether it repeats a command that must have been observed complete before."""
        return self.is_replay and self.shard.label[self.index] == Label.REPLAY

    def races(self, other: Card) -> bool:
        """Tell whether it repeats `other`, and is to be under way together with it."""
        return self.original == other.index and not self.waits


@dataclass(slots=True)
class _Held:
    """A held lease with what its current grant still allows."""

    lease: Lease
    shard: Shard
    order: NDArray[np.int64]
    named: NDArray[np.int64]
    """The index of the command under whose ids each is sent: its own, but for replays."""
    awaited: NDArray[np.bool_]
    customer_ids: list[str]
    """Of all the shard's accounts: their commands need them again and again."""
    cards: deque[Card] = field(default_factory=deque)


class Hand:
    """Takes commands from leases of one phase, turning round-robin over the shards it holds."""

    def __init__(self, book: LeaseBook, pool: Pool, ids: Ids, worker: str) -> None:
        self._book = book
        self._pool = pool
        self._ids = ids
        self._worker = worker
        self._sends: Sequence[Kind] = ()
        self._positions = GRANT_POSITIONS
        self._held: deque[_Held] = deque()

    def begin(self, sends: Sequence[Kind], per_s: float = 0) -> None:
        """Begin a phase that sends the kinds `sends`; the book has been opened for it.

        `per_s` is the most that this worker is to send in a second, as far as it is known.
        """
        self._sends = sends
        wanted = round(per_s * GRANT_S / HELD_MAX)
        self._positions = min(max(wanted, GRANT_POSITIONS), GRANT_POSITIONS_MAX)
        self._fill()

    def draw(self) -> Card | None:
        """Return the next command to send, or None when the phase has no more."""
        while self._held:
            held = self._held[0]
            if not held.cards:
                self._refill(held)
            if held.cards:
                card = held.cards.popleft()
                # What races a command goes out right behind it, before any other shard's turn.
                if not (held.cards and held.cards[0].races(card)):
                    self._held.rotate(-1)
                return card
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
            replays, size = replays_of(shard), len(shard)
            named, awaited = replays.named(size), replays.awaited(size)
            accounts = range(shard.counts.account)
            customer_ids = self._ids.customer_ids(lease.lap, shard.number, accounts)
            self._held.append(_Held(lease, shard, order, named, awaited, customer_ids))

    def _refill(self, held: _Held) -> None:
        granted = self._book.grant(held.lease, self._positions)
        lap, shard = held.lease.lap, held.shard
        indices = _with_races(held, held.order[granted.start : granted.stop])
        accounts = shard.account_number[indices].astype(np.int64)
        named = held.named[indices]
        is_replay = named != indices
        deal = Deal(
            lap,
            shard,
            named,
            accounts,
            np.where(is_replay, REPLAY_ATTEMPT, 0),
            self._ids.command_ids(lap, shard.number, named),
            list(map(held.customer_ids.__getitem__, accounts.tolist())),
        )
        columns = (
            indices.tolist(),
            shard.kind[indices].tolist(),
            accounts.tolist(),
            deal.command_ids,
            deal.customer_ids,
            np.where(is_replay, named, -1).tolist(),
            held.awaited[indices].tolist(),
            repeat(0, len(indices)),
            shard.expected[named].tolist(),
            repeat(deal, len(indices)),
            range(len(indices)),
        )
        held.cards.extend(
            Card(lap, shard, index, _KINDS[kind], *more)
            for index, kind, *more in zip(*columns, strict=True)
        )


def _with_races(held: _Held, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices with each racing replay right behind its original, where that is there."""
    named = held.named[indices]
    races = (named != indices) & ~held.awaited[named] & np.isin(named, indices)
    if not races.any():
        return indices
    place = {index: position for position, index in enumerate(indices.tolist())}
    turn = np.arange(len(indices))
    turn[races] = [place[original] for original in named[races].tolist()]
    return indices[np.argsort(turn, kind="stable")]
