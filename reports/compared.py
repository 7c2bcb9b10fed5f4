"""Runs side by side: which may be compared, and what is measured of each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from e2e_data.exits import Exit
from e2e_data.problems import Problems
from reports.differences import Answer, Difference, Sample, decide
from reports.hdr import Histogram
from reports.judgement import Judgement, PhaseRow, Status
from reports.latencies import Distribution
from reports.latency_log import FILE_NAME, of_phase, read_log
from reports.likeness import differing, differing_settings, pool_of, surroundings
from reports.results import read_judgement
from reports.rundir import RunDirectory, RunRecord
from reports.slos import Latency

ASKED: tuple[tuple[Latency, float], ...] = (
    ("response", 50),
    ("response", 99),
    ("completion", 99),
)
DIFFERENCES_MAX = 10
"""Settings of a plan that a refusal names."""


@dataclass(frozen=True)
class JudgedRun:
    """A run that was judged, as far as comparisons need it."""

    directory: RunDirectory
    record: RunRecord
    judgement: Judgement
    histograms: dict[str, Histogram]

    @classmethod
    def read(cls, path: Path) -> JudgedRun:
        """Read a run. Raises Problems where there is none, or it was not judged."""
        directory = RunDirectory.open(path)
        log = directory.latency / FILE_NAME
        if not log.is_file() or not (path / "summary.json").is_file():
            raise Problems([f"{path} was not judged yet: paystorm reconcile {path}"])
        return cls(directory, directory.record(), read_judgement(directory), read_log(log))

    @cached_property
    def pool(self) -> tuple[str, ...]:
        """What makes two pools the same."""
        return pool_of(self.directory)

    def phase(self, name: str) -> PhaseRow | None:
        """Return how a phase went; None where it never began."""
        return next((row for row in self.judgement.phases if row.name == name), None)

    def distribution(self, latency: Latency, phase: str) -> Distribution:
        """Return a latency over all channels and kinds of a phase."""
        return of_phase(self.histograms, self.judgement, phase, latency)

    def errors(self, phase: str) -> int:
        """Return how many commands of a phase ended as an error."""
        return sum(row.count for row in self.judgement.errors if row.phase == phase)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing runs."""

    base: tuple[str, ...]
    """The names of the runs."""
    new: tuple[str, ...]
    phases: tuple[str, ...]
    variation: float | None
    """The stated run-to-run variation as a share; None where it was measured."""
    differences: tuple[Difference, ...]
    not_compared: tuple[str, ...]
    """What could not be compared, and why."""
    not_right: tuple[str, ...]
    """The compared runs that were not right, with their verdicts."""
    changed: tuple[str, ...]
    """What differs in the runs' environment, plan and pool."""

    @property
    def exit(self) -> Exit:
        """Not right, then a regression, then not enough data: what could not be seen is no pass."""
        if self.not_right:
            return Exit.NOT_RIGHT
        if any(one.is_regression for one in self.differences):
            return Exit.SLOW
        undecided = any(one.answer is Answer.NOT_ENOUGH for one in self.differences)
        return Exit.UNFIT if undecided or self.not_compared or not self.differences else Exit.GOOD

    @property
    def line(self) -> str:
        """The result in a sentence."""
        if self.not_right:
            return "NOT RIGHT: a compared run was wrong, so its speed does not matter"
        by_answer = {
            answer: [one.name for one in self.differences if one.answer is answer]
            for answer in Answer
        }
        parts = [
            f"{answer.value}: {', '.join(names)}"
            for answer, names in by_answer.items()
            if names and answer not in (Answer.NO_DIFFERENCE, Answer.NOT_ENOUGH)
        ]
        left = by_answer[Answer.NOT_ENOUGH]
        if left or self.not_compared or not self.differences:
            parts.append(f"not enough data for {', '.join(left) or 'the rest'}")
        return "; ".join(parts) or "no difference seen"


def compare(
    base: Sequence[JudgedRun],
    new: Sequence[JudgedRun],
    *,
    phases: Sequence[str] = (),
    threshold: float = 0.05,
    error_points: float = 0.1,
    variation: float | None = None,
    even_if_different: bool = False,
) -> Comparison:
    """Compare runs; `phases` are the last one unless named, thresholds are shares and points.

    Raises Problems, all at once, where runs must not be compared.
    """
    runs = [*base, *new]
    problems = list(_unusable(runs))
    differing = list(_differing(runs))
    if not even_if_different:
        problems += [f"{one}; --even-if-different compares them all the same" for one in differing]
    chosen = tuple(phases) or (runs[0].record.phases[-1].name,)
    for run in runs:
        names = [phase.name for phase in run.record.phases]
        problems += [
            f"{run.directory.path} has no phase {one!r}" for one in chosen if one not in names
        ]
    if problems:
        raise Problems(problems)
    found = [one for phase in chosen for one in _samples(base, new, phase, threshold, error_points)]
    found += _of_regions(base, new, threshold, error_points)
    samples = [one for one in found if isinstance(one, Sample)]
    return Comparison(
        base=tuple(run.directory.name for run in base),
        new=tuple(run.directory.name for run in new),
        phases=chosen,
        variation=variation,
        differences=tuple(decide(samples, variation)),
        not_compared=tuple(one for one in found if isinstance(one, str)),
        not_right=tuple(
            f"{run.directory.name}: {run.judgement.verdict}"
            for run in new
            if run.judgement.exit is Exit.NOT_RIGHT
        ),
        changed=(*differing, *_environment(base, new)),
    )


