"""Links: connections made when needed, made again with patience, and handed out one at a time."""

from __future__ import annotations

import time

import gevent
import pytest

from locustfiles.channels.mq_lanes import Inline, OsThread
from locustfiles.channels.mq_links import MOST_S, Link, Links, Patience
from locustfiles.channels.mq_reasons import MqError


class Clock:
    """A clock that sleeping moves."""

    def __init__(self):
        self.s = 100.0
        self.slept = []

    def now_s(self):
        return self.s

    def sleep(self, seconds):
        self.slept.append(round(seconds, 6))
        self.s += seconds


class FakeSession:
    def __init__(self):
        self.closed = 0

    def close(self):
        self.closed += 1


def patience(clock, said=None, chance=1.0):
    said = [] if said is None else said
    return Patience(clock.now_s, clock.sleep, lambda: chance, said.append)


def refusing(times, made):
    """Return what connects after so many refusals."""
    left = [times]

    def connect():
        if left[0]:
            left[0] -= 1
            raise MqError("MQCONNX", 2538, "QM1 at h(1414)")
        made.append(FakeSession())
        return made[-1]

    return connect


@pytest.fixture(params=[Inline, OsThread])
def lane(request):
    return request.param


def test_waits_double_up_to_a_bound():
    """A queue manager that is away for long is tried ever less often."""
    clock = Clock()
    waiting = patience(clock)
    for _ in range(9):
        waiting.wait()
        waiting.failed("gone")
    assert clock.slept == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, MOST_S]


def test_waits_are_random_between_half_and_whole():
    """So that a fleet does not come back all at once."""
    for chance, waited in ((0.0, 0.05), (0.5, 0.075), (1.0, 0.1)):
        clock = Clock()
        waiting = patience(clock, chance=chance)
        waiting.failed("gone")
        waiting.wait()
        assert clock.slept == [waited]


def test_failures_at_the_same_time_are_one():
    """Eight links that lose one queue manager do not make the wait 256 times as long."""
    clock = Clock()
    waiting = patience(clock)
    for _ in range(8):
        waiting.failed("gone")
    waiting.wait()
    assert (clock.slept, waiting.failures) == ([0.1], 8)


def test_going_and_coming_back_are_said_once():
    """With the remedy, and how long it took; the next wait is a short one again."""
    clock, said = Clock(), []
    waiting = patience(clock, said)
    for _ in range(3):
        waiting.wait()
        waiting.failed("nobody there")
    waiting.wait()
    waiting.succeeded()
    waiting.failed("gone again")
    assert said == [
        "nobody there; trying again",
        "the queue manager is back after 0.7 s",
        "gone again; trying again",
    ]
    clock.slept.clear()
    waiting.wait()
    assert clock.slept == [0.1]


def test_a_link_connects_when_it_is_used(lane):
    """However often that has to be tried."""
    made, clock = [], Clock()
    link = Link(refusing(3, made), lane, patience(clock))
    assert link.use(lambda session: session) is made[0]
    assert clock.slept == [0.1, 0.2, 0.4]
    assert link.use(lambda session: session) is made[0]
    link.close()


def test_once_is_not_tried_again(lane):
    """Before a run, what is wrong is to be said and not waited for."""
    link = Link(refusing(1, []), lane, patience(Clock()))
    with pytest.raises(MqError, match="2538"):
        link.once(lambda session: session)


@pytest.mark.parametrize(("reason", "connections"), [(2009, 2), (2053, 1)])
def test_only_a_broken_connection_is_made_anew(lane, reason, connections):
    """A full queue leaves it as it is."""
    made = []

    def fails(session):
        raise MqError("MQPUT", reason, "Q")

    link = Link(refusing(0, made), lane, patience(Clock()))
    with pytest.raises(MqError):
        link.use(fails)
    link.use(lambda session: None)
    gevent.sleep(0.05)
    assert len(made) == connections
    assert made[0].closed == connections - 1
    link.close()


def test_a_greenlet_that_is_killed_leaves_no_half_used_connection(lane):
    """The call that still runs on its thread ends before the connection is closed."""
    made, ended = [], []
    slow = time.sleep if lane is OsThread else gevent.sleep

    def call(session):
        slow(0.2)
        ended.append(session.closed)

    link = Link(refusing(0, made), lane, patience(Clock()))
    user = gevent.spawn(link.use, call)
    gevent.sleep(0.05)
    user.kill()
    assert not link.is_connected
    assert link.use(lambda session: session) is made[1]
    with gevent.Timeout(60):
        while not made[0].closed:
            gevent.sleep(0.01)
    assert ended == ([0] if lane is OsThread else [])
    link.close()


def test_users_wait_for_a_free_link():
    """There are no more connections than allowed."""
    made = []
    links = Links(lambda: Link(refusing(0, made), Inline, patience(Clock())), 2)
    busy, most = 0, 0

    def use():
        nonlocal busy, most
        with links.one() as link:
            busy += 1
            most = max(most, busy)
            link.use(lambda session: gevent.sleep(0.01))
            busy -= 1

    gevent.joinall([gevent.spawn(use) for _ in range(10)], raise_error=True, timeout=5)
    assert (most, len(made), len(links)) == (2, 2, 2)
    links.close()


def test_calls_on_a_thread_do_not_stop_the_hub():
    """Whatever blocks there; and what is raised there is raised here."""
    lane = OsThread()
    ticks = []
    ticker = gevent.spawn(lambda: [ticks.append(gevent.sleep(0.005)) for _ in range(1000)])
    assert lane.run(lambda: (time.sleep(0.2), 7)[1]) == 7
    ticker.kill()
    assert len(ticks) > 10
    with pytest.raises(ZeroDivisionError):
        lane.run(lambda: 1 // 0)
    lane.retire(lambda: None)


def test_gevents_own_pool_is_left_alone():
    """It looks up host names, and has ten threads: a hundred waits for messages would stop it."""
    lanes = [OsThread() for _ in range(12)]
    waits = [gevent.spawn(lane.run, time.sleep, 0.3) for lane in lanes]
    gevent.sleep(0.01)
    began_s = time.monotonic()
    assert gevent.get_hub().threadpool.apply(lambda: 7) == 7
    assert time.monotonic() - began_s < 0.3
    gevent.joinall(waits)
    for lane in lanes:
        lane.retire(lambda: None)
