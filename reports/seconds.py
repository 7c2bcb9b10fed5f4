"""A run second by second: what happened in each, and how long what ended in it had taken.

Counts grow with the run's length, not with its load. How long things took is kept in cells of a
second and a bucket; where there would be too many of them, their buckets are made twice as wide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from e2e_data.commands import Channel, Kind
from reports.columns import NEVER, Ints
from reports.hdr import buckets, highest_ns
from reports.latencies import Group
from reports.rundir import PhaseRecord

HAPPENED = ("intended", "sent", "acknowledged", "completed")
SHOWN = {"response": "acknowledged", "completion": "completed"}
"""The latencies that are shown over time, and where they end."""
SHARES = {"p50": 0.5, "p99": 0.99}

METRICS = (
    *("t_s", "phase", "channel", "kind", *HAPPENED, "failed"),
    *(f"{name}_{share}_ms" for name in SHOWN for share in SHARES),
)
"""The columns of `Seconds.table`."""
HEAT = ("latency", "t_s", "took_ms", "count")
"""The columns of `Seconds.heat`."""

HEAT_STEPS_MAX = 600
"""Steps of time that a heat map has at most: more could not be told apart."""
HEAT_BITS = 5
"""The cells of a heat map are so many doublings of buckets wide: within three per cent."""

COARSE_BITS = 3
"""Cells begin with eight of a histogram's buckets: within a hundredth."""
CELLS_MAX = 4_000_000
_CELL_BITS = 16
_CELL = (1 << _CELL_BITS) - 1


