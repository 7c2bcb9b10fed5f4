"""The producer: one of librdkafka's per process, made after the fork, whose calls never wait.

produce()            stamped by its sender just before; False while the local queue is full
the broker's answer  librdkafka's callback only takes a note of it; a greenlet hands the notes on
purge()              what no broker has yet is given up: its lease is another's
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import gevent
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from gevent.event import Event

from e2e_data.over_kafka import KafkaRecord
from e2e_data.problems import Problems
from locustfiles.channels.kafka_faults import RecordError
from locustfiles.channels.kafka_settings import Config
from locustfiles.rounds import next_round

TURN_S = 0.001
"""How often notes are collected while records are on their way. Times are librdkafka's own, and exact."""
ROUND_MAX = 1000
"""So many notes are handed on before other greenlets have their turn."""
LAST_S = 5


class Delivery(NamedTuple):
    """What became of a record."""

    token: Any
    """What its sender knows it by."""
    took_s: float | None
    """From produce to the broker's answer; None where there was none."""
    error: KafkaError | None

    @property
    def took_ns(self) -> int:
        """The same in ns."""
        return round((self.took_s or 0) * 1e9)


_delivery = partial(tuple.__new__, Delivery)


class RecordProducer:
    """Produces to one topic; `delivered` gets what became of the records, many at a time, on the hub."""

    def __init__(
        self,
        config: Config,
        topic: str,
        delivered: Callable[[Sequence[Delivery]], None],
        may_wait: Callable[[], bool] = lambda: True,
    ) -> None:
        """Make the client. Raises Problems for settings that librdkafka does not know.

        As soon as records may not wait any longer, all that are on their way are given up.
        """
        try:
            self._producer = Producer(config)
        except (KafkaException, ValueError, TypeError) as error:
            raise Problems([f"[kafka]: {_reason(error)}"]) from error
        self._topic = topic
        self._delivered = delivered
        self._may_wait = may_wait
        self._notes: list[Delivery] = []
        self._some = Event()
        self._room = Event()
        self.on_their_way = 0
        """Records that the client has, and of which nothing was heard yet."""
        self._greenlet = gevent.spawn(self._collect)

    def produce(self, token: object, record: KafkaRecord) -> bool:
        """Give a record to the client, which sends it; False where its queue is full.

        Raises RecordError where it cannot be sent at all.
        """
        append = self._notes.append

        def answered(error: KafkaError | None, message: Message) -> None:
            append(_delivery((token, message.latency(), error)))

        try:
            self._producer.produce(
                self._topic,
                record.value,
                record.key,
                headers=record.headers,
                on_delivery=answered,
            )
        except BufferError:
            return False
        except KafkaException as error:
            raise RecordError(error.args[0]) from error
        if not self.on_their_way:
            self._some.set()
        self.on_their_way += 1
        return True

    def wait_for_room(self, seconds: float) -> None:
        """Wait until records have left the full queue, or so long."""
        self._room.clear()
        self._room.wait(seconds)

    def purge(self) -> None:
        """Give up what has not been acknowledged: each is told of, as given up."""
        self._producer.purge(in_queue=True, in_flight=True, blocking=False)

    def close(self) -> None:
        """Give up what is left, hand the last notes on, and end."""
        self.purge()
        until_s = time.monotonic() + LAST_S
        while self.on_their_way and time.monotonic() < until_s:
            gevent.sleep(TURN_S)
        self._greenlet.kill()

    def _collect(self) -> None:
        while True:
            if not self.on_their_way:
                self._some.clear()
                self._some.wait()
            elif not self._may_wait():
                self.purge()
            self._producer.poll(0)
            self._hand_on()
            gevent.sleep(TURN_S)

    def _hand_on(self) -> None:
        notes = self._notes[:]
        # In place: callbacks that are still to come append to this very list.
        self._notes.clear()
        for at in range(0, len(notes), ROUND_MAX):
            some = notes[at : at + ROUND_MAX]
            self.on_their_way -= len(some)
            self._delivered(some)
            self._room.set()
            if len(some) == ROUND_MAX:
                next_round()


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return first.str() if isinstance(first, KafkaError) else str(error)
