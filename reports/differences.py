"""Differences between runs, judged by how much runs differ from each other: pure statistics.

A run is one observation, however many commands it sent: runs of one and the same platform differ by
far more than the seconds within a run would let one believe. What is measured of a run is compared on
a logarithmic scale, or in percentage points, by Student's t with the variance between runs; where the
run-to-run variation is stated instead, by the normal distribution.

All that is compared at once is one family: Holm's procedure (Scandinavian Journal of Statistics 6,
1979) keeps the chance of any false alarm at ALPHA. Intervals are those of the level at which each
was decided, so that one excludes zero exactly where its difference is significant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean

from scipy.special import nctdtrinc, ndtr, ndtri, stdtr, stdtrit

ALPHA = 0.05
POWER = 0.8
BASE_RUNS_MIN = 3
"""Fewer say nothing about how much runs differ."""
RUNS_MORE_MAX = 100
RESOLUTION = 0.001
"""Ratios are measured no finer: a histogram's buckets are a thousandth wide."""


class Answer(StrEnum):
    """What a comparison says."""

    FASTER = "faster"
    SLOWER = "slower"
    MORE = "more"
    """Of what is compared in points, such as errors: worse."""
    FEWER = "fewer"
    NO_DIFFERENCE = "no difference seen"
    NOT_ENOUGH = "not enough data"


_WORDS = {False: (Answer.SLOWER, Answer.FASTER), True: (Answer.MORE, Answer.FEWER)}
"""Worse and better, of what is compared by ratio and in points."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured of each run, baseline and compared; more is worse unless said otherwise."""

    name: str
    unit: str
    base: tuple[float, ...]
    new: tuple[float, ...]
    threshold: float
    """The least difference that matters: a share for ratios (0.05), or percentage points."""
    in_points: bool = False
    """Compared by difference, not by ratio."""
    more_is_better: bool = False
    floor: float = 0.0
    """The least standard deviation that a run's value can have, in points: that of sampling."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between compared and baseline runs: a share of the baseline, or points."""

    name: str
    unit: str
    base: float
    """The baseline's mean, geometric where it is compared by ratio."""
    new: float
    change: float
    low: float
    """The interval's lower end, as `change`; -inf where nothing can be said."""
    high: float
    threshold: float
    in_points: bool
    answer: Answer
    note: str = ""
    """What more would do, where there is not enough."""

    @property
    def is_regression(self) -> bool:
        """Whether it became worse."""
        return self.answer in (Answer.SLOWER, Answer.MORE)


@dataclass(frozen=True, slots=True)
class _Scaled:
    """A sample on the scale on which it is compared; a positive difference is worse."""

    difference: float
    sd: float
    degrees: float
    base_runs: int
    new_runs: int
    threshold: float

    @property
    def error(self) -> float:
        return self.sd * math.sqrt(1 / self.base_runs + 1 / self.new_runs)

    @property
    def p_value(self) -> float:
        return 2 * _below(-abs(self.difference) / self.error, self.degrees)

    def reach(self, level: float) -> float:
        """Return half of the interval's width at a two-sided level."""
        return _quantile(1 - level / 2, self.degrees) * self.error


def decide(samples: Sequence[Sample], variation: float | None = None) -> list[Difference]:
    """Compare samples of two groups of runs, as one family.

    `variation` is the stated standard deviation from run to run, as a share of the value; without it
    there have to be BASE_RUNS_MIN baseline runs. Each sample has one run at least in both groups.
    """
    if variation is None and any(len(one.base) < BASE_RUNS_MIN for one in samples):
        return [_without_variation(one) for one in samples]
    scaled = [_scaled(one, variation) for one in samples]
    order = sorted(range(len(scaled)), key=lambda number: scaled[number].p_value)
    levels, rejected = [0.0] * len(scaled), [False] * len(scaled)
    level, stopped = ALPHA, False
    for rank, number in enumerate(order):
        if not stopped:
            level = ALPHA / (len(scaled) - rank)
            stopped = scaled[number].p_value > level
        levels[number], rejected[number] = level, not stopped
    return [
        _difference(sample, one, level, is_rejected)
        for sample, one, level, is_rejected in zip(samples, scaled, levels, rejected, strict=True)
    ]


