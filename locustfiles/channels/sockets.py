"""A connected socket as the HTTP client uses it: plain, or inside TLS."""

from __future__ import annotations

import select
import ssl
from typing import Any, Protocol

from gevent import get_hub
from gevent import socket as gsocket
from gevent.ssl import SSLContext, SSLSocket
from greenlet import getcurrent, greenlet

from locustfiles.channels.origin import Origin

READ_BYTES = 64 * 1024

READABLE = 1
"""The event, in libev's terms, for which a watcher of a socket waits."""


def _watch(descriptor: int) -> select.poll:
    """Return what tells whether a socket has something to say, without waiting."""
    # The system's own: gevent's would give the event loop a turn each time it looks. Imported here,
    # since the command line is held to import nothing that could patch the standard library.
    from gevent import monkey

    look: select.poll = monkey.get_original("select", "poll")()
    look.register(descriptor, select.POLLIN)
    return look


class Wire(Protocol):
    """A connection to a platform. Waiting lets other greenlets run."""

    def send(self, data: bytes) -> None:
        """Send all of it, or as much as the peer reads. Raises OSError."""
        ...

    def receive(self) -> bytes:
        """Wait for bytes and return them; empty at the end. Raises OSError."""
        ...

    @property
    def is_stale(self) -> bool:
        """Whether the peer has closed an idle connection, or sent what nobody asked for."""
        ...

    def cut(self) -> None:
        """End the connection under whoever waits for it."""
        ...

    def close(self) -> None:
        """Give it up."""
        ...


class PlainWire:
    """TCP. One watcher lives as long as the connection, since starting one for each answer costs more.

    Whatever comes while nobody waits for it is an end, or was not asked for: the wire is stale.
    """

    def __init__(self, connection: gsocket.socket) -> None:
        connection.setsockopt(gsocket.IPPROTO_TCP, gsocket.TCP_NODELAY, 1)
        self.is_stale = False
        self._connection = connection
        raw: Any = connection._sock  # type: ignore[attr-defined]
        self._send, self._recv = raw.send, raw.recv
        hub = get_hub()
        self._give_way = hub.switch
        self._waiting: greenlet | None = None
        # Counted by the loop, or a process whose only greenlet waits here would wait for nothing.
        self._watcher = hub.loop.io(raw.fileno(), READABLE)
        self._watcher.start(self._speaks)

    def send(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        try:
            sent = self._send(data)
            if sent < len(data):
                self._connection.sendall(memoryview(data)[sent:])
        except BlockingIOError:
            self._connection.sendall(data)
        except BrokenPipeError:
            return  # The platform reads no further, but may have said why.

    def receive(self) -> bytes:
        """Wait for bytes and return them; empty at the end. Raises OSError."""
        if self.is_stale:
            # It spoke while a long request was still being sent: that is there to be read.
            self.is_stale = False
            self._watcher.start(self._speaks)
        self._waiting = getcurrent()
        try:
            self._give_way()
            received: bytes = self._recv(READ_BYTES)
        except BlockingIOError:
            return self.receive()
        finally:
            self._waiting = None
        return received

    def cut(self) -> None:
        """End the connection under whoever waits for it."""
        _shut(self._connection)

    def close(self) -> None:
        """Give it up."""
        self._watcher.stop()
        self._watcher.close()
        self._connection.close()

    def _speaks(self) -> None:
        """Have the greenlet that waits read what came; called by the event loop."""
        if self._waiting is None:
            self.is_stale = True
            self._watcher.stop()
        else:
            self._waiting.switch()


class TlsWire:
    """TCP inside TLS."""

    def __init__(self, connection: SSLSocket) -> None:
        connection.setsockopt(gsocket.IPPROTO_TCP, gsocket.TCP_NODELAY, 1)
        self._connection = connection
        self._idle = _watch(connection.fileno())

    def send(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        try:
            self._connection.sendall(data)
        except BrokenPipeError:
            return  # The platform reads no further, but may have said why.

    def receive(self) -> bytes:
        """Wait for bytes and return them; empty at the end. Raises OSError."""
        received: bytes = self._connection.recv(READ_BYTES)
        return received

    @property
    def is_stale(self) -> bool:
        """Whether the peer has closed an idle connection, or sent what nobody asked for."""
        # What comes while nobody asks may be TLS's own: a session ticket, a new key.
        return bool(self._idle.poll(0)) and not self._has_only_tls()

    def _has_only_tls(self) -> bool:
        self._connection.settimeout(0)
        try:
            self._connection.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        finally:
            self._connection.settimeout(None)
        return False

    def cut(self) -> None:
        """End the connection under whoever waits for it."""
        # The socket's own: that of TLS would take the session away from whoever waits in it.
        _shut(self._connection)

    def close(self) -> None:
        """Give it up."""
        self._connection.close()


def _shut(connection: gsocket.socket) -> None:
    try:
        gsocket.socket.shutdown(connection, gsocket.SHUT_RDWR)
    except OSError:
        return  # It is over already.


def connect(origin: Origin, tls: SSLContext | None) -> Wire:
    """Connect to `origin`, and agree on TLS where its scheme says so. Raises OSError."""
    made = gsocket.create_connection((origin.host, origin.port))
    if origin.scheme == "http":
        return PlainWire(made)
    assert tls is not None, "an https origin has a TLS context"
    try:
        return TlsWire(tls.wrap_socket(made, server_hostname=origin.host))
    except BaseException:
        made.close()
        raise
