"""Servers that say what a test wants them to, and clocks that stand still until they are moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import gevent
from gevent import socket
from gevent.server import StreamServer

from locustfiles.channels.origin import Origin


@dataclass
class Clock:
    """A clock that stands at `ns` until a test moves it."""

    ns: int = 0

    def now_ns(self) -> int:
        return self.ns

    def utc_s(self, at_ns):
        return at_ns / 1e9

    def day(self, offset):
        """Return a date as a run's clock would: the first day is the epoch's."""
        from datetime import UTC, datetime, timedelta

        return datetime.fromtimestamp(0, UTC).date() + timedelta(days=offset)


@dataclass
class Peer:
    """What a server of `serving` saw."""

    origin: Origin
    requests: list[bytes] = field(default_factory=list)
    """Head and body of each request, in the order they came."""
    connections: int = 0
    closed: int = 0
    """Connections whose client has hung up."""


def read_request(connection) -> bytes:
    """Read one request with its body; empty when the client hangs up."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return b""
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    lengths = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(body: bytes = b"{}", status: str = "202 Accepted", headers: bytes = b"") -> bytes:
    """Return a whole answer with its length."""
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n%b\r\n%b" % (
        status.encode(),
        len(body),
        headers,
        body,
    )


@contextmanager
def serving(reply: Callable[..., None], host: str = "127.0.0.1") -> Iterator[Peer]:
    """Serve on a free port. `reply(connection, request)` answers each request.

    A reply that closes the connection, or shuts it down, ends it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.bind((host, 0))
    listener.listen(16)
    peer = Peer(Origin("http", host, listener.getsockname()[1]))

    def handle(connection, _address):
        peer.connections += 1
        try:
            while request := read_request(connection):
                peer.requests.append(request)
                reply(connection, request)
                if connection.fileno() < 0:
                    return
            peer.closed += 1
        except OSError:
            peer.closed += 1

    server = StreamServer(listener, handle)
    server.start()
    try:
        yield peer
    finally:
        server.stop(timeout=0)
        gevent.sleep(0)