class Cells:
    """How often something took so long in a second: sorted keys with their counts."""

    def __init__(self, cells_max: int = CELLS_MAX) -> None:
        """Begin; beyond `cells_max` cells they become coarser."""
        self._max = cells_max
        self._keys, self._counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._waiting: list[tuple[Ints, Ints]] = []
        self._waiting_rows = 0
        self.bits = COARSE_BITS
        """A cell has 2 ** bits of a histogram's buckets."""

    def add(self, second: Ints, took_ns: Ints) -> None:
        """Add what took so long and ended in such a second."""
        found = buckets(took_ns) >> self.bits
        keys, counts = np.unique(second << _CELL_BITS | found, return_counts=True)
        self._waiting.append((keys, counts))
        self._waiting_rows += len(keys)
        if self._waiting_rows > max(len(self._keys), self._max // 8):
            self._merge()

    def rows(self) -> tuple[Ints, Ints, Ints]:
        """Return second, cell and count of each cell, in the order of second and cell."""
        self._merge()
        return self._keys >> _CELL_BITS, self._keys & _CELL, self._counts

    def highest_ms(self, cell: Ints) -> NDArray[np.float64]:
        """Return the longest time that each cell holds, in ms."""
        known, back = np.unique(cell, return_inverse=True)
        highest = [highest_ns((int(one) + 1 << self.bits) - 1) / 1e6 for one in known]
        return np.array(highest, np.float64)[back]

    def _merge(self) -> None:
        if self._waiting:
            self._sum(
                np.concatenate([self._keys, *(keys for keys, _ in self._waiting)]),
                np.concatenate([self._counts, *(counts for _, counts in self._waiting)]),
            )
            self._waiting, self._waiting_rows = [], 0
        while len(self._keys) > self._max and self.bits < _CELL_BITS:
            self.bits += 1
            self._sum(self._keys & ~_CELL | (self._keys & _CELL) >> 1, self._counts)

    def _sum(self, keys: Ints, counts: Ints) -> None:
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        self._keys = keys[first]
        self._counts = np.add.reduceat(counts[order], first) if len(first) else counts


class _Part:
    """What one phase, channel and kind did, second by second."""

    def __init__(self, cells_max: int) -> None:
        self.happened = {name: np.zeros(0, np.int64) for name in (*HAPPENED, "failed")}
        self.took = {name: Cells(cells_max) for name in SHOWN}

    def add(self, rows: pd.DataFrame) -> None:
        sent = rows["sent"].to_numpy()
        times = {name: rows[f"{name}_ns"].to_numpy() for name in HAPPENED}
        for name, at_ns in times.items():
            self._count(name, at_ns[sent & (at_ns != NEVER)])
        self._count("failed", times["intended"][rows["failed"].to_numpy()])
        for name, end in SHOWN.items():
            ended = sent & (times[end] != NEVER)
            ends_ns = times[end][ended]
            self.took[name].add(_second(ends_ns), ends_ns - times["intended"][ended])

    def _count(self, name: str, at_ns: Ints) -> None:
        counts = np.bincount(_second(at_ns)).astype(np.int64)
        before = self.happened[name]
        if len(counts) > len(before):
            before, counts = counts, before
        before[: len(counts)] += counts
        self.happened[name] = before

    def table(self) -> pd.DataFrame:
        """Return one row for each second in which anything happened."""
        size = max(len(counts) for counts in self.happened.values())
        table = pd.DataFrame({"t_s": np.arange(size, dtype=np.int64)})
        for name, counts in self.happened.items():
            table[name] = np.concatenate([counts, np.zeros(size - len(counts), np.int64)])
        for name, cells in self.took.items():
            for share, column in _percentiles(cells, size).items():
                table[f"{name}_{share}_ms"] = column
        return table[table.drop(columns="t_s").fillna(0).any(axis=1)]


class Seconds:
    """A run second by second, filled shard by shard."""

    def __init__(self, cells_max: int = CELLS_MAX) -> None:
        """Begin; `cells_max` bounds what is kept of how long things took, for each group."""
        self._parts: defaultdict[Group, _Part] = defaultdict(lambda: _Part(cells_max))

    def add(self, frame: pd.DataFrame) -> None:
        """Add commands, as `attempted_commands` returns them."""
        for numbers, rows in frame.groupby(["phase", "channel", "kind"], sort=False):
            self._parts[Group._make(np.array(numbers, np.int64).tolist())].add(rows)

    def table(self, phases: tuple[PhaseRecord, ...]) -> pd.DataFrame:
        """Return METRICS, one row for each second, phase, channel and kind in which anything happened.

        Counts are of that second; what failed counts where it was due. Percentiles are in ms, of what
        ended in the second, NaN where nothing did.
        """
        tables = list(self._tables(phases))
        if not tables:
            return pd.DataFrame(columns=list(METRICS))
        whole = pd.concat(tables, ignore_index=True)
        return whole.sort_values(["t_s", *METRICS[1:4]], ignore_index=True)

    def _tables(self, phases: tuple[PhaseRecord, ...]) -> Iterator[pd.DataFrame]:
        for group, part in sorted(self._parts.items()):
            table = part.table()
            table["phase"] = phases[group.phase].name
            table["channel"] = Channel(group.channel).name
            table["kind"] = Kind(group.kind).label
            yield table[list(METRICS)]

    def heat(self) -> pd.DataFrame:
        """Return HEAT: how often something took so long (ms, at most) in a step of the run.

        Over all groups; there are at most HEAT_STEPS_MAX steps (`step_s_of`).
        """
        found = [
            (name, *part.took[name].rows(), part.took[name])
            for part in self._parts.values()
            for name in SHOWN
        ]
        last_s = max((int(second[-1]) for _, second, *_ in found if len(second)), default=0)
        step_s = step_s_of(last_s + 1)
        tables = [
            pd.DataFrame(
                {
                    "latency": name,
                    "t_s": second // step_s * step_s,
                    "took_ms": cells.highest_ms(cell | (1 << max(HEAT_BITS - cells.bits, 0)) - 1),
                    "count": count,
                }
            )
            for name, second, cell, count, cells in found
            if len(second)
        ]
        if not tables:
            return pd.DataFrame(columns=list(HEAT))
        whole = pd.concat(tables, ignore_index=True)
        return whole.groupby(list(HEAT[:3]), as_index=False).sum()


def step_s_of(length_s: float) -> int:
    """Return how long a step is, so that HEAT_STEPS_MAX are enough: a power of two in seconds.

    So the steps of a longer time always are whole ones of a shorter time.
    """
    step_s = 1
    while length_s > step_s * HEAT_STEPS_MAX:
        step_s *= 2
    return step_s


def _second(at_ns: Ints) -> Ints:
    seconds: Ints = np.maximum(at_ns // 1_000_000_000, 0)
    return seconds


def _percentiles(cells: Cells, size: int) -> dict[str, NDArray[np.float64]]:
    """Return the percentiles of each second in ms; NaN where nothing ended."""
    seconds, cell, counts = cells.rows()
    columns = {}
    for share, part in SHARES.items():
        there, rows = at_share(seconds, counts, part)
        columns[share] = np.full(size, np.nan)
        columns[share][there] = cells.highest_ms(cell[rows])
    return columns


def at_share(steps: Ints, counts: Ints, share: float) -> tuple[Ints, Ints]:
    """Return the steps in which there is anything, and the row of each where a percentile lies.

    Rows are counted in the order of step and length; the percentile is that of the nearest rank.
    """
    ranks = np.cumsum(counts)
    totals = np.bincount(steps, counts).astype(np.int64)
    there = np.flatnonzero(totals)
    before = (np.cumsum(totals) - totals)[there]
    wanted = before + np.maximum(np.ceil(totals[there] * share), 1).astype(np.int64)
    return there, np.searchsorted(ranks, wanted)
