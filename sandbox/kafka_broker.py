"""A broker of our own: librdkafka's mock cluster, which speaks Kafka and keeps a little of each topic.

It lives in this process, on a thread of librdkafka's, and listens on loopback at a port that it takes
by itself. Where another port is asked for, that one leads there: clients begin at it, and are told
of the broker's own. About 5 MB of each partition are kept: what nobody reads in time is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence

from confluent_kafka import Producer

BROKERS = 1
_START_S = 10
_CHUNK_BYTES = 65536
_QUIET = 4
"""Of syslog's levels: warnings, and nothing of less weight."""


class MockBroker:
    """A mock cluster with its topics, for as long as the object lives."""

    def __init__(self, topics: Sequence[str]) -> None:
        """Start it; the topics are there when this returns."""
        self._client = Producer(
            {
                "bootstrap.servers": "127.0.0.1",
                "test.mock.num.brokers": BROKERS,
                "log_level": _QUIET,
            }
        )
        brokers = self._client.list_topics(timeout=_START_S).brokers.values()
        self.addresses = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        """Where clients begin, as they write it: "127.0.0.1:40729"."""
        for topic in topics:
            # To ask for a topic that is not there makes it, with four partitions.
            self._client.list_topics(topic, timeout=_START_S)


class Doorway:
    """A port that leads to a broker's: clients begin there, whatever port the broker took."""

    def __init__(self, address: str) -> None:
        """Lead to `address`, "127.0.0.1:40729"."""
        host, _, port = address.partition(",")[0].rpartition(":")
        self._host, self._port = host, int(port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def open(self, listener: socket.socket) -> None:
        """Begin to lead clients that come to a listening socket; call it on the event loop."""
        self._server = await asyncio.start_server(self._lead, sock=listener)

    async def close(self) -> None:
        """Let nobody in any more, and end what is open."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is served by a task"
        self._open.add(task)
        try:
            there, back = await asyncio.open_connection(self._host, self._port)
            await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        except OSError:
            writer.close()
        finally:
            self._open.discard(task)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Write what is read until its end, then close what is written to."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
