"""The HTTP client, against a server that says what the test wants: is it known what has left?"""

from __future__ import annotations

import ssl
import struct
from contextlib import suppress

import gevent
import gevent.ssl
import pytest
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer
from greenlet import getcurrent

from e2e_data.platform import HttpRequest
from e2e_data.problems import Problems
from locustfiles.channels import http, sockets, tls
from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.channels.http import HttpConnection
from locustfiles.channels.origin import Origin
from tests.helpers_wire import answer, read_request, serving

POST = HttpRequest("POST", "/api/payments", (("Idempotency-Key", "k-1"),), b'{"a":1}')
GET = HttpRequest("GET", "/api/commands/1")
PATIENT_S = 60
"""Far more than any test takes: whoever waits so long has failed."""
SHORT_S = 0.2


def connect(peer, timeout_s=PATIENT_S) -> HttpConnection:
    return HttpConnection(peer.origin, timeout_s=timeout_s)


def says(*pieces: bytes, end: bool = False):
    """Reply with `pieces`, each in a segment of its own; then hang up, if it is the end."""

    def reply(connection, _request):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            gevent.sleep(0)
        if end:
            connection.close()

    return reply


def wait_until_stale(connection) -> None:
    """Let the event loop see what came on an idle connection, if it was kept at all."""
    with gevent.Timeout(PATIENT_S):
        while connection._wire is not None and not connection._wire.is_stale:
            gevent.sleep(0)


def closed_in_time(peer) -> bool:
    """Tell whether the client hung up; the server learns of it on its next turn."""
    with gevent.Timeout(PATIENT_S, False):
        while not peer.closed:
            gevent.sleep(0)
        return True
    return False


# -- requests ---------------------------------------------------------------------------------


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


# -- answers ----------------------------------------------------------------------------------

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Two: a\r\n\r\n"
    b"3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        pytest.param(answer(b"{}"), 202, b"{}", id="length"),
        pytest.param(answer(b"", "204 No Content"), 204, b"", id="empty"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", id="204 without length"),
        pytest.param(CHUNKED, 200, b"abcdefg", id="chunked"),
        pytest.param(INTERIM + answer(b"{}"), 202, b"{}", id="interim"),
        pytest.param(INTERIM * 3 + CHUNKED, 200, b"abcdefg", id="interims, chunked"),
        pytest.param(answer(b"x" * 200_000, "200 OK"), 200, b"x" * 200_000, id="large"),
    ],
)
def test_a_whole_answer_is_read(raw, status, body):
    """Status and body are read however the answer is framed, and the connection is kept."""
    with serving(says(raw)) as peer:
        connection = connect(peer)
        for _ in range(2):
            found = connection.request(POST)
            assert (found.status, found.body) == (status, body)
            assert "x-interim" not in found.headers
        assert peer.connections == 1


@pytest.mark.parametrize("raw", [answer(b"abc", headers=b"X-Two: a\r\n"), INTERIM + CHUNKED])
def test_an_answer_may_come_byte_by_byte(raw):
    """However the network cuts an answer, it is the same answer."""
    with serving(says(*[raw[at : at + 1] for at in range(len(raw))])) as peer:
        found = connect(peer).request(POST)
        assert found.body in (b"abc", b"abcdefg")
        assert found.headers["x-two"] == "a"


def test_header_names_are_in_lower_case():
    """Adapters find a header whatever its case; any bytes in a value are kept."""
    with serving(says(answer(headers=b"Retry-AFTER: 5\r\nX-Name: caf\xe9\r\n"))) as peer:
        headers = connect(peer).request(POST).headers
        assert (headers["retry-after"], headers["x-name"]) == ("5", "café")


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


def test_an_answer_may_end_with_its_connection():
    """An answer that announces no length is whole when the server closes (RFC 9112, 6.3)."""
    with serving(says(b"HTTP/1.1 202 Accepted\r\n\r\n", b'{"a":', b"1}", end=True)) as peer:
        connection = connect(peer)
        for _ in range(2):
            assert connection.request(POST).body == b'{"a":1}'
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


def test_a_peek_is_cut():
    """A probe reads no more than it asked for, and gives the connection up."""
    with serving(says(answer(b"row\n" * 100_000))) as peer:
        found = connect(peer).request(GET, peek_bytes=4)
        assert found.status == 202
        assert found.body.startswith(b"row\n")
        assert len(found.body) <= sockets.READ_BYTES
        assert closed_in_time(peer)


