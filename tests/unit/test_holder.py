"""The worker's side of leases: a test for each cell of the table in its module."""

from __future__ import annotations

import pytest

from locustfiles.fleet.holder import DRIFT, WINDOW_MAX, WINDOW_MIN, Holder
from locustfiles.fleet.messages import Answer, LeaseGiven
from locustfiles.leases import WATCH
from tests.helpers_wire import Clock

SECOND_NS = 1_000_000_000
LEASE_NS = 10 * SECOND_NS


class Desk:
    """A holder with its clock, and answers to its asks."""

    def __init__(self, ahead_ns: int = 0) -> None:
        self.clock = Clock(5 * SECOND_NS)
        self.holder = Holder(self.clock.now_ns, LEASE_NS, ahead_ns)

    def answer(self, *leases: LeaseGiven, number: int | None = None, sent_ns: int | None = None):
        """Answer the last ask, or another."""
        return Answer(
            *("run", 1, self.holder.number if number is None else number),
            *(self.clock.ns if sent_ns is None else sent_ns, 0),
            *(1, 0, True, False, 0),
            leases=leases,
        )

    def give(self, *leases: LeaseGiven):
        """Ask, and take an answer that gives these leases."""
        words = self.holder.words()
        self.holder.take(self.answer(*leases))
        return words


def lease(epoch=1, *grants, first=0, more=True, recalled=False) -> LeaseGiven:
    return LeaseGiven(epoch, epoch + 10, first, grants or ((0, 3, 0),), more, recalled)


@pytest.fixture
def desk():
    return Desk()


# -- not known --------------------------------------------------------------------------------


def test_a_new_epoch_is_held(desk):
    """What an answer has for the first time may be drawn from, in order, with its attempts."""
    desk.give(lease(4, (0, 2, 0), (7, 8, 3)))
    [held] = desk.holder.held()
    assert (held.epoch, held.shard) == (4, 14)
    assert list(iter(held.draw, None)) == [(0, 0), (1, 0), (7, 3)]
    assert held.out == {0, 1, 7}


def test_an_epoch_that_was_dealt_with_does_not_come_back(desk):
    """An epoch that is not above all that were seen is no new lease, whatever an answer says."""
    desk.give(lease(4))
    desk.give()
    desk.give(lease(3), lease(4))
    assert desk.holder.leases == []


# -- held -------------------------------------------------------------------------------------


def test_a_held_lease_is_extended(desk):
    """Only grants that are new are added, whichever number the answer counts from."""
    desk.give(lease(1, (0, 2, 0)))
    desk.give(lease(1, (0, 2, 0), (2, 4, 0)))
    desk.give(lease(1, (2, 4, 0), (4, 5, 1), first=1))
    [held] = desk.holder.held()
    assert held.queued() == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1)]
    assert (held.known, held.total) == (3, 5)


def test_what_is_to_be_watched_is_out_and_not_drawn(desk):
    """A lost worker's command is looked for; it is not sent, and the master hears of it as open."""
    desk.holder.words()
    watched = desk.holder.take(desk.answer(lease(1, (0, 2, WATCH), (2, 3, 0))))
    [held] = desk.holder.held()
    assert watched == [(held, 0), (held, 1)]
    assert held.out == {0, 1}
    assert held.draw() == (2, 0)


def test_a_lease_that_an_answer_lacks_is_gone(desk):
    """The master gave it up: nothing of it is drawn or sent any more."""
    desk.give(lease(1), lease(2))
    first, second = desk.holder.held()
    first.draw()
    desk.give(lease(2))
    assert desk.holder.leases == [second]
    assert first.draw() is None
    assert not desk.holder.may_send(first)
    assert desk.holder.may_send(second)


def test_a_lease_with_nothing_left_is_returned(desk):
    """When nothing is in the queue, and nothing more will come; what is out may still be sent."""
    desk.give(lease(1, (0, 1, 0), more=False))
    [held] = desk.holder.held()
    assert desk.holder.words()[0].returned is False
    held.draw()
    [word] = desk.holder.words()
    assert (word.returned, word.wants, word.out) == (True, 0, [(0, 1)])
    assert desk.holder.may_send(held)
    held.done(0)
    assert desk.holder.words()[0].out == []


def test_a_recalled_lease_is_returned_with_what_is_unsent(desk):
    """Another worker has nothing to do: what was not begun here is for it."""
    desk.give(lease(1, (0, 5, 0), recalled=True))
    [held] = desk.holder.leases
    assert desk.holder.held() == []
    [word] = desk.holder.words()
    assert (word.returned, word.unsent) == (True, [(0, 5)])
    assert held.draw() is None


def test_leases_end_by_the_own_clock_counted_from_the_ask(desk):
    """When the time since an answered ask is up, nothing may be sent, and all is returned."""
    words = desk.holder.words()
    asked_ns = desk.clock.ns
    assert words == ()
    desk.clock.ns += 3 * SECOND_NS
    desk.holder.take(desk.answer(lease(1), sent_ns=asked_ns))
    [held] = desk.holder.held()
    desk.clock.ns = asked_ns + round(LEASE_NS * DRIFT) - 1
    assert desk.holder.may_send(held)
    assert not desk.holder.expire()
    desk.clock.ns += 1
    assert not desk.holder.may_send(held)
    assert desk.holder.expire()
    assert not desk.holder.expire(), "there is nothing left to return"
    assert desk.holder.words()[0].unsent == [(0, 3)]


