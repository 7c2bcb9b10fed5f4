"""The fleet's time and rate: whose arrival is whose, and what the master's clock says."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locustfiles.arrivals import Arrivals
from locustfiles.clock import AlignedClock, RunClock
from locustfiles.fleet.messages import Slice
from locustfiles.fleet.offset import WINDOW_NS, Estimate, Offset
from locustfiles.fleet.shares import Shares
from locustfiles.fleet.spans import common, size, spans_of, union, within, without
from locustfiles.pacing import SECOND_NS, Even
from locustfiles.profiles import steps

positions = st.sets(st.integers(0, 30))


@given(positions, positions)
def test_spans_are_sets(one, other):
    """Spans do what sets of positions do."""
    a, b = spans_of(one), spans_of(other)
    assert spans_of(one & other) == union(common(a, b))
    assert spans_of(one | other) == union(a, b)
    assert spans_of(one - other) == union(without(a, b))
    assert size(a) == len(one)
    assert spans_of(position for position in one if 5 <= position < 20) == within(a, 5, 20)


# -- shares -----------------------------------------------------------------------------------


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcd"), st.integers(0, 500), max_size=4), max_size=12
    ),
    st.integers(1, 50),
)
def test_every_arrival_has_one_owner_whoever_comes_and_goes(fleets, rate):
    """Over any history of what workers have left, arrivals are given once, and none is left out."""
    shares, pace, owned = Shares(), Even(steps([], Fraction(rate))), []
    workers = {name: Arrivals(pace, 0, shared=True) for name in "abcd"}
    heard = dict.fromkeys("abcd", 0)
    gaps = 0
    for second, left in enumerate(fleets):
        before = shares.until_ns
        shares.decide(second * SECOND_NS, (second + 2) * SECOND_NS, left)
        gaps += before < second * SECOND_NS < shares.until_ns
        if second % 2:
            for name, arrivals in workers.items():
                arrivals.extend(shares.of(name, heard[name]))
                heard[name] = max(heard[name], shares.until_ns)
    for name, arrivals in workers.items():
        arrivals.extend(shares.of(name, heard[name]))
        while arrival := arrivals.take(0):
            owned.append(arrival.number)
    assert len(owned) == len(set(owned)), "an arrival has two owners"
    if not gaps:
        assert len(owned) == pace.due_by(shares.until_ns - 1) - pace.due_by(
            shares._decided[0].from_ns - 1 if shares._decided else -1
        )


def test_a_rate_is_shared_by_what_is_left_to_send():
    """Who has three times as much gets three times the arrivals, evenly spread."""
    shares = Shares()
    shares.decide(0, SECOND_NS, {"a": 300, "b": 100})
    [mine], [others] = shares.of("a", 0), shares.of("b", 0)
    assert (len(mine.mine), len(others.mine), mine.of) == (3, 1, 4)


def test_shares_stay_while_they_are_about_right():
    """A few commands more or less are no reason for another slice."""
    shares = Shares()
    shares.decide(0, SECOND_NS, {"a": 100, "b": 100})
    shares.decide(0, 2 * SECOND_NS, {"a": 90, "b": 80})
    assert shares.of("a", 0) == (Slice(0, 2 * SECOND_NS, 2, (0,)),)


def test_while_there_is_nothing_to_send_nothing_is_due():
    """What comes after an idle time begins then: there is no heap of arrivals to make up for."""
    shares = Shares()
    shares.decide(0, SECOND_NS, {"a": 1})
    shares.decide(2 * SECOND_NS, 3 * SECOND_NS, {})
    shares.decide(5 * SECOND_NS, 6 * SECOND_NS, {"a": 4})
    assert [one.from_ns for one in shares.of("a", 0)] == [0, 5 * SECOND_NS]


def test_arrivals_of_a_share_are_due_taken_and_dropped_as_others():
    """A worker counts its own arrivals only, and gives up only its own."""
    arrivals = Arrivals(Even(steps([], Fraction(10))), 0, shared=True)
    assert arrivals.take(0) is None
    assert not arrivals.ended
    arrivals.extend([Slice(0, SECOND_NS, 3, (0, 2))])
    assert [arrivals.take(0).number for _ in range(3)] == [0, 2, 3]
    assert arrivals.due(499_999_999) == 3
    arrivals.skip(600_000_000)
    assert arrivals.due(SECOND_NS) == 6
    arrivals.give_up(SECOND_NS)
    assert (arrivals.dropped, arrivals.ended) == (3, True)


def test_a_share_ends_with_the_phase():
    """Once the whole duration is known and taken, there is nothing more to wait for."""
    arrivals = Arrivals(Even(steps([], Fraction(10))), 0, duration_ns=SECOND_NS, shared=True)
    arrivals.extend([Slice(0, SECOND_NS // 2, 2, (1,))])
    assert [arrivals.take(0).number for _ in range(2)] == [1, 3]
    assert arrivals.take(0) is None
    assert not arrivals.ended
    arrivals.extend([Slice(SECOND_NS // 2, 9 * SECOND_NS, 1, ())])
    assert arrivals.ended


# -- the master's clock -----------------------------------------------------------------------


def test_the_offset_is_the_middle_give_or_take_half_the_round_trip():
    """The first answer gives an estimate at once."""
    offset = Offset()
    assert offset.answered(1000, 5_000_500, 2000)
    assert offset.estimate == Estimate(5_000_500 - 1500, 500)


def test_the_best_of_ten_seconds_counts():
    """A quick answer says more than a slow one; the estimate is renewed after its window."""
    offset = Offset()
    offset.answered(0, 100, 0)
    slow, quick = SECOND_NS, 2 * SECOND_NS
    assert not offset.answered(slow, slow + 90_000, slow + 200_000)
    assert not offset.answered(quick, quick + 160, quick + 100)
    end = WINDOW_NS
    assert offset.answered(end, end + 500_000, end + SECOND_NS)
    # The quick one's middle is 110 away, give or take 50: the one in use is just within.
    assert offset.estimate == Estimate(100, 60)


@pytest.mark.parametrize(("true_ns", "moved_to"), [(100, 100), (1000, 950), (-1000, -950)])
def test_the_clock_is_moved_no_further_than_it_must(true_ns, moved_to):
    """An offset that the evidence allows stays; another goes to the next that it allows."""
    offset = Offset()
    offset.answered(0, 100, 0)
    at = WINDOW_NS
    offset.answered(at, at + 50 + true_ns, at + 100)
    assert offset.estimate.offset_ns == moved_to
    assert offset.moved_ns == abs(moved_to - 100)


def test_an_answer_before_its_question_says_nothing():
    """A clock that ran backwards, or an answer to something else."""
    assert not Offset().answered(10, 5, 9)


def test_an_aligned_clock_never_goes_back():
    """When the offset shrinks, time stands until it has caught up."""
    clock = AlignedClock(epoch_utc_ns=0)
    assert clock.now_ns() == 0
    clock.offset = Offset()
    assert clock.now_ns() == 0
    clock.offset.estimate = Estimate(10**15, 0)
    late = clock.now_ns()
    clock.offset.estimate = Estimate(0, 0)
    assert clock.now_ns() == late
    assert clock.day(1).isoformat() == "1970-01-02"


def test_a_run_that_goes_on_has_a_later_time():
    """By the wall clock, but never before what was written down."""
    import time

    clock = RunClock.again(time.time_ns() - 7 * SECOND_NS, after_ns=0)
    assert 7 <= clock.now_ns() / SECOND_NS < 60
    clock = RunClock.again(time.time_ns() - 7 * SECOND_NS, after_ns=10**15)
    assert clock.now_ns() > 10**15
