"""HTTP requests: what goes out, exactly, and what becomes of one that is long in going."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event
from gevent.server import StreamServer

from e2e_data.platform import HttpRequest
from locustfiles.channels.faults import UnansweredError
from locustfiles.channels.http import HttpConnection
from locustfiles.channels.origin import Origin
from tests.helpers_wire import answer, serving
from tests.http_parts import PATIENT_S, POST, SHORT_S, connect, says


def test_a_request_goes_out_whole():
    """Method, path, host, headers, length and body are exactly the platform's."""
    with serving(says(answer())) as peer:
        connect(peer).request(POST)
        assert peer.requests == [
            b"POST /api/payments HTTP/1.1\r\n"
            b"Host: 127.0.0.1:%d\r\n"
            b"Idempotency-Key: k-1\r\n"
            b"Content-Length: 7\r\n\r\n"
            b'{"a":1}' % peer.origin.port
        ]


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        ("GET", b"", None),
        ("GET", b"x", b"content-length: 1"),
        ("POST", b"", b"content-length: 0"),
        ("DELETE", b"", b"content-length: 0"),
    ],
)
def test_a_length_is_told_where_there_may_be_a_body(method, body, length):
    """A request has a Content-Length unless it is a GET without a body."""
    with serving(says(answer())) as peer:
        connect(peer).request(HttpRequest(method, "/", (), body))
        lines = peer.requests[0].lower().split(b"\r\n")
        assert [line for line in lines if line.startswith(b"content-length")] == (
            [length] if length else []
        )


LONG = HttpRequest("POST", "/", (), b" " * 16_000_000)
"""More than the buffers between two sockets hold, so that sending it takes several turns."""


def talking(talk):
    """Serve `talk(connection)` on a free port; return the server and where it is."""
    server = StreamServer(("127.0.0.1", 0), lambda connection, _: talk(connection))
    server.start()
    return server, Origin("http", "127.0.0.1", server.server_port)


def test_an_answer_that_comes_while_a_long_request_is_sent_is_read():
    """The platform need not read all before it answers: a client that waits for it then waits for ever."""

    def talk(connection):
        connection.recv(1000)
        connection.sendall(answer(b"too large", "413 Content Too Large"))
        for _ in range(100):
            gevent.sleep(0)
        while connection.recv(1_000_000):
            pass

    server, origin = talking(talk)
    with gevent.Timeout(PATIENT_S):
        assert HttpConnection(origin, timeout_s=PATIENT_S).request(LONG).status == 413
    server.stop()


def test_a_long_request_that_nobody_reads_ends_in_its_time():
    """A platform that stalls while a request leaves keeps nobody waiting beyond its time."""
    stalled = Event()
    server, origin = talking(lambda _connection: stalled.wait())
    with gevent.Timeout(PATIENT_S), pytest.raises(UnansweredError, match="no answer in time"):
        HttpConnection(origin, timeout_s=SHORT_S).request(LONG)
    stalled.set()
    server.stop()
