"""Rounds of the event loop: whoever has much to do lets sockets and timers have their turn in between."""

from __future__ import annotations

import gevent
import pytest
from gevent import socket

from locustfiles import rounds as rounds_module
from locustfiles.rounds import WORK_NS, Rounds, next_round

PATIENT_S = 60
MANY = 200


@pytest.fixture(autouse=True)
def patience():
    with gevent.Timeout(PATIENT_S):
        yield


def heard_after(wait):
    """Return how often `wait` was over before a greenlet had what lay in its socket when all began."""
    ours, theirs = socket.socketpair()
    heard = gevent.spawn(ours.recv, 1)
    gevent.sleep(0)  # it waits for the socket now
    theirs.send(b"x")
    times = 0
    while not heard.ready():
        wait()
        times += 1
    ours.close()
    theirs.close()
    return times


def test_a_round_has_the_sockets_turn_in_it():
    """What is there to be read is read before somebody with much to do goes on twice."""
    assert heard_after(next_round) <= 2
    assert heard_after(lambda: gevent.sleep(0)) > 10, "else a round would be nothing new"


def test_many_who_go_on_and_on_keep_nobody_waiting():
    """However many they are, one of them goes on between two looks at the sockets."""
    now_ns, done = [0], []
    rounds = Rounds(lambda: now_ns[0])

    def work(name):
        while True:
            with rounds:
                done.append(name)
                now_ns[0] += WORK_NS

    workers = [gevent.spawn(work, name) for name in range(MANY)]
    gevent.sleep(0)
    before = len(done)
    heard_after(next_round)
    assert len(done) - before <= 4
    while len(done) < 2 * MANY:
        next_round()
    gevent.killall(workers)
    assert set(done) == set(range(MANY)), "each has its turn"


def test_little_is_done_without_a_round(monkeypatch):
    """Nobody is sent round the loop for what takes no time."""
    now_ns, gone_round = [0], []
    monkeypatch.setattr(rounds_module, "next_round", lambda: gone_round.append(now_ns[0]))
    rounds = Rounds(lambda: now_ns[0])
    for _ in range(30):
        with rounds:
            now_ns[0] += WORK_NS // 10
    assert gone_round == [WORK_NS, 2 * WORK_NS, 3 * WORK_NS]


def test_who_is_killed_between_two_rounds_leaves_the_way_free():
    """A user that is stopped stops nobody else; so does one that fails."""
    now_ns = [0]
    rounds = Rounds(lambda: now_ns[0])

    def work():
        with rounds:
            now_ns[0] += WORK_NS
            raise LookupError

    first, second, third = (gevent.spawn(work) for _ in range(3))
    gevent.sleep(0)  # the first waits for its round, the others for their turn
    second.kill()
    first.kill(block=False)
    third.kill()
    with pytest.raises(LookupError):
        work()
    with rounds:
        pass
