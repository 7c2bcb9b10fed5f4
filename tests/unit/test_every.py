"""Every n-th: counted and found without a loop, as a loop would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from locustfiles.every import ALL, Every

EVERY = st.integers(1, 12).flatmap(
    lambda of: st.sets(st.integers(0, of - 1), min_size=1).map(
        lambda mine: Every(of, tuple(sorted(mine)))
    )
)


@given(EVERY, st.integers(0, 60))
def test_counting_is_as_by_a_loop(every, number):
    """Below a number there are as many as a loop finds."""
    assert every.below(number) == sum(n % every.of in every.mine for n in range(number))


@given(EVERY, st.integers(0, 60))
def test_finding_is_the_inverse_of_counting(every, ordinal):
    """The one at an ordinal is one of them, and has that many below it."""
    found = every.at(ordinal)
    assert found % every.of in every.mine
    assert every.below(found) == ordinal


def test_all_are_all():
    """Of all numbers, each has itself many below it."""
    assert [ALL.below(5), ALL.at(5)] == [5, 5]
