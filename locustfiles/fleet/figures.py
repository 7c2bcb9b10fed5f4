"""Response times of a fleet, and its other latencies: counted in fixed buckets, reported as cumulative snapshots, merged exactly.

A snapshot replaces the one before of the same worker and master; it is never added to it, so a lost
or doubled report does no harm. Only buckets that have counts travel, as packed integers.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Channel, Kind
from locustfiles.fleet.buckets import Counts, counted, nothing, packed, percentile_ms, unpacked
from locustfiles.fleet.checked import count, items
from locustfiles.fleet.facts import About, read_counts
from locustfiles.fleet.outcomes import Outcomes
from locustfiles.fleet.parts import Part
from locustfiles.vigil import VIOLATES
from reports.workers import Reported

KEY = "paystorm"
"""Where a snapshot stands in Locust's reports."""
BATCH = 4096

Scope = tuple[int, int, int]
"""Phase, kind and channel."""
InRegion = tuple[int, int, int, int]
"""The same and the region: its number among the pool's, from 1, or 0 without regions."""
REGIONS_MAX = 9
Latency = Literal["lag", "service", "response", "completion"]
LATENCIES: tuple[Latency, ...] = get_args(Latency)
Packed = list[Any]
"""A scope's numbers, the exact sum of its times in ns, its filled buckets, and what is in each."""


class Figures:
    """A worker's own: cumulative over its part of the run."""

    def __init__(self) -> None:
        self._waiting: dict[InRegion, array[int]] = defaultdict(lambda: array("q"))
        self._counts: dict[InRegion, Counts] = {}
        self._sums_ns: Counter[InRegion] = Counter()
        self._sequence = 0

    def add(
        self,
        phase: int,
        kind: Kind,
        took_ns: int,
        channel: Channel = Channel.HTTP,
        region: int = 0,
    ) -> None:
        """Count a response time; filled into buckets in batches."""
        waiting = self._waiting[phase, kind, channel, region]
        waiting.append(took_ns)
        if len(waiting) >= BATCH:
            self._fill((phase, int(kind), int(channel), region))

    def add_all(self, scope: InRegion, took_ns: NDArray[np.int64]) -> None:
        """Count many times of a scope."""
        counts = self._counts.setdefault(scope, nothing())
        counts += counted(took_ns)
        self._sums_ns[scope] += int(np.maximum(took_ns, 0).sum())

    def packed(self) -> list[Packed]:
        """Return the counts, as msgpack can carry them."""
        # A copy: another thread may be counting meanwhile.
        return [
            [*scope, self._sums_ns[scope], *packed(counts)]
            for scope, counts in list(self._counts.items())
        ]

    def snapshot(self, worker: str, term: int) -> dict[str, Any]:
        """Return all that was counted, as msgpack can carry it."""
        for scope in list(self._waiting):
            self._fill((scope[0], int(scope[1]), int(scope[2]), scope[3]))
        self._sequence += 1
        return {
            "worker": worker,
            "term": term,
            "sequence": self._sequence,
            "scopes": self.packed(),
        }

    def _fill(self, scope: InRegion) -> None:
        self.add_all(scope, np.array(self._waiting.pop(scope), dtype=np.int64))


@dataclass(slots=True)
class Responses:
    """Response times of one scope: how many in each bucket, and their exact sum."""

    counts: Counts
    sum_ns: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    """What one worker counted of a scope."""

    filled: NDArray[np.int64]
    counts: Counts
    sum_ns: int


def _parts(raw: Iterable[Packed]) -> dict[InRegion, _Part]:
    """Read what `Figures.packed` made. Raises ValueError or TypeError for what is none."""
    parts = {}
    for phase, kind, channel, region, sum_ns, indices, counts in raw:
        filled, many = unpacked(indices, counts)
        if region not in range(REGIONS_MAX + 1):
            raise ValueError("a region that is none")
        scope = int(phase), int(Kind(kind)), int(Channel(channel)), int(region)
        parts[scope] = _Part(filled, many, int(sum_ns))
    return parts


