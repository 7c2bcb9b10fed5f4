"""A connection to the sandbox's queue manager: one socket, one call at a time."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from sandbox.mqbinding.codes import (
    MQCC_FAILED,
    MQRC_CALL_IN_PROGRESS,
    MQRC_CONNECTION_BROKEN,
)
from sandbox.mqbinding.protocol import ANSWER, CALL, FRAME_BYTES_MAX, LENGTH, NUMBER, Verb

Answer = tuple[int, int, bytes]
"""Completion code, reason code, and what the verb gives."""

_READ_BYTES = 65536
_TURN_S = 0.002
"""How long calls may follow one another before others are given a turn."""
_MOMENT_S = 1e-6
"""A sleep by the clock: gevent lets those that sleep for no time go on before all others."""
_HEAD_BYTES = ANSWER.size
_BROKEN = (MQCC_FAILED, MQRC_CONNECTION_BROKEN, b"")


class _Turns:
    """Gives others a turn from time to time, where calls never have to wait.

    An answer may be there before anybody waits for it; then, with gevent, no other greenlet would
    ever go on. The time between turns is shared by all connections.
    """

    def __init__(self) -> None:
        self._given_s = 0.0

    def give(self) -> None:
        """Give the others a turn, if the last one is long ago."""
        now_s = time.monotonic()
        if now_s - self._given_s > _TURN_S:
            time.sleep(_MOMENT_S)
            # Whoever slept too, and woke before, has begun the time until the next turn.
            if self._given_s < now_s:
                self._given_s = time.monotonic()


_turns = _Turns()


class Connection:
    """A connected socket. It has no thread: whoever calls waits on the socket, and may be killed.

    A call that ends by an exception thrown into it (a killed greenlet, a timeout) is given up: the
    queue manager is told, so that a get that was waiting takes no message, and one whose answer was
    under way has its message put back. The connection remains usable.

    `shared` says what happens when two use the connection at once: the second waits for its turn, or
    is told that a call is in progress.
    """

    def __init__(self, connected: socket.socket, *, shared: bool) -> None:
        # Looked up now, not at import: who patches the standard library gets locks of that kind.
        self._lock = threading.Lock()
        self._shared = shared
        self._socket: socket.socket | None = connected
        self._unread = bytearray()
        self._number = 0

    def call(self, verb: Verb, *parts: bytes) -> Answer:
        """Send a call and wait for its answer; a broken connection is an answer too."""
        # Before anything is sent: whoever is killed in it has lost nothing.
        _turns.give()
        if not self._lock.acquire(self._shared):
            return MQCC_FAILED, MQRC_CALL_IN_PROGRESS, b""
        try:
            return self._exchange(verb, b"".join(parts))
        except (OSError, EOFError):
            self.close()
            return _BROKEN
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the connection; calls after that find it broken."""
        connected, self._socket = self._socket, None
        if connected is not None:
            connected.close()

    def _exchange(self, verb: Verb, body: bytes) -> Answer:
        connected = self._socket
        if connected is None:
            return _BROKEN
        self._number = number = self._number + 1 & 0xFFFFFFFF
        frame = CALL.pack(8 + len(body), number, verb) + body
        try:
            # Mostly it is sent at once, and gevent's `sendall` takes longer than the sending.
            sent = connected.send(frame)
            if sent < len(frame):
                connected.sendall(frame[sent:])
        except BaseException:
            # Perhaps a part of the frame is sent: nothing can follow it.
            self.close()
            raise
        try:
            return self._answer(connected, number)
        except (OSError, EOFError):
            raise
        except BaseException:
            self._give_up(connected, number)
            raise

    def _answer(self, connected: socket.socket, number: int) -> Answer:
        """Read answers until the call's own. Raises OSError, or EOFError at the end of the stream."""
        unread = self._unread
        while True:
            while len(unread) >= _HEAD_BYTES:
                length, found, completion, reason = ANSWER.unpack_from(unread)
                if not 12 <= length <= FRAME_BYTES_MAX:
                    raise EOFError
                end = LENGTH.size + length
                if len(unread) < end:
                    break
                body = bytes(unread[_HEAD_BYTES:end])
                del unread[:end]
                if found == number:
                    return completion, reason, body
            data = connected.recv(_READ_BYTES)
            if not data:
                raise EOFError
            unread += data

    def _give_up(self, connected: socket.socket, number: int) -> None:
        with suppress(OSError):
            connected.sendall(CALL.pack(12, 0, Verb.CANCEL) + NUMBER.pack(number))
