"""What SLOs ask, measured: filled shard by shard, over the whole run or by windows of time.

What is missing does not pass: a command without an end counts as slower than anything that was seen,
an arrival that was given up too, and an SLO that nothing was measured for is UNKNOWN.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from reports.attempted import GivenUp
from reports.columns import NEVER, Ints
from reports.hdr import buckets, highest_ns, rank_of
from reports.judgement import SloResult, Status
from reports.latencies import CUSTOMERS, LATENCIES
from reports.rundir import PhaseRecord
from reports.sending import SendingTime
from reports.slos import NARROWER, Slo
from reports.timeline import Event

_BUCKET_BITS = 16
S_NS = 1_000_000_000
FRESH_STEP_NS = 10_000_000
"""So exactly the age of the newest outcome is told."""


class Measure(ABC):
    """One SLO and what was seen for it."""

    def __init__(self, slo: Slo, phases: Sequence[PhaseRecord], sending: SendingTime) -> None:
        """Measure what was due after each phase's warm-up, while the run was `sending`."""
        self.slo = slo
        self._sending = sending
        self._names = [phase.name for phase in phases]
        self._sent_in: set[int] = set()
        """The phases that sent anything of what is asked for."""
        self._window_ns = None if slo.window_s is None else round(slo.window_s * S_NS)
        # What is due in a phase that nobody saw begin is taken as it is.
        began_ns = (sending.until(phase.name) for phase in phases)
        self._warm_ns = np.array(
            [
                0 if began is None else began + round(phase.warm_up_s * S_NS)
                for began, phase in zip(began_ns, phases, strict=True)
            ],
            dtype=np.int64,
        )

    def add(self, frame: pd.DataFrame) -> None:
        """Add commands, as `attempted_commands` returns them."""
        if frame.empty:
            return
        due_ns = self._sending.of(frame["intended_ns"].to_numpy())
        chosen = due_ns >= self._warm_ns[frame["phase"].to_numpy()]
        for name in NARROWER:
            wanted = getattr(self.slo, name)
            if wanted is not None:
                chosen &= (frame[name] == wanted).to_numpy()
        if self.slo.phase is not None:
            chosen &= (frame["phase"] == self._phase).to_numpy()
        if chosen.any():
            rows = frame[chosen]
            self._sent_in.update(rows["phase"].unique().tolist())
            self._add(rows, due_ns[chosen])

    def give_up(self, given_up: Iterable[GivenUp]) -> None:
        """Add arrivals that were dropped: each may have been for any command of its phase.

        Comes after all commands, for a phase counts only where it sent what is asked for.
        """
        for one in given_up:
            at_ns = self._sending.of(np.array([one.at_ns], np.int64))
            if one.phase in self._sent_in and at_ns[0] >= self._warm_ns[one.phase]:
                self._drop(int(self._window(at_ns)[0]), one.count)

    def result(self) -> SloResult:
        """Return what was measured, and whether it is enough."""
        if self.slo.phase is not None and self._phase < 0:
            note = f"there is no phase {self.slo.phase}, only {', '.join(self._names)}"
            return self._result(Status.UNKNOWN, None, 0, note)
        if self._window_ns is None:
            return self._whole()
        return self._by_windows(self._window_ns / S_NS)

    def _by_windows(self, window_s: float) -> SloResult:
        windows = dict(self._windows())
        if not windows:
            return self._result(Status.UNKNOWN, None, self._samples, "there is no whole window")
        good = sum(map(self._is_met, windows.values()))
        percent = 100 * good / len(windows)
        worst = self._worst(windows)
        value = windows[worst]
        told = "has no end" if math.isinf(value) else f"has {value:.4g} {self.slo.unit}"
        at_s = self._sending.at(round(worst * window_s * S_NS)) / S_NS
        note = f"{good} of {len(windows)} windows; the worst, at {at_s:.6g} s, {told}"
        held = 100 * good >= self.slo.windows_percent * len(windows)
        status = Status.HOLDS if held else Status.VIOLATED
        return SloResult(self.slo.title, status, percent, self._samples, note, "%")

    def _result(
        self, status: Status, measured: float | None, samples: int, note: str = ""
    ) -> SloResult:
        return SloResult(self.slo.title, status, measured, samples, note, self.slo.unit)

    @property
    def _phase(self) -> int:
        return self._names.index(self.slo.phase) if self.slo.phase in self._names else -1

    def _window(self, sending_ns: Ints) -> Ints:
        windows: Ints = (
            np.zeros_like(sending_ns) if self._window_ns is None else sending_ns // self._window_ns
        )
        return windows

    @property
    @abstractmethod
    def _samples(self) -> int: ...

    @abstractmethod
    def _add(self, rows: pd.DataFrame, due_ns: Ints) -> None:
        """Add commands, and when in the sending time each was due."""

    def _drop(self, window: int, count: int) -> None:  # noqa: B027 - most measure what was sent
        """Add arrivals that were dropped in a window, where that is to be measured."""

    @abstractmethod
    def _whole(self) -> SloResult: ...

    @abstractmethod
    def _windows(self) -> Iterator[tuple[int, float]]:
        """Yield what was measured in each window."""

    @abstractmethod
    def _is_met(self, value: float) -> bool: ...

    def _worst(self, windows: Mapping[int, float]) -> int:
        return max(windows, key=lambda window: windows[window])


