"""The queue manager's network side: connections that call, one call at a time, and their answers.

What comes in is hostile until shown otherwise: a frame has a bounded length, a much smaller one until
the client is let in, and a connection that sends what is no call is closed, and only that one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from struct import Struct
from struct import error as struct_error
from typing import cast

from sandbox.gets import Get, Got, Wanted
from sandbox.mq_session import Session
from sandbox.mqbinding import codes, protocol
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.protocol import ANSWER, CALL, LENGTH, Verb
from sandbox.mqbinding.structs import MD_BYTES, NAME_BYTES, text
from sandbox.queue_manager import QueueManager
from sandbox.queues import Message, Queue

log = logging.getLogger("sandbox.mq")

GREETING_S = 10
"""How long a client may take until it has connected."""
SELECTORS_MAX = 64

_GLANCE_S = 0.02
_HEAD_BYTES = CALL.size - LENGTH.size
_ANSWER_HEAD_BYTES = ANSWER.size - LENGTH.size
_TOKEN = Struct("<Q8x")

Result = tuple[int, bytes]
"""A warning's reason or MQRC_NONE, and what the verb gives."""


class _Malformed(Exception):  # noqa: N818 - of a client, which is cut off
    """What came is no call."""


class Server:
    """Lets programs connect to a queue manager; `connected` is one connection's protocol."""

    def __init__(self, manager: QueueManager) -> None:
        self._manager = manager
        self._clients: set[_Client] = set()

    def connected(self) -> asyncio.Protocol:
        """Make the protocol of a new connection."""
        return _Client(self._manager, self._clients)

    async def close(self, grace_s: float) -> None:
        """Tell the programs, give them some time to go, and cut off the others."""
        self._manager.quiesce()
        deadline_s = time.monotonic() + grace_s
        while self._clients and time.monotonic() < deadline_s:
            await asyncio.sleep(_GLANCE_S)
        for client in list(self._clients):
            client.cut_off()


