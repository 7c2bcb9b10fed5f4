"""The search for the highest rate: a test for each line of the table in its module."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locustfiles.search import Search


def played(*tries: tuple[int, bool], first=100, most=6400, within=5, wanted=3) -> Search:
    """Return a search that was told of these tries."""
    search = Search(first, most, within_percent=within, tries=wanted)
    for rate, held in tries:
        search.tell(rate, held=held)
    return search


@pytest.mark.parametrize(
    ("tries", "following"),
    [
        ([], 100),
        ([(100, True)], 200),
        ([(100, True), (200, True)], 400),
        ([(100, True), (200, False)], 200),
        ([(100, True), (200, False), (200, True)], 200),
        ([(100, True), (200, False), (200, False)], 150),
        ([(100, True), (200, False), (200, True), (200, True)], 400),
        ([(100, False)], 100),
        ([(100, False), (100, False)], None),
        ([(100, True), (104, False), (104, False)], 100),
        ([(100, True), (104, False), (104, False), (100, True)], 100),
        ([(100, True), (104, False), (104, False), (100, True), (100, True)], None),
        ([(50, True), (100, True), (104, False), (104, False), (100, False), (100, False)], 75),
        ([(3200, True), (6400, True)], 6400),
        ([(3200, True), (6400, True), (6400, True), (6400, True)], None),
    ],
)
def test_each_line_of_the_table(tries, following):
    """Doubling, a second chance, halves, and repetition, in this order."""
    assert played(*tries).next() == following


def test_the_last_doubling_stops_at_the_most():
    """No rate above it is ever tried."""
    assert played((100, True), most=150).next() == 150


def test_one_try_each_is_enough_where_the_plan_says_so():
    """Without repetition a miss is believed at once."""
    assert played((100, True), (200, False), wanted=1).next() == 150


@given(limit=st.integers(1, 20_000), within=st.integers(1, 20), wanted=st.sampled_from([1, 3, 5]))
def test_of_a_platform_with_a_limit_it_finds_the_limit(limit, within, wanted):
    """What is found holds, the next rate does not, and they are as close as was asked."""
    search = Search(10, 10_000, within_percent=within, tries=wanted)
    tried = 0
    while (rate := search.next()) is not None:
        assert 10 <= rate <= 10_000
        search.tell(rate, held=rate <= limit)
        tried += 1
    assert tried < 40 * wanted
    if limit < 10:
        assert search.bearable is None
    elif limit >= 10_000:
        assert (search.bearable, search.too_high) == (10_000, None)
    else:
        low, high = search.bearable, search.too_high
        assert low <= limit < high
        assert high - low <= max(1, low * within / 100)


@given(st.lists(st.booleans(), max_size=400))
def test_it_ends_whatever_the_platform_does(answers):
    """However a platform changes its mind, each rate has its number of tries and no more."""
    search = Search(1, 100, within_percent=5, tries=3)
    for held in answers:
        rate = search.next()
        if rate is None:
            return
        search.tell(rate, held=held)
    assert len(answers) < 3 * 100 or search.next() is None
