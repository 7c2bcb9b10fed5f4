"""FastHttpUser as the client: proxies, redirects, and what is known when something goes wrong."""

from __future__ import annotations

import struct
from contextlib import ExitStack

import gevent
import pytest
from gevent import socket

with pytest.MonkeyPatch.context() as patched:
    # The client needs no patched library, and the other tests of this process need theirs.
    patched.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    from locustfiles.channels import fast

from e2e_data.platform import HttpRequest
from locustfiles.channels.faults import (
    NoAddressError,
    RedirectedAwayError,
    RefusedError,
    TimedOutError,
    TooLongError,
    UnansweredError,
)
from locustfiles.channels.gate import Gate
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.origin import Origin
from tests.helpers_wire import answer, serving

POST = HttpRequest("POST", "/api/payments", (("Idempotency-Key", "k-1"),), b'{"a":1}')
RESET = struct.pack("ii", 1, 0)
"""The SO_LINGER that makes a close a reset."""
PATIENT_S = 60
SHORT_S = 0.2


def gate_to(origin, **table) -> Gate:
    return Gate(origin, HttpSettings.model_validate(table), PATIENT_S)


def reset(connection, _request):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def close(connection, _request):
    connection.close()


def says(raw):
    return lambda connection, _request: connection.sendall(raw)


def test_redirects_are_followed_where_the_plan_asks_for_it():
    """The fast client sends the same request on, under the same key (307); the lean one answers 307."""
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n"

    def reply(connection, request):
        connection.sendall(answer(b"{}") if b"/there" in request else moved)

    with serving(reply) as peer:
        assert gate_to(peer.origin).connect().request(POST).status == 307
        found = gate_to(peer.origin, client="fast").connect().request(POST)
    assert (found.status, found.body, found.headers["content-length"]) == (202, b"{}", "2")
    there = peer.requests[-1]
    assert b"/there" in there
    assert b"\r\nidempotency-key: k-1\r\n" in there.lower()
    assert there.endswith(b'{"a":1}')


def moved_to(where: str) -> bytes:
    return f"HTTP/1.1 307 Moved\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()


def test_a_redirect_leads_nowhere_that_is_not_allowed():
    """Commands follow a redirect to what the allow-list has; elsewhere nothing goes, not even a look-up."""
    with serving(says(moved_to("http://pay.example.invalid/there"))) as peer:
        connection = gate_to(peer.origin, client="fast").connect()
        with pytest.raises(RedirectedAwayError, match=r"pay\.example\.invalid:80"):
            connection.request(POST)
        allowing = Gate(peer.origin, HttpSettings(client="fast"), PATIENT_S, ["*.example.invalid"])
        with pytest.raises(NoAddressError):
            allowing.connect().request(POST)
    assert len(peer.requests) == 2


def test_a_redirect_to_another_port_of_this_machine_is_followed():
    """Loopback is always allowed."""
    with serving(says(answer(b"{}"))) as there, ExitStack() as held:
        peer = held.enter_context(serving(says(moved_to(f"{there.origin}/there"))))
        assert gate_to(peer.origin, client="fast").connect().request(POST).status == 202
    assert b"/there" in there.requests[0]


def test_a_proxy_is_asked():
    """Through a proxy the fast client names the whole address."""
    with serving(says(answer(b"{}"))) as proxy:
        gate = gate_to(Origin("http", "pay.example", 80), client="fast", proxy=str(proxy.origin))
        assert gate.connect().request(POST).status == 202
    assert b"http://pay.example" in proxy.requests[0].split(b"\r\n")[0]
    assert gate.site.target("/x") == "http://pay.example:80/x"


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (close, UnansweredError),
        (reset, UnansweredError),
        (says(b"garbage\r\n\r\n"), UnansweredError),
        (lambda *_: gevent.sleep(PATIENT_S), TimedOutError),
        (says(answer(b"x" * 2000)), TooLongError),
    ],
)
def test_the_fast_client_tells_what_is_known(monkeypatch, reply, fault):
    """Its faults, too, leave a request unknown, which is sent once."""
    monkeypatch.setattr(fast, "ANSWER_BYTES_MAX", 1000)
    with serving(reply) as peer:
        gate = Gate(peer.origin, HttpSettings(client="fast"), SHORT_S)
        with pytest.raises(fault):
            gate.connect().request(POST)
    assert len(peer.requests) == 1


def test_the_fast_client_knows_that_nothing_was_sent():
    """Where nobody listens, the request has surely had no effect."""
    with serving(close) as peer:
        pass
    with pytest.raises(RefusedError):
        gate_to(peer.origin, client="fast").connect().request(POST)
