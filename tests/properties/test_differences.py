"""Comparisons hold: on runs that differ as real ones do, false alarms are rare, and slowdowns found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reports.differences import Answer, Sample, decide, detectable

FAMILY = 5
THRESHOLD = 0.05
COMPARISONS = 1_000


def simulated(drawn, base, new, variation, slower=1.0):
    """Return what was measured of runs whose figures vary from run to run, together and apart.

    A run that is slow is slow in all of its figures to some part; `variation` is that of each. The first
    figure of the compared runs is slower by a factor.
    """
    sigma = math.log1p(variation)
    shared = drawn.normal(0, sigma * math.sqrt(0.6), (base + new, 1))
    own = drawn.normal(0, sigma * math.sqrt(0.4), (base + new, FAMILY))
    values = 100 * np.exp(shared + own)
    values[base:, 0] *= slower
    return [
        Sample(f"figure {n}", "ms", tuple(values[:base, n]), tuple(values[base:, n]), THRESHOLD)
        for n in range(FAMILY)
    ]


def false_alarms(base, new, variation, stated=None):
    """Return the share of comparisons of a platform with itself in which any figure differs."""
    drawn = np.random.default_rng(7)
    hits = 0
    for _ in range(COMPARISONS):
        found = decide(simulated(drawn, base, new, variation), stated)
        hits += any(one.answer in (Answer.SLOWER, Answer.FASTER) for one in found)
    return hits / COMPARISONS


@pytest.mark.parametrize(("base", "new"), [(3, 1), (5, 1), (5, 5), (10, 3)])
@pytest.mark.parametrize("variation", [0.02, 0.10])
def test_false_alarms_are_at_most_one_in_twenty(base, new, variation):
    """Of comparisons of a platform with itself, five figures at once, however much runs differ."""
    chance = 3 * math.sqrt(0.05 * 0.95 / COMPARISONS)
    assert false_alarms(base, new, variation) <= 0.05 + chance


def test_false_alarms_are_rare_by_a_stated_variation_that_is_true():
    """The same holds with one baseline run."""
    chance = 3 * math.sqrt(0.05 * 0.95 / COMPARISONS)
    assert false_alarms(1, 1, 0.05, stated=0.05) <= 0.05 + chance


@pytest.mark.parametrize(("base", "new"), [(3, 3), (5, 1), (10, 5)])
def test_the_table_of_detectable_slowdowns_is_true(base, new):
    """A slowdown of the table's size is found in a figure with a chance of four in five.

    It is the only one of its family that changed, so it is judged most strictly.
    """
    slower = 1 + detectable(base, new, 0.05, FAMILY, THRESHOLD)
    drawn = np.random.default_rng(7)
    found = np.mean(
        [
            decide(simulated(drawn, base, new, 0.05, slower))[0].answer is Answer.SLOWER
            for _ in range(COMPARISONS)
        ]
    )
    assert 0.75 <= found <= 0.85


def test_an_answer_of_no_difference_is_seldom_wrong():
    """A slowdown of twice what matters is not called none: at most one time in twenty."""
    drawn = np.random.default_rng(7)
    wrong = [
        decide(simulated(drawn, 10, 10, 0.03, 1.1))[0].answer is Answer.NO_DIFFERENCE
        for _ in range(COMPARISONS)
    ]
    assert np.mean(wrong) <= 0.05
