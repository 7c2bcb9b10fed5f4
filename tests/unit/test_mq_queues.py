"""Queues: order, matching, browsing, expiry, room, and who gets a message that is waited for."""

from __future__ import annotations

import pytest

from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.queues import ANY, Definition, Message, Queue, Waiters, place_of
from tests.mq_parts import NOON_NS, Clock

NO_ID = bytes(24)


def an_id(number):
    return number.to_bytes(24)


class Parts:
    """A queue with its clock, and what has expired on it."""

    def __init__(self, **definition):
        self.clock = Clock()
        self.expired = []
        self.queue = Queue(Definition("Q", **definition), self.clock, self.expired.append)
        self._arrivals = 0

    def message(self, body=b"", *, priority=0, msg_id=None, correl_id=NO_ID, seconds=None):
        self._arrivals += 1
        return Message(
            place=place_of(priority, self._arrivals),
            md=bytes(364),
            body=body,
            msg_id=msg_id or an_id(10_000 + self._arrivals),
            correl_id=correl_id,
            is_persistent=False,
            expires_ns=0 if seconds is None else self.clock() + seconds * 10**9,
        )

    def put(self, *args, **kwargs):
        message = self.message(*args, **kwargs)
        self.queue.reserve(message)
        self.queue.admit(message)
        return message

    def take(self, match=ANY):
        message = self.queue.find(match)
        if message is not None:
            self.queue.remove(message)
        return message


class Waiting:
    """A get that waits; `takes` says whether it takes messages off or only looks."""

    def __init__(self, number, match=ANY, *, takes=True):
        self.number = number
        self.match = match
        self.takes = takes
        self.heeds_quiescing = False
        self.offered = []
        self.failed = []

    def offer(self, message):
        self.offered.append(message)
        return self.takes

    def fail(self, reason):
        self.failed.append(reason)


def test_the_higher_priority_goes_first_then_the_earlier_arrival():
    """9 before 0, and first in, first out within each."""
    parts = Parts()
    for priority, body in ((0, b"a"), (9, b"b"), (0, b"c"), (9, b"d"), (4, b"e")):
        parts.put(body, priority=priority)
    assert [parts.take().body for _ in range(5)] == [b"b", b"d", b"e", b"a", b"c"]
    assert parts.take() is None


def test_a_restored_message_takes_its_old_place():
    """What was got and comes back is the next again, whatever arrived meanwhile."""
    parts = Parts()
    for body in (b"a", b"b", b"c"):
        parts.put(body)
    first, second = parts.take(), parts.take()
    parts.put(b"d")
    parts.queue.restore(second)
    parts.queue.restore(first)
    assert [parts.take().body for _ in range(4)] == [b"a", b"b", b"c", b"d"]


def test_messages_are_found_by_their_ids():
    """By message id, by correlation id, by both; other messages are passed over."""
    parts = Parts()
    one, two, three = an_id(1), an_id(2), an_id(3)
    parts.put(b"a", msg_id=one, correl_id=two)
    parts.put(b"b", msg_id=two, correl_id=three)
    parts.put(b"c", msg_id=three, correl_id=three)
    assert parts.queue.find((None, three)).body == b"b"
    assert parts.queue.find((three, three)).body == b"c"
    assert parts.queue.find((one, three)) is None
    assert parts.queue.find((an_id(9), None)) is None
    assert [parts.take((None, three)).body for _ in range(2)] == [b"b", b"c"]
    assert parts.take((one, None)).body == b"a"
    assert parts.queue.depth() == 0


def test_browsing_goes_on_after_a_place():
    """Each message once, also by id, also where some were taken meanwhile."""
    parts = Parts()
    placed = [parts.put(correl_id=an_id(7 if index % 2 else 8)) for index in range(6)]
    parts.queue.remove(placed[2])
    seen, place = [], -1
    while (message := parts.queue.find(ANY, place)) is not None:
        place = message.place
        seen.append(placed.index(message))
    assert seen == [0, 1, 3, 4, 5]
    assert parts.queue.find((None, an_id(7)), placed[1].place) is placed[3]
    assert parts.queue.at(placed[2].place) is None
    assert parts.queue.at(placed[3].place) is placed[3]


def test_what_has_expired_is_gone_at_its_time_and_counted_no_more():
    """Not a moment earlier; its room is free again; whoever keeps it is told."""
    parts = Parts(depth_max=2)
    soon = parts.put(b"soon", seconds=1)
    parts.put(b"later", seconds=3)
    parts.clock.forward(0.999)
    assert parts.queue.depth() == 2
    parts.clock.forward(0.001)
    assert parts.queue.depth() == 1
    assert parts.expired == [soon]
    parts.put(b"fits again")
    parts.clock.forward(5)
    assert parts.take().body == b"fits again"


def test_a_full_queue_makes_room_of_what_has_expired():
    """The dead do not keep the living out."""
    parts = Parts(depth_max=1)
    parts.put(seconds=1)
    parts.clock.forward(1)
    parts.put(b"next")
    assert parts.take().body == b"next"


def test_a_message_that_comes_back_expired_stays_away():
    """Backed out too late, it is not offered to anybody."""
    parts = Parts()
    message = parts.put(seconds=1)
    parts.queue.remove(message)
    waiting = Waiting(1)
    parts.queue.waiters.add(waiting)
    parts.clock.forward(2)
    parts.queue.restore(message)
    assert waiting.offered == []
    assert parts.expired == [message]
    assert parts.queue.depth() == 0


