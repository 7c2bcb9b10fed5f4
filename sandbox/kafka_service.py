"""The Kafka service: a broker of our own or the address of another, the platform's front, or both."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from sandbox.kafka_broker import MockBroker
from sandbox.kafka_doorway import Doorway
from sandbox.kafka_front import TOPICS, KafkaClient, KafkaFront
from sandbox.kafka_log import RequestLog
from sandbox.platform import Platform


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Another broker's address `at`, or a broker of our own.

    `listener` is a port that leads to it, and what is done by it is kept in the file `store`.
    """

    at: KafkaClient | None = None
    listener: socket.socket | None = None
    store: Path | None = None


class KafkaService:
    """All that is to do with Kafka in one process, between `start` and `stop`."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Start the broker, where it is ours, with what it had. Raises ValueError or OSError where that cannot be."""
        self._log = RequestLog(settings.store) if settings.store else None
        self._doorway: Doorway | None = None
        self._front: KafkaFront | None = None
        if settings.at is not None:
            self._client, self.address = settings.at, settings.at.bootstrap
            return
        self._broker = MockBroker(TOPICS)
        self.address = self._broker.addresses
        """Where clients begin."""
        self._client = KafkaClient(self.address)
        if settings.listener is not None:
            if self._log is not None:
                host, _, port = self.address.rpartition(":")
                self._log.do_again(host, int(port))
            self._doorway = Doorway(self.address, settings.listener, self._log)
            host, port = settings.listener.getsockname()[:2]
            self.address = f"{host}:{port}"
        if self._log is not None:
            # What the platform publishes is kept too.
            self._client = KafkaClient(self.address)

    async def start(self, platform: Platform | None) -> None:
        """Begin to read commands for the platform; call it on the event loop."""
        if self._doorway is not None:
            await self._doorway.open()
        if platform is not None:
            self._front = KafkaFront(platform, self._client)
            self._front.start()

    async def stop(self) -> None:
        """End in good order: what was decided is published, if the broker is there."""
        if self._front is not None:
            await self._front.stop()
        if self._doorway is not None:
            await self._doorway.close()
        if self._log is not None:
            self._log.close()
