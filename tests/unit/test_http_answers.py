"""HTTP answers: read whole however they are framed and cut, or peeked at."""

from __future__ import annotations

import pytest

from e2e_data.platform import HttpRequest
from locustfiles.channels import sockets
from tests.helpers_wire import answer, serving
from tests.http_parts import CHUNKED, INTERIM, POST, closed_in_time, connect, says

GET = HttpRequest("GET", "/api/commands/1")


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


def test_an_answer_may_end_with_its_connection():
    """An answer that announces no length is whole when the server closes (RFC 9112, 6.3)."""
    with serving(says(b"HTTP/1.1 202 Accepted\r\n\r\n", b'{"a":', b"1}", end=True)) as peer:
        connection = connect(peer)
        for _ in range(2):
            assert connection.request(POST).body == b'{"a":1}'
        assert peer.connections == 2


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
