"""Latencies: histograms per phase, channel and kind, filled shard by shard from the raw facts.

They have a fixed size however long the run was, and whatever they show has at most a thousandth of
error. What has no end is not in them, but is counted: it took longer than anything that was seen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from e2e_data.commands import Channel, Kind
from reports.columns import NEVER
from reports.hdr import Counts, Histogram, rank_of
from reports.judgement import LatencyRow
from reports.rundir import PhaseRecord
from reports.slos import Latency

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9, "p99.99": 99.99}
LATENCIES: dict[Latency, tuple[str, str]] = {
    "lag": ("ready_ns", "sent_ns"),
    "queueing": ("intended_ns", "ready_ns"),
    "service": ("sent_ns", "acknowledged_ns"),
    "response": ("intended_ns", "acknowledged_ns"),
    "completion": ("intended_ns", "completed_ns"),
}
"""Each latency's beginning and end."""

WAITED_FOR: tuple[Latency, ...] = ("response", "completion")
"""What customers wait for, from the intended time on."""
CUSTOMERS: tuple[Latency, ...] = ("queueing", *WAITED_FOR)
"""What an arrival that was given up would have had to wait for."""


class Group(NamedTuple):
    """What a histogram is of: numbers of a phase, a Channel and a Kind."""

    phase: int
    channel: int
    kind: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """Values that were seen, and how many were longer than anybody saw."""

    histogram: Histogram
    censored: int

    def percentile_ms(self, percent: float) -> float | None:
        """Return a percentile by nearest rank.

        None where the count cannot support it, and where it falls among the censored.
        """
        rank = rank_of(self.histogram.count + self.censored, percent)
        if rank is None or rank > self.histogram.count:
            return None
        return self.histogram.at_rank(rank) / 1e6

    @property
    def max_ms(self) -> float | None:
        """The largest value; None where there is none."""
        return self.histogram.max_ns / 1e6 if self.histogram.count else None

    def row(self, latency: Latency, phase: str, channel: str, kind: str) -> LatencyRow:
        """Return the percentiles as they stand in a report."""
        percentiles = {name: self.percentile_ms(percent) for name, percent in PERCENTILES.items()}
        return LatencyRow(
            latency=latency,
            phase=phase,
            channel=channel,
            kind=kind,
            count=self.histogram.count,
            censored=self.censored,
            percentiles_ms={**percentiles, "max": self.max_ms},
        )


class Latencies:
    """The latencies of a run."""

    def __init__(self) -> None:
        self.histograms: defaultdict[tuple[Group, Latency], Histogram] = defaultdict(Histogram)
        self._awaited: Counter[tuple[Group, Latency]] = Counter()
        self._given_up: Counter[int] = Counter()

    def add(self, frame: pd.DataFrame) -> None:
        """Add commands that were sent, as `attempted_commands` returns them."""
        numbers = frame[["phase", "channel", "kind"]].drop_duplicates()
        for group in map(Group._make, numbers.itertuples(index=False)):
            chosen = (frame[name] == number for name, number in group._asdict().items())
            rows = frame[np.logical_and.reduce(list(chosen))]
            for latency in LATENCIES:
                took_ns, awaited = _took(rows, latency)
                self.histograms[group, latency].add(Histogram.of(took_ns))
                self._awaited[group, latency] += awaited

    def give_up(self, phase: int, arrivals: int) -> None:
        """Add arrivals of a phase that were dropped: customers whom nobody ever served."""
        self._given_up[phase] += arrivals

    @property
    def groups(self) -> list[Group]:
        """The groups that have anything, in order."""
        return sorted({group for group, _ in self._awaited})

    def of(self, group: Group, latency: Latency) -> Distribution:
        """Return the distribution of one group."""
        histogram = self.histograms[group, latency]
        return Distribution(histogram, self._awaited[group, latency] - histogram.count)

    def over(
        self,
        latency: Latency,
        phase: int | None = None,
        kind: Kind | None = None,
        *,
        without: Collection[int] = (),
    ) -> Distribution | None:
        """Return the distribution over all that was sent, or a phase or kind of it; None for nothing.

        Phases can be left out (`without`).
        An arrival that was dropped would have been of any of its phase's kinds: it counts for each.
        """
        chosen = [
            group
            for group in self.groups
            if phase in (None, group.phase)
            and kind in (None, group.kind)
            and group.phase not in without
        ]
        if not chosen:
            return None
        whole, censored = Histogram(), 0
        for group in chosen:
            part = self.of(group, latency)
            whole.add(part.histogram)
            censored += part.censored
        if latency in CUSTOMERS:
            censored += sum(self._given_up[number] for number in {group.phase for group in chosen})
        return Distribution(whole, censored)

    def rows(self, phases: tuple[PhaseRecord, ...]) -> Iterator[LatencyRow]:
        """Yield a row for each latency of each group."""
        for group in self.groups:
            for latency in LATENCIES:
                yield self.of(group, latency).row(
                    latency,
                    phases[group.phase].name,
                    Channel(group.channel).name,
                    Kind(group.kind).label,
                )


def _took(frame: pd.DataFrame, latency: Latency) -> tuple[Counts, int]:
    """Return the latencies in ns of what has an end, and of how many rows one is awaited."""
    begin, end = LATENCIES[latency]
    if latency == "completion":
        frame = frame[~frame["refused"]]
    begins, ends = frame[begin].to_numpy(), frame[end].to_numpy()
    ended = ends != NEVER
    return ends[ended] - begins[ended], len(frame)
