"""HTTP connections: kept for the next request, unless more than an answer comes, or the end."""

from __future__ import annotations

import ssl
import struct

import gevent
import gevent.ssl
import pytest
from gevent import socket
from gevent.event import Event

from locustfiles.channels.http import HttpConnection
from locustfiles.channels.origin import Origin
from tests.helpers_wire import answer, read_request, serving
from tests.http_parts import PATIENT_S, POST, closed_in_time, connect, says


def wait_until_stale(connection) -> None:
    """Let the event loop see what came on an idle connection, if it was kept at all."""
    with gevent.Timeout(PATIENT_S):
        while connection._wire is not None and not connection._wire.is_stale:
            gevent.sleep(0)


def test_connections_are_kept_alive():
    """One connection carries request after request."""
    with serving(says(answer())) as peer:
        connection = connect(peer)
        for _ in range(5):
            connection.request(POST)
        assert (peer.connections, len(peer.requests)) == (1, 5)


@pytest.mark.parametrize(
    "raw", [answer(headers=b"Connection: close\r\n"), answer().replace(b"1.1", b"1.0", 1)]
)
def test_a_connection_that_is_not_to_be_kept_is_closed(raw):
    """After "Connection: close" or an answer of HTTP/1.0, the next request opens another one."""
    with serving(says(raw)) as peer:
        connection = connect(peer)
        connection.request(POST)
        assert closed_in_time(peer)
        connection.request(POST)
        assert peer.connections == 2


FOLLOWERS = [
    pytest.param(answer(b"{second}", "500 Oops", b"X-Second: 1\r\n"), id="another answer"),
    pytest.param(b"garbage\r\n\r\n", id="garbage"),
    pytest.param(b"HTTP/1.1 2", id="half an answer"),
]


@pytest.mark.parametrize("follower", FOLLOWERS)
def test_what_follows_an_answer_is_not_part_of_it(follower):
    """Bytes after a whole answer change nothing of it, and are not taken for the next one's."""
    replies = iter([answer(b"{first}") + follower, answer(b"{third}")])
    with serving(lambda connection, _: connection.sendall(next(replies))) as peer:
        connection = connect(peer)
        found = connection.request(POST)
        assert (found.status, found.body) == (202, b"{first}")
        assert "x-second" not in found.headers
        assert connection.request(POST).body == b"{third}"
        assert len(peer.requests) == 2


@pytest.mark.parametrize("follower", FOLLOWERS)
def test_what_comes_while_idle_is_not_an_answer(follower):
    """What a server says before it is asked is thrown away with its connection."""
    replies = iter([answer(b"{first}"), answer(b"{third}")])
    said = Event()

    def reply(connection, _request):
        connection.sendall(next(replies))
        if not said.is_set():
            gevent.sleep(0)
            connection.sendall(follower)
            said.set()

    with serving(reply) as peer:
        connection = connect(peer)
        assert connection.request(POST).body == b"{first}"
        said.wait()
        wait_until_stale(connection)
        assert connection.request(POST).body == b"{third}"
        assert (peer.connections, len(peer.requests)) == (2, 2)


RESET = struct.pack("ii", 1, 0)
"""The SO_LINGER that makes a close a reset."""


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_closed_while_idle_is_noticed(scheme, reset):
    """When the server hung up in between, a new connection is opened, and nothing is sent twice."""
    hang_up, hung_up = Event(), Event()
    requests = []

    def serve(listener):
        for requests_here in (2, 1):
            connection, _ = listener.accept()
            if scheme == "https":
                context = _anonymous(ssl.PROTOCOL_TLS_SERVER)
                connection = context.wrap_socket(connection, server_side=True)
            for _ in range(requests_here):
                requests.append(read_request(connection))
                connection.sendall(answer())
            hang_up.wait()
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.close()
            hung_up.set()

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        origin = Origin(scheme, "127.0.0.1", listener.getsockname()[1])
        server = gevent.spawn(serve, listener)
        tls = _anonymous(ssl.PROTOCOL_TLS_CLIENT)
        connection = HttpConnection(origin, timeout_s=PATIENT_S, tls=tls)
        for _ in range(2):
            assert connection.request(POST).status == 202
        hang_up.set()
        hung_up.wait()
        wait_until_stale(connection)
        assert connection.request(POST).status == 202
        server.get(timeout=PATIENT_S)
        connection.close()
    assert len(requests) == 3


def _anonymous(protocol):
    """Return a TLS context that needs no certificate, since nobody is identified."""
    context = gevent.ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context
