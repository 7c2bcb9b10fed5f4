"""Faults of a connection: each has its name, none outlives its request, and it is known what left."""

from __future__ import annotations

import gc
import ssl
import struct

import gevent
import gevent.ssl
import pytest
import trustme
from gevent import socket

from e2e_data.platform import HttpRequest
from e2e_data.problems import Problems
from locustfiles.channels import http
from locustfiles.channels.deadlines import NEVER_NS, Deadlines
from locustfiles.channels.faults import (
    ClosedIdleError,
    CutOffError,
    HandshakeError,
    NoAddressError,
    NotHttpError,
    NotSentError,
    RefusedError,
    ResetError,
    TimedOutError,
    TooLongError,
    UnansweredError,
    not_sent,
)
from locustfiles.channels.gate import Gate
from locustfiles.channels.http import HttpConnection
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.origin import Origin
from tests.helpers_wire import Clock, answer, read_request, serving

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


def half_close(connection, _request):
    connection.shutdown(socket.SHUT_WR)


def says(raw):
    return lambda connection, _request: connection.sendall(raw)


def in_turn(*replies):
    """Reply to the first request as the first of `replies` does, and so on."""
    left = iter(replies)

    def reply(connection, request):
        next(left)(connection, request)

    return reply


def cuts_off(connection, _request):
    connection.sendall(answer(b"abcdef")[:-3])
    connection.close()


def floods(connection, _request):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"x" * 1_000_000)


def floods_headers(connection, _request):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(1000):
        connection.sendall(b"X-More: " + b"x" * 100_000 + b"\r\n")


FAULTS = [
    pytest.param(close, CutOffError, id="closes instead of answering"),
    pytest.param(half_close, CutOffError, id="closes its half instead of answering"),
    pytest.param(cuts_off, CutOffError, id="closes in the middle"),
    pytest.param(reset, ResetError, id="resets"),
    pytest.param(says(b"\x16\x03\x01\x02\x00 garbage\r\n\r\n"), NotHttpError, id="garbage"),
    pytest.param(floods, TooLongError, id="sends 100 MB"),
    pytest.param(floods_headers, TooLongError, id="sends headers without end"),
    pytest.param(lambda *_: gevent.sleep(PATIENT_S), TimedOutError, id="never answers"),
]


@pytest.mark.parametrize(("reply", "fault"), FAULTS)
def test_each_fault_has_its_name(reply, fault):
    """What the platform did is told by an error of its own, whose name begins the reason."""
    with serving(reply) as peer:
        connection = HttpConnection(
            peer.origin, timeout_s=SHORT_S if fault is TimedOutError else 10
        )
        with pytest.raises(fault) as raised:
            connection.request(POST)
    assert str(raised.value).startswith(f"{fault.fault}: ")
    assert len(peer.requests) == 1


@pytest.mark.parametrize(("reply", "fault"), FAULTS)
def test_a_fault_does_not_outlive_its_request(reply, fault):
    """After any of them the next request is answered, over a connection of its own."""
    with serving(in_turn(reply, says(answer(b"{}")))) as peer:
        connection = HttpConnection(
            peer.origin, timeout_s=SHORT_S if fault is TimedOutError else 10
        )
        with pytest.raises(fault):
            connection.request(POST)
        assert connection.request(POST).body == b"{}"
        assert peer.connections == 2


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ConnectionRefusedError(111, "Connection refused"), RefusedError),
        (socket.gaierror(-2, "Name or service not known"), NoAddressError),
        (ssl.SSLError(1, "wrong version number"), HandshakeError),
        (OSError(113, "No route to host"), NotSentError),
    ],
)
def test_what_prevents_a_connection_has_its_name(error, fault):
    """Before anything leaves, a fault is one of these, and the command has surely had no effect."""
    assert type(not_sent(error)) is fault


