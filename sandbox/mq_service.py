"""The MQ service: a queue manager with its listener, the platform's front, or both."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.message_log import MessageLog
from sandbox.mq_client_link import ClientLink
from sandbox.mq_front import FrontSettings, MqFront
from sandbox.mq_links import Address, Link, LocalLink, RemoteLink
from sandbox.mq_server import Server
from sandbox.platform import Platform
from sandbox.queue_manager import ManagerSettings, QueueManager

_GRACE_S = 1
_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class MqSettings:
    """A queue manager that listens at `listener`, or else another one's address `at`.

    Without a platform the front has nothing to do, and `front` is not looked at.
    """

    manager: ManagerSettings
    front: FrontSettings
    listener: socket.socket | None = None
    store: Path | None = None
    at: Address | None = None
    client: Any = None
    """IBM's binding, where the queue manager at `at` is IBM's own."""


class MqService:
    """All that is to do with MQ in one process, between `start` and `stop`."""

    def __init__(self, settings: MqSettings) -> None:
        """Open the message log. Raises ValueError or OSError where that cannot be."""
        self._settings = settings
        self._log = MessageLog(settings.store) if settings.store else None
        self._server: Server | None = None
        self._listening: asyncio.Server | None = None
        self._front: MqFront | None = None

    async def start(self, platform: Platform | None) -> None:
        """Begin to listen, and to read commands for the platform; call it on the event loop."""
        settings = self._settings
        if settings.listener is not None:
            connect = await self._listen(settings.listener)
        else:
            assert settings.at is not None, "a queue manager is here, or elsewhere"
            connect = _remote(settings.at, settings.client)
        if platform is not None:
            self._front = MqFront(platform, connect, settings.front)
            self._front.start()

    async def stop(self) -> None:
        """End in good order: what is uncommitted is backed out, what is persistent is stored."""
        if self._front is not None:
            await self._front.stop()
        if self._listening is not None:
            self._listening.close()
        if self._server is not None:
            await self._server.close(_GRACE_S)
        if self._log is not None:
            self._log.close()

    async def _listen(self, listener: socket.socket) -> Callable[[], Awaitable[Link]]:
        manager = QueueManager(self._settings.manager, self._log)
        self._server = Server(manager)
        self._listening = await asyncio.get_running_loop().create_server(
            self._server.connected, sock=listener, backlog=_BACKLOG
        )

        async def connect() -> Link:
            return LocalLink(manager)

        return connect


def _remote(address: Address, client: Any) -> Callable[[], Awaitable[Link]]:
    async def connect() -> Link:
        if client is not None:
            return await ClientLink.connected(client, address)
        return await RemoteLink.connected(address)

    return connect
