"""The Kafka front: commands from a topic, events on all decisions, poison to the dead-letter topic.

librdkafka is called on threads of our own. What is read is committed once the platform has it, and
once poison is on the dead-letter topic: a front that dies reads it again, and the platform knows each
command by its id. Events are published until the broker has them, with ids that do not change.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import wait
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from sandbox import envelope, telling
from sandbox.fields import Refusal
from sandbox.ledger import Conflict
from sandbox.platform import Decided, Platform

log = logging.getLogger("sandbox.kafka")

COMMANDS_TOPIC = "payments.commands"
EVENTS_TOPIC = "payments.events"
DEAD_LETTERS_TOPIC = "payments.commands.dlq"
TOPICS = (COMMANDS_TOPIC, EVENTS_TOPIC, DEAD_LETTERS_TOPIC)
GROUP = "paystorm-sandbox"
"""The platform's own consumer group: its lag is how far the platform is behind."""

_BATCH = 200
_TURN = 20
"""Commands in one go before others get a turn: a few milliseconds of work."""
_WAIT_S = 0.05
_RETRY_S = 0.5
_FETCH_MS = 10
_ASK_S = 10
_FLUSH_S = 5
_REASON_CHARS = 300

Config = dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class KafkaClient:
    """How to reach the brokers."""

    bootstrap: str
    extra: Mapping[str, str] = field(default_factory=dict)
    """Settings of librdkafka, as its documentation names them."""
    partitions: int = 4
    """Of the topics that are not there yet."""

    def config(self) -> Config:
        """Return what every client is made with."""
        return {"bootstrap.servers": self.bootstrap, "log_level": 2, **self.extra}


