"""Due times and counts of arrivals are two ways to say the same, whatever the profile and spacing."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from locustfiles.pacing import Even, Poisson
from locustfiles.profiles import (
    ONE,
    SECOND_NS,
    Piece,
    Profile,
    burst,
    chaos,
    constant,
    ramp,
    steps,
    trace,
    wave,
)

RATES = st.fractions(min_value=Fraction(1, 10_000), max_value=1_000_000, max_denominator=10**6)
TIMES = st.integers(1, 10**14)
PERHAPS_NONE = st.one_of(st.just(Fraction(0)), RATES)
ROUNDS = st.one_of(
    st.builds(burst, PERHAPS_NONE, RATES, TIMES, TIMES.map(lambda ns: ns + 10**14)),
    st.builds(lambda mean, part, ns: wave(mean, mean * part / 100, ns), RATES,
              st.integers(0, 100), st.integers(64, 10**14)),
    st.builds(chaos, st.just(Fraction(0)), RATES, st.integers(16, 10**12), st.integers(0, 9)),
    st.builds(lambda levels, last: trace([*levels, last], Fraction(10)),
              st.lists(st.tuples(PERHAPS_NONE, TIMES), max_size=5), st.tuples(RATES, TIMES)),
    st.builds(lambda pieces, last: Profile([*pieces, last], repeats=True),
              st.lists(st.builds(Piece, PERHAPS_NONE, PERHAPS_NONE, TIMES), max_size=4),
              st.builds(Piece, RATES, PERHAPS_NONE, TIMES)),
)  # fmt: skip
PROFILES = st.one_of(
    st.builds(constant, RATES),
    st.builds(ramp, PERHAPS_NONE, RATES, TIMES),
    ROUNDS,
    st.builds(steps, st.lists(st.tuples(RATES, TIMES), min_size=1, max_size=5), RATES),
    st.builds(
        lambda pieces, last: Profile([*pieces, Piece(last, last)]),
        st.lists(st.builds(Piece, PERHAPS_NONE, PERHAPS_NONE, TIMES), max_size=4),
        RATES,
    ),
)
MODEST = st.fractions(min_value=1, max_value=5000, max_denominator=100)
PACES = st.one_of(
    st.builds(Even, PROFILES),
    st.builds(
        lambda low, high, seed: Poisson(ramp(low, high, 10 * SECOND_NS), seed),
        MODEST,
        MODEST,
        st.integers(0, 2**64 - 1),
    ),
)
ARRIVALS = st.integers(0, 20_000)


@given(pace=PACES, arrival=ARRIVALS)
def test_an_arrival_is_counted_from_its_time_on(pace, arrival):
    """due_by(t) counts exactly the arrivals n with due_ns(n) <= t."""
    due_ns = pace.due_ns(arrival)
    assert pace.due_by(due_ns) >= arrival + 1
    assert pace.due_by(due_ns - 1) <= arrival


@given(profile=PROFILES, elapsed_ns=st.integers(0, 10**15))
def test_counting_finds_the_last_arrival_that_is_due(profile, elapsed_ns):
    """Of due_by(t) arrivals the last is due until t, and the one after it is not."""
    pace = Even(profile)
    count = pace.due_by(elapsed_ns)
    assert pace.due_ns(count - 1) <= elapsed_ns < pace.due_ns(count)


@given(low=MODEST, high=MODEST, seed=st.integers(0, 2**64 - 1), elapsed_ns=st.integers(0, 10**10))
def test_counting_finds_the_last_random_arrival(low, high, seed, elapsed_ns):
    """So it is for random arrivals, of which the first comes some time after the beginning."""
    pace = Poisson(ramp(low, high, 10 * SECOND_NS), seed)
    count = pace.due_by(elapsed_ns)
    assert elapsed_ns < pace.due_ns(count)
    assert count == 0 or pace.due_ns(count - 1) <= elapsed_ns


@given(pace=PACES, arrival=ARRIVALS)
def test_arrivals_are_in_order(pace, arrival):
    """A later arrival is never due before an earlier one."""
    assert 0 <= pace.due_ns(arrival) <= pace.due_ns(arrival + 1)


@given(pace=PACES)
def test_nothing_is_due_before_the_beginning(pace):
    """Before the phase there is no arrival."""
    assert pace.due_by(-1) == 0


@given(profile=PROFILES, share=st.integers(0, 10**9 * ONE))
def test_a_time_is_exact_to_the_nanosecond(profile, share):
    """A share has come by the end of the nanosecond that is told, and not by its beginning.

    This is asked of exact fractions, piece by piece.
    """
    at_ns = profile.when(share)
    assert exactly(profile, at_ns) * ONE <= share < exactly(profile, at_ns + 1) * ONE


def exactly(profile: Profile, at_ns: int) -> Fraction:
    """Return the arrivals until `at_ns`: the area below the rate, by trapezoids."""
    came, began_ns = Fraction(0), 0
    if profile.round_ns:
        rounds, at_ns = divmod(at_ns, profile.round_ns)
        came = rounds * sum(piece.arrivals for piece in profile.pieces)
    for piece in profile.pieces:
        left_ns = at_ns - began_ns
        inside_ns = left_ns if piece.lasts_ns is None else min(left_ns, piece.lasts_ns)
        end = piece.from_per_s
        if piece.lasts_ns is not None:
            end += (piece.to_per_s - piece.from_per_s) * Fraction(inside_ns, piece.lasts_ns)
        came += (piece.from_per_s + end) / 2 * inside_ns / SECOND_NS
        began_ns += inside_ns
        if inside_ns == left_ns:
            break
    return came