@dataclass(frozen=True, slots=True)
class _Snapshot:
    sequence: int
    took: Mapping[Latency, Mapping[InRegion, _Part]]
    facts: Mapping[About, int]
    outcomes: Outcomes
    parts: tuple[Part, ...]
    violations: Mapping[str, int]

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """Read what `Figures.snapshot` made. Raises ValueError, KeyError or TypeError."""
        others = raw.get("took", {})
        told = {name: others.get(name, ()) for name in LATENCIES} | {"response": raw["scopes"]}
        took = {name: _parts(told[name]) for name in LATENCIES}
        facts, outcomes = read_counts(raw.get("facts", ())), Outcomes.read(raw.get("outcomes"))
        violated = dict(raw.get("violations", ()))
        violations = {kind: count(violated.get(kind, 0)) for kind in VIOLATES}
        parts = tuple(map(Part.read, items(raw.get("parts", ()))))
        return cls(int(raw["sequence"]), took, facts, outcomes, parts, violations)


@dataclass(slots=True)
class FleetFigures:
    """The master's: the latest snapshot of each worker, lost ones too."""

    _of: dict[tuple[str, int], _Snapshot] = field(default_factory=dict)

    def take(self, raw: Mapping[str, Any]) -> bool:
        """Take in a snapshot, and tell whether it is newer than what there was.

        Raises ValueError, KeyError or TypeError for what is none.
        """
        key = str(raw["worker"]), int(raw["term"])
        before = self._of.get(key)
        if before is not None and int(raw["sequence"]) <= before.sequence:
            return False
        self._of[key] = _Snapshot.read(raw)
        return True

    def workers(self) -> list[str]:
        """Return the workers that reported anything, in order."""
        return sorted({worker for worker, _ in self._of})

    def counts(
        self,
        worker: str | None = None,
        phase: int | None = None,
        kind: Kind | None = None,
        channel: Channel | None = None,
        region: int | None = None,
        latency: Latency = "response",
    ) -> Counts:
        """Return the counts of one worker, or of all; of a phase, kind, channel and region, or of all."""
        wanted = phase, kind, channel, region
        return _summed(
            part
            for (name, _), one in self._of.items()
            for scope, part in one.took[latency].items()
            if worker in (None, name)
            and all(want in (None, own) for want, own in zip(wanted, scope, strict=True))
        )

    def responses(self, latency: Latency = "response") -> dict[Scope, Responses]:
        """Return the response times of all workers, or another latency, by scope."""
        found: dict[Scope, Responses] = {}
        for (*scope, _), part in self.responses_by_region(latency).items():
            phase, kind, channel = scope
            whole = found.setdefault((phase, kind, channel), Responses(np.zeros_like(part.counts)))
            whole.counts += part.counts
            whole.sum_ns += part.sum_ns
        return found

    def responses_by_region(self, latency: Latency = "response") -> dict[InRegion, Responses]:
        """Return the response times of all workers, or another latency, by scope and region."""
        found: dict[InRegion, Responses] = {}
        for one in self._of.values():
            for scope, part in one.took[latency].items():
                if scope not in found:
                    found[scope] = Responses(nothing())
                found[scope].counts[part.filled] += part.counts
                found[scope].sum_ns += part.sum_ns
        return found

    def facts(self) -> Counter[About]:
        """Return how many facts of each sort all workers wrote down."""
        found: Counter[About] = Counter()
        for one in self._of.values():
            found.update(one.facts)
        return found

    def outcomes(self) -> Outcomes:
        """Return what all workers saw of outcomes."""
        return Outcomes.total(one.outcomes for one in self._of.values())

    def part(self, number: int) -> Part:
        """Return what all workers saw of an SLO that is watched, by its number among them."""
        return Part.total(one.parts[number] for one in self._of.values() if number < len(one.parts))

    def violations(self) -> Counter[str]:
        """Return how often all workers saw what can never be right, by its kind (vigil.VIOLATES).

        One that two workers saw, of a reply and of an event, counts twice.
        """
        found: Counter[str] = Counter()
        for one in self._of.values():
            found.update({kind: times for kind, times in one.violations.items() if times})
        return found

    def reported(self) -> Iterator[Reported]:
        """Yield the figures of each worker by itself, so that a slow one is seen."""
        for worker in self.workers():
            counts = self.counts(worker)
            p50, p99 = (percentile_ms(counts, percent) for percent in (50, 99))
            yield Reported(worker, int(counts.sum()), p50, p99)


def _summed(parts: Iterable[_Part]) -> Counts:
    total = nothing()
    for part in parts:
        total[part.filled] += part.counts
    return total
