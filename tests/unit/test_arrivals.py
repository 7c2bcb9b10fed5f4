"""Arrivals: each given once, in order; overdue or dropped when nobody was free."""

from __future__ import annotations

from fractions import Fraction

import pytest

from locustfiles.arrivals import Arrival, Arrivals, Closed
from locustfiles.fleet.messages import Slice
from locustfiles.pacing import Even, Poisson
from locustfiles.profiles import SECOND_NS, constant

TEN_PER_S = Even(constant(Fraction(10)))
MS = 1_000_000
BEGAN = 5_000 * MS


def numbers(arrivals: Arrivals, now_ms: int, count: int) -> list[int]:
    return [arrivals.take(BEGAN + now_ms * MS).number for _ in range(count)]


def test_an_arrival_knows_when_it_is_due_and_since_when_a_user_is_free():
    """An arrival's intended time is the phase's beginning plus its due time, whoever takes it."""
    arrivals = Arrivals(TEN_PER_S, BEGAN)
    assert arrivals.take(BEGAN - 7) == Arrival(0, BEGAN, BEGAN - 7)
    assert arrivals.take(BEGAN + 3) == Arrival(1, BEGAN + 100 * MS, BEGAN + 3)


@pytest.mark.parametrize(("now_ns", "overdue"), [(-1, 0), (0, 0), (1, 1)])
def test_overdue_begins_one_nanosecond_after_the_intended_time(now_ns, overdue):
    """An arrival is overdue when it was due before a user was free, not when at the same time."""
    arrivals = Arrivals(TEN_PER_S, BEGAN)
    arrivals.take(BEGAN + now_ns)
    assert arrivals.overdue == overdue


def test_overdue_arrivals_are_all_given():
    """Without dropping, whoever comes late gets every arrival in its turn, with its own time."""
    arrivals = Arrivals(TEN_PER_S, BEGAN)
    assert numbers(arrivals, 350, 5) == [0, 1, 2, 3, 4]
    assert (arrivals.overdue, arrivals.dropped) == (4, 0)


@pytest.mark.parametrize(
    ("drop_after_ms", "now_ms", "first", "dropped"),
    [
        (0, 0, 0, 0),
        (0, 100, 1, 1),
        (0, 101, 2, 2),
        (100, 100, 0, 0),
        (100, 101, 1, 1),
        (100, 1000, 9, 9),
        (1000, 999, 0, 0),
    ],
)
def test_an_arrival_is_given_up_when_it_is_later_than_the_plan_allows(
    drop_after_ms, now_ms, first, dropped
):
    """An arrival exactly `drop_after` late is still given; a nanosecond later it is dropped."""
    arrivals = Arrivals(TEN_PER_S, BEGAN, drop_after_ns=drop_after_ms * MS)
    assert numbers(arrivals, now_ms, 1) == [first]
    assert arrivals.dropped == dropped


def test_dropping_counts_each_arrival_once():
    """Taking again at the same time drops nothing further; the next arrival is the next number."""
    arrivals = Arrivals(TEN_PER_S, BEGAN, drop_after_ns=0)
    assert numbers(arrivals, 250, 3) == [3, 4, 5]
    assert (arrivals.overdue, arrivals.dropped) == (0, 3)


def test_dropping_never_goes_back():
    """Arrivals that were taken before they were due are not dropped when their time comes."""
    arrivals = Arrivals(TEN_PER_S, BEGAN, drop_after_ns=0)
    assert numbers(arrivals, 0, 5) == [0, 1, 2, 3, 4]
    assert numbers(arrivals, 350, 1) == [5]
    assert arrivals.dropped == 0


def test_after_the_end_no_further_arrival_is_due():
    """Ended arrivals are due up to the last one that was taken, however much time passes."""
    arrivals = Arrivals(TEN_PER_S, BEGAN)
    numbers(arrivals, 0, 3)
    assert not arrivals.ended
    arrivals.end()
    assert arrivals.ended
    due = [arrivals.due(BEGAN + ms * MS) for ms in (-1, 0, 100, 200, 300, 9000)]
    assert due == [0, 1, 2, 3, 3, 3]


def test_due_counts_arrivals_whether_anybody_took_them():
    """Due is a matter of time alone while there is something left to send."""
    arrivals = Arrivals(TEN_PER_S, BEGAN)
    assert arrivals.due(BEGAN + 950 * MS) == 10


def test_a_duration_ends_the_arrivals_exactly():
    """Ten a second for 250 ms are three arrivals, at 0, 100 and 200 ms: no fourth, however late."""
    arrivals = Arrivals(TEN_PER_S, BEGAN, duration_ns=250 * MS)
    taken = [arrivals.take(BEGAN) for _ in range(3)]
    assert [arrival.intended_ns - BEGAN for arrival in taken] == [0, 100 * MS, 200 * MS]
    assert arrivals.ended
    assert arrivals.take(BEGAN + 10_000 * MS) is None
    assert arrivals.due(BEGAN + 10_000 * MS) == 3


def test_what_was_due_when_the_phase_ended_is_dropped():
    """Arrivals that no user took before the end are counted as given up; later ones never were due."""
    arrivals = Arrivals(TEN_PER_S, BEGAN)
    arrivals.take(BEGAN)
    arrivals.give_up(BEGAN + 350 * MS)
    assert arrivals.dropped == 3
    assert arrivals.due(BEGAN + 10_000 * MS) == 4
    arrivals.give_up(BEGAN + 900 * MS)
    assert arrivals.dropped == 3


