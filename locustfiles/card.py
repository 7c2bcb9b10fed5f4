"""Cards: commands that a worker may send now, each with its ids; those made together are a deal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Channel, Kind, Label
from e2e_data.drafts import Drafts
from e2e_data.ids import RETRY_ATTEMPT
from e2e_data.record_drafts import RecordDraft
from e2e_data.shard import Shard
from locustfiles.fleet.holder import Held


@dataclass(slots=True, eq=False)
class Deal:
    """Commands that are dealt together, so that what each needs can be made for all at once."""

    lap: int
    shard: Shard
    named: NDArray[np.int64]
    """The index of the command under whose ids each is sent: its own, but for replays."""
    accounts: NDArray[np.int64]
    attempts: NDArray[np.int64]
    command_ids: list[str]
    customer_ids: list[str]
    kinds: list[Kind]
    free: list[bool] = field(default_factory=list)
    """Once somebody looked, which were not blocked then, nor will ever be."""
    ready: list[bool] = field(default_factory=list)
    """Once their requests were asked for, which have one: the others are made one by one."""
    drafts: Drafts | None = None
    records: Sequence[RecordDraft | None] | None = None
    """Their records, once one was asked for; None for those that are made one by one."""


class Card(NamedTuple):
    """A command that this worker may send now, with its id."""

    place: tuple[int, int, int]
    """(lap, shard, index), as the journal has it."""
    shard: Shard
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
    attempt: int = 0
    """The number of the attempt; replays have numbers of their own."""
    position: int = 0
    lease: Held | None = None
    """Where it came from; None only where nothing is leased."""
    ready_ns: int = 0
    """Since when a replay that waited may be sent; 0 for what never had to wait."""
    expected: int = 0
    """Its set of right outcomes, as the number of an Outcome."""
    deal: Deal | None = None
    row: int = 0
    """Its row in the deal."""
    channel: Channel = Channel.HTTP
    """Over which it goes, whoever sends it and however often."""

    @property
    def lap(self) -> int:
        """The lap of the pool."""
        return self.place[0]

    @property
    def index(self) -> int:  # type: ignore[override]  # nobody looks for values in a card
        """Its index in the shard."""
        return self.place[2]

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

    def numbered(self, again: int) -> int:
        """Return the number of the attempt that is made after so many others."""
        return self.attempt + again * RETRY_ATTEMPT

    @property
    def waits(self) -> bool:
        """Whether it repeats a command that must have been observed complete before."""
        return self.is_replay and self.shard.label[self.index] == Label.REPLAY

    @property
    def is_returned(self) -> bool:
        """Whether the lease that it came from was given back meanwhile."""
        return self.lease is not None and self.lease.returned

    def keep(self) -> None:
        """Keep its lease until nothing more will come of it: it is to be sent later, or again."""
        if self.lease is not None:
            self.lease.aside.add(self.position)

    def let_go(self) -> None:
        """Undo `keep`."""
        if self.lease is not None:
            self.lease.aside.discard(self.position)

    def put_back(self) -> None:
        """Let it be drawn again, here or elsewhere: it was surely not sent."""
        if self.lease is not None:
            self.lease.put_back(self.position, self.granted)

    def done(self) -> None:
        """Let it go: nothing more will come of it."""
        if self.lease is not None:
            self.lease.done(self.position)


card_of = partial(tuple.__new__, Card)
"""Makes one of its values as a sequence: many thousands a second."""
