"""A worker's hand: the next command to send from the leases that it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Kind, Label
from e2e_data.ids import REPLAY_ATTEMPT, Ids
from e2e_data.pool import Pool
from e2e_data.replays import replays_of
from e2e_data.sequence import interleave
from e2e_data.shard import Shard
from locustfiles.fleet.holder import Held, Holder
from locustfiles.leases import WATCH

HELD_MAX = 16
"""Shards held at once: enough to spread the load over many accounts, in bounded memory."""
DEALT = 64
"""Cards made at a time."""
LAP = 0
"""The pool is played once."""


@dataclass(frozen=True, slots=True)
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
    granted: int = 0
    """The number of the attempt as it was granted, or WATCH."""
    position: int = 0
    lease: Held | None = None
    """Where it came from; None only where nothing is leased."""
    ready_ns: int = 0
    """Since when a replay that waited may be sent; 0 for what never had to wait."""

    @property
    def place(self) -> tuple[int, int, int]:
        """Return (lap, shard, index), as the journal has it."""
        return self.lap, self.shard.number, self.index

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
        return max(self.granted, 0) + (REPLAY_ATTEMPT if self.is_replay else 0)

    @property
    def waits(self) -> bool:
        """Whether it repeats a command that must have been observed complete before."""
        return self.is_replay and self.shard.label[self.index] == Label.REPLAY

    @property
    def is_returned(self) -> bool:
        """Whether the lease that it came from was given back meanwhile."""
        return self.lease is not None and self.lease.returned

    def keep(self) -> None:
        """Keep its lease until nothing more will come of it: it waits for another command."""
        if self.lease is not None:
            self.lease.aside.add(self.position)

    def put_back(self) -> None:
        """Let it be drawn again, here or elsewhere: it was surely not sent."""
        if self.lease is not None:
            self.lease.put_back(self.position, self.granted)

    def done(self) -> None:
        """Let it go: nothing more will come of it."""
        if self.lease is not None:
            self.lease.done(self.position)


@dataclass(slots=True)
class _Dealt:
    """A lease's shard with the order that its phase is sent in, and cards made ahead."""

    shard: Shard
    order: NDArray[np.int64]
    named: NDArray[np.int64]
    """The index of the command under whose ids each is sent: its own, but for replays."""
    awaited: NDArray[np.bool_]
    races: dict[int, int]
    """The position of the replay that races the command of a position."""
    cards: dict[int, Card] = field(default_factory=dict)


class Hand:
    """Takes commands from leases of one phase, turning round-robin over the shards it holds."""

    def __init__(
        self, holder: Holder, pool: Pool, ids: Ids, hungry: Callable[[], None] = lambda: None
    ) -> None:
        """Draw from what `holder` has; `hungry` is called when it should ask for more."""
        self._holder = holder
        self._pool = pool
        self._ids = ids
        self._hungry = hungry
        self._sends: Sequence[Kind] = ()
        self._dealt: dict[int, _Dealt] = {}
        self._shards: dict[int, Shard] = {}
        self._at = 0

    def begin(self, sends: Sequence[Kind]) -> None:
        """Begin a phase that sends the kinds `sends`."""
        self._sends = sends
        # The next phase is about the same shards for the most part, and making one takes time.
        self._shards = {dealt.shard.number: dealt.shard for dealt in self._dealt.values()}
        self._dealt = {}

    def draw(self) -> Card | None:
        """Return the next command that may be sent; None where there is none now."""
        return self._draw() or (self._asked() and self._draw()) or None

    @property
    def waiting(self) -> bool:
        """Whether more may come for the leases that are held."""
        return any(lease.more for lease in self._holder.held())

    @property
    def ready(self) -> bool:
        """Whether there is anything to draw."""
        return any(lease.queue for lease in self._holder.held())

    def card(self, lease: Held, position: int, attempt: int) -> Card:
        """Return the card of one position of a lease."""
        dealt = self._of(lease)
        if attempt == WATCH:
            return self._deal(lease, dealt, [(position, attempt)])[0]
        card = dealt.cards.pop(position, None)
        if card is None or card.granted != attempt:
            upcoming = [(position, attempt), *islice(lease.queue, DEALT - 1)]
            dealt.cards = {made.position: made for made in self._deal(lease, dealt, upcoming)}
            card = dealt.cards.pop(position)
        return card

    def _asked(self) -> bool:
        self._hungry()
        return True

    def _draw(self) -> Card | None:
        held = self._holder.held()
        for turn in range(len(held)):
            lease = held[(self._at + turn) % len(held)]
            taken = lease.draw()
            if taken is not None:
                # What races a command goes out right behind it, before any other shard's turn.
                race = self._of(lease).races.get(taken[0])
                is_raced = race is not None and lease.hurry(race)
                self._at = (self._at + turn + (not is_raced)) % len(held)
                if lease.hungry:
                    self._hungry()
                return self.card(lease, *taken)
        return None

    def _of(self, lease: Held) -> _Dealt:
        dealt = self._dealt.get(lease.epoch)
        if dealt is None:
            shard = self._shards.pop(lease.shard, None) or self._pool.shard(lease.shard)
            order = interleave([shard.range_of(kind) for kind in self._sends])
            replays, size = replays_of(shard), len(shard)
            place = np.full(size, -1, dtype=np.int64)
            place[order] = np.arange(len(order))
            racing = replays.originals[replays.racing], replays.rows[replays.racing]
            races = dict(zip(*(place[indices].tolist() for indices in racing), strict=True))
            named, awaited = replays.named(size), replays.awaited(size)
            dealt = self._dealt[lease.epoch] = _Dealt(shard, order, named, awaited, races)
        return dealt

    def prepare(self) -> None:
        """Make the shards of all leases: better now than when a command of them is due."""
        held = self._holder.held()
        for epoch in self._dealt.keys() - {lease.epoch for lease in self._holder.leases}:
            del self._dealt[epoch]
        for lease in held:
            self._of(lease).shard.command(0)

    def _deal(self, lease: Held, dealt: _Dealt, upcoming: Sequence[tuple[int, int]]) -> list[Card]:
        shard = dealt.shard
        positions, attempts = zip(*upcoming, strict=True)
        indices = dealt.order[list(positions)]
        accounts = shard.account_number[indices].astype(np.int64)
        named = dealt.named[indices]
        columns = (
            indices.tolist(),
            shard.kind[indices].tolist(),
            accounts.tolist(),
            self._ids.command_ids(LAP, shard.number, named),
            self._ids.customer_ids(LAP, shard.number, accounts),
            np.where(named == indices, -1, named).tolist(),
            dealt.awaited[indices].tolist(),
            attempts,
            positions,
            [lease] * len(upcoming),
        )
        return [
            Card(LAP, shard, index, Kind(kind), *more)
            for index, kind, *more in zip(*columns, strict=True)
        ]
