"""An answer whose head came before is read without a parser, and means the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_data.platform import HttpRequest
from locustfiles.channels import answers
from locustfiles.channels.access import Access
from locustfiles.channels.faults import UnansweredError
from locustfiles.channels.http import HttpConnection
from locustfiles.channels.origin import Origin

ORIGIN = Origin("http", "127.0.0.1", 80)
HEADS = [
    b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\n",
    b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
    b"HTTP/1.1 500 No\nContent-Length: 2\n\n",
    b"",
]
BODIES = [b"", b"{}", b"[]", b"{}{}", b"2\r\n{}\r\n0\r\n\r\n", b"\r\n\r\n"]


class Scripted:
    """A wire on which pieces come one after the other, and then its end."""

    is_stale = False

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]

    def send(self, data):
        """Take it."""

    def receive(self):
        return self.pieces.pop(0) if self.pieces else b""

    def close(self):
        """Give it up."""


class Counted(Access):
    """Access that counts how often its token was rejected."""

    rejections = 0

    def rejected(self):
        self.rejections += 1


def outcome(pieces):
    """Return all that may be seen of an answer: itself, or its fault; and what it does to its sender."""
    access = Counted(ORIGIN)
    connection = HttpConnection(ORIGIN, timeout_s=1, access=access)
    connection._wire = Scripted(pieces)
    try:
        answer = connection.request(HttpRequest("GET", "/"))
        seen = (answer.status, dict(answer.headers), answer.body)
    except UnansweredError as error:
        seen = str(error)
    return seen, connection._wire is not None, access.rejections


raw = st.builds(bytes.__add__, st.sampled_from(HEADS), st.sampled_from(BODIES))


@given(st.lists(st.tuples(raw, st.integers(1, 200)), max_size=8))
@settings(deadline=None)  # libraries are loaded the first time
def test_memory_changes_nothing(said):
    """Whatever came before, and however it is cut: the same answer, fault, and end of connection."""
    cut = [[whole[:at], whole[at:]] for whole, at in said]
    answers._known.clear()
    with_memory = [outcome(pieces) for pieces in cut]
    without = []
    for pieces in cut:
        answers._known.clear()
        without.append(outcome(pieces))
    assert with_memory == without


def test_a_head_that_came_before_is_not_parsed(monkeypatch):
    """Only the first answer of a kind takes a parser's time."""
    answers._known.clear()
    first = outcome([HEADS[1] + b"{}"])
    monkeypatch.setattr(answers.AnswerReader, "feed", lambda *_: pytest.fail("it was parsed"))
    assert outcome([HEADS[1] + b"[]"]) == ((202, first[0][1], b"[]"), True, 0)
    assert first[0][1]["retry-after"] == "7"


def test_memory_is_bounded():
    """A platform may put another text into each head."""
    for number in range(3 * answers.KNOWN_MAX):
        outcome([b"HTTP/1.1 200 OK\r\nX-Request: %d\r\nContent-Length: 0\r\n\r\n" % number])
        assert len(answers._known) <= answers.KNOWN_MAX