def detectable(
    base_runs: int, new_runs: int, variation: float, family: int, threshold: float
) -> float:
    """Return the slowdown that is found with a chance of POWER, as a share: by noncentral t.

    `variation` is the standard deviation from run to run as a share, measured from the runs.
    """
    degrees = base_runs + new_runs - 2
    error = math.log1p(variation) * math.sqrt(1 / base_runs + 1 / new_runs)
    least = _quantile(1 - ALPHA / family / 2, degrees)
    seen = float(nctdtrinc(degrees, 1 - POWER, least)) * error
    # It also has to be measured as more than what matters.
    relevant = math.log1p(threshold) + float(ndtri(POWER)) * error
    return math.expm1(max(seen, relevant))


def _scaled(sample: Sample, variation: float | None) -> _Scaled:
    base, new = _on_scale(sample, sample.base), _on_scale(sample, sample.new)
    sign = -1 if sample.more_is_better else 1
    degrees = float(len(base) + len(new) - 2)
    sd = math.sqrt((_squares(base) + _squares(new)) / max(degrees, 1))
    floor = sample.floor if sample.in_points else RESOLUTION
    if variation is not None:
        stated = variation * max(*base, *new) if sample.in_points else math.log1p(variation)
        sd, degrees = max(stated, floor), math.inf
    elif sd < floor:
        sd, degrees = floor, math.inf
    threshold = sample.threshold if sample.in_points else math.log1p(sample.threshold)
    return _Scaled(sign * (fmean(new) - fmean(base)), sd, degrees, len(base), len(new), threshold)


def _difference(sample: Sample, one: _Scaled, level: float, is_rejected: bool) -> Difference:  # noqa: FBT001
    reach, size = one.reach(level), abs(one.difference)
    note = ""
    if is_rejected and size >= one.threshold:
        worse, better = _WORDS[sample.in_points]
        answer = worse if one.difference > 0 else better
    elif size + reach < one.threshold:
        answer = Answer.NO_DIFFERENCE
    else:
        answer, note = Answer.NOT_ENOUGH, _how_much_more(one, level)
    sign = -1 if sample.more_is_better else 1
    ends = sorted((sign * (one.difference - reach), sign * (one.difference + reach)))
    return Difference(
        name=sample.name,
        unit=sample.unit,
        base=_mean(sample, sample.base),
        new=_mean(sample, sample.new),
        change=_shown(sample, sign * one.difference),
        low=_shown(sample, ends[0]),
        high=_shown(sample, ends[1]),
        threshold=sample.threshold,
        in_points=sample.in_points,
        answer=answer,
        note=note,
    )


def _how_much_more(one: _Scaled, level: float) -> str:
    """Say how many more runs would decide, if the runs go on differing as they do."""
    size = abs(one.difference)
    wanted = size if size >= one.threshold else max(one.threshold - size, one.threshold / 2)
    for more in range(1, RUNS_MORE_MAX + 1):
        base, new = one.base_runs + more, one.new_runs + more
        degrees = one.degrees if math.isinf(one.degrees) else float(base + new - 2)
        error = one.sd * math.sqrt(1 / base + 1 / new)
        if _quantile(1 - level / 2, degrees) * error < wanted:
            return f"about {more} more {'run' if more == 1 else 'runs'} on either side would do"
    return f"{RUNS_MORE_MAX} more runs on either side would not do: make runs differ less, or ask for less"


def _without_variation(sample: Sample) -> Difference:
    more = BASE_RUNS_MIN - len(sample.base)
    change = fmean(_on_scale(sample, sample.new)) - fmean(_on_scale(sample, sample.base))
    return Difference(
        name=sample.name,
        unit=sample.unit,
        base=_mean(sample, sample.base),
        new=_mean(sample, sample.new),
        change=_shown(sample, change),
        low=-math.inf,
        high=math.inf,
        threshold=sample.threshold,
        in_points=sample.in_points,
        answer=Answer.NOT_ENOUGH,
        note=f"{more} more baseline {'run' if more == 1 else 'runs'}, or a stated variation",
    )


def _on_scale(sample: Sample, values: Sequence[float]) -> list[float]:
    return list(values) if sample.in_points else [math.log(value) for value in values]


def _mean(sample: Sample, values: Sequence[float]) -> float:
    mean = fmean(_on_scale(sample, values))
    return mean if sample.in_points else math.exp(mean)


def _shown(sample: Sample, difference: float) -> float:
    return difference if sample.in_points else math.expm1(difference)


def _squares(values: Sequence[float]) -> float:
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values)


def _below(value: float, degrees: float) -> float:
    return float(ndtr(value) if math.isinf(degrees) else stdtr(degrees, value))


def _quantile(share: float, degrees: float) -> float:
    return float(ndtri(share) if math.isinf(degrees) else stdtrit(degrees, share))
