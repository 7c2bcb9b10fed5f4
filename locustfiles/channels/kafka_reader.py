"""The reader: librdkafka's consumer on an OS thread of its own, and what it read, for the event loop.

the thread   waits for records, and notes when each batch came; waits itself while too much is unread
a greenlet   is woken by it, and gets the batches in their order
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import gevent
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from gevent.event import Event
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool

from e2e_data.problems import Problems
from locustfiles.channels.kafka_settings import Config
from locustfiles.rounds import next_round

log = logging.getLogger(__name__)

BATCH = 1000
WAIT_S = 0.1
AHEAD_MAX = 20
"""Batches that wait for the event loop, at most: memory is bounded when it is late."""
ANSWER_S = 5.0

# The thread is none of gevent's: it really sleeps.
_sleep = get_original("time", "sleep")

_NOBODY_CAN_HELP = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,
        KafkaError._FATAL,
    }
)
"""Errors that do not go away by waiting, as a broker's absence does."""


class Places(NamedTuple):
    """Where records were, in columns."""

    topics: Sequence[str]
    partitions: Sequence[int]
    offsets: Sequence[int]


def places_of(messages: Sequence[Message]) -> Places:
    """Return where records were that were read."""
    return Places(
        # Each has a place: only what was never sent has none.
        cast("list[str]", [message.topic() for message in messages]),
        cast("list[int]", [message.partition() for message in messages]),
        cast("list[int]", [message.offset() for message in messages]),
    )


@dataclass(slots=True)
class Batch:
    """Records that came together, or news of another kind."""

    at_ns: int
    """By the process's monotonic clock."""
    messages: Sequence[Message] = ()
    places: Places = field(init=False)
    """Where these were: asked for in the reader's thread, once for all who need it."""
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    """By topic and partition: the offset behind the last of these records."""
    trimmed: dict[tuple[str, int], int] = field(default_factory=dict)
    """By topic and partition: records that were gone before anybody read them."""
    revoked: Sequence[tuple[str, int]] = ()
    """Partitions that are another's from here on."""
    error: str = ""

    def __post_init__(self) -> None:
        """Ask the records where they were."""
        self.places = places_of(self.messages)


class RecordReader:
    """Reads topics as one member of a group; `took` gets each batch, on the hub, in order."""

    def __init__(
        self, config: Config, topics: Sequence[str], took: Callable[[Batch], None]
    ) -> None:
        """Join the group. Raises Problems for settings that librdkafka does not know."""
        try:
            self._consumer = Consumer(config)
        except (KafkaException, ValueError, TypeError) as error:
            raise Problems([f"[kafka]: {error}"]) from error
        self._topics = list(topics)
        self._took = took
        self._batches: deque[Batch] = deque()
        self._to_commit: deque[list[TopicPartition]] = deque()
        """For the thread: a consumer that two threads call at once may stop both for good."""
        self._stopping = False
        self._next: dict[tuple[str, int], int] = {}
        """The thread's own: where each partition goes on."""
        self._woken = gevent.get_hub().loop.async_(ref=False)
        self._news = Event()
        self._woken.start(self._news.set)
        self._pool = ThreadPool(1)
        self._thread = self._pool.spawn(self._read_on)
        self._greenlet = gevent.spawn(self._hand_on)

    def commit(self, positions: Sequence[TopicPartition]) -> None:
        """Let the group know how far we are, soon; it may fail for what is another's by now."""
        if positions:
            self._to_commit.append(list(positions))

    def stop(self, last: Callable[[], Sequence[TopicPartition]] = tuple) -> None:
        """Leave the group, after the offsets that `last` gives; what was read is handed on before."""
        self._stopping = True
        self._thread.wait()
        while self._batches:
            self._took(self._batches.popleft())
        positions = list(last())
        self._pool.apply(self._close, (positions,))
        self._greenlet.kill()
        self._woken.stop()
        self._pool.kill()

    # -- the thread's side ----------------------------------------------------------------------

    def _read_on(self) -> None:
        try:
            self._consumer.subscribe(
                self._topics, on_assign=self._assigned, on_revoke=self._lost, on_lost=self._lost
            )
            while not self._stopping:
                if len(self._batches) >= AHEAD_MAX:
                    _sleep(0.001)
                    continue
                self._read()
                while self._to_commit:
                    self._commit(self._to_commit.popleft())
        except Exception as error:
            # What ends the thread must be known: events would be missed in silence.
            self._pass_on(
                Batch(time.monotonic_ns(), error=f"the events' consumer failed: {error!r}")
            )

    def _read(self) -> None:
        first = self._consumer.poll(WAIT_S)
        if first is None:
            return
        # Without waiting: these are there already.
        read = [first, *self._consumer.consume(BATCH - 1, 0)]
        # Not before the last of them is here: no outcome was observed before its command was sent.
        at_ns = time.monotonic_ns()
        batch = Batch(at_ns, [message for message in read if message.error() is None])
        self._follow(batch)
        if len(batch.messages) < len(read):
            for message in read:
                error = message.error()
                if error is not None and error.code() in _NOBODY_CAN_HELP:
                    what = message.topic() or "Kafka"
                    batch.error = f"the events of {what} cannot be read: {error.str()}"
        self._pass_on(batch)

    def _follow(self, batch: Batch) -> None:
        """Note where each partition goes on, and what of it was gone before it was read."""
        at, end = ("", -1), -1
        for topic, partition, offset in zip(*batch.places, strict=True):
            if offset == end and at == (topic, partition):
                # Records mostly come in a row.
                end += 1
                continue
            if end >= 0:
                self._next[at] = batch.ends[at] = end
            at, end = (topic, partition), offset + 1
            expected = self._next.get(at, offset)
            if offset > expected and (gone := self._gone(topic, partition, expected, offset)):
                batch.trimmed[at] = gone
        if end >= 0:
            self._next[at] = batch.ends[at] = end

    def _gone(self, topic: str, partition: int, expected: int, offset: int) -> int:
        """Return how many records from `expected` on the broker no longer has.

        Other numbers that are passed over are no records: the marks of transactions.
        """
        place = TopicPartition(topic, partition)
        first, _ = self._consumer.get_watermark_offsets(place, timeout=ANSWER_S)
        return max(min(first, offset) - expected, 0)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.info("events are read from %s", _named(partitions))
        for place in consumer.committed(partitions, timeout=ANSWER_S):
            if place.offset >= 0:
                self._next[place.topic, place.partition] = place.offset

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.info("events are read by others from %s", _named(partitions))
        places = [(one.topic, one.partition) for one in partitions]
        for place in places:
            self._next.pop(place, None)
        self._pass_on(Batch(time.monotonic_ns(), revoked=places))

    def _pass_on(self, batch: Batch) -> None:
        self._batches.append(batch)
        self._woken.send()

    def _commit(self, positions: list[TopicPartition], *, wait: bool = False) -> None:
        try:
            self._consumer.commit(offsets=positions, asynchronous=not wait)  # type: ignore[call-overload]
        except KafkaException as error:
            # Whoever has a partition after us reads on from the last offset that was committed.
            log.info("offsets were not committed: %s", error)

    def _close(self, positions: list[TopicPartition]) -> None:
        if positions:
            self._commit(positions, wait=True)
        self._consumer.close()

    # -- the hub's side -------------------------------------------------------------------------

    def _hand_on(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            while self._batches:
                self._took(self._batches.popleft())
                next_round()


def _named(partitions: Sequence[TopicPartition]) -> str:
    return ", ".join(f"{one.topic} {one.partition}" for one in partitions) or "nothing"
