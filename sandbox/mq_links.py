"""Links: how the platform reaches the queue manager, in its own process or over the network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from struct import Struct
from typing import Protocol

from sandbox.gets import Got, Wanted
from sandbox.mq_session import Session
from sandbox.mqbinding import codes, protocol
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.protocol import ANSWER, CALL, LENGTH, Verb
from sandbox.mqbinding.structs import MD_BYTES, NAME_BYTES, NO_ID, Descriptor, text
from sandbox.queue_manager import QueueManager

APPLICATION = b"paystorm sandbox"

_ROOM = protocol.MESSAGE_BYTES_MAX
READ_OPTIONS = codes.MQOO_INPUT_SHARED | codes.MQOO_INQUIRE
_GET_OPTIONS = codes.MQGMO_WAIT | codes.MQGMO_SYNCPOINT
BACKOUT = (codes.MQIA_BACKOUT_THRESHOLD, codes.MQCA_BACKOUT_REQ_Q_NAME)


class Broken(Exception):  # noqa: N818 - of the queue manager, which may come back
    """The queue manager cannot be reached, or is gone; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Source:
    """A queue that is open to be read, and what it says about messages that are backed out."""

    handle: int
    backout_threshold: int
    backout_queue: bytes


class Link(Protocol):
    """One session with the queue manager. Its calls raise Failed, or Broken when it is at its end."""

    async def open(self, queue: bytes) -> Source:
        """Open a queue to read it."""

    async def get(self, source: Source) -> tuple[Descriptor, bytes]:
        """Wait for the next message and get it in the unit of work."""

    async def put(self, queue: bytes, manager: bytes, md: Descriptor, body: bytes) -> None:
        """Put a message in the unit of work."""

    async def commit(self) -> None:
        """Commit the unit of work."""

    async def back(self) -> None:
        """Back the unit of work out."""

    def close(self) -> None:
        """End the session; what is uncommitted is backed out."""


def _wanted(handle: int) -> Wanted:
    return Wanted(handle, _GET_OPTIONS, codes.MQWI_UNLIMITED, 0, _ROOM, 0, NO_ID, NO_ID)


class LocalLink:
    """A session with a queue manager in this process."""

    def __init__(self, manager: QueueManager) -> None:
        self._session = Session(manager, application=APPLICATION)

    async def open(self, queue: bytes) -> Source:
        """Open a queue to read it."""
        handle, _ = self._session.open(codes.MQOT_Q, READ_OPTIONS, queue, b"", b"")
        (threshold,), backout_queue = self._session.inquire(handle, BACKOUT)
        return Source(handle, threshold, text(backout_queue))

    async def get(self, source: Source) -> tuple[Descriptor, bytes]:
        """Wait for the next message and get it in the unit of work."""
        get = self._session.get(_wanted(source.handle))
        got: Got | Failed | None = get.now()
        if got is None:
            arrived: asyncio.Future[Got | Failed] = asyncio.get_running_loop().create_future()
            get.wait(arrived.set_result)
            try:
                got = await arrived
            finally:
                get.give_up()
        if isinstance(got, Failed):
            raise got
        return Descriptor.unpack(got.md), got.body

    async def put(self, queue: bytes, manager: bytes, md: Descriptor, body: bytes) -> None:
        """Put a message in the unit of work."""
        self._session.put1(codes.MQOT_Q, queue, manager, codes.MQPMO_SYNCPOINT, md.pack(), body)

    async def commit(self) -> None:
        """Commit the unit of work."""
        self._session.commit()

    async def back(self) -> None:
        """Back the unit of work out."""
        self._session.back()

    def close(self) -> None:
        """End the session; what is uncommitted is backed out."""
        self._session.abandon()


@dataclass(frozen=True, slots=True)
class Address:
    """Where a queue manager listens, and how it lets the platform in."""

    host: str
    port: int
    channel: str
    user: str = ""
    password: str = ""
    manager: str = ""
    """The queue manager's name, which IBM's asks for."""

    def __str__(self) -> str:
        return f"{self.host}({self.port})"


class RemoteLink:
    """A session with a queue manager in another process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0

    @classmethod
    async def connected(cls, address: Address) -> RemoteLink:
        """Connect. Raises Broken where nobody answers, or nobody is let in."""
        try:
            link = cls(*await asyncio.open_connection(address.host, address.port))
        except OSError as error:
            why = error.strerror or str(error)
            raise Broken(f"no queue manager answers at {address}: {why}") from None
        user, password = address.user.encode(), address.password.encode()
        hello = protocol.HELLO.pack(
            protocol.VERSION,
            b"",
            address.channel.encode(),
            APPLICATION,
            b"",
            len(user),
            len(password),
        )
        try:
            await link._call(Verb.CONNECT, hello + user + password)
        except Failed as failed:
            link.close()
            raise Broken(f"the queue manager at {address} refuses: {failed}") from None
        return link

    async def open(self, queue: bytes) -> Source:
        """Open a queue to read it."""
        opening = protocol.OPENING.pack(codes.MQOT_Q, READ_OPTIONS, queue, b"", b"")
        handle, _, _ = protocol.OPENED.unpack(await self._call(Verb.OPEN, opening))
        selectors = Struct("<2I").pack(*BACKOUT)
        inquiry = protocol.INQUIRING.pack(handle, len(BACKOUT)) + selectors
        answer = await self._call(Verb.INQUIRE, inquiry)
        _, threshold = Struct("<Ii").unpack_from(answer)
        return Source(handle, threshold, text(answer[-NAME_BYTES:]))

    async def get(self, source: Source) -> tuple[Descriptor, bytes]:
        """Wait for the next message and get it in the unit of work."""
        answer = await self._call(Verb.GET, protocol.GETTING.pack(*_wanted(source.handle)))
        start = protocol.GOT.size
        end = start + MD_BYTES
        return Descriptor.unpack(answer[start:end]), answer[end:]

    async def put(self, queue: bytes, manager: bytes, md: Descriptor, body: bytes) -> None:
        """Put a message in the unit of work."""
        opening = protocol.OPENING.pack(codes.MQOT_Q, codes.MQPMO_SYNCPOINT, queue, manager, b"")
        await self._call(Verb.PUT1, opening + md.pack() + body)

    async def commit(self) -> None:
        """Commit the unit of work."""
        await self._call(Verb.COMMIT, b"")

    async def back(self) -> None:
        """Back the unit of work out."""
        await self._call(Verb.BACK, b"")

    def close(self) -> None:
        """End the session; what is uncommitted is backed out."""
        self._writer.close()

    async def _call(self, verb: Verb, body: bytes) -> bytes:
        self._number += 1
        try:
            self._writer.write(
                CALL.pack(CALL.size - LENGTH.size + len(body), self._number, verb) + body
            )
            await self._writer.drain()
            head = await self._reader.readexactly(ANSWER.size)
            length, number, completion, reason = ANSWER.unpack(head)
            answer = await self._reader.readexactly(length - ANSWER.size + LENGTH.size)
        except (OSError, EOFError) as error:
            raise Broken(f"the queue manager is gone: {error}") from None
        assert number == self._number, "a link's call is never given up"
        if completion == codes.MQCC_FAILED:
            raise Failed(reason)
        return answer