def test_an_answer_makes_leases_good_for_longer(desk):
    """Each answered ask renews; one that was sent before another that was answered does not."""
    desk.give(lease(1))
    [held] = desk.holder.held()
    desk.clock.ns += 8 * SECOND_NS
    desk.give(lease(1))
    desk.clock.ns += 8 * SECOND_NS
    assert desk.holder.may_send(held)


# -- returned ---------------------------------------------------------------------------------


def test_a_returned_lease_takes_nothing_more(desk):
    """What the master granted before it knew goes back unheard."""
    desk.give(lease(1))
    desk.holder.return_all()
    desk.give(lease(1, (0, 3, 0), (3, 9, 0)))
    [word] = desk.holder.words()
    assert (word.known, word.unsent) == (1, [(0, 3)])


def test_what_was_held_in_hand_goes_back_unsent(desk):
    """A user that held a command of a returned lease puts it back, and the master hears so."""
    desk.give(lease(1))
    [held] = desk.holder.held()
    position, attempt = held.draw()
    desk.holder.return_all()
    assert desk.holder.words()[0].out == [(0, 1)]
    held.put_back(position, attempt)
    [word] = desk.holder.words()
    assert (word.unsent, word.out) == ([(0, 3)], [])


def test_a_returned_lease_is_gone_when_the_master_has_it(desk):
    """It is spoken of until an answer lacks it."""
    desk.give(lease(1))
    desk.holder.return_all()
    desk.give(lease(1))
    assert desk.holder.leases
    desk.give()
    assert not desk.holder.leases


# -- answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "news"), [(0, False), (1, False), (2, True), (3, False)])
def test_answers_count_in_the_order_of_their_asks(desk, number, news):
    """Neither the same answer twice, nor an older one, nor one to an ask that was never made."""
    desk.give()
    desk.holder.words()
    assert desk.holder.is_news(desk.answer(number=number)) is news


def test_a_window_follows_the_rate(desk):
    """What is wanted lasts for the time ahead, between a least and a most."""
    quick = Desk(ahead_ns=2 * SECOND_NS)
    quick.give(lease(1, (0, 10_000, 0)))
    [held] = quick.holder.held()
    for drawn, wanted in ((0, WINDOW_MIN), (300, 600), (5000, WINDOW_MAX)):
        for _ in range(drawn):
            held.draw()
        quick.clock.ns += SECOND_NS
        [word] = quick.holder.words()
        assert word.wants == held.drawn + wanted
    desk.give(lease(1, (0, 900, 0)))
    assert desk.holder.words()[0].wants == WINDOW_MIN


def test_a_lease_is_hungry_in_time(desk):
    """Before its window is used up there is time to ask, if there is more."""
    desk.give(lease(1, (0, WINDOW_MIN // 2, 0)))
    [held] = desk.holder.held()
    assert not held.hungry()
    held.draw()
    assert held.hungry()
    held.more = False
    assert not held.hungry()


def test_another_phase_ends_all_leases(desk):
    """What is left of them is nobody's here."""
    desk.give(lease(1))
    [held] = desk.holder.held()
    desk.holder.drop()
    assert desk.holder.leases == []
    assert held.gone
    assert held.draw() is None


def test_lanes_do_not_wait_for_one_another(desk):
    """A lane that nobody draws from neither hides the others' positions, nor keeps more from coming."""
    desk.give(lease(1, (0, 64, 0)))
    [held] = desk.holder.held()
    lane_of = [0, 1] * 500
    held.split(lane_of)
    assert [held.draw(1) for _ in range(3)] == [(1, 0), (3, 0), (5, 0)]
    while held.draw(1):
        pass
    assert held.hungry(1)
    assert not held.hungry(0)
    [word] = desk.holder.words()
    assert word.wants == 64 + WINDOW_MIN
    assert word.unsent == [(position, position + 1) for position in range(0, 64, 2)]
    held.put_back(5, 0)
    assert held.draw(1) == (5, 0)


def test_a_lane_that_is_exhausted_asks_for_nothing(desk):
    """When a lane has all its positions, what is wanted follows the lanes that have not."""
    desk.give(lease(1, (0, 100, 0)))
    [held] = desk.holder.held()
    held.split([1] * 10 + [0] * 190)
    while held.draw(1):
        pass
    assert not held.may_come(1)
    assert held.may_come(0)
    assert not held.hungry(1)
    [word] = desk.holder.words()
    assert word.wants <= 100, "ninety of lane 0 wait, which is more than a window"


def test_what_waits_in_a_lane_is_bounded():
    """However long a lane is held up, no more than a window's most waits."""
    quick = Desk(ahead_ns=100 * SECOND_NS)
    quick.give(lease(1, (0, WINDOW_MAX, 0)))
    [held] = quick.holder.held()
    held.split([0, 1] * WINDOW_MAX)
    while held.draw(1):
        pass
    quick.clock.ns += SECOND_NS
    [word] = quick.holder.words()
    waiting = len(held.queued())
    assert waiting == WINDOW_MAX // 2
    assert word.wants - WINDOW_MAX == WINDOW_MAX - waiting
