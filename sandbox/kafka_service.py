"""The Kafka service: a broker of our own or the address of another, the platform's front, or both."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from sandbox.kafka_broker import Doorway, MockBroker
from sandbox.kafka_front import TOPICS, KafkaClient, KafkaFront
from sandbox.platform import Platform


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Another broker's address `at`, or a broker of our own; `listener` is a port that leads to it."""

    at: KafkaClient | None = None
    listener: socket.socket | None = None


class KafkaService:
    """All that is to do with Kafka in one process, between `start` and `stop`."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Start the broker, where it is ours."""
        self._broker = MockBroker(TOPICS) if settings.at is None else None
        self._client = settings.at or KafkaClient(self._broker.addresses if self._broker else "")
        self._listener = settings.listener
        self._doorway = Doorway(self._client.bootstrap) if settings.listener else None
        self._front: KafkaFront | None = None

    @property
    def address(self) -> str:
        """Where clients begin."""
        if self._listener is None:
            return self._client.bootstrap
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    async def start(self, platform: Platform | None) -> None:
        """Begin to read commands for the platform; call it on the event loop."""
        if self._doorway is not None and self._listener is not None:
            await self._doorway.open(self._listener)
        if platform is not None:
            self._front = KafkaFront(platform, self._client)
            self._front.start()

    async def stop(self) -> None:
        """End in good order: what was decided is published, if the broker is there."""
        if self._front is not None:
            await self._front.stop()
        if self._doorway is not None:
            await self._doorway.close()