@pytest.mark.parametrize("end", [close, reset, half_close])
def test_a_connection_that_closes_as_the_request_leaves_is_told_apart(end):
    """A kept connection that ends without a byte was most likely closed before the request came.

    Nobody knows, so the caller decides: the client does not send it again.
    """
    with serving(in_turn(says(answer(b"{}")), end)) as peer:
        connection = HttpConnection(peer.origin, timeout_s=PATIENT_S)
        connection.request(POST)
        with pytest.raises(ClosedIdleError, match="closed while idle"):
            connection.request(POST)
        assert len(peer.requests) == 2


def test_a_first_request_is_no_race():
    """A connection that was never used cannot have been closed for idleness."""
    with serving(reset) as peer, pytest.raises(ResetError):
        HttpConnection(peer.origin, timeout_s=PATIENT_S).request(POST)


def test_a_platform_that_stops_reading_may_have_said_why():
    """An answer is read although the request could not leave whole: too large, says the platform."""
    with serving(says(answer(b"{}", "413 Too Large", b"Connection: close\r\n"))) as peer:
        connection = HttpConnection(peer.origin, timeout_s=PATIENT_S)
        wire = connection._connect()

        def broken(data):
            send(data)
            raise BrokenPipeError(32, "Broken pipe")

        send, wire._send = wire._send, broken
        assert connection.request(POST).status == 413


# -- deadlines --------------------------------------------------------------------------------


class Slow:
    """Something that may expire."""

    def __init__(self, due_ns: int) -> None:
        self.due_ns = due_ns
        self.expired = 0

    def expire(self):
        self.expired += 1


def test_one_timer_watches_over_all_deadlines(monkeypatch):
    """What is over its time expires once, what has ended does not, and the next look is in time."""
    clock, armed = Clock(), []
    deadlines = Deadlines(1, clock.now_ns)
    monkeypatch.setattr(deadlines, "_arm", armed.append)
    first, ended, third = Slow(10**9), Slow(NEVER_NS), Slow(10**9 + 5)
    for what in (first, ended, third):
        deadlines.watch(what)
    clock.ns = 10**9
    deadlines._look(SimpleTimer())
    assert (first.expired, ended.expired, third.expired) == (1, 0, 0)
    assert armed[-1] == 5
    clock.ns = 10**9 + 5
    deadlines._look(SimpleTimer())
    assert (first.expired, ended.expired, third.expired) == (1, 0, 1)
    assert armed[-1] == 10**9  # nothing that begins from now on is due before


def test_who_is_gone_is_watched_no_longer(monkeypatch):
    """A connection that nobody has any more keeps no timer going."""
    deadlines, armed = Deadlines(1, Clock().now_ns), []
    monkeypatch.setattr(deadlines, "_arm", armed.append)
    deadlines.watch(Slow(5))
    gc.collect()
    deadlines._look(SimpleTimer())
    assert armed == [10**9]


class SimpleTimer:
    def close(self):
        """Give the timer back."""


def test_an_expired_request_does_not_expire_the_next():
    """A deadline is a request's, not its connection's."""
    late = says(answer(b"late"))
    with serving(in_turn(lambda *_: gevent.sleep(SHORT_S * 2), late, late)) as peer:
        connection = HttpConnection(peer.origin, timeout_s=SHORT_S)
        with pytest.raises(TimedOutError):
            connection.request(POST)
        assert connection.request(POST).body == b"late"


# -- TLS --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def pem(authority, tmp_path):
    """Files: the authority, and a client's certificate with its key."""
    client = authority.issue_cert("tester@bank.example")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    return tmp_path


