"""Due times and counts of arrivals are two ways to say the same."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from locustfiles.pacing import Constant

RATES = st.fractions(min_value=Fraction(1, 10_000), max_value=1_000_000)


@given(per_s=RATES, arrival=st.integers(0, 10**12))
def test_an_arrival_is_counted_from_its_time_on(per_s, arrival):
    """due_by(t) counts exactly the arrivals n with due_ns(n) <= t, at any rate."""
    pace = Constant(per_s)
    due_ns = pace.due_ns(arrival)
    assert pace.due_by(due_ns) >= arrival + 1
    assert pace.due_by(due_ns - 1) <= arrival


@given(per_s=RATES, elapsed_ns=st.integers(0, 10**16))
def test_counting_finds_the_last_arrival_that_is_due(per_s, elapsed_ns):
    """Of due_by(t) arrivals the last is due until t, and the one after it is not."""
    pace = Constant(per_s)
    count = pace.due_by(elapsed_ns)
    assert pace.due_ns(count - 1) <= elapsed_ns < pace.due_ns(count)


@given(per_s=RATES, arrival=st.integers(0, 10**12))
def test_arrivals_are_in_order(per_s, arrival):
    """A later arrival is never due before an earlier one."""
    pace = Constant(per_s)
    assert pace.due_ns(arrival) <= pace.due_ns(arrival + 1)
