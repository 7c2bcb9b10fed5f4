"""A lean HTTP/1.1 client for load: one keep-alive connection per user, no hidden retries.

It tells apart what a payments test must know: whether anything can have reached the platform. A
request is never sent twice behind the caller's back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import gevent
from gevent.ssl import SSLContext
from httptools import HttpParserError, HttpParserUpgrade

from e2e_data.drafts import Request
from e2e_data.platform import HttpAnswer, HttpRequest
from locustfiles.channels import sockets
from locustfiles.channels.access import Access
from locustfiles.channels.answers import AnswerReader, known
from locustfiles.channels.deadlines import NEVER_NS, Deadlines
from locustfiles.channels.faults import (
    ClosedIdleError,
    CutOffError,
    NotConnectedError,
    NotSentError,
    TimedOutError,
    TooLongError,
    UnansweredError,
    not_sent,
    unanswered,
)
from locustfiles.channels.origin import Origin
from locustfiles.channels.tls import tls_context

ANSWER_BYTES_MAX = 16 * 1024 * 1024

Follow = Callable[[HttpAnswer], Request | None]
"""Takes in an answer and gives the request that follows it at once, without waiting for anything;
None where there is none, or where the answer was not taken in."""


class Requester(Protocol):
    """What sends requests for one user."""

    def request(self, request: HttpRequest, *, peek_bytes: int | None = None) -> HttpAnswer:
        """Send a request and return its answer. Raises NotSentError or UnansweredError."""
        ...

    def close(self) -> None:
        """Close what is open; the next request opens it again."""
        ...


class HttpConnection:
    """One connection to a platform, opened when it is first needed and kept alive."""

    def __init__(
        self,
        origin: Origin,
        *,
        timeout_s: float,
        tls: SSLContext | None = None,
        access: Access | None = None,
        deadlines: Deadlines | None = None,
    ) -> None:
        """Use `timeout_s` as the whole time that one request may take.

        Connections of one process share `tls`, `access`, and `deadlines` of the same timeout.
        """
        self._origin = origin
        self._timeout_s = timeout_s
        self._tls = tls
        self._access = access or Access(origin)
        self._deadlines = deadlines or Deadlines(timeout_s)
        self._now_ns, self._timeout_ns = self._deadlines.now_ns, self._deadlines.timeout_ns
        self.due_ns = NEVER_NS
        self._wire: sockets.Wire | None = None
        self._reader = AnswerReader()
        self._expired = False
        self._kept = False
        """Whether the request under way went over a connection that others had used."""
        self._follow: Follow | None = None
        self._heard = self._hear

    def request(self, request: HttpRequest, *, peek_bytes: int | None = None) -> HttpAnswer:
        """Send a request and return its answer.

        With `peek_bytes` the answer is cut once so much of its body has come, and the connection is
        closed. Raises NotSentError or UnansweredError; whatever happens, the next request may go on.
        """
        line = f"{request.method} {request.path} HTTP/1.1\r\n".encode("latin-1")
        # Not put together here: of a large body there would be one more.
        return self.exchange(line, _after_line(request), peek_bytes, request.body)

    def exchange(
        self,
        line: bytes,
        rest: bytes,
        peek_bytes: int | None = None,
        body: bytes = b"",
        follow: Follow | None = None,
    ) -> HttpAnswer:
        """Send a request that is made already, and return its answer; raises as `request` does.

        `line` is its first line, `rest` what follows the headers that all requests have, `body` what
        is not in it yet. Whole answers may go to `follow` first: the answer, or the error, is that to
        the last request that it gave.
        """
        # This is what each request of a run goes through: nothing is called that need not be.
        self._expired = False
        self.due_ns = self._now_ns() + self._timeout_ns
        wire, self._follow = self._wire, follow
        self._kept = wire is not None
        try:
            if wire is None or wire.is_stale:
                self._kept, wire = False, self._connect()
            wire.send(b"".join((line, self._access.lines, rest, body)))
            received = wire.receive() if follow is None else wire.receive(self._heard)
            return known(received) or self._read(wire, received, peek_bytes)
        except (OSError, UnansweredError, HttpParserError, HttpParserUpgrade) as error:
            self.close()
            raise self._named(error) from error
        except BaseException:
            self.close()
            raise
        finally:
            self.due_ns = NEVER_NS

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def expire(self) -> None:
        """End the request under way: its time is over."""
        self._expired = True
        if self._wire is not None:
            self._wire.cut()

    def _connect(self) -> sockets.Wire:
        """Connect anew. Raises NotSentError: until a request leaves, nothing can have taken effect."""
        self.close()
        self._deadlines.watch(self)
        if self._tls is None and self._origin.scheme == "https":
            self._tls = tls_context()
        expired = gevent.Timeout(self._timeout_s)
        expired.start()
        try:
            self._wire = sockets.connect(self._origin, self._tls)
        except gevent.Timeout as timeout:
            if timeout is not expired:
                raise
            raise NotConnectedError(f"{self._timeout_s:g} s") from None
        except OSError as error:
            raise not_sent(error) from error
        finally:
            expired.close()
        if self._expired:
            raise NotConnectedError(f"{self._timeout_s:g} s")
        self._reader = AnswerReader()
        return self._wire

    def _hear(self, received: bytes) -> bytes | None:
        """Return the request that follows an answer, as `sockets.Heard`; None to have it read."""
        answer = known(received)
        if answer is None or self._expired or self._follow is None:
            return None
        try:
            lines = self._access.lines
        except NotSentError:
            return None
        request = self._follow(answer)
        if request is None:
            return None
        self._kept = True
        self.due_ns = self._now_ns() + self._timeout_ns
        return b"".join((request[0], lines, request[1]))

    def _read(self, wire: sockets.Wire, received: bytes, peek_bytes: int | None) -> HttpAnswer:
        """Read on until the answer is whole, or peeked at."""
        while not self._is_read(received, peek_bytes):
            received = wire.receive()
        reader = self._reader
        answer = reader.answer()
        if answer.status == 401:
            self._access.rejected()
        if reader.reusable:
            reader.begin()
        else:
            self.close()
        return answer

    def _is_read(self, received: bytes, peek_bytes: int | None) -> bool:
        """Take in what came, and tell whether it is enough. Raises UnansweredError or as `feed`."""
        reader = self._reader
        if received:
            reader.feed(received)
        else:
            reader.end()
        if reader.complete:
            return True
        if not received:
            msg = "the connection was closed before the answer was whole"
            raise CutOffError(msg)
        if reader.unfinished_bytes > ANSWER_BYTES_MAX:
            msg = f"the answer is longer than {ANSWER_BYTES_MAX} bytes"
            raise TooLongError(msg)
        return peek_bytes is not None and len(reader.body) >= peek_bytes

    def _named(self, error: Exception) -> UnansweredError:
        if self._expired:
            return TimedOutError(f"{self._timeout_s:g} s")
        closed = isinstance(error, CutOffError | ConnectionError)
        if self._kept and closed and not self._reader.unfinished_bytes:
            return ClosedIdleError("the platform closed the connection as the request left")
        return unanswered(error)


def _after_line(request: HttpRequest) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in request.headers]
    if request.body or request.method not in ("GET", "HEAD"):
        lines.append(f"Content-Length: {len(request.body)}\r\n")
    return "".join([*lines, "\r\n"]).encode("latin-1")