def test_a_peek_at_a_short_answer_keeps_the_connection():
    """An answer that is shorter than the peek is whole."""
    with serving(says(answer(b"row\n"))) as peer:
        connection = connect(peer)
        assert connection.request(GET, peek_bytes=1000).body == b"row\n"
        connection.request(GET)
        assert peer.connections == 1


# -- no answer --------------------------------------------------------------------------------


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


# -- nothing sent -----------------------------------------------------------------------------


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


def assert_sockets_are_gevents() -> None:
    """Fail here, because a socket of the standard library would wait for ever."""
    assert isinstance(tls.tls_context(), gevent.ssl.SSLContext)


def test_a_failed_handshake_means_that_nothing_was_sent():
    """Where the other side speaks no TLS, no request has left, and the connection is closed."""
    assert_sockets_are_gevents()

    def no_tls(listener):
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with suppress(ConnectionResetError):
            while connection.recv(65536):
                pass

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        origin = Origin("https", "127.0.0.1", listener.getsockname()[1])
        server = gevent.spawn(no_tls, listener)
        with pytest.raises(NotSentError):
            HttpConnection(origin, timeout_s=PATIENT_S).request(POST)
        server.get(timeout=PATIENT_S)


def test_a_handshake_that_never_comes_is_given_up():
    """TLS, too, is bounded by the whole time, whether or not Locust patched the library."""
    assert_sockets_are_gevents()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        origin = Origin("https", "127.0.0.1", listener.getsockname()[1])
        with pytest.raises(NotSentError, match=r"no connection in time: 0\.2 s"):
            HttpConnection(origin, timeout_s=SHORT_S).request(POST)


def test_certificates_are_checked():
    """Without a context of the caller's, a platform has to show that it is the host it is called."""
    context = tls.tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


# -- idle connections -------------------------------------------------------------------------


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


# -- what is not ours -------------------------------------------------------------------------


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


# -- addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "origin", "authority"),
    [
        ("http://127.0.0.1:8080", Origin("http", "127.0.0.1", 8080), "127.0.0.1:8080"),
        ("http://pay.example", Origin("http", "pay.example", 80), "pay.example:80"),
        ("https://pay.example/", Origin("https", "pay.example", 443), "pay.example:443"),
        ("HTTP://PAY.example:81", Origin("http", "pay.example", 81), "pay.example:81"),
        ("http://[::1]:8080", Origin("http", "::1", 8080), "[::1]:8080"),
        ("http://[::1]", Origin("http", "::1", 80), "[::1]:80"),
    ],
)
def test_an_address(url, origin, authority):
    """Scheme, host and port are read, ports have their defaults, and IPv6 stands in brackets."""
    found = Origin.parse(url)
    assert found == origin
    assert found.authority == authority
    assert Origin.parse(str(found)) == found


@pytest.mark.parametrize(
    "url",
    [
        *("", "127.0.0.1:8080", "localhost", "ftp://x", "http://", "http://:80", "http://x:port"),
        *("http://x:99999", "http://x:0", "http://[::1", "http://[x]"),
    ],
)
def test_what_is_no_address(url):
    """Anything else is refused with an example; nothing of it is guessed or left out silently."""
    with pytest.raises(Problems) as found:
        Origin.parse(url)
    assert found.value.problems == (f"--host {url}: give an address such as http://127.0.0.1:8080",)


def test_an_address_has_no_password():
    """It would be written into the run directory; what is said of it does not repeat it."""
    with pytest.raises(Problems) as found:
        Origin.parse("http://me:secret@x")
    assert found.value.problems == (
        "--host: leave name and password out; credentials belong in the plan",
    )


@pytest.mark.parametrize("rest", ["/api", "/?a=1", "?a=1", "#top"])
def test_an_address_has_no_path(rest):
    """A path would be left out of every request, so it is refused, and said whose it is."""
    with pytest.raises(Problems, match=r"give the address alone, http://x:80; paths are the"):
        Origin.parse(f"http://x:80{rest}")


def ipv6_is_there() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as bound:
            bound.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_ipv6():
    """A platform on IPv6 is spoken to, with brackets in the Host header."""
    connection = HttpConnection(Origin("http", "::1", 80), timeout_s=1)
    assert b"Host: [::1]:80\r\n" in connection._access.lines
    if ipv6_is_there():
        with serving(says(answer()), host="::1") as peer:
            assert connect(peer).request(POST).status == 202
            assert b"\r\nHost: [::1]:%d\r\n" % peer.origin.port in peer.requests[0]


# -- long requests ----------------------------------------------------------------------------

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


# -- what follows at once -----------------------------------------------------------------------


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
