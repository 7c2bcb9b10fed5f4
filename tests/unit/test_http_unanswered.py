"""HTTP without an answer: is it known what has left?"""

from __future__ import annotations

import gevent
import pytest
from gevent import socket

from locustfiles.channels import http, sockets
from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.channels.http import HttpConnection
from locustfiles.channels.origin import Origin
from tests.helpers_wire import answer, serving
from tests.http_parts import (
    CHUNKED,
    INTERIM,
    PATIENT_S,
    POST,
    SHORT_S,
    closed_in_time,
    connect,
    says,
)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (
            says(answer(b"abcdef")[:-3], end=True),
            "cut off: the connection was closed before the answer was whole",
        ),
        (
            says(CHUNKED[:-9], end=True),
            "cut off: the connection was closed before the answer was whole",
        ),
        (
            says(b"HTTP/1.1 202 Acc", end=True),
            "cut off: the connection was closed before the answer was whole",
        ),
        (says(INTERIM, end=True), "cut off: the connection was closed before the answer was whole"),
        (says(end=True), "cut off: the connection was closed before the answer was whole"),
        (says(b"SSH-2.0-OpenSSH_9\r\n"), "not HTTP: "),
        (says(b"HTTP/1.1 20x Odd\r\n\r\n"), "not HTTP: "),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), "not HTTP: "),
        (
            says(b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
            "not HTTP: ",
        ),
    ],
)
def test_no_whole_answer_leaves_the_request_unknown(reply, reason):
    """A cut-off or unreadable answer says that the request may have had effect, and why."""
    with serving(reply) as peer:
        connection = connect(peer)
        with pytest.raises(UnansweredError) as unanswered:
            connection.request(POST)
        assert str(unanswered.value).startswith(reason)
        assert len(peer.requests) == 1, "never sent again behind the caller's back"


def test_the_whole_time_is_bounded():
    """A server that never answers is given up after the timeout, and its connection closed."""
    with serving(lambda *_: gevent.sleep(PATIENT_S)) as peer:
        with pytest.raises(UnansweredError, match=r"no answer in time: 0\.2 s"):
            connect(peer, SHORT_S).request(POST)
        assert len(peer.requests) == 1


def test_a_trickle_does_not_prolong_the_time():
    """The timeout is for the whole request, not for each byte of its answer."""

    def trickle(connection, _request):
        connection.sendall(answer(b"x" * 1000)[:-1000])
        while True:
            connection.sendall(b"x")
            gevent.sleep(SHORT_S / 20)

    with (
        serving(trickle) as peer,
        pytest.raises(UnansweredError, match=r"no answer in time: 0\.2 s"),
    ):
        connect(peer, SHORT_S).request(POST)


def test_an_answer_is_bounded(monkeypatch):
    """An endless answer is given up before it fills the memory."""
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1000)
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 1001
    with serving(says(raw)) as peer:
        with pytest.raises(UnansweredError, match="too long: the answer is longer than 1000 bytes"):
            connect(peer).request(POST)
        assert closed_in_time(peer)


def test_after_a_failure_the_next_request_goes_on():
    """Whatever happened, the next request opens a connection of its own and is answered."""
    replies = iter([b"nonsense\r\n\r\n", answer(b"{}")])
    with serving(lambda connection, _: connection.sendall(next(replies))) as peer:
        connection = connect(peer)
        with pytest.raises(UnansweredError):
            connection.request(POST)
        assert connection.request(POST).status == 202
        assert peer.connections == 2


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def test_a_refused_connection_means_that_nothing_was_sent():
    """Where nobody listens, the request has surely had no effect."""
    connection = HttpConnection(Origin("http", "127.0.0.1", free_port()), timeout_s=PATIENT_S)
    with pytest.raises(NotSentError, match="refused: Connection refused"):
        connection.request(POST)


def test_no_connection_in_time_means_that_nothing_was_sent(monkeypatch):
    """A timeout before the connection stands leaves nothing in doubt."""
    monkeypatch.setattr(sockets.gsocket, "create_connection", lambda _: gevent.sleep(PATIENT_S))
    connection = HttpConnection(Origin("http", "127.0.0.1", 1), timeout_s=0.01)
    with pytest.raises(NotSentError, match=r"no connection in time: 0\.01 s"):
        connection.request(POST)


class Foreign(BaseException):
    """What somebody else throws into a greenlet."""


@pytest.mark.parametrize("thrown", [gevent.GreenletExit, gevent.Timeout, Foreign])
def test_what_somebody_else_throws_passes_through_and_closes(thrown):
    """A kill, or a timeout that is not ours, is not taken for an answer; the connection is closed."""
    with serving(lambda *_: gevent.sleep(PATIENT_S)) as peer:
        connection = connect(peer)
        seen = []

        def send():
            try:
                connection.request(POST)
            except BaseException as error:
                seen.append((type(error), connection._wire))

        sender = gevent.spawn(send)
        while not peer.requests:
            gevent.sleep(0)
        sender.kill(thrown, timeout=PATIENT_S)
        assert seen == [(thrown, None)]
