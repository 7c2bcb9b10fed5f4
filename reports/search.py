"""The search for the highest rate, judged: what each of its steps held, by all that is known afterwards.

While the run was on, a search was led by what could be seen then. What it found is decided here: by
every SLO of its phase, by what became of each command, and by whether the generator kept up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import comb

import numpy as np
import pandas as pd

from reports.answers import found_by
from reports.attempted import GivenUp
from reports.judgement import SearchRow, SloResult, Status, StepRow
from reports.measures import measure_of
from reports.rundir import RunRecord
from reports.sending import SendingTime
from reports.slos import Slo
from reports.steps import Step
from reports.timeline import PHASE_BEGAN, Event

RESPONSE = Slo(latency="response", percentile=99, below_ms=1e12)
ANSWERED = Slo(throughput_above_per_s=1e-12)
"""What is shown of each step, whatever the plan asks."""


class _Judged:
    """One step, and what was measured of it."""

    def __init__(self, step: Step, record: RunRecord) -> None:
        self.step = step
        asked = [slo for slo in record.slos if slo.phase in (None, step.phase)]
        fit = record.fitness
        lag = Slo(latency="lag", percentile=fit.lag_percentile, below_ms=fit.lag_below_ms)
        alone = SendingTime(([], [Event(step.from_ns, PHASE_BEGAN, step.phase)]))
        made = [measure_of(slo, record.phases, alone) for slo in (*asked, lag, RESPONSE, ANSWERED)]
        *self._asked, self._lag, self._response, self._answered = made
        self._all = made
        self._sent = self._wrong = 0

    def add(self, rows: pd.DataFrame) -> None:
        """Add commands that were due in the step, as `attempted_commands` returns them."""
        for measure in self._all:
            measure.add(rows)
        self._sent += int(rows["sent"].sum())
        self._wrong += int(rows["wrong"].sum())

    def give_up(self, one: GivenUp) -> None:
        """Add arrivals of the step that were dropped."""
        for measure in self._all:
            measure.give_up([one])

    def row(self) -> StepRow:
        """Return what came of it."""
        return StepRow(
            phase=self.step.phase,
            rate_per_s=self.step.rate_per_s,
            began_ns=self.step.from_ns,
            sent=self._sent,
            answered_per_s=self._answered.result().measured,
            response_p99_ms=self._response.result().measured,
            missed="; ".join(self._missed()),
        )

    def _missed(self) -> Iterator[str]:
        if not self._sent:
            yield "nothing was sent"
            return
        if self._wrong:
            yield f"{self._wrong} commands were lost, doubled or wrong"
        for result in (measure.result() for measure in self._asked):
            if result.status is not Status.HOLDS:
                told = result.note
                if result.measured is not None:
                    told = f"{result.measured:.4g} {result.unit}"
                yield f"{result.title} ({told})"
        lag = self._lag.result()
        if lag.status is Status.VIOLATED:
            yield f"the generator did not keep up: {lag.title}"


class Searches:
    """The searches of a run, filled shard by shard."""

    def __init__(self, record: RunRecord, steps: Sequence[Step]) -> None:
        self._numbers = {phase.name: number for number, phase in enumerate(record.phases)}
        self._first = {
            phase.name: phase.search_from_per_s
            for phase in record.phases
            if phase.search_from_per_s
        }
        """The rate that each search begins with, by the name of its phase."""
        self._judged = [
            _Judged(step, record) for step in sorted(steps, key=lambda one: one.from_ns)
        ]
        self._from_ns = np.array([one.step.from_ns for one in self._judged], np.int64)
        self._until_ns = np.array([one.step.until_ns for one in self._judged], np.int64)

    @property
    def phases(self) -> frozenset[int]:
        """The numbers of the phases that search: an SLO is asked of each of their steps by itself."""
        return frozenset(self._numbers[name] for name in self._first)

    @property
    def names(self) -> frozenset[str]:
        """The names of these phases."""
        return frozenset(self._first)

    def take(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Take the commands of these phases in, and return those of the others."""
        if not self._first:
            return frame
        mine = frame["phase"].isin(self.phases).to_numpy()
        rows = frame[mine]
        due_ns = rows["intended_ns"].to_numpy()
        at = np.searchsorted(self._from_ns, due_ns, "right") - 1
        inside = (at >= 0) & (due_ns < self._until_ns[at] if len(self._until_ns) else False)
        for number in np.unique(at[inside]).tolist():
            self._judged[number].add(rows[inside & (at == number)])
        return frame[~mine]

    def give_up(self, dropped: Sequence[GivenUp]) -> None:
        """Add the arrivals that these phases dropped, by when that was noticed."""
        for one in dropped:
            number = int(np.searchsorted(self._from_ns, one.at_ns, "right")) - 1
            if one.phase in self.phases and number >= 0:
                self._judged[number].give_up(one)

    def rows(self) -> Iterator[SearchRow]:
        """Yield what each search has found."""
        for name, first in self._first.items():
            rows = [one.row() for one in self._judged if one.step.phase == name]
            yield _found(name, first, rows)


def _found(phase: str, first_per_s: int, steps: Sequence[StepRow]) -> SearchRow:
    """Return the highest rate that held in most of its tries, below the lowest that did not."""
    held: Counter[int] = Counter()
    tried = Counter(step.rate_per_s for step in steps)
    for step in steps:
        held[step.rate_per_s] += not step.missed
    too_high = min((rate for rate in tried if 2 * held[rate] <= tried[rate]), default=None)
    highest = max((rate for rate in tried if too_high is None or rate < too_high), default=None)
    return SearchRow(
        phase=phase,
        first_per_s=first_per_s,
        highest_per_s=highest,
        too_high_per_s=too_high,
        held=held[highest] if highest is not None else 0,
        tries=tried[highest] if highest is not None else 0,
        confidence_percent=(
            None if highest is None else confidence_percent(held[highest], tried[highest])
        ),
        missed=next(
            (step.missed for step in steps if step.rate_per_s == too_high and step.missed), ""
        ),
        steps=tuple(steps),
    )


def confidence_percent(held: int, tries: int) -> float:
    """Return how sure it is that a rate holds more often than not: the sign test's confidence.

    If it held but one time in two, so many of the tries or more would hold with the other probability.
    """
    by_chance: float = sum(comb(tries, many) for many in range(held, tries + 1)) / 2**tries
    return 100 * (1 - by_chance)


def search_result(row: SearchRow) -> SloResult:
    """Return a search as an SLO: the rate that it begins with has to hold."""
    title = f"SLOs and invariants hold at {row.first_per_s}/s or more (search {row.phase})"
    samples = sum(step.sent for step in row.steps)
    if not row.steps:
        return SloResult(title, Status.UNKNOWN, None, 0, "no step came to its end", "/s")
    status = Status.VIOLATED if row.highest_per_s is None else Status.HOLDS
    return SloResult(title, status, row.highest_per_s, samples, found_by(row), "/s")
