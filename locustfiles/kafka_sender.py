"""Sends commands over Kafka: produces without waiting, and records each broker's answer when it comes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import gevent

from e2e_data.commands import Kind
from e2e_data.envelope import message_ids, timestamp
from e2e_data.over_kafka import KafkaRecord
from e2e_data.platform import Acknowledged, Acknowledgement
from locustfiles.channels.kafka_faults import RecordError
from locustfiles.channels.kafka_producer import Delivery, RecordProducer
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.hand import Card
from locustfiles.pacing import SECOND_NS
from locustfiles.run import Run
from locustfiles.work import Turn

if TYPE_CHECKING:
    # Importing Locust patches the standard library, which `paystorm try` must be spared.
    from locustfiles.statistics import Statistics

log = logging.getLogger(__name__)

IDS_AT_ONCE = 256
"""Message ids that are drawn together."""
IN_A_ROW = 50
"""So many records are produced before others have their turn on the event loop: a millisecond or two."""
LOOK_S = 0.05
"""How often a user that waits for room looks whether it may still send."""

_DELIVERED = Acknowledgement(Acknowledged.ACCEPTED)
# Over this channel that is the broker's word, and the judge reads it as such.

_LABELS = tuple(kind.label for kind in Kind)


class Attempt(NamedTuple):
    """An attempt that is on its way."""

    card: Card
    turn: Turn
    sent_ns: int
    length: int
    statistics: Statistics


class KafkaLine:
    """The way over Kafka: all users of a process share its one producer."""

    def __init__(self, run: Run, settings: KafkaSettings, bootstrap: str, timeout_ms: int) -> None:
        """Make the producer: in the process that sends, after Locust's fork. Raises Problems."""
        self.run = run
        self._reply_to = settings.events or ""
        self._producer = RecordProducer(
            settings.producer(bootstrap, timeout_ms),
            settings.commands,
            self._delivered,
            # What was sent under leases that are lost is others' to send again.
            lambda: run.agent.holder.is_good,
        )
        self._most = settings.queue_messages
        self._in_a_row = 0
        self._message_ids = _drawn()

    def sender(self, run: Run, statistics: Statistics) -> KafkaSender:  # noqa: ARG002 - it is the line's
        """Return a sender for one user."""
        return KafkaSender(self, statistics)

    def close(self) -> None:
        """Give up what is left; each attempt gets its fact."""
        self._producer.close()

    def wait_for_room(self, may_send: Callable[[], bool]) -> bool:
        """Wait until the local queue takes another record; False where it may not be sent any more."""
        while self._producer.on_their_way >= self._most:
            if not may_send():
                return False
            self._producer.wait_for_room(LOOK_S)
        return may_send()

    def record(self, turn: Turn) -> KafkaRecord:
        """Return what is to be produced for a turn. Raises whatever the adapter does."""
        run = self.run
        now = _timestamp(run.clock.now_ns() // SECOND_NS, run.clock.epoch_utc_ns)
        draft = run.addresser.record(turn.card, turn.phase, self._reply_to)
        if draft is not None:
            return draft.filled(max(turn.arrival.intended_ns, 0) // 1000, now.encode())
        return run.platform.kafka_record(
            run.sending(turn),
            message_id=next(self._message_ids),
            timestamp=now,
            reply_to=self._reply_to,
        )

    def produce(self, attempt: Attempt, record: KafkaRecord) -> None:
        """Give a record to the producer. Raises RecordError where that can never be.

        Nothing waits for the broker here, so a user that is behind would never let others run.
        """
        while not self._producer.produce(attempt, record):
            self._producer.wait_for_room(LOOK_S)
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            self._in_a_row = 0
            gevent.sleep(0)

    def _delivered(self, deliveries: Sequence[Delivery]) -> None:
        for attempt, took_ns, error in deliveries:
            self.ended(attempt, attempt.sent_ns + took_ns, RecordError(error) if error else None)

    def ended(self, attempt: Attempt, at_ns: int, problem: RecordError | None) -> None:
        """Record what came of an attempt, and count it."""
        run, card, turn = self.run, attempt.card, attempt.turn
        tracker, place, number = run.tracker, card.place, card.attempt
        utc_ns, took_ms = run.clock.epoch_utc_ns + at_ns, (at_ns - attempt.sent_ns) / 1e6
        label = _LABELS[card.kind]
        if problem is None:
            tracker.acknowledged(place, _DELIVERED, number, at_ns=at_ns)
            run.measure(turn, at_ns)
            if place in tracker.pending:
                run.expect(place, card.command_id)
            attempt.statistics.answered(label, utc_ns, took_ms, attempt.length)
            return
        if problem.is_not_sent:
            tracker.not_sent(place, str(problem), number)
        else:
            tracker.unanswered(place, str(problem), number)
            if place in tracker.pending:
                run.expect(place, card.command_id)
        attempt.statistics.fire(label, utc_ns, took_ms, attempt.length, problem)


class KafkaSender:
    """Sends one command after the other, without waiting for the broker's answer to any."""

    def __init__(self, line: KafkaLine, statistics: Statistics) -> None:
        self._line, self._statistics = line, statistics

    def close(self) -> None:
        """Do nothing: a user has nothing of its own."""

    def send(self, turn: Turn) -> None:
        """Produce a command; while the local queue is full, other arrivals become overdue."""
        line, card, run = self._line, turn.card, self._line.run
        holder = run.agent.holder
        if not line.wait_for_room(lambda: card.lease is None or holder.may_send(card.lease)):
            card.put_back()
            return
        record, problem = None, None
        try:
            record = line.record(turn)
        except Exception as error:
            # An adapter's fault must not lose the command: it was not sent.
            log.exception("the platform adapter failed on %s", card.command_id)
            problem = error
        sent_ns = run.tracker.sending(card, turn.phase, turn.arrival)
        length = len(record.value) if record else 0
        attempt = Attempt(card, turn, sent_ns, length, self._statistics)
        if record is None:
            at_ns = run.tracker.not_sent(card.place, f"adapter: {problem!r}", card.attempt)
            utc_ns = run.clock.epoch_utc_ns + at_ns
            self._statistics.fire(_LABELS[card.kind], utc_ns, 0, 0, problem)
            return
        try:
            line.produce(attempt, record)
        except RecordError as error:
            line.ended(attempt, run.clock.now_ns(), error)


@lru_cache(maxsize=4)
def _timestamp(second: int, epoch_utc_ns: int) -> str:
    return timestamp(datetime.fromtimestamp(epoch_utc_ns // SECOND_NS + second, UTC))


def _drawn() -> Iterator[str]:
    """Yield message ids, one for each attempt."""
    while True:
        yield from message_ids(IDS_AT_ONCE)