class TlsPeer:
    """An HTTPS server that answers every request, and sees who asks."""

    def __init__(self, authority, host: str, *, asks: bool = False) -> None:
        self.context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(host).configure_cert(self.context)
        if asks:
            authority.configure_trust(self.context)
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.names = []
        self.contexts = set()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.origin = Origin("https", "localhost", self.listener.getsockname()[1])

    def __enter__(self):
        self.greenlet = gevent.spawn(self.serve)
        return self

    def __exit__(self, *_):
        self.greenlet.kill()
        self.listener.close()

    def serve(self):
        while True:
            plain, _ = self.listener.accept()
            gevent.spawn(self.talk, plain)

    def talk(self, plain):
        try:
            connection = self.context.wrap_socket(plain, server_side=True)
            self.names.append(connection.getpeercert())
            while read_request(connection):
                connection.sendall(answer(b"{}"))
        except OSError:
            plain.close()


def test_a_trusted_platform_is_spoken_to(authority, pem):
    """With its authority named in the plan, requests go out, and the connection is kept."""
    with TlsPeer(authority, "localhost") as peer:
        connection = gate_to(peer.origin, ca_file=str(pem / "ca.pem")).connect()
        for _ in range(3):
            assert connection.request(POST).status == 202
        assert len(peer.names) == 1


@pytest.mark.parametrize("host", ["localhost", "other.example"])
def test_a_certificate_is_verified_unless_the_plan_says_otherwise(authority, pem, host):
    """An unknown authority or another host's certificate: TLS, nothing sent; `verify = false` goes on."""
    with TlsPeer(authority, host) as peer:
        trust = {} if host == "localhost" else {"ca_file": str(pem / "ca.pem")}
        with pytest.raises(HandshakeError, match="TLS: the certificate is not trusted"):
            gate_to(peer.origin, **trust).connect().request(POST)
        assert gate_to(peer.origin, verify=False).connect().request(POST).status == 202


def test_a_client_shows_its_certificate(authority, pem):
    """Where the platform asks for one, the plan's certificate is shown."""
    with TlsPeer(authority, "localhost", asks=True) as peer:
        ca = str(pem / "ca.pem")
        gate = gate_to(peer.origin, ca_file=ca, certificate_file=str(pem / "client.pem"))
        assert gate.connect().request(POST).status == 202
        assert peer.names[0]["subjectAltName"] == (("email", "tester@bank.example"),)
        with pytest.raises((NotSentError, UnansweredError)):
            gate_to(peer.origin, ca_file=ca).connect().request(POST)


def test_one_context_serves_all_connections(authority, pem):
    """The authorities are read once for a process, not once for each user."""
    with TlsPeer(authority, "localhost") as peer:
        gate = gate_to(peer.origin, ca_file=str(pem / "ca.pem"))
        assert len({id(gate.connect()._tls) for _ in range(5)}) == 1


def test_a_deadline_ends_a_request_inside_tls(authority, pem, monkeypatch):
    """A platform that never answers inside TLS is given up in time, too."""

    def hold(peer, plain):
        connection = peer.context.wrap_socket(plain, server_side=True)
        while connection.recv(1000):
            pass

    monkeypatch.setattr(TlsPeer, "talk", hold)

    with TlsPeer(authority, "localhost") as peer:
        gate = Gate(peer.origin, HttpSettings(ca_file=pem / "ca.pem"), SHORT_S)
        with pytest.raises(TimedOutError):
            gate.connect().request(POST)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"ca_file": "none.pem"}, "ca_file .*none.pem.* does not exist"),
        ({"certificate_file": "ca.pem"}, "certificate_file .*ca.pem: cannot be used"),
        ({"ca_file": "text.pem"}, "ca_file .*text.pem: cannot be used"),
    ],
)
def test_files_that_cannot_be_used_are_problems(pem, table, fault):
    """What is wrong with a certificate's file is said before anything is sent."""
    (pem / "text.pem").write_text("hello")
    named = {name: str(pem / value) for name, value in table.items()}
    with pytest.raises(Problems, match=fault):
        gate_to(Origin("https", "localhost", 1), **named)


def test_an_answer_has_a_bound():
    """The longest answer that is read is far from filling the memory of a user's process."""
    assert http.ANSWER_BYTES_MAX < 100_000_000
