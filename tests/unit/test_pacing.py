"""Pacing: exact sentences about when the n-th arrival is due."""

from __future__ import annotations

from fractions import Fraction

import pytest

from locustfiles.pacing import SECOND_NS, Constant


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
    assert Constant(Fraction(per_s)).due_ns(arrival) == due_ns


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
    assert Constant(Fraction(per_s)).due_ns(arrivals) == seconds * SECOND_NS


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
    assert Constant(Fraction(per_s)).due_by(elapsed_ns) == due