class LatencyMeasure(Measure):
    """A percentile of a latency, by nearest rank."""

    def __init__(self, slo: Slo, phases: Sequence[PhaseRecord], sending: SendingTime) -> None:
        super().__init__(slo, phases, sending)
        assert slo.latency is not None
        assert slo.percentile is not None
        assert slo.below_ms is not None
        self._latency, self._percentile, self._below_ms = slo.latency, slo.percentile, slo.below_ms
        self._took: Counter[int] = Counter()
        """Window and bucket in one number, and how often."""
        self._awaited: Counter[int] = Counter()
        """How many should have an end, by window."""
        self._max_ns = 0

    @property
    def _samples(self) -> int:
        return self._took.total()

    def _add(self, rows: pd.DataFrame, due_ns: Ints) -> None:
        counts = rows["sent"].to_numpy()
        if self._latency == "completion":
            counts = counts & ~rows["refused"].to_numpy()
        begins, ends = (rows[name].to_numpy()[counts] for name in LATENCIES[self._latency])
        windows = self._window(due_ns[counts])
        self._awaited.update(windows.tolist())
        ended = ends != NEVER
        took_ns = ends[ended] - begins[ended]
        if len(took_ns):
            self._max_ns = max(self._max_ns, int(took_ns.max()))
        self._took.update((windows[ended] << _BUCKET_BITS | buckets(took_ns)).tolist())

    def _drop(self, window: int, count: int) -> None:
        if self._latency in CUSTOMERS:
            self._awaited[window] += count

    def _whole(self) -> SloResult:
        awaited, count = self._awaited.total(), self._samples
        if not awaited:
            return self._result(Status.UNKNOWN, None, 0, "nothing was sent")
        rank = rank_of(awaited, self._percentile)
        if rank is not None and rank <= count:
            measured = self._at_rank(rank, self._took)
            return self._result(
                Status.HOLDS if self._is_met(measured) else Status.VIOLATED, measured, count
            )
        if awaited > count:
            note = f"{awaited - count} commands had no end, so the percentile is more than was seen"
            return self._result(Status.VIOLATED, None, count, note)
        note = f"{count} samples cannot show a p{self._percentile:g}"
        return self._result(Status.UNKNOWN, None, count, note)

    def _windows(self) -> Iterator[tuple[int, float]]:
        parts: dict[int, Counter[int]] = {}
        for key, count in self._took.items():
            parts.setdefault(key >> _BUCKET_BITS, Counter())[key] = count
        for window, awaited in sorted(self._awaited.items()):
            # Of a few in a window, the slowest stands for the percentile.
            rank = max(1, math.ceil(round(self._percentile * awaited / 100, 9)))
            part = parts.get(window, Counter())
            yield window, self._at_rank(rank, part) if rank <= part.total() else math.inf

    def _at_rank(self, rank: int, part: Counter[int]) -> float:
        """Return the value of a rank (from 1) in ms."""
        keys = sorted(part)
        ranks = np.cumsum([part[key] for key in keys])
        bucket = keys[int(np.searchsorted(ranks, rank))] & (1 << _BUCKET_BITS) - 1
        return min(highest_ns(bucket), max(self._max_ns, 0)) / 1e6

    def _is_met(self, value: float) -> bool:
        return value < self._below_ms


