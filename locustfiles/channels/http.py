"""A lean HTTP/1.1 client for load: one keep-alive connection per user, no hidden retries.

It tells apart what a payments test must know: whether anything can have reached the platform. A
request is never sent twice behind the caller's back.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import gevent
import httptools
from gevent import socket as gsocket
from gevent.ssl import SSLContext

from e2e_data.platform import HttpAnswer, HttpRequest
from e2e_data.problems import Problems

ANSWER_BYTES_MAX = 16 * 1024 * 1024
READ_BYTES = 64 * 1024


class NotSentError(Exception):
    """No connection could be made: nothing has left, and nothing can have taken effect."""


class UnansweredError(Exception):
    """The request may have reached the platform, but no whole answer came back."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a platform listens."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> Origin:
        """Read "http://host:port". Raises Problems for anything that is not such an address."""
        try:
            parts = urlsplit(url)
            port = {"http": 80, "https": 443}[parts.scheme] if parts.port is None else parts.port
        except (ValueError, KeyError):
            port = 0
        if not port or not parts.hostname or "@" in parts.netloc:
            raise Problems([f"--host {url}: give an address such as http://127.0.0.1:8080"])
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise Problems(
                [
                    f"--host {url}: give the address alone, {parts.scheme}://{parts.netloc}; paths "
                    "are the platform adapter's"
                ]
            )
        return cls(parts.scheme, parts.hostname, port)

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class _Reader:
    """Collects one answer from httptools' callbacks, and nothing of what may follow it."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.complete = False
        self.reusable = False
        """Whether another request may follow on the connection."""
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, received: bytes) -> None:
        """Take in what came. Raises HttpParserError where it is no HTTP."""
        try:
            self._parser.feed_data(received)
        except httptools.HttpParserError:
            if not self.complete:
                raise
            self.reusable = False

    def end(self) -> None:
        """Take in the end of the connection: it completes an answer of no announced length."""
        self.complete = self.status >= 200 and not (
            {"content-length", "transfer-encoding"} & self.headers.keys()
        )

    def on_message_begin(self) -> None:
        if self.complete:
            # Nobody asked for a second answer: it must not be taken for the next request's.
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.complete:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if not self.complete:
            self.status = self._parser.get_status_code()

    def on_body(self, part: bytes) -> None:
        if not self.complete:
            self.body += part

    def on_message_complete(self) -> None:
        # An interim answer (1xx) is complete before the real one begins.
        if self.status < 200:
            self.headers.clear()
        elif not self.complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()


def tls_context() -> SSLContext:
    """Return a context that trusts this machine's authorities, for connections to share.

    The standard library's own function makes sockets that stop the event loop, and know no timeout
    of ours, wherever Locust has not patched it: in `paystorm try`.
    """
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return context


class HttpConnection:
    """One connection to a platform, opened when it is first needed and kept alive."""

    def __init__(self, origin: Origin, *, timeout_s: float, tls: SSLContext | None = None) -> None:
        """Use `timeout_s` as the whole time that one request may take; share `tls` in a process."""
        self._origin = origin
        self._timeout_s = timeout_s
        self._tls = tls
        self._socket: gsocket.socket | None = None

    def request(self, request: HttpRequest, *, peek_bytes: int | None = None) -> HttpAnswer:
        """Send a request and return its answer.

        With `peek_bytes` the answer is cut once so much of its body has come, and the connection is
        closed. Raises NotSentError or UnansweredError; whatever happens, the next request may go on.
        """
        expired = gevent.Timeout(self._timeout_s)
        expired.start()
        connected = False
        try:
            connection = self._connect()
            connected = True
            connection.sendall(self._head(request) + request.body)
            answer = self._read(connection, peek_bytes)
        except gevent.Timeout as timeout:
            self.close()
            if timeout is not expired:
                raise
            raise _failure(connected, f"no answer in {self._timeout_s:g} s") from None
        except (OSError, httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.close()
            raise _failure(connected, _named(error)) from error
        except BaseException:
            self.close()
            raise
        finally:
            expired.close()
        return answer

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> gsocket.socket:
        if self._socket is not None and _went_stale(self._socket):
            self.close()
        if self._socket is None:
            made = gsocket.create_connection((self._origin.host, self._origin.port))
            self._socket = made  # before the handshake, so that it is closed if that fails
            made.setsockopt(gsocket.IPPROTO_TCP, gsocket.TCP_NODELAY, 1)
            if self._origin.scheme == "https":
                tls = self._tls or tls_context()
                self._socket = tls.wrap_socket(made, server_hostname=self._origin.host)
        return self._socket

    def _head(self, request: HttpRequest) -> bytes:
        lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: {self._origin.authority}"]
        lines += [f"{name}: {value}" for name, value in request.headers]
        if request.body or request.method not in ("GET", "HEAD"):
            lines.append(f"Content-Length: {len(request.body)}")
        return "\r\n".join([*lines, "\r\n"]).encode("latin-1")

    def _read(self, connection: gsocket.socket, peek_bytes: int | None) -> HttpAnswer:
        reader = _Reader()
        while not reader.complete:
            received = connection.recv(READ_BYTES)
            if not received:
                reader.end()
                if reader.complete:
                    break
                msg = "the connection was closed before the answer was whole"
                raise ConnectionResetError(msg)
            reader.feed(received)
            if peek_bytes is not None and len(reader.body) >= peek_bytes:
                break
            if len(reader.body) > ANSWER_BYTES_MAX:
                msg = f"the answer is longer than {ANSWER_BYTES_MAX} bytes"
                raise OSError(msg)
        if not reader.reusable:
            self.close()
        return HttpAnswer(reader.status, reader.headers, bytes(reader.body))


def _went_stale(connection: gsocket.socket) -> bool:
    """Tell whether the peer has closed an idle connection, or sent what nobody asked for."""
    connection.settimeout(0)
    try:
        connection.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(None)
    return True


def _failure(connected: bool, reason: str) -> NotSentError | UnansweredError:  # noqa: FBT001 - private
    return UnansweredError(reason) if connected else NotSentError(reason)


def _named(error: Exception) -> str:
    if isinstance(error, httptools.HttpParserError | httptools.HttpParserUpgrade):
        return f"the answer is not HTTP ({error})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
