"""Growth over time: the line, its confidence, and what a verdict makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from reports.growth import growth
from reports.judgement import Status
from reports.latencies import Latencies
from reports.slos import Fitness
from reports.timeline import Second
from reports.verdict import Losses, judge_fitness

TIMES = list(range(1000))
NOISE = np.random.default_rng(1).normal(0, 1, 1000)


def memory(per_1000_s, noise=0.0):
    return [100 + per_1000_s * t / 1000 + noise * n for t, n in zip(TIMES, NOISE, strict=True)]


def test_a_straight_line_is_found_exactly():
    """From the tenth that is left out to the end: of the value where the line begins."""
    found = growth(TIMES, memory(20))
    assert found.from_value == pytest.approx(102)
    assert found.to_value == pytest.approx(119.98)
    assert found.percent == pytest.approx(100 * 17.98 / 102)
    assert found.low_percent == pytest.approx(found.high_percent)


def test_noise_widens_the_confidence():
    """What does not grow may look as if it did, but not surely."""
    found = growth(TIMES, memory(0, noise=10))
    assert found.low_percent < 0 < found.high_percent
    assert found.high_percent - found.low_percent > 1


@pytest.mark.parametrize("values", [[1.0] * 30, [0.0] * 1000])
def test_too_little_says_nothing(values):
    """Few seconds, or memory that nobody told."""
    assert growth(TIMES[: len(values)], values) is None


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (memory(5), Status.HOLDS),
        (memory(20), Status.VIOLATED),
        (memory(8, noise=30), Status.UNKNOWN),
        ([0.0] * 1000, Status.UNKNOWN),
        ([5.0] * 9, Status.UNKNOWN),
    ],
)
def test_a_leak_makes_the_generator_unfit(values, status):
    """It holds only where even the upper end of the confidence is below what is asked."""
    rows = [
        Second(t * 10**9, "payments", *[0] * 11, 1.0, 1.0, memory_mb=value)
        for t, value in zip(TIMES, values, strict=False)
    ]
    rule = Fitness(memory_growth_below_percent=10)
    found = {one.title: one for one in judge_fitness(rule, Latencies(), Losses(), rows)}
    assert found["memory grows by less than 10 %"].status is status


def test_who_does_not_ask_is_not_told():
    """There is no such rule unless the plan has it."""
    titles = [one.title for one in judge_fitness(Fitness(), Latencies(), Losses(), [])]
    assert not [title for title in titles if title.startswith("memory")]
