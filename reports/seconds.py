"""A run second by second: what happened in each, and how long what ended in it had taken."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.columns import NEVER
from reports.hdr import buckets, highest_ns
from reports.rundir import PhaseRecord

HAPPENED = ("intended", "sent", "acknowledged", "completed")
SHOWN = {"response": "acknowledged", "completion": "completed"}
"""The latencies that are shown over time, and where they end."""
SHARES = {"p50": 0.5, "p99": 0.99}

COARSE_BITS = 3
"""Seconds have buckets of eight of a histogram's: within a hundredth is enough to draw."""
_BUCKET_BITS = 16

Ints = NDArray[np.int64]


class Seconds:
    """Counts by second, filled shard by shard; they grow with the run's length, not with its load."""

    def __init__(self) -> None:
        self._happened = {name: np.zeros(0, np.int64) for name in HAPPENED}
        self._took: dict[str, Counter[int]] = {name: Counter() for name in SHOWN}
        """Second and bucket in one number, and how often."""
        self._phases = np.zeros(0, np.int64)

    def add(self, frame: pd.DataFrame) -> None:
        """Add commands that were sent, as `latencies.sent_commands` returns them."""
        if frame.empty:
            return
        for name in HAPPENED:
            at_ns = frame[f"{name}_ns"].to_numpy()
            counts = np.bincount(_second(at_ns[at_ns != NEVER])).astype(np.int64)
            self._happened[name] = _longer(self._happened[name], len(counts))
            self._happened[name][: len(counts)] += counts
        sent = _second(frame["sent_ns"].to_numpy())
        self._phases = _longer(self._phases, int(sent.max()) + 1)
        np.maximum.at(self._phases, sent, frame["phase"].to_numpy().astype(np.int64) + 1)
        for name, end in SHOWN.items():
            self._took[name].update(_coarse(frame, f"{end}_ns"))

    def table(self, phases: tuple[PhaseRecord, ...]) -> pd.DataFrame:
        """Return one row per second of the run, empty seconds included.

        Columns: t_s, phase, intended, sent, acknowledged, completed (counts in that second),
        response_p50_ms, response_p99_ms, completion_p50_ms, completion_p99_ms (NaN where nothing
        ended).
        """
        size = max(len(counts) for counts in self._happened.values())
        names = np.array(["", *(phase.name for phase in phases)], dtype=object)
        table = pd.DataFrame({"t_s": np.arange(size)})
        table["phase"] = names[_longer(self._phases, size)]
        for name, counts in self._happened.items():
            table[name] = _longer(counts, size)
        for name, took in self._took.items():
            for label, column in _percentiles(took, size).items():
                table[f"{name}_{label}_ms"] = column
        return table


def _second(at_ns: Ints) -> Ints:
    seconds: Ints = np.maximum(at_ns // 1_000_000_000, 0)
    return seconds


def _longer(counts: Ints, size: int) -> Ints:
    return np.concatenate([counts, np.zeros(max(size - len(counts), 0), np.int64)])


def _coarse(frame: pd.DataFrame, end: str) -> Counter[int]:
    ends, begins = frame[end].to_numpy(), frame["intended_ns"].to_numpy()
    ended = ends != NEVER
    cells = buckets(ends[ended] - begins[ended]) >> COARSE_BITS
    keys, counts = np.unique(_second(ends[ended]) << _BUCKET_BITS | cells, return_counts=True)
    return Counter(dict(zip(keys.tolist(), counts.tolist(), strict=True)))


def _percentiles(took: Counter[int], size: int) -> dict[str, NDArray[np.float64]]:
    """Return the percentiles of each second in ms, by nearest rank; NaN where nothing ended."""
    keys = np.array(sorted(took), np.int64)
    counts = np.array([took[key] for key in keys.tolist()], np.int64)
    seconds, cells = keys >> _BUCKET_BITS, keys & (1 << _BUCKET_BITS) - 1
    ranks = np.cumsum(counts)
    totals = np.bincount(seconds, counts, size).astype(np.int64)
    before = np.cumsum(totals) - totals
    columns = {}
    for label, share in SHARES.items():
        wanted = before + np.maximum(np.ceil(totals * share), 1).astype(np.int64)
        column = np.full(size, np.nan)
        for second in np.flatnonzero(totals).tolist():
            cell = int(cells[np.searchsorted(ranks, wanted[second])])
            column[second] = highest_ns((cell + 1 << COARSE_BITS) - 1) / 1e6
        columns[label] = column
    return columns
