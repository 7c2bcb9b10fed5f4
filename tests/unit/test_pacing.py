"""Pacing: exact sentences about when the n-th arrival is due."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from locustfiles.pacing import BLOCK, SECOND_NS, Even, Poisson, exponential
from locustfiles.profiles import (
    CHANGES,
    ONE,
    burst,
    chaos,
    constant,
    ramp,
    soak,
    steps,
    trace,
    wave,
)


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


BURST = burst(Fraction(10), Fraction(100), 2 * SECOND_NS, 10 * SECOND_NS)
"""8 s at 10/s, then 2 s at 100/s: 280 arrivals in a round of 10 s."""
WAVE = wave(Fraction(100), Fraction(100), 64 * SECOND_NS)
"""Down to nothing and up to 200/s: a point of the sine in each second."""
SOAK = soak(Fraction(10), 10 * SECOND_NS, 60 * SECOND_NS)
DAY = trace([(Fraction(0), SECOND_NS), (Fraction(3), SECOND_NS), (Fraction(0), 2 * SECOND_NS),
             (Fraction(6), SECOND_NS)], Fraction(60))  # fmt: skip
"""Nothing, 30, nothing for two seconds, 60; and the same again."""


@pytest.mark.parametrize(
    ("profile", "arrival", "due_s"),
    [
        (BURST, 0, "0"),
        (BURST, 79, "7.9"),
        (BURST, 80, "8"),
        (BURST, 180, "9"),
        (BURST, 279, "9.99"),
        (BURST, 280, "10"),
        (BURST, 281, "10.1"),
        (BURST, 28_000_000 + 180, "1000009"),
        (WAVE, 6400, "64"),
        (WAVE, 64_000_000, "640000"),
        (SOAK, 2, "2"),
        (SOAK, 50, "10"),
        (SOAK, 450, "50"),
        (SOAK, 498, "58"),
        (DAY, 0, "1"),
        (DAY, 15, "1.5"),
        (DAY, 30, "4"),
        (DAY, 60, "4.5"),
        (DAY, 90, "6"),
        (DAY, 120, "9"),
        (DAY, 90 * 17_000 + 60, "85004.5"),
    ],
)
def test_rounds_come_again_and_again_without_drift(profile, arrival, due_s):
    """An arrival of a later round is due as in the first, and never in a time without any."""
    assert Even(profile).due_ns(arrival) == int(Fraction(due_s) * SECOND_NS)


@pytest.mark.parametrize(
    ("profile", "elapsed_s", "due"),
    [
        (BURST, "8.995", 180),
        (BURST, "10.05", 281),
        (BURST, "20", 561),
        (WAVE, "0.000001", 1),
        (SOAK, "30", 251),
        (DAY, "0.999999999", 0),
        (DAY, "1", 1),
        (DAY, "2", 30),
        (DAY, "3.999999999", 30),
        (DAY, "4", 31),
        (DAY, "5.999999999", 90),
        (DAY, "6", 91),
    ],
)
def test_counting_knows_rounds_and_silences(profile, elapsed_s, due):
    """Within a silence the count stands still, and the next arrival is due when it ends."""
    assert Even(profile).due_by(int(Fraction(elapsed_s) * SECOND_NS)) == due


def test_a_wave_is_a_sine():
    """At each of its 64 points it has the sine's height; halfway between, a little less than it."""
    heights = [float(piece.from_per_s) for piece in WAVE.pieces]
    assert heights == pytest.approx(100 + 100 * np.sin(np.arange(64) * 2 * np.pi / 64), abs=1e-4)
    between = [float(piece.from_per_s + piece.to_per_s) / 2 for piece in WAVE.pieces]
    assert between == pytest.approx(
        100 + 100 * np.sin((np.arange(64) + 0.5) / 32 * np.pi), abs=0.13
    )


def test_a_burst_has_its_peak_and_its_mean():
    """Over a round the mean is that of base and spike, by their times."""
    assert (BURST.peak_per_s, BURST.round_ns) == (100, 10 * SECOND_NS)
    assert Even(BURST).due_by(10 * SECOND_NS - 1) == 280


CHAOS_GOLDEN = [25334173, 18127548981, 36861810165502]
CHAOS = chaos(Fraction(5), Fraction(50), 10 * SECOND_NS, seed=1)


def test_chaos_is_the_same_everywhere():
    """Golden: integers alone make it, and another seed makes another."""
    assert [Even(CHAOS).due_ns(n) for n in (1, 500, 10**6)] == CHAOS_GOLDEN
    other = chaos(Fraction(5), Fraction(50), 10 * SECOND_NS, seed=2)
    assert Even(other).due_ns(500) != Even(CHAOS).due_ns(500)


def test_chaos_keeps_its_bounds_and_uses_them():
    """Levels lie between the bounds and reach both ends; times are half to one and a half of its own."""
    levels = [float(piece.to_per_s) for piece in CHAOS.pieces]
    assert 5 <= min(levels) < 6 < 49 < max(levels) <= 50
    assert sum(levels) / CHANGES == pytest.approx(27.5, abs=4 * 45 / 12**0.5 / CHANGES**0.5)
    lasts_s = [piece.lasts_ns / SECOND_NS for piece in CHAOS.pieces]
    assert (min(lasts_s), max(lasts_s)) == (5, 14.375)


def test_chaos_jumps_or_slides():
    """One time in two it jumps; when it slides, it begins where it was, and no slide leaves a gap."""
    slides = 0
    for before, piece in zip(CHAOS.pieces, CHAOS.pieces[1:], strict=False):
        slides += piece.from_per_s != piece.to_per_s
        assert piece.from_per_s in (before.to_per_s, piece.to_per_s)
    assert abs(slides - CHANGES / 2) < 4 * CHANGES**0.5 / 2


@pytest.mark.parametrize(
    "profile", [BURST, WAVE, SOAK, DAY, CHAOS], ids=["burst", "wave", "soak", "trace", "chaos"]
)
def test_random_arrivals_follow_a_profile_of_rounds(profile):
    """Spaced at random, a round has as many arrivals as it has evenly, give or take chance."""
    wanted = Even(profile).due_by(20 * profile.round_ns - 1)
    assert (
        abs(Poisson(profile, seed=5).due_by(20 * profile.round_ns - 1) - wanted) < 4 * wanted**0.5
    )


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        (constant(Fraction(1, 2)), "0.5/s"),
        (ramp(Fraction(0), Fraction(500), 60 * SECOND_NS), "0/s to 500/s in 60 s, then 500/s"),
        (steps([(Fraction(50), 30 * SECOND_NS)], Fraction(100)), "50/s for 30 s, then 100/s"),
        (BURST, "10/s for 8 s, then 100/s for 2 s, again and again"),
        (
            steps([(Fraction(n), SECOND_NS) for n in range(1, 9)], Fraction(9)),
            "1/s for 1 s, then 2/s for 1 s, then 3/s for 1 s, then 4/s for 1 s, then 5/s for 1 s, "
            "then 6/s for 1 s, then 3 more",
        ),
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
