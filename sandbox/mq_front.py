"""The MQ front: commands from a queue, replies to their senders, poison to the backout queue.

A command is read in a unit of work together with its first reply, so a platform that dies leaves it
on the queue; one that is read twice for that is recognised by its command id. A message that cannot
be understood is backed out until the queue's threshold, and then moved to its backout queue.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from sandbox import envelope, mq_replies
from sandbox.book import Entry
from sandbox.conversion import without_headers
from sandbox.fields import Refusal
from sandbox.ledger import Conflict
from sandbox.mq_links import Broken, Link, Source
from sandbox.mq_replies import Replies, ReplyId, Sender
from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.structs import Descriptor
from sandbox.platform import Decided, Platform
from sandbox.queue_manager import DEAD_LETTER_QUEUE
from sandbox.telling import FinalReplies

log = logging.getLogger("sandbox.mq")

COMMAND_QUEUE = "COMMAND.QUEUE"
BACKOUT_QUEUE = "COMMAND.QUEUE.BO"
REPLY_QUEUE = "REPLY.QUEUE"

_TURN = 20
"""Commands in one go before others get a turn: a few milliseconds of work."""
_RETRY_S = 0.5
_FULL_S = 1


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """How the front replies, and how many readers it has."""

    replies: Replies = Replies.BOTH
    reply_id: ReplyId = ReplyId.CORREL_ID
    readers: int = 1


class MqFront:
    """Reads commands and replies, between `start` and `stop`; `connect` makes a link when asked."""

    def __init__(
        self,
        platform: Platform,
        connect: Callable[[], Awaitable[Link]],
        settings: FrontSettings,
    ) -> None:
        self._platform = platform
        self._connect = connect
        self._settings = settings
        self._waiting: dict[str, list[Sender]] = {}
        """Who is to be told of a decision, by command id."""
        self._finals = FinalReplies(platform.defects)
        self._outbox: deque[tuple[str, Sender, tuple[tuple[Sender, bytes], ...]]] = deque()
        """Command ids, who is to be told, and what is put for that."""
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._poison = 0
        platform.watch(self._on_decided)

    def start(self) -> None:
        """Begin to read and to reply; call it on the event loop."""
        for command_id, sender in self._platform.unreplied:
            self._await_decision(mq_replies.read_back(sender), command_id)
        readers = (self._linked(self._read) for _ in range(self._settings.readers))
        for work in (*readers, self._linked(self._reply)):
            self._tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """End; what is being read goes back to the queue."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        if self._poison:
            log.info("%d messages could not be understood and were moved away", self._poison)

    async def _linked(self, work: Callable[[Link], Awaitable[None]]) -> None:
        """Do work on a link; on another one whenever that breaks, or a fault of ours ends the work."""
        is_told = False
        while True:
            try:
                link = await self._connect()
                is_told = False
                try:
                    await work(link)
                finally:
                    link.close()
            except (Broken, Failed) as why:
                if not is_told:
                    log.warning("%s; trying again", why)
                is_told = True
            except Exception:
                log.exception("a fault in the sandbox itself; trying again")
            await asyncio.sleep(_RETRY_S)

    # -- commands -----------------------------------------------------------------------------------

    async def _read(self, link: Link) -> None:
        source = await link.open(COMMAND_QUEUE.encode())
        while True:
            for _ in range(_TURN):
                request, body = await link.get(source)
                await self._take(link, source, request, body)
            await asyncio.sleep(0)

    async def _take(self, link: Link, source: Source, request: Descriptor, body: bytes) -> None:
        """Have the platform accept a command and reply, or get rid of what is none."""
        try:
            read = envelope.read(without_headers(request, body)[1])
            entry = self._platform.accept(read.command, read.correlation_id)
            sender = mq_replies.sender_of(request, read.correlation_id, self._settings.reply_id)
            self._want(sender, entry.command.command_id)
            await self._platform.durable()
        except (Refusal, Conflict) as why:
            await self._reject(link, source, request, body, why)
            return
        if sender is not None and self._settings.replies is Replies.BOTH:
            await self._put(link, sender, mq_replies.accepted(entry, sender.correlation_id))
        await link.commit()
        if sender is not None:
            self._await_decision(sender, entry.command.command_id)

    def _want(self, sender: Sender | None, command_id: str) -> None:
        """Have the book keep who waits for a final reply, if it keeps anything."""
        store = self._platform.store
        if sender is not None and store.has_outbox:
            correl_id = sender.md.correl_id.hex()
            store.reply_wanted(command_id, correl_id, mq_replies.written(sender))

    def _await_decision(self, sender: Sender, command_id: str) -> None:
        """Reply when the command is decided, or soon if it already is; not where it is lost."""
        entry = self._platform.ledger.find(command_id)
        if entry is None:
            return
        told = self._platform.told(entry)
        if told.decision is None:
            self._waiting.setdefault(command_id, []).append(sender)
        else:
            self._send(sender, told)

    async def _reject(
        self, link: Link, source: Source, request: Descriptor, body: bytes, why: Exception
    ) -> None:
        """Back a message out, or move it away where that was done as often as the queue bears.

        A backout queue gets it as it was, a dead-letter queue behind the header that one's have to have.
        """
        if request.backout_count < source.backout_threshold:
            await link.back()
            return
        letter = mq_replies.dead_letter(
            COMMAND_QUEUE.encode(), b"", request, body, codes.MQRC_BACKOUT_THRESHOLD_REACHED
        )
        places = ((source.backout_queue, (request, body)), (DEAD_LETTER_QUEUE.encode(), letter))
        for queue, message in places:
            if not queue:
                continue
            try:
                await link.put(queue, b"", *message)
            except Failed as failed:
                log.warning("%s does not take a poison message: %s", queue.decode(), failed)
            else:
                await link.commit()
                if not self._poison:
                    log.info("the first message that cannot be understood is moved away: %s", why)
                self._poison += 1
                return
        await link.back()
        await asyncio.sleep(_FULL_S)

    # -- replies ------------------------------------------------------------------------------------

    def _on_decided(self, decided: Decided) -> None:
        for sender in self._waiting.pop(decided.entry.command.command_id, ()):
            self._send(sender, decided.entry)

    def _send(self, sender: Sender, entry: Entry) -> None:
        told = self._finals.of(sender, entry)
        self._outbox.append((entry.command.command_id, sender, told))
        self._arrived.set()

    async def _reply(self, link: Link) -> None:
        """Send final replies; one is off the list when it is committed."""
        while True:
            while self._outbox:
                command_id, sender, told = self._outbox[0]
                for to, body in told:
                    await self._put(link, to, body)
                await link.commit()
                self._outbox.popleft()
                self._platform.store.replied(command_id, sender.md.correl_id.hex())
            self._arrived.clear()
            await self._arrived.wait()

    async def _put(self, link: Link, sender: Sender, body: bytes) -> None:
        """Put a reply, or where its queue does not take it, put it to the dead letters."""
        try:
            await link.put(sender.queue, sender.manager, sender.md, body)
        except Failed as failed:
            md, letter = mq_replies.dead_letter(
                sender.queue, sender.manager, sender.md, body, failed.reason
            )
            try:
                await link.put(DEAD_LETTER_QUEUE.encode(), b"", md, letter)
            except Failed as also:
                queue = sender.queue.decode("latin-1")
                log.warning("a reply to %s is given up: %s, dead letters: %s", queue, failed, also)