@pytest.mark.parametrize("drop_after_ms", [None, 0])
def test_an_arrival_of_what_cannot_be_sent_before_is_not_due_before(drop_after_ms):
    """Nobody is late while nothing can be sent, and nothing is given up for it."""
    drop_after_ns = None if drop_after_ms is None else drop_after_ms * MS
    arrivals = Arrivals(TEN_PER_S, BEGAN, drop_after_ns=drop_after_ns)
    free, ready = BEGAN + 50 * MS, BEGAN + 250 * MS
    assert arrivals.take(free, not_before_ns=ready) == Arrival(0, ready, free)
    assert arrivals.take(free, not_before_ns=free) == Arrival(1, BEGAN + 100 * MS, free)
    assert (arrivals.overdue, arrivals.dropped) == (0, 0)
    assert arrivals.take(ready + 1, not_before_ns=ready) == Arrival(2, ready, ready + 1)
    assert (arrivals.overdue, arrivals.dropped) == (1, 0)


def test_a_count_ends_a_phase_as_its_time_does():
    """Whichever comes first; what was counted out is due to nobody, and was not given up."""
    for duration_ns, count, wanted in ((None, 3, 3), (SECOND_NS, 3, 3), (SECOND_NS // 5, 3, 2)):
        arrivals = Arrivals(TEN_PER_S, 0, duration_ns=duration_ns, count=count)
        taken = [arrivals.take(10 * SECOND_NS) for _ in range(wanted)]
        assert None not in taken
        assert arrivals.ended
        assert arrivals.take(10 * SECOND_NS) is None
        assert (arrivals.due(10 * SECOND_NS), arrivals.dropped) == (wanted, 0)


def test_in_a_closed_model_nothing_is_late():
    """What is taken late is due when it is taken, and shifts all that follow; the pace is the least."""
    arrivals = Closed(TEN_PER_S, 1000)
    assert arrivals.take(1000) == Arrival(0, 1000, 1000)
    assert arrivals.take(2000) == Arrival(1, 1000 + 100 * MS, 2000)
    late_ns = 1000 + 7 * 100 * MS
    assert arrivals.take(late_ns) == Arrival(2, late_ns, late_ns)
    assert arrivals.take(late_ns) == Arrival(3, late_ns + 100 * MS, late_ns)
    assert (arrivals.overdue, arrivals.due(10**12), arrivals.dropped) == (0, 4, 0)
    arrivals.skip(10**12)
    arrivals.give_up(10**12)
    assert arrivals.ended
    assert (arrivals.overdue, arrivals.due(10**12), arrivals.dropped) == (0, 4, 0)


def test_a_closed_model_ends_with_its_count():
    """The users that come later find nothing."""
    arrivals = Closed(TEN_PER_S, 0, count=1)
    assert arrivals.take(5) == Arrival(0, 5, 5)
    assert arrivals.take(6) is None
    assert arrivals.ended


def test_random_arrivals_without_an_end_begin_at_once():
    """Nobody counts them up to the end of time: the first is there, and the phase's time ends them."""
    pace = Poisson(constant(Fraction(25)), seed=7)
    arrivals = Arrivals(pace, 0, duration_ns=2 * SECOND_NS)
    assert arrivals.take(0) == Arrival(0, pace.due_ns(0), 0)
    assert Arrivals(pace, 0).take(0) == Arrival(0, pace.due_ns(0), 0)
    taken = [arrivals.take(0) for _ in range(pace.due_by(2 * SECOND_NS - 1) - 1)]
    assert None not in taken
    assert arrivals.ended


def test_what_is_overdue_together_is_taken_together():
    """Looking takes nothing; what is taken is the next ones, counted as overdue, and nothing twice."""
    arrivals = Arrivals(TEN_PER_S, BEGAN)
    overdue = arrivals.overdue_by(BEGAN + 350 * MS, 64)
    assert overdue == [(number, BEGAN + number * 100 * MS) for number in range(4)]
    assert arrivals.overdue_by(BEGAN + 350 * MS, 2) == overdue[:2]
    assert arrivals.overdue_by(BEGAN + 100 * MS, 64) == overdue[:1], "due now is not overdue"
    arrivals.take_overdue(overdue[:3])
    assert arrivals.overdue == 3
    assert numbers(arrivals, 350, 2) == [3, 4]


def test_what_was_taken_together_can_be_given_back():
    """Whatever blocks it came from, it comes again, and is no longer counted as overdue."""
    arrivals = Arrivals(TEN_PER_S, BEGAN, shared=True)
    arrivals.extend([Slice(0, 200 * MS, 1, (0,)), Slice(200 * MS, 1000 * MS, 2, (1,))])
    overdue = arrivals.overdue_by(BEGAN + 800 * MS, 64)
    assert [number for number, _ in overdue] == [0, 1, 3, 5, 7]
    arrivals.take_overdue(overdue)
    assert arrivals.overdue_by(BEGAN + 800 * MS, 64) == []
    arrivals.give_back(1, 4)
    assert arrivals.overdue == 1
    assert numbers(arrivals, 800, 4) == [1, 3, 5, 7]


@pytest.mark.parametrize(
    "arrivals",
    [Closed(TEN_PER_S, BEGAN), Arrivals(TEN_PER_S, BEGAN, drop_after_ns=0)],
)
def test_nothing_is_overdue_together_where_lateness_is_looked_at_one_by_one(arrivals):
    """In a closed model nothing is late, and what may be given up is looked at when it is taken."""
    assert arrivals.overdue_by(BEGAN + 350 * MS, 64) == []