class _Client(asyncio.Protocol):
    """One connection. A get that waits is its only call until it is answered or given up."""

    def __init__(self, manager: QueueManager, clients: set[_Client]) -> None:
        self._manager = manager
        self._clients = clients
        self._session: Session | None = None
        self._unread = bytearray()
        self._needed = LENGTH.size
        """How many bytes there must be before there is something to do."""
        self._is_paused = False
        self._waiting: Get | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._number = 0
        """Of the call that is being answered, or was last."""
        self._last_got = -1
        """Of the last call, if it was a get that took a message."""

    # -- the connection -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the client some time to say who it is."""
        self._transport = cast("asyncio.Transport", transport)
        self._clients.add(self)
        self._timer = asyncio.get_running_loop().call_later(GREETING_S, self.cut_off)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason is all one
        """Back out what the program left uncommitted."""
        self._clients.discard(self)
        self._stop_waiting()
        session, self._session = self._session, None
        if session is not None:
            session.abandon()

    def cut_off(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def pause_writing(self) -> None:
        """Take no more calls from a client that does not read its answers."""
        self._is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Take calls again, first those that are here already."""
        self._is_paused = False
        self._transport.resume_reading()
        self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        """Answer the calls that are whole; keep the rest."""
        if self._unread:
            self._unread += data
            if len(self._unread) < self._needed:
                return
            data = bytes(self._unread)
            self._unread.clear()
        try:
            self._unread += data[self._answer_all(data) :]
        except (_Malformed, struct_error) as error:
            peer = self._transport.get_extra_info("peername")
            log.warning("%s is cut off: it sent what is no call (%s)", peer, error)
            self.cut_off()

    def _answer_all(self, data: bytes) -> int:
        """Answer the whole calls, and return how many bytes they were."""
        position, end = 0, len(data)
        while not self._is_paused and end - position >= LENGTH.size:
            (length,) = LENGTH.unpack_from(data, position)
            bound = (
                protocol.GREETING_BYTES_MAX if self._session is None else protocol.FRAME_BYTES_MAX
            )
            if not _HEAD_BYTES <= length <= bound:
                raise _Malformed(f"a frame of {length} bytes")
            self._needed = LENGTH.size + length
            after = position + self._needed
            if after > end:
                return position
            _, number, verb = CALL.unpack_from(data, position)
            self._call(number, verb, data[position + CALL.size : after])
            position = after
        self._needed = LENGTH.size
        return position

    # -- calls --------------------------------------------------------------------------------------

    def _call(self, number: int, verb: int, body: bytes) -> None:
        session = self._session
        if verb == Verb.CANCEL:
            self._cancel(*protocol.NUMBER.unpack(body))
            return
        if self._waiting is not None:
            raise _Malformed("a call while another waits")
        self._number, self._last_got = number, -1
        try:
            if session is None:
                if verb != Verb.CONNECT:
                    raise _Malformed("a call before CONNECT")
                self._answer(codes.MQRC_NONE, self._connect(body))
            elif verb == Verb.GET:
                self._get(session, body)
            elif verb == Verb.DISCONNECT:
                self._session = None
                session.disconnect()
                self._answer(codes.MQRC_NONE, b"")
                self._transport.close()
            else:
                call = _CALLS.get(verb)
                if call is None:
                    raise _Malformed(f"verb {verb}")
                self._answer(*call(session, body))
        except Failed as failed:
            self._fail(failed.reason)

    def _connect(self, body: bytes) -> bytes:
        size = protocol.HELLO.size
        version, name, channel, application, user, user_size, password_size = (
            protocol.HELLO.unpack_from(body)
        )
        if version != protocol.VERSION or len(body) != size + user_size + password_size:
            raise _Malformed(f"version {version}")
        given = body[size : size + user_size]
        self._session = Session(
            self._manager,
            name=text(name),
            channel=text(channel),
            user=given or text(user),
            password=body[size + user_size :],
            application=text(application),
        )
        self._stop_waiting()
        return protocol.WELCOME.pack(self._manager.field, protocol.MESSAGE_BYTES_MAX)

    def _answer(self, reason: int, body: bytes) -> None:
        completion = codes.MQCC_WARNING if reason else codes.MQCC_OK
        head = ANSWER.pack(_ANSWER_HEAD_BYTES + len(body), self._number, completion, reason)
        self._transport.write(head + body)

    def _fail(self, reason: int) -> None:
        self._transport.write(
            ANSWER.pack(_ANSWER_HEAD_BYTES, self._number, codes.MQCC_FAILED, reason)
        )

    # -- gets ---------------------------------------------------------------------------------------

    def _get(self, session: Session, body: bytes) -> None:
        wanted = Wanted._make(protocol.GETTING.unpack(body))
        get = session.get(wanted)
        got = get.now()
        if got is not None:
            self._give(got)
        elif wanted.options & codes.MQGMO_WAIT and wanted.wait_ms:
            self._wait(get, wanted)
        else:
            self._fail(codes.MQRC_NO_MSG_AVAILABLE)

    def _wait(self, get: Get, wanted: Wanted) -> None:
        def deliver(result: Got | Failed) -> None:
            self._stop_waiting()
            if isinstance(result, Failed):
                self._fail(result.reason)
            else:
                self._give(result)

        self._waiting = get
        get.wait(deliver)
        if wanted.wait_ms != codes.MQWI_UNLIMITED:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(wanted.wait_ms / 1000, self._time_over)

    def _time_over(self) -> None:
        self._stop_waiting()
        self._fail(codes.MQRC_NO_MSG_AVAILABLE)

    def _stop_waiting(self) -> None:
        """End the wait for a message, or for a greeting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting is not None:
            self._waiting.give_up()
            self._waiting = None

    def _give(self, got: Got) -> None:
        """Answer with a message, or as much of it as fits."""
        token = _TOKEN.pack(got.message.place)
        head = protocol.GOT.pack(got.length, got.queue.field, token)
        self._answer(got.reason, head + got.md + got.body)
        self._last_got = self._number

    def _cancel(self, number: int) -> None:
        """Give the call up: wait no more, or put the message back that nobody will look at."""
        if self._waiting is not None and number == self._number:
            self._stop_waiting()
        elif self._session is not None and number == self._last_got:
            self._last_got = -1
            self._session.put_back()


# -- the other verbs ----------------------------------------------------------------------------------


def _open(session: Session, body: bytes) -> Result:
    handle, queue = session.open(*protocol.OPENING.unpack(body))
    name = queue.field if queue else b" " * NAME_BYTES
    return codes.MQRC_NONE, protocol.OPENED.pack(handle, name, session.manager.field)


def _close(session: Session, body: bytes) -> Result:
    session.close(*protocol.CLOSING.unpack(body))
    return codes.MQRC_NONE, b""


def _put(session: Session, body: bytes) -> Result:
    handle, options = protocol.PUTTING.unpack_from(body)
    md, message = _parts(body, protocol.PUTTING.size)
    return _was_put(session, *session.put(handle, options, md, message))


def _put1(session: Session, body: bytes) -> Result:
    object_type, options, name, manager, _ = protocol.OPENING.unpack_from(body)
    md, message = _parts(body, protocol.OPENING.size)
    return _was_put(session, *session.put1(object_type, name, manager, options, md, message))


def _parts(body: bytes, start: int) -> tuple[bytes, bytes]:
    """Return the descriptor that begins at `start`, and the message after it."""
    end = start + MD_BYTES
    if len(body) < end:
        raise _Malformed("a put without a descriptor")
    return body[start:end], body[end:]


def _was_put(session: Session, queue: Queue, message: Message, reason: int) -> Result:
    return reason, message.md + queue.field + session.manager.field


def _commit(session: Session, _: bytes) -> Result:
    session.commit()
    return codes.MQRC_NONE, b""


def _back(session: Session, _: bytes) -> Result:
    session.back()
    return codes.MQRC_NONE, b""


def _inquire(session: Session, body: bytes) -> Result:
    handle, selectors, _ = _selection(body)
    integers, texts = session.inquire(handle, selectors)
    numbers = Struct(f"<{len(integers)}i").pack(*integers)
    return codes.MQRC_NONE, protocol.NUMBER.pack(len(integers)) + numbers + texts


def _set(session: Session, body: bytes) -> Result:
    handle, selectors, rest = _selection(body)
    session.set(handle, selectors, Struct(f"<{len(rest) // 4}i").unpack(rest))
    return codes.MQRC_NONE, b""


def _selection(body: bytes) -> tuple[int, tuple[int, ...], bytes]:
    """Return handle, selectors, and what follows them."""
    handle, count = protocol.INQUIRING.unpack_from(body)
    if count > SELECTORS_MAX:
        raise _Malformed(f"{count} selectors")
    selectors = Struct(f"<{count}I")
    end = protocol.INQUIRING.size + selectors.size
    return handle, selectors.unpack_from(body, protocol.INQUIRING.size), body[end:]


_CALLS: dict[int, Callable[[Session, bytes], Result]] = {
    Verb.OPEN: _open,
    Verb.CLOSE: _close,
    Verb.PUT: _put,
    Verb.PUT1: _put1,
    Verb.COMMIT: _commit,
    Verb.BACK: _back,
    Verb.INQUIRE: _inquire,
    Verb.SET: _set,
}
