"""The doorway: a port where Kafka clients come in and stay, whatever port the broker behind it took.

answers that name the broker      name the doorway instead, so that clients come by it again
requests that change the broker   are written down before it gets them, where there is a log: all over
                                  one connection, so that it gets them in the order of the log
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import Coroutine
from struct import Struct

from sandbox.kafka_frames import (
    COMMIT_OFFSETS,
    FIND_COORDINATOR,
    METADATA,
    NUMBER,
    PRODUCE,
    framed,
    frames,
    kind_of,
    with_number,
)
from sandbox.kafka_log import RequestLog

log = logging.getLogger("sandbox.kafka")

_KEPT = frozenset({PRODUCE, METADATA, COMMIT_OFFSETS})
"""What changes the mock cluster: to ask for a topic makes it."""
_NAMING = frozenset({METADATA, FIND_COORDINATOR})
_PORT = Struct(">i")


class Doorway:
    """A port that leads to a broker's on the same address."""

    def __init__(self, address: str, listener: socket.socket, log: RequestLog | None) -> None:
        """Lead to `address`, "127.0.0.1:40729", whoever comes to a listening socket."""
        host, _, port = address.partition(",")[0].rpartition(":")
        self._there = host, int(port)
        self._listener = listener
        self._keeper = None if log is None else _Keeper(log)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        ours, our_port = listener.getsockname()[:2]
        assert ours == host, "names of one length, for answers that stay as long as they are"
        name = host.encode()
        self._names = name + _PORT.pack(int(port)), name + _PORT.pack(our_port)

    async def open(self) -> None:
        """Begin to let clients in; call it on the event loop."""
        if self._keeper is not None:
            answers, self._keeper.broker = await asyncio.open_connection(*self._there)
            self._begin(self._keeper.hand_on(answers))
        self._server = await asyncio.start_server(self._lead, sock=self._listener)

    async def close(self) -> None:
        """Let nobody in any more, and end what is open."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _begin(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.create_task(work)
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._begin(self._visited(reader, writer))

    async def _visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._there)
        except OSError:
            writer.close()
            return
        visit = _Visit(writer, back, self._keeper, self._names)
        both = asyncio.create_task(visit.ask(reader)), asyncio.create_task(visit.answer(there))
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            for how in await asyncio.gather(*both, return_exceptions=True):
                if isinstance(how, Exception):
                    log.warning("a Kafka client's connection is closed: %r", how)
            writer.close()
            back.close()


class _Visit:
    """A client's connection, and the one to the broker that was opened for it."""

    def __init__(
        self,
        client: asyncio.StreamWriter,
        broker: asyncio.StreamWriter,
        keeper: _Keeper | None,
        names: tuple[bytes, bytes],
    ) -> None:
        self._client, self._broker, self._keeper, self._names = client, broker, keeper, names
        self._asked: deque[int] = deque()
        """Kinds of the requests that the broker has still to answer, in their order."""
        self._all_answered = asyncio.Event()
        self._all_answered.set()

    async def ask(self, requests: asyncio.StreamReader) -> None:
        async for request in frames(requests):
            kind = kind_of(request)
            if self._keeper is not None and kind in _KEPT:
                # Answers come in the order of what was asked.
                await self._all_answered.wait()
                await self._tell(kind, await self._keeper.ask(request))
                continue
            # The mock cluster answers all, records with acks=0 too, which nobody waits for.
            self._asked.append(kind)
            self._all_answered.clear()
            with contextlib.suppress(ConnectionError):
                self._broker.write(framed(request))
                await self._broker.drain()

    async def answer(self, answers: asyncio.StreamReader) -> None:
        async for answer in frames(answers):
            await self._tell(self._asked.popleft(), answer)
            if not self._asked:
                self._all_answered.set()

    async def _tell(self, kind: int, answer: bytes) -> None:
        if kind in _NAMING:
            answer = answer.replace(*self._names)
        with contextlib.suppress(ConnectionError):
            self._client.write(framed(answer))
            await self._client.drain()


class _Keeper:
    """Has the broker do what changes it, one request after the other, each written down before."""

    broker: asyncio.StreamWriter

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._asked: dict[int, tuple[int, asyncio.Future[bytes]]] = {}
        """By the number it has here: the client's own number for it, and who waits for the answer."""
        self._number = 0

    async def hand_on(self, answers: asyncio.StreamReader) -> None:
        """Hand on what the broker answers, until it ends."""
        async for answer in frames(answers):
            number, waiting = self._asked.pop(NUMBER.unpack_from(answer)[0])
            if not waiting.done():
                waiting.set_result(NUMBER.pack(number) + answer[NUMBER.size :])

    async def ask(self, request: bytes) -> bytes:
        """Return the broker's answer. Raises OSError if the request cannot be kept."""
        self._number = (self._number + 1) % 2**31
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[self._number] = NUMBER.unpack_from(request, 4)[0], waiting
        self._log.write(request)
        self.broker.write(framed(with_number(request, self._number)))
        await self.broker.drain()
        return await waiting
