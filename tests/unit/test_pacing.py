"""Pacing: exact sentences about when the n-th arrival is due."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from locustfiles.pacing import BLOCK, SECOND_NS, Even, Poisson, exponential
from locustfiles.profiles import ONE, constant, ramp, steps


@pytest.mark.parametrize(
    ("per_s", "arrival", "due_ns"),
    [
        ("10", 0, 0),
        ("10", 3, 300_000_000),
        ("10", 10, SECOND_NS),
        ("3", 1, 333_333_333),
        ("3", 2, 666_666_666),
        ("3", 3, SECOND_NS),
        ("0.5", 1, 2 * SECOND_NS),
        ("0.1", 7, 70 * SECOND_NS),
        ("850", 850 * 3600, 3600 * SECOND_NS),
        ("1000000", 1, 1000),
        ("0.3", 3, 10 * SECOND_NS),
    ],
)
def test_the_nth_arrival_is_due_at_n_over_the_rate(per_s, arrival, due_ns):
    """Arrival n of a constant rate is due n / rate after the phase began, rounded down to a ns."""
    assert Even(constant(Fraction(per_s))).due_ns(arrival) == due_ns


@pytest.mark.parametrize(
    ("per_s", "arrivals", "seconds"),
    [
        ("333.3", 3_333_000_000, 10_000_000),
        ("0.7", 7_000_000_000, 10_000_000_000),
        ("3", 3 * 10**9, 10**9),
    ],
)
def test_no_drift(per_s, arrivals, seconds):
    """After thousands of millions of arrivals a rate is still exact to the nanosecond."""
    assert Even(constant(Fraction(per_s))).due_ns(arrivals) == seconds * SECOND_NS


@pytest.mark.parametrize(
    ("per_s", "elapsed_ns", "due"),
    [
        ("10", -1, 0),
        ("10", 0, 1),
        ("10", 99_999_999, 1),
        ("10", 100_000_000, 2),
        ("10", 999_999_999, 10),
        ("10", SECOND_NS, 11),
        ("3", 333_333_332, 1),
        ("3", 333_333_333, 2),
        ("0.5", 2 * SECOND_NS - 1, 1),
        ("0.5", 2 * SECOND_NS, 2),
    ],
)
def test_due_by_includes_the_instant_itself(per_s, elapsed_ns, due):
    """An arrival counts as due from its own nanosecond on; before the phase began none is."""
    assert Even(constant(Fraction(per_s))).due_by(elapsed_ns) == due


# -- profiles ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "arrival", "due_s"),
    [
        (ramp(Fraction(0), Fraction(100), 10 * SECOND_NS), 0, "0"),
        (ramp(Fraction(0), Fraction(100), 10 * SECOND_NS), 20, "2"),
        (ramp(Fraction(0), Fraction(100), 10 * SECOND_NS), 125, "5"),
        (ramp(Fraction(0), Fraction(100), 10 * SECOND_NS), 500, "10"),
        (ramp(Fraction(0), Fraction(100), 10 * SECOND_NS), 600, "11"),
        (ramp(Fraction(100), Fraction(20), 10 * SECOND_NS), 336, "4"),
        (ramp(Fraction(100), Fraction(20), 10 * SECOND_NS), 600, "10"),
        (ramp(Fraction(100), Fraction(20), 10 * SECOND_NS), 610, "10.5"),
        (steps([(Fraction(10), 2 * SECOND_NS), (Fraction(40), SECOND_NS)], Fraction(5)), 19, "1.9"),
        (steps([(Fraction(10), 2 * SECOND_NS), (Fraction(40), SECOND_NS)], Fraction(5)), 20, "2"),
        (steps([(Fraction(10), 2 * SECOND_NS), (Fraction(40), SECOND_NS)], Fraction(5)), 40, "2.5"),
        (steps([(Fraction(10), 2 * SECOND_NS), (Fraction(40), SECOND_NS)], Fraction(5)), 61, "3.2"),
    ],
)
def test_the_nth_arrival_is_due_when_the_profile_has_brought_n(profile, arrival, due_s):
    """The area below the rate up to the due time of arrival n is n."""
    assert Even(profile).due_ns(arrival) == int(Fraction(due_s) * SECOND_NS)


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (constant(Fraction(1, 2)), "0.5/s"),
        (ramp(Fraction(0), Fraction(500), 60 * SECOND_NS), "0/s to 500/s in 60 s, then 500/s"),
        (steps([(Fraction(50), 30 * SECOND_NS)], Fraction(100)), "50/s for 30 s, then 100/s"),
    ],
)
def test_a_profile_says_what_it_is(profile, said):
    """As one would say it."""
    assert str(profile) == said


# -- random arrivals --------------------------------------------------------------------------


GOLDEN = [541519, 1248632, 2361753, 4164875469, 99609063710]


def test_random_arrivals_are_the_same_everywhere():
    """Golden: integers alone make them, so that processors cannot differ; seeds and streams do."""
    pace = Poisson(constant(Fraction(1000)), seed=7)
    assert [pace.due_ns(n) for n in (0, 1, 2, BLOCK, 100_000)] == GOLDEN
    again = Poisson(constant(Fraction(1000)), seed=7)
    assert again.due_ns(100_000) == GOLDEN[-1], "in whatever order one asks"
    assert Poisson(constant(Fraction(1000)), seed=8).due_ns(0) != GOLDEN[0]
    assert Poisson(constant(Fraction(1000)), seed=7, stream=1).due_ns(0) != GOLDEN[0]


def test_random_gaps_are_exponential():
    """Mean and variance are 1, and each tenth of the distribution has its tenth of the gaps."""
    gaps = exponential(np.random.Philox(11).random_raw(200_000)) / ONE
    assert gaps.min() >= 0
    assert abs(gaps.mean() - 1) < 4 / 200_000**0.5
    assert abs(gaps.var() - 1) < 4 * 8**0.5 / 200_000**0.5
    tenths = -np.log(1 - np.arange(1, 10) / 10)
    counts = np.diff(np.concatenate([[0], np.searchsorted(np.sort(gaps), tenths), [len(gaps)]]))
    chi_squared = float(((counts - 20_000) ** 2 / 20_000).sum())
    assert chi_squared < 33.7, "beyond the quantile of 0.9999 of 9 degrees of freedom"


def test_random_arrivals_follow_the_rate():
    """At a rate that goes from 0 to 2,000 in 10 s, about a quarter of them come in the first half."""
    pace = Poisson(ramp(Fraction(0), Fraction(2000), 10 * SECOND_NS), seed=3)
    half, whole = pace.due_by(5 * SECOND_NS), pace.due_by(10 * SECOND_NS)
    assert abs(half - 2500) < 4 * 2500**0.5
    assert abs(whole - 10_000) < 4 * 10_000**0.5


def test_what_was_drawn_is_not_kept():
    """Of a thousand blocks of gaps, two are in memory, and one number for each that was passed."""
    pace = Poisson(constant(Fraction(10**6)), seed=1)
    pace.due_ns(1000 * BLOCK)
    assert pace._block.cache_info().currsize <= 2
    assert len(pace._starts) == 1001
