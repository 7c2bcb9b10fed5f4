"""The journal's facts, counted by what they are about: as they are written, so at no cost of a send.

A count is cumulative over a worker's part of the run, as its other figures are. Each row counts, but for
completions: the journal has one for each time that an outcome was told, by a reply, by an event, by an
event that came twice, and read by whichever worker. A command counts as completed once in the fleet:
where it was sent, when it is awaited no longer since an outcome was seen, here or by another. Only where
a worker is lost this is not exact: what it did after its last report is missing, and what another sends
again may have counted for both. The report has each once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Channel, Kind
from e2e_data.ids import REPLAY_ATTEMPT
from reports.journal import Fact

NUMBER_MAX = 255
"""Of phases and codes: the journal has a byte for each."""


AGAIN = 1
"""The code of an attempt that is not a command's first: of those sent, as many commands have another."""


class About(NamedTuple):
    """What a fact is about: numbers, so that msgpack can carry it."""

    fact: int
    phase: int
    channel: int
    kind: int
    code: int
    """An Acknowledged of what was acknowledged, an Outcome of what was completed, AGAIN of what was sent
    once more, and else 0."""

    @classmethod
    def read(cls, raw: Sequence[Any]) -> Self:
        """Check numbers from the network. Raises ValueError or TypeError for what is no fact."""
        about = cls(*raw)
        Fact(about.fact), Channel(about.channel), Kind(about.kind)
        if not (0 <= about.phase <= NUMBER_MAX and 0 <= about.code <= NUMBER_MAX):
            raise ValueError("a phase or a code that is none")
        return about


_SIZES = (NUMBER_MAX + 1, NUMBER_MAX + 1, len(Channel), len(Kind), NUMBER_MAX + 1)


class FactCounts:
    """A process's own counts. `take` is the journal's, on whatever thread it writes."""

    def __init__(self, shard_counts: Callable[[int], Sequence[int]]) -> None:
        """Count facts of a pool that has `shard_counts` commands of each kind in a shard."""
        self._shard_counts = shard_counts
        self._counts: Mapping[About, int] = {}
        self._completed: Counter[About] = Counter()

    def completed(self, phase: int, channel: Channel, kind: Kind, outcome: int) -> None:
        """Count a command that was sent here and whose first outcome was seen; on the event loop."""
        self._completed[About(Fact.COMPLETED, phase, channel, kind, outcome)] += 1

    def take(self, rows: NDArray[np.void]) -> None:
        """Count rows of the journal (reports.journal.ROW), but for completions."""
        rows = rows[rows["fact"] != Fact.COMPLETED]
        kinds = kinds_of(rows, self._shard_counts)
        is_again = (rows["fact"] == Fact.SENT) & (rows["attempt"] & ~np.uint8(REPLAY_ATTEMPT) != 0)
        codes = np.where(is_again, AGAIN, rows["code"])
        columns = (rows["fact"], rows["phase"], rows["channel"], kinds, codes)
        packed = np.ravel_multi_index(columns, _SIZES)
        values, counts = np.unique(packed, return_counts=True)
        numbers = np.stack(np.unravel_index(values, _SIZES), axis=1).tolist()
        more = dict(zip((About(*each) for each in numbers), counts.tolist(), strict=True))
        # Replaced as a whole: the event loop may be reading what there was.
        self._counts = {
            about: self._counts.get(about, 0) + more.get(about, 0)
            for about in self._counts.keys() | more.keys()
        }

    def packed(self) -> list[list[int]]:
        """Return what msgpack can carry."""
        return [
            [*about, count] for about, count in (*self._counts.items(), *self._completed.items())
        ]


def kinds_of(
    rows: NDArray[np.void], shard_counts: Callable[[int], Sequence[int]]
) -> NDArray[np.int64]:
    """Return the kind of each row's command: a shard numbers its commands kind by kind."""
    kinds = np.zeros(len(rows), dtype=np.int64)
    for shard in np.unique(rows["shard"]).tolist():
        here = rows["shard"] == shard
        ends = np.cumsum(shard_counts(shard))
        kinds[here] = np.searchsorted(ends, rows["index"][here], side="right")
    return kinds


def read_counts(raw: Iterable[Sequence[Any]]) -> dict[About, int]:
    """Read what `FactCounts.packed` made. Raises ValueError or TypeError for what is none."""
    return {About.read(about): int(count) for *about, count in raw}