class ErrorMeasure(Measure):
    """The share of commands that have no right outcome."""

    def __init__(self, slo: Slo, phases: Sequence[PhaseRecord], sending: SendingTime) -> None:
        super().__init__(slo, phases, sending)
        assert slo.errors_below_percent is not None
        self._below = slo.errors_below_percent
        self._all: Counter[int] = Counter()
        self._failed: Counter[int] = Counter()

    @property
    def _samples(self) -> int:
        return self._all.total()

    def _add(self, rows: pd.DataFrame, due_ns: Ints) -> None:
        windows = self._window(due_ns)
        self._all.update(windows.tolist())
        self._failed.update(windows[rows["failed"].to_numpy()].tolist())

    def _whole(self) -> SloResult:
        count, failed = self._samples, self._failed.total()
        if not count:
            return self._result(Status.UNKNOWN, None, 0, "nothing was sent")
        percent = 100 * failed / count
        status = Status.HOLDS if self._is_met(percent) else Status.VIOLATED
        return self._result(status, percent, count, f"{failed:,} of {count:,} commands")

    def _windows(self) -> Iterator[tuple[int, float]]:
        for window, count in sorted(self._all.items()):
            yield window, 100 * self._failed[window] / count

    def _is_met(self, value: float) -> bool:
        return value < self._below