def test_expiry_times_of_messages_that_were_got_do_not_pile_up():
    """Memory follows what is on the queue, not what went through it."""
    parts = Parts()
    for _ in range(5_000):
        parts.put(seconds=3600)
        parts.take()
    assert len(parts.queue._expiries) < 200
    assert parts.queue._by_id == {}
    assert len(parts.queue._order._sorted) < 200


@pytest.mark.parametrize(
    ("definition", "body", "reason"),
    [
        ({"depth_max": 2}, b"", codes.MQRC_Q_FULL),
        ({"message_bytes_max": 3}, b"four", codes.MQRC_MSG_TOO_BIG_FOR_Q),
        ({"queue_bytes_max": 7}, b"four", codes.MQRC_Q_SPACE_NOT_AVAILABLE),
    ],
)
def test_room_has_its_limits(definition, body, reason):
    """In messages, in bytes of one, in bytes of all; what is being put counts already."""
    parts = Parts(**definition)
    if reason != codes.MQRC_MSG_TOO_BIG_FOR_Q:
        parts.queue.reserve(parts.message(b"four"))
    if reason == codes.MQRC_Q_FULL:
        parts.put(body)
    with pytest.raises(Failed) as failed:
        parts.queue.reserve(parts.message(body))
    assert failed.value.reason == reason


def test_room_comes_back():
    """Released, admitted and taken, or restored and taken: nothing is left."""
    parts = Parts(depth_max=1, queue_bytes_max=4)
    for _ in range(3):
        message = parts.message(b"four")
        parts.queue.reserve(message)
        assert parts.queue.depth() == 1
        parts.queue.release(message)
        parts.put(b"four")
        taken = parts.take()
        parts.queue.restore(taken)
        parts.take()
    assert parts.queue.depth() == 0
    assert parts.queue._bytes == 0


def test_inhibited_puts_fail():
    """2051, and again allowed when it is lifted."""
    parts = Parts()
    parts.queue.put_inhibited = True
    with pytest.raises(Failed) as failed:
        parts.put()
    assert failed.value.reason == codes.MQRC_PUT_INHIBITED
    parts.queue.put_inhibited = False
    parts.put()


def test_inhibiting_gets_ends_the_waits():
    """Each waiting get is told, by 2016."""
    parts = Parts()
    waiting = [Waiting(1), Waiting(2, (None, an_id(1)))]
    for one in waiting:
        parts.queue.waiters.add(one)
    parts.queue.inhibit_get(inhibited=True)
    assert [one.failed for one in waiting] == [[codes.MQRC_GET_INHIBITED]] * 2
    parts.queue.inhibit_get(inhibited=False)
    assert not parts.queue.get_inhibited


def test_a_message_goes_to_the_oldest_wait_that_wants_it():
    """Whatever ids the waits ask for; those that want another go on waiting."""
    parts = Parts()
    message = parts.message(msg_id=an_id(1), correl_id=an_id(2))
    matches = [(None, an_id(9)), (an_id(1), an_id(2)), ANY, (None, an_id(2)), (an_id(1), None)]
    waits = [Waiting(number, match) for number, match in enumerate(matches)]
    waiters = Waiters()
    for one in reversed(waits):
        waiters.add(one)
    order = []
    while (waiter := waiters.pop_for(message)) is not None:
        order.append(waiter.number)
    assert order == [1, 2, 3, 4]
    assert list(waiters) == [waits[0]]
    waiters.discard(waits[0])
    waiters.discard(waits[0])
    assert not waiters


def test_a_wait_that_only_looks_leaves_the_message_to_the_next():
    """A browse sees it, the get after it takes it, and a second get goes on waiting."""
    parts = Parts()
    look, take, late = Waiting(1, takes=False), Waiting(2), Waiting(3)
    for one in (look, take, late):
        parts.queue.waiters.add(one)
    message = parts.put()
    assert look.offered == take.offered == [message]
    assert late.offered == []
    assert parts.queue.depth() == 0


def test_a_message_shows_the_time_it_has_left_and_how_often_it_was_backed_out():
    """In tenths of a second, at least one; without either, the descriptor is as it was put."""
    parts = Parts()
    plain, mortal = parts.message(), parts.message(seconds=2)
    assert plain.descriptor(NOON_NS) is plain.md
    mortal.backouts = 2
    shown = mortal.descriptor(NOON_NS + 10**9)
    assert (int.from_bytes(shown[16:20], "little"), shown[96]) == (10, 2)
    assert int.from_bytes(mortal.descriptor(NOON_NS + 5 * 10**9)[16:20], "little") == 1


def test_a_deleted_queue_takes_nothing_back():
    """What a unit of work held of it is gone with it."""
    parts = Parts()
    message = parts.put()
    parts.queue.remove(message)
    parts.queue.is_deleted = True
    parts.queue.restore(message)
    assert parts.queue.depth() == 0


def test_draining_a_deep_queue_keeps_its_order():
    """Also across the moments when its lists are made anew."""
    parts = Parts()
    bodies = [str(number).encode() for number in range(500)]
    for body in bodies:
        parts.put(body)
    assert [parts.take().body for _ in bodies] == bodies
