"""A connected socket as the HTTP client uses it: plain, or inside TLS."""

from __future__ import annotations

import select
import ssl
from collections.abc import Callable
from typing import Any, Protocol

from gevent import get_hub
from gevent import socket as gsocket
from gevent.ssl import SSLContext, SSLSocket
from greenlet import getcurrent, greenlet

from locustfiles.channels.origin import Origin

READ_BYTES = 64 * 1024

Heard = Callable[[bytes], bytes | None]
"""Gets what came, in the event loop's own time, so it must not wait; returns what is to be sent next."""

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

    def receive(self, heard: Heard | None = None) -> bytes:
        """Wait for bytes and return them; empty at the end. Raises OSError, or what `heard` does.

        What comes may go to `heard` before: if that gives something to be sent, it is sent, and what
        comes then is waited for. So no greenlet needs to be switched to for it.
        """
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
        self._heard: Heard | None = None
        self._unsent = b""
        """What `heard` would send and only a greenlet can, since it takes waiting."""
        # Counted by the loop, or a process whose only greenlet waits here would wait for nothing.
        self._watcher = hub.loop.io(raw.fileno(), READABLE)
        self._watcher.start(self._speaks)

    def send(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        sent = self._begin(data)
        if sent < len(data):
            try:
                self._connection.sendall(memoryview(data)[sent:])
            except BrokenPipeError:
                return  # As below.

    def _begin(self, data: bytes) -> int:
        """Send what goes without waiting, and return how much that was. Raises OSError."""
        try:
            return self._send(data)  # type: ignore[no-any-return]
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            return len(data)  # The platform reads no further, but may have said why.

    def receive(self, heard: Heard | None = None) -> bytes:
        """Wait for bytes and return them; empty at the end. Raises OSError, or what `heard` does."""
        while True:
            if self.is_stale:
                # It spoke while a long request was still being sent: that is there to be read.
                self.is_stale = False
                self._watcher.start(self._speaks)
            self._waiting, self._heard = getcurrent(), heard
            try:
                received: bytes = self._give_way()
            finally:
                self._waiting = self._heard = None
            unsent, self._unsent = self._unsent, b""
            if not unsent:
                return received
            self.send(unsent)

    def cut(self) -> None:
        """End the connection under whoever waits for it."""
        _shut(self._connection)

    def close(self) -> None:
        """Give it up."""
        self._watcher.stop()
        self._watcher.close()
        self._connection.close()

    def _speaks(self) -> None:
        """Read what came, and let it be heard; called by the event loop."""
        waiting, heard = self._waiting, self._heard
        if waiting is None:
            self.is_stale = True
            self._watcher.stop()
            return
        try:
            received = self._recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            waiting.throw(error)
            return
        if heard is not None:
            try:
                said = heard(received)
                if said is not None:
                    sent = self._begin(said)
                    if sent == len(said):
                        return
                    self._unsent = said[sent:]
            except Exception as error:
                waiting.throw(error)
                return
        waiting.switch(received)


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

    def receive(self, heard: Heard | None = None) -> bytes:  # noqa: ARG002 - TLS is read by waiting
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
