"""Latencies from the raw facts: exact percentiles, per phase, channel and kind, and per second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from e2e_data.commands import Channel, Kind
from e2e_data.platform import Acknowledged
from reports.evidence import Evidence
from reports.judgement import LatencyRow
from reports.rundir import PhaseRecord
from reports.seen import NEVER
from reports.slos import Latency

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}
LATENCIES: dict[Latency, tuple[str, str]] = {
    "lag": ("ready_ns", "sent_ns"),
    "service": ("sent_ns", "acknowledged_ns"),
    "response": ("intended_ns", "acknowledged_ns"),
    "completion": ("intended_ns", "completed_ns"),
}
"""Each latency's beginning and end."""


class Samples:
    """The times of all commands that were sent, one row each: phase, channel, kind and times."""

    def __init__(self) -> None:
        self._parts: list[pd.DataFrame] = []
        self._frame: pd.DataFrame | None = None

    def add(self, evidence: Evidence) -> None:
        """Add the commands of a shard that were sent."""
        seen, sent = evidence.seen, evidence.sent
        ready_ns = np.maximum(seen.intended_ns, seen.free_ns)
        columns: dict[str, NDArray[Any]] = {
            "phase": seen.phase.astype(np.int16),
            "channel": seen.channel.astype(np.int8),
            "kind": evidence.shard.kind.astype(np.int8),
            "intended_ns": seen.intended_ns,
            "ready_ns": ready_ns,
            "sent_ns": seen.sent_ns,
            "acknowledged_ns": seen.acknowledged_ns,
            "completed_ns": seen.completed_ns,
            # What the platform would not take has no completion, and none is awaited.
            "refused": np.isin(seen.acknowledged, (Acknowledged.INVALID, Acknowledged.REFUSED)),
        }
        self._parts.append(pd.DataFrame({name: column[sent] for name, column in columns.items()}))

    @property
    def frame(self) -> pd.DataFrame:
        """All rows."""
        if self._frame is None:
            self._frame = (
                pd.concat(self._parts, ignore_index=True) if self._parts else pd.DataFrame()
            )
        return self._frame


def milliseconds(frame: pd.DataFrame, latency: Latency) -> tuple[pd.Series[float], int]:
    """Return the latency of each row that has an end, and how many rows have none (censored)."""
    begin, end = LATENCIES[latency]
    if latency == "completion":
        frame = frame[~frame["refused"]]
    ended = frame[end] != NEVER
    took = (frame.loc[ended, end] - frame.loc[ended, begin]) / 1e6
    return took, int((~ended).sum())


def percentile(sorted_ms: np.ndarray, censored: int, percent: float) -> float | None:
    """Return the percentile of a sorted sample, by nearest rank.

    None where fewer samples lie beyond it than one, so that the maximum would pose as a percentile;
    and where it falls among the `censored`, which took longer than anybody saw.
    """
    size = len(sorted_ms) + censored
    # 99.9 / 100 * 1000 is a little more than 999: rounded before the ceiling.
    rank = int(np.ceil(round(percent * size / 100, 9)))
    if size * (1 - percent / 100) < 1 - 1e-9 or rank > len(sorted_ms) or rank < 1:
        return None
    return float(sorted_ms[rank - 1])


def latency_rows(frame: pd.DataFrame, phases: tuple[PhaseRecord, ...]) -> Iterator[LatencyRow]:
    """Yield a row for each latency of each phase, channel and kind that was sent."""
    if frame.empty:
        return
    for key, group in frame.groupby(["phase", "channel", "kind"]):
        phase, channel, kind = (int(str(number)) for number in key)
        for latency in LATENCIES:
            took, censored = milliseconds(group, latency)
            ordered = np.sort(took.to_numpy())
            percentiles = {
                name: percentile(ordered, censored, percent)
                for name, percent in PERCENTILES.items()
            }
            yield LatencyRow(
                latency=latency,
                phase=phases[phase].name,
                channel=Channel(channel).name,
                kind=Kind(kind).label,
                count=len(ordered),
                censored=censored,
                percentiles_ms={**percentiles, "max": float(ordered[-1]) if len(ordered) else None},
            )


def per_second(frame: pd.DataFrame, phases: tuple[PhaseRecord, ...]) -> pd.DataFrame:
    """Return one row per second of the run, empty seconds included.

    Columns: t_s, phase, intended, sent, acknowledged, completed (counts in that second),
    response_p50_ms, response_p99_ms, completion_p50_ms, completion_p99_ms (NaN where nothing ended).
    """
    counts = ("intended", "sent", "acknowledged", "completed")
    if frame.empty:
        percentiles = [
            f"{name}_{p}_ms" for name in ("response", "completion") for p in ("p50", "p99")
        ]
        return pd.DataFrame(columns=["t_s", "phase", *counts, *percentiles])
    seconds = {name: _second(frame[f"{name}_ns"]) for name in counts}
    last = max(int(column.max()) for column in seconds.values() if len(column))
    table = pd.DataFrame({"t_s": np.arange(last + 1)})
    phase = frame.loc[seconds["sent"].index, "phase"].groupby(seconds["sent"]).max()
    names = {number: record.name for number, record in enumerate(phases)}
    table["phase"] = table["t_s"].map(phase).map(names).fillna("")
    for name, column in seconds.items():
        table[name] = table["t_s"].map(column.value_counts()).fillna(0).astype(int)
    for latency, end in (("response", "acknowledged"), ("completion", "completed")):
        took, _ = milliseconds(frame, "response" if latency == "response" else "completion")
        grouped = took.groupby(seconds[end])
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            table[f"{latency}_{name}_ms"] = table["t_s"].map(grouped.quantile(share))
    return table


def _second(times_ns: pd.Series[int]) -> pd.Series[int]:
    """Return the second of each time, without those that never came."""
    return times_ns[times_ns != NEVER].floordiv(1_000_000_000).clip(lower=0)
