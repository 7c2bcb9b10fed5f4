"""Reading answers, as far as anybody needs: status and body at once, headers when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import httptools

from e2e_data.platform import HttpAnswer

KNOWN_MAX = 256
"""So many heads of answers are remembered."""

_END = b"\r\n\r\n"
_answer_of = partial(tuple.__new__, HttpAnswer)
_known: dict[bytes, tuple[int, Headers, int]] = {}
"""Status, headers and length of the body, by the bytes of the head."""


def known(received: bytes) -> HttpAnswer | None:
    """Read a whole answer whose head came before, to the byte; None for what must be parsed.

    A platform's answers differ in their bodies, and in their heads once a second.
    """
    end = received.find(_END) + len(_END)
    said = _known.get(received[:end])
    if said is None:
        return None
    status, headers, length = said
    if len(received) - end != length:
        return None
    return _answer_of((status, headers, received[end:]))


def _remember(received: bytes, status: int, headers: Headers, body: bytes) -> None:
    """Remember the head of an answer that came whole, if the body is what followed it as it is."""
    end = received.find(_END) + len(_END)
    if received[end:] == body:
        if len(_known) >= KNOWN_MAX:
            _known.clear()
        _known[received[:end]] = status, headers, len(body)


class AnswerReader:
    """Reads the answers of one connection, one after the other, and nothing that nobody asked for."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parse = self._parser.feed_data
        self.begin()

    def begin(self) -> None:
        """Expect another answer: the one before is complete, and its connection was kept."""
        self.status = 0
        self.complete = False
        self.reusable = False
        """Whether another request may follow on the connection."""
        self.unfinished_bytes = 0
        """How much has come that did not complete the answer."""
        self._before = self._now = self._head = b""
        self._parts: list[bytes] = []

    def feed(self, received: bytes) -> None:
        """Take in what came. Raises HttpParserError or HttpParserUpgrade where it is no answer."""
        self._now = received
        try:
            self._parse(received)
        except httptools.HttpParserError:
            if not self.complete:
                raise
            self.reusable = False
        if not self.complete:
            self.unfinished_bytes += len(received)
            if not self.status:
                self._before += received

    def end(self) -> None:
        """Take in the end of the connection: it completes an answer of no announced length."""
        framed = {"content-length", "transfer-encoding"}
        self.complete = self.status >= 200 and not framed & Headers(self._head).keys()

    @property
    def body(self) -> bytes:
        """What has come of the body."""
        return b"".join(self._parts)

    def answer(self) -> HttpAnswer:
        """Return the answer."""
        headers, body = Headers(self._head), self.body
        # A rejected token (401) is to be looked at each time.
        if self.reusable and self.status != 401:
            _remember(self._head, self.status, headers, body)
        return HttpAnswer(self.status, headers, body)

    # -- what the parser calls ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Take in that an answer begins."""
        if self.complete:
            # Nobody asked for a second answer: it must not be taken for the next request's.
            self.reusable = False

    def on_headers_complete(self) -> None:
        """Take in that the headers have ended."""
        if not self.complete:
            status = self._parser.get_status_code()
            # An interim answer (1xx) comes before the real one, which alone counts.
            if status >= 200:
                self.status = status
                self._head = self._before + self._now

    def on_body(self, part: bytes) -> None:
        """Take in a part of the body."""
        if not self.complete:
            self._parts.append(part)

    def on_message_complete(self) -> None:
        """Take in that an answer has ended."""
        if self.status and not self.complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()


class Headers(Mapping[str, str]):
    """The headers of an answer, names in lower case; parsed when somebody looks at them."""

    __slots__ = ("_parsed", "_raw")

    def __init__(self, raw: bytes) -> None:
        """Take an answer's bytes, from its beginning to the end of its headers or beyond."""
        self._raw = raw
        self._parsed: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    @property
    def _fields(self) -> dict[str, str]:
        if self._parsed is None:
            self._parsed = _parsed(self._raw)
        return self._parsed


class _HeaderReader:
    """Collects the headers of the first answer that is not interim."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self._whole = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header."""
        if not self._whole:
            self.fields[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Take in that the headers have ended."""
        if self._whole:
            return
        if self.parser.get_status_code() < 200:
            self.fields.clear()
        else:
            self._whole = True


def _parsed(raw: bytes) -> dict[str, str]:
    reader = _HeaderReader()
    try:
        reader.parser.feed_data(raw)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        # What follows the headers was judged when it was read.
        return reader.fields
    return reader.fields