class KafkaFront:
    """Reads commands and publishes events, between `start` and `stop`."""

    def __init__(self, platform: Platform, client: KafkaClient) -> None:
        self._platform = platform
        self._client = client
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._outbox: deque[tuple[str, bytes, str]] = deque()
        """Keys, values and command ids of events that the producer had no room for: everything waits behind the first of them."""
        self._poison = 0
        platform.watch(self._on_decided)

    def start(self) -> None:
        """Begin to read and to publish; call it on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(
            {
                **self._client.config(),
                "enable.idempotence": True,
                "linger.ms": 2,
                # An event is published, however long the broker is gone.
                "message.timeout.ms": 0,
            },
            on_delivery=self._delivered,
        )
        for work in (self._serve, self._read_on):
            thread = threading.Thread(target=work, name=f"kafka {work.__name__}", daemon=True)
            self._threads.append(thread)
            thread.start()

    async def stop(self) -> None:
        """End in good order: what was decided is published, if the broker is there."""
        self._stopping.set()
        for thread in self._threads:
            await self._loop.run_in_executor(None, thread.join)
        left = await self._loop.run_in_executor(None, self._producer.flush, _FLUSH_S)
        if left or self._outbox:
            log.warning("%d events or dead letters were not published", left + len(self._outbox))
        if self._poison:
            log.info("%d messages could not be understood and were moved away", self._poison)

    # -- commands -----------------------------------------------------------------------------------

    def _read_on(self) -> None:
        """Read commands until the end; begin again whenever the broker or its topics are gone."""
        is_told = False
        while not self._stopping.is_set():
            try:
                with closing(Consumer(self._consumer_config())) as consumer:
                    consumer.assign(self._positions(consumer))
                    is_told = False
                    self._read(consumer)
            except KafkaException as why:
                if not is_told:
                    log.warning("Kafka at %s: %s; trying again", self._client.bootstrap, why)
                is_told = True
            self._stopping.wait(_RETRY_S)

    def _consumer_config(self) -> Config:
        return {
            **self._client.config(),
            "group.id": GROUP,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            # The mock cluster answers after this time, and not as soon as there is a command.
            "fetch.wait.max.ms": _FETCH_MS,
        }

    def _positions(self, consumer: Consumer) -> list[TopicPartition]:
        """Return where to go on in every partition. One platform reads them all: it needs no turns."""
        self._make_topics()
        partitions = consumer.list_topics(COMMANDS_TOPIC, timeout=_ASK_S).topics[COMMANDS_TOPIC]
        if partitions.error is not None:
            raise KafkaException(partitions.error)
        wanted = [TopicPartition(COMMANDS_TOPIC, number) for number in partitions.partitions]
        positions = consumer.committed(wanted, timeout=_ASK_S)
        for position in positions:
            if position.offset < 0:
                position.offset = OFFSET_BEGINNING
        return positions

    def _make_topics(self) -> None:
        """Make the topics that are missing, as a platform's installation would."""
        admin = AdminClient(self._client.config())
        missing = [
            topic for topic in TOPICS if topic not in admin.list_topics(timeout=_ASK_S).topics
        ]
        if missing:
            new = [NewTopic(topic, self._client.partitions) for topic in missing]
            for made in admin.create_topics(new, request_timeout=_ASK_S).values():
                try:
                    made.result()
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise

    def _read(self, consumer: Consumer) -> None:
        while not self._stopping.is_set():
            first = consumer.poll(_WAIT_S)
            if first is None:
                continue
            # Without waiting for more: a batch is what is there already.
            messages = [first, *consumer.consume(_BATCH - 1, 0)]
            for message in messages:
                if (error := message.error()) is not None and not error.retriable():
                    raise KafkaException(error)
            commands = [message for message in messages if message.error() is None]
            if not commands:
                continue
            taken = asyncio.run_coroutine_threadsafe(self._take(commands), self._loop)
            while not taken.done() and not self._stopping.is_set():
                # The loop may have ended meanwhile, and would never say so.
                wait([taken], _WAIT_S)
            if taken.done() and taken.result():
                self._producer.flush(_FLUSH_S)
            if taken.done():
                consumer.commit(asynchronous=True)

    async def _take(self, messages: list[Message]) -> int:
        """Have the platform accept commands; return how many were none, and went to the dead letters."""
        poison = 0
        for number, message in enumerate(messages, 1):
            try:
                read = envelope.read(message.value() or b"")
                self._platform.accept(read.command, read.correlation_id)
            except (Refusal, Conflict) as why:
                self._put_away(message, why)
                poison += 1
            if number % _TURN == 0:
                await asyncio.sleep(0)
        # Only what is kept may be committed as read.
        await self._platform.durable()
        return poison

    def _put_away(self, message: Message, why: Exception) -> None:
        """Move a message that cannot be understood to the dead letters, as it is, with the reason."""
        if not self._poison:
            log.info("the first message that cannot be understood is moved away: %s", why)
        self._poison += 1
        reason = str(why)[:_REASON_CHARS].encode("utf-8", "replace")
        self._producer.produce(
            DEAD_LETTERS_TOPIC,
            message.value(),
            message.key(),
            headers=[*(message.headers() or ()), ("reason", reason)],
        )

    # -- events -------------------------------------------------------------------------------------

    def _on_decided(self, decided: Decided) -> None:
        entry = decided.entry
        events = telling.events_of(decided, self._platform.defects)
        if not events:
            self._platform.store.published(entry.command.command_id)
        is_idle = not self._outbox
        self._outbox += [(entry.account_id, event, entry.command.command_id) for event in events]
        if is_idle:
            self._publish()

    def _publish(self) -> None:
        """Give events to the producer; what it has no room for goes a little later."""
        while self._outbox:
            key, value, command_id = self._outbox[0]
            taken = partial(self._taken, command_id) if self._platform.store.has_outbox else None
            try:
                self._producer.produce(EVENTS_TOPIC, value, key, on_delivery=taken)
            except BufferError:
                self._loop.call_later(_WAIT_S, self._publish)
                return
            self._outbox.popleft()

    def _serve(self) -> None:
        """Serve the producer's reports."""
        while not self._stopping.is_set():
            self._producer.poll(_WAIT_S)

    def _taken(self, command_id: str, error: KafkaError | None, message: Message) -> None:
        """Cross an event off the book's outbox, once the broker has it."""
        self._delivered(error, message)
        if error is None:
            self._loop.call_soon_threadsafe(self._platform.store.published, command_id)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            log.error("a message for %s was not taken: %s", message.topic(), error)
