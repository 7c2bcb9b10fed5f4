"""HTTP requests that follow an answer at once, in the event loop's own time."""

from __future__ import annotations

import gevent
import pytest
from greenlet import getcurrent

from locustfiles.channels.faults import NotSentError, UnansweredError
from tests.helpers_wire import answer, serving
from tests.http_parts import CHUNKED, INTERIM, PATIENT_S, POST, SHORT_S, connect, says


def exchanged(connection, count: int, *, following: bool) -> list:
    """Return the bodies of `count` answers, up to the first error, and by whom they were taken in."""
    bodies, by = [], []

    def follow(received):
        if len(bodies) + 1 >= count:
            return None
        by.append(getcurrent())
        bodies.append(received.body)
        return REQUEST

    try:
        while len(bodies) < count:
            taken = follow if following else None
            bodies.append(connection.exchange(*REQUEST, follow=taken).body)
    except (NotSentError, UnansweredError) as error:
        bodies.append((type(error), str(error)))
    return [bodies, by]


def in_turn(*replies):
    """Reply to each request as the next of `replies` does, and to all that come later as the last."""
    left = list(replies)

    def reply(connection, request):
        (left.pop(0) if len(left) > 1 else left[0])(connection, request)

    return reply


REQUEST = b"POST /api/payments HTTP/1.1\r\n", b"Content-Length: 2\r\n\r\n{}"
FINE = says(answer(b"fine"))


def test_what_follows_is_sent_in_the_event_loops_own_time():
    """Where the answers' head is known no greenlet is switched to for any but the last."""
    with serving(FINE) as peer:
        connection = connect(peer)
        connection.request(POST)
        bodies, by = exchanged(connection, 5, following=True)
        assert bodies == [b"fine"] * 5
        assert by == [gevent.get_hub()] * 4
        assert (len(peer.requests), peer.connections) == (6, 1)


@pytest.mark.parametrize(
    "odd",
    [
        says(answer(b"fine", "413 Content Too Large")),
        says(*(answer(b"fine")[at : at + 1] for at in range(len(answer(b"fine"))))),
        says(answer(b"fine")[:20], answer(b"fine")[20:]),
        says(CHUNKED),
        says(INTERIM, answer(b"fine")),
        says(answer(b"fine") + b"unasked"),
        says(answer(b"fine"), end=True),
        says(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
        says(answer(b"fine")[:-1], end=True),
        says(end=True),
        says(b"SSH-2.0-OpenSSH_9\r\n"),
        lambda *_: gevent.sleep(PATIENT_S),
    ],
    ids=(
        "refused, byte by byte, in two, chunked, interim, unasked, then closed, to be closed, cut off, "
        "closed, garbage, silence"
    ).split(", "),
)
def test_what_follows_has_the_answers_and_errors_that_it_has_alone(odd):
    """Whatever comes in the middle, each request has the same end as one after the other."""
    ends = []
    for following in (False, True):
        with serving(in_turn(FINE, FINE, FINE, odd, FINE)) as peer:
            connection = connect(peer, timeout_s=SHORT_S)
            ends.append(exchanged(connection, 6, following=following)[0])
            connection.close()
    assert ends[0] == ends[1]
    assert ends[0][:3] == [b"fine"] * 3


def test_what_follows_may_be_longer_than_the_system_takes_at_once():
    """What does not go without waiting is sent by the greenlet that waits for the answer."""
    body = bytes(30_000_000)
    long = REQUEST[0], b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    left = [long, REQUEST]
    with serving(FINE) as peer:
        connection = connect(peer)
        connection.request(POST)
        last = connection.exchange(*REQUEST, follow=lambda _: left.pop(0) if left else None)
        assert last.body == b"fine"
        assert [len(one) > len(body) for one in peer.requests] == [False, False, True, False]


def test_what_takes_in_an_answer_may_fail():
    """Its error is its caller's, as any other, and the connection is closed."""
    with serving(FINE) as peer:
        connection = connect(peer)
        connection.request(POST)
        with pytest.raises(ZeroDivisionError):
            connection.exchange(*REQUEST, follow=lambda _: 1 // 0)
        assert connection._wire is None