class ThroughputMeasure(Measure):
    """How many commands are answered in a second, from the first to the last that is due."""

    def __init__(self, slo: Slo, phases: Sequence[PhaseRecord], sending: SendingTime) -> None:
        super().__init__(slo, phases, sending)
        assert slo.throughput_above_per_s is not None
        self._above = slo.throughput_above_per_s
        self._first_ns, self._last_ns = NEVER, -1
        self._answered: Counter[int] = Counter()
        """By millisecond, or by window."""
        self._step_ns = self._window_ns or S_NS // 1000

    @property
    def _samples(self) -> int:
        return self._answered.total()

    def _add(self, rows: pd.DataFrame, due_ns: Ints) -> None:
        first_ns = int(due_ns.min())
        self._first_ns = first_ns if self._first_ns == NEVER else min(self._first_ns, first_ns)
        self._last_ns = max(self._last_ns, int(due_ns.max()))
        at_ns = rows["acknowledged_ns"].to_numpy()
        answered_ns = self._sending.of(at_ns[at_ns != NEVER])
        self._answered.update((answered_ns // self._step_ns).tolist())

    def _whole(self) -> SloResult:
        if self._first_ns == NEVER or self._last_ns == self._first_ns:
            return self._result(Status.UNKNOWN, None, self._samples, "too little was due")
        last = self._last_ns // self._step_ns
        count = sum(many for step, many in self._answered.items() if step <= last)
        per_s = count / ((self._last_ns - self._first_ns) / S_NS)
        status = Status.HOLDS if self._is_met(per_s) else Status.VIOLATED
        return self._result(status, per_s, count)

    def _windows(self) -> Iterator[tuple[int, float]]:
        if self._first_ns == NEVER:
            return
        for window in range(-(-self._first_ns // self._step_ns), self._last_ns // self._step_ns):
            yield window, self._answered[window] / (self._step_ns / S_NS)

    def _is_met(self, value: float) -> bool:
        return value > self._above

    def _worst(self, windows: Mapping[int, float]) -> int:
        return min(windows, key=lambda window: windows[window])


class FreshnessMeasure(Measure):
    """How old the newest observed outcome was, by when its command was due, while commands were due."""

    def __init__(self, slo: Slo, phases: Sequence[PhaseRecord], sending: SendingTime) -> None:
        super().__init__(slo, phases, sending)
        assert slo.freshness_below_s is not None
        self._below_s = slo.freshness_below_s
        self._first_ns, self._last_ns = NEVER, -1
        self._newest = np.zeros(0, np.int64)
        """When the newest command was due whose outcome was observed in each step; it grows with the
        run's length."""
        self._observed = 0

    @property
    def _samples(self) -> int:
        return self._observed

    def _add(self, rows: pd.DataFrame, due_ns: Ints) -> None:
        first_ns = int(due_ns.min())
        self._first_ns = first_ns if self._first_ns == NEVER else min(self._first_ns, first_ns)
        self._last_ns = max(self._last_ns, int(due_ns.max()))
        ends_ns = rows["completed_ns"].to_numpy()
        ended = ends_ns != NEVER
        self._observed += int(ended.sum())
        if ended.any():
            steps = self._sending.of(ends_ns[ended]) // FRESH_STEP_NS
            more = int(steps.max()) + 1 - len(self._newest)
            if more > 0:
                self._newest = np.concatenate([self._newest, np.zeros(more, np.int64)])
            np.maximum.at(self._newest, steps, due_ns[ended])

    def _ages_ns(self) -> tuple[int, Ints]:
        """Return the number of the first step in which commands were due, and the oldest age in each."""
        first, last = self._first_ns // FRESH_STEP_NS, self._last_ns // FRESH_STEP_NS
        seen = np.zeros(last, np.int64)
        known = min(len(self._newest), last)
        seen[:known] = self._newest[:known]
        # At the end of a step, by what was seen before it: no more than a step too old.
        newest = np.maximum(np.maximum.accumulate(seen)[first:], self._first_ns)
        ends_ns = np.minimum((np.arange(first + 1, last + 1) + 1) * FRESH_STEP_NS, self._last_ns)
        return first + 1, ends_ns - newest

    def _whole(self) -> SloResult:
        if self._first_ns == NEVER or self._last_ns - self._first_ns < FRESH_STEP_NS:
            return self._result(Status.UNKNOWN, None, self._samples, "too little was due")
        first, ages_ns = self._ages_ns()
        worst = int(ages_ns.argmax())
        age_s = int(ages_ns[worst]) / S_NS
        at_s = self._sending.at((first + worst) * FRESH_STEP_NS) / S_NS
        note = f"the oldest, at {at_s:.1f} s"
        status = Status.HOLDS if self._is_met(age_s) else Status.VIOLATED
        return self._result(status, age_s, self._samples, note)

    def _windows(self) -> Iterator[tuple[int, float]]:
        if self._first_ns == NEVER or self._last_ns - self._first_ns < FRESH_STEP_NS:
            return
        first, ages_ns = self._ages_ns()
        windows = self._window((np.arange(len(ages_ns)) + first) * FRESH_STEP_NS)
        starts = np.flatnonzero(np.diff(windows, prepend=windows[0] - 1))
        oldest_ns = np.maximum.reduceat(ages_ns, starts)
        yield from zip(windows[starts].tolist(), (oldest_ns / S_NS).tolist(), strict=True)

    def _is_met(self, value: float) -> bool:
        return value < self._below_s


def measure_of(slo: Slo, phases: Sequence[PhaseRecord], sending: SendingTime) -> Measure:
    """Return what measures an SLO."""
    if slo.latency is not None:
        return LatencyMeasure(slo, phases, sending)
    if slo.errors_below_percent is not None:
        return ErrorMeasure(slo, phases, sending)
    if slo.freshness_below_s is not None:
        return FreshnessMeasure(slo, phases, sending)
    return ThroughputMeasure(slo, phases, sending)


def judged_slos(measures: Iterable[Measure], events: Sequence[Event]) -> Iterator[SloResult]:
    """Yield what was measured. An SLO that ended the run was missed, whatever the whole run shows."""
    aborted = {event.note for event in events if event.event == "aborted"}
    for result in (measure.result() for measure in measures):
        if result.title in aborted:
            note = "; ".join(filter(None, ("the run was ended for it", result.note)))
            yield replace(result, status=Status.VIOLATED, note=note)
        else:
            yield result