def _unusable(runs: Sequence[JudgedRun]) -> Iterator[str]:
    """Name the runs whose figures say nothing of the platform."""
    seen: set[Path] = set()
    for run in runs:
        path = run.directory.path
        if path.resolve() in seen:
            yield f"{path} is named twice"
        seen.add(path.resolve())
        if run.record.state != "ended":
            yield f"{path}: the run did not end in good order ({run.record.state}); leave it out"
        unfit = [rule.title for rule in run.judgement.fitness if rule.status is not Status.HOLDS]
        if unfit:
            yield f"{path}: the load generator was not fit to judge ({unfit[0]}); leave it out"


def _differing(runs: Sequence[JudgedRun]) -> Iterator[str]:
    """Say in what plans and pools differ from the first run's."""
    first = runs[0]
    for run in runs[1:]:
        path = run.directory.path
        told = list(differing_settings(first.record.plan, run.record.plan))
        for where, was, is_now in told[:DIFFERENCES_MAX]:
            yield f"{path}: {where} is {is_now}, but {was} in {first.directory.path}"
        if len(told) > DIFFERENCES_MAX:
            yield f"{path}: {len(told) - DIFFERENCES_MAX} more settings of the plan differ"
        if run.pool != first.pool:
            yield f"{path}: the pool is not that of {first.directory.path}"


def _environment(base: Sequence[JudgedRun], new: Sequence[JudgedRun]) -> Iterator[str]:
    """Say what else is not the same: versions, machine, address."""
    before, now = (_of_side(side) for side in (base, new))
    for name, was, is_now in differing(before, now):
        yield f"{name}: {was} before, {is_now} now"


def _of_side(runs: Sequence[JudgedRun]) -> dict[str, str]:
    """Return what surrounded runs: for each name every value that it had."""
    told = [surroundings(run.record) for run in runs]
    names = {name for facts in told for name in facts}
    return {
        name: ", ".join(sorted({facts.get(name, "not known") for facts in told})) for name in names
    }


def _samples(
    base: Sequence[JudgedRun],
    new: Sequence[JudgedRun],
    phase: str,
    threshold: float,
    error_points: float,
) -> Iterator[Sample | str]:
    """Yield what is compared of a phase, or why it is not."""
    for latency, percent in ASKED:
        name = f"{phase}: {latency} p{percent:g}"
        values = [
            [run.distribution(latency, phase).percentile_ms(percent) for run in side]
            for side in (base, new)
        ]
        was, now = ([one for one in side if one] for side in values)
        if len(was) < len(base) or len(now) < len(new):
            missing = len(base) + len(new) - len(was) - len(now)
            yield f"{name}: {missing} of the runs cannot show it (too few samples, or no end)"
        else:
            yield Sample(name, "ms", tuple(was), tuple(now), threshold)
    rows = [[run.phase(phase) for run in side] for side in (base, new)]
    known = [[row for row in side if row is not None and row.sent > 1] for side in rows]
    if len(known[0]) < len(base) or len(known[1]) < len(new):
        yield f"{phase}: throughput and errors: a run sent nothing in it"
        return
    before, now_per_s = (tuple(row.rate_per_s for row in side) for side in known)
    yield Sample(f"{phase}: throughput", "/s", before, now_per_s, threshold, more_is_better=True)
    counts = [
        [(run.errors(phase), row.sent) for run, row in zip(*side, strict=True)]
        for side in ((base, known[0]), (new, known[1]))
    ]
    yield _errors(f"{phase}: errors", counts, error_points)


IN_REGION = (
    ("response p99", "ms", "response_p99_ms"),
    ("completion p99", "ms", "completion_p99_ms"),
    ("throughput", "/s", "rate_per_s"),
)
"""What is compared of each region, over the whole run: name, unit and what it is called in its row."""


def _of_regions(
    base: Sequence[JudgedRun], new: Sequence[JudgedRun], threshold: float, error_points: float
) -> Iterator[Sample | str]:
    """Yield what is compared of each region that all runs have, or why it is not."""
    sides = [
        [{row.region: row for row in run.judgement.regions} for run in side] for side in (base, new)
    ]
    everywhere = [rows for side in sides for rows in side]
    for region in everywhere[0]:
        if not all(region in rows for rows in everywhere):
            continue
        rows = [[of_run[region] for of_run in side] for side in sides]
        for what, unit, column in IN_REGION:
            name = f"region {region}: {what}"
            was, now = (
                [v for row in side if (v := getattr(row, column)) is not None] for side in rows
            )
            if len(was) + len(now) < len(everywhere):
                missing = len(everywhere) - len(was) - len(now)
                yield f"{name}: {missing} of the runs cannot show it (too few samples, or no end)"
                continue
            yield Sample(
                *(name, unit, tuple(was), tuple(now), threshold), more_is_better=unit == "/s"
            )
        counts = [
            [(round((row.error_percent or 0) * row.sent / 100), row.sent) for row in side]
            for side in rows
        ]
        if all(sent for side in counts for _, sent in side):
            yield _errors(f"region {region}: errors", counts, error_points)


def _errors(name: str, sides: Sequence[Sequence[tuple[int, int]]], error_points: float) -> Sample:
    """Compare shares of errors, given those and what was sent of each run on both sides."""
    was, now = (tuple(100 * failed / sent for failed, sent in side) for side in sides)
    every = [one for side in sides for one in side]
    whole = sum(sent for _, sent in every)
    # What chance alone does to a run's share; half an error, so that none is not certainty.
    share = (sum(failed for failed, _ in every) + 0.5) / (whole + 1)
    floor = 100 * math.sqrt(share * (1 - share) / (whole / len(every)))
    return Sample(name, "%", was, now, error_points, in_points=True, floor=floor)
