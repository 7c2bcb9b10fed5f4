"""Sends commands over Kafka: produces without waiting, and records each broker's answer when it comes."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

from e2e_data.commands import Kind
from e2e_data.envelope import message_ids, timestamp
from e2e_data.over_kafka import KafkaRecord
from locustfiles.arrivals import Arrival
from locustfiles.card import Card
from locustfiles.channels.kafka_faults import RecordError
from locustfiles.channels.kafka_producer import Delivery, RecordProducer
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.lines import More
from locustfiles.pacing import SECOND_NS
from locustfiles.regional import region_of
from locustfiles.rounds import Rounds
from locustfiles.run import Run
from locustfiles.tracker import Pending, pending_of
from locustfiles.work import Turn

if TYPE_CHECKING:
    # Importing Locust patches the standard library, which `paystorm try` must be spared.
    from locustfiles.statistics import Request, Statistics

log = logging.getLogger(__name__)

IDS_AT_ONCE = 256
"""Message ids that are drawn together."""
IN_A_ROW = 128
"""So many records are produced before others have their turn on the event loop: some milliseconds."""
LOOK_S = 0.05
"""How often a user that waits for room looks whether it may still send."""

_LABELS = tuple(kind.label for kind in Kind)


class Attempt(NamedTuple):
    """An attempt that is on its way."""

    turn: Turn
    sent: Pending
    length: int
    statistics: Statistics


_attempt = partial(tuple.__new__, Attempt)
Ended = tuple[Attempt, int, Exception]
"""An attempt that could not be made, when, and why."""


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
            # What was sent under leases that are lost is others' to send again; and when the run is
            # over, or stopped at once, nothing leaves any more.
            lambda: run.agent.holder.is_good and not run.agent.over,
        )
        self._most = settings.queue_messages
        self.rounds = Rounds()
        """Nothing waits for the broker, so users that are behind would never let anybody else run."""
        self._message_ids = _drawn()

    def sender(self, run: Run, statistics: Statistics) -> KafkaSender:  # noqa: ARG002 - it is the line's
        """Return a sender for one user."""
        return KafkaSender(self, statistics)

    def close(self) -> None:
        """Give up what is left; each attempt gets its fact."""
        self._producer.close()

    def line_of(self, card: Card) -> KafkaLine:  # noqa: ARG002 - there is one for all
        """Return the line that a command goes over."""
        return self

    def parts(self, turns: deque[Turn]) -> list[tuple[KafkaLine, deque[Turn]]]:
        """Return turns by the lines that they go over."""
        return [(self, turns)]

    def wait_for_room(self, may_send: Callable[[], bool]) -> bool:
        """Wait until the local queue takes another record; False where it may not be sent any more."""
        while self._producer.on_their_way >= self._most:
            if not may_send():
                return False
            self._producer.wait_for_room(LOOK_S)
        return may_send()

    def record(self, turn: Turn, now: str) -> KafkaRecord:
        """Return what is to be produced for a turn. Raises whatever the adapter does."""
        return self.run.platform.kafka_record(
            self.run.sending(turn),
            message_id=next(self._message_ids),
            timestamp=now,
            reply_to=self._reply_to,
        )

    def send_rest(self, turns: deque[Turn], statistics: Statistics) -> None:
        """Send what there was no room for, as soon as there is; what may not be sent any more is put back."""
        may_send = self.run.agent.holder.may_send
        while turns:
            self._producer.wait_for_room(LOOK_S)
            with self.rounds:
                for turn in [one for one in turns if not may_send(one.card.lease)]:
                    turns.remove(turn)
                    turn.card.put_back()
                self.send(turns, statistics)

    @property
    def room(self) -> int:
        """How many records the local queue takes now."""
        return self._most - self._producer.on_their_way

    def send(self, turns: deque[Turn], statistics: Statistics) -> None:
        """Produce as many commands as there is room for, without waiting, and take them out of `turns`."""
        tracker, produce, clock = self.run.tracker, self._producer.produce, self.run.clock
        draft_of, reply_to, now_ns = self.run.addresser.record, self._reply_to, clock.now_ns
        now = _timestamp(now_ns() // SECOND_NS, clock.epoch_utc_ns)
        stamp = now.encode()
        left: list[tuple[Pending, Arrival]] = []
        ended: list[Ended] = []
        # Nobody else runs meanwhile: what has left is written down before any answer is heard.
        while turns:
            turn = turns[0]
            card, arrival, channel, phase, _ = turn
            record = problem = None
            try:
                draft = draft_of(card, phase, reply_to)
                if draft is None:
                    record = self.record(turn, now)
                else:
                    record = draft.filled(max(arrival.intended_ns, 0) // 1000, stamp)
            except Exception as error:
                # An adapter's fault must not lose the command: it was not sent.
                named = self.run.named(turn, card.attempt)
                log.exception("the platform adapter failed on %s", card.command_id, extra=named)
                problem = error
            length = len(record.value) if record else 0
            sent = pending_of((card, card.attempt, phase, channel, now_ns()))
            attempt = _attempt((turn, sent, length, statistics))
            try:
                if record is not None and not produce(attempt, record):
                    break
            except RecordError as error:
                problem = error
            turns.popleft()
            left.append((sent, arrival))
            if problem is not None:
                ended.append((attempt, now_ns(), problem))
        tracker.left(left)
        for attempt, at_ns, problem in ended:
            self._failed(attempt, at_ns, problem)

    def _delivered(self, deliveries: Sequence[Delivery]) -> None:
        accepted: list[tuple[Pending, int]] = []
        requests: defaultdict[Statistics, list[Request]] = defaultdict(list)
        run = self.run
        epoch_utc_ns, measured = run.clock.epoch_utc_ns, run.counting.is_on
        for attempt, took_s, error in deliveries:
            turn, sent, length, statistics = attempt
            took_ns = round((took_s or 0) * 1e9)
            at_ns = sent.sent_ns + took_ns
            if error is not None:
                self._failed(attempt, at_ns, RecordError(error))
                continue
            accepted.append((sent, at_ns))
            label = _LABELS[sent.card.kind]
            requests[statistics].append((label, epoch_utc_ns + at_ns, took_ns / 1e6, length))
            if measured:
                run.counting.answered(turn, at_ns)
        run.tracker.accepted(accepted)
        run.expect_all([sent for sent, _ in accepted])
        for statistics, several in requests.items():
            statistics.answered_all(several)

    def _failed(self, attempt: Attempt, at_ns: int, problem: Exception) -> None:
        """Record why an attempt has no answer, and count it."""
        run, sent = self.run, attempt.sent
        if isinstance(problem, RecordError) and not problem.is_not_sent:
            run.tracker.failed(sent, str(problem))
            run.expect_all([sent])
        else:
            known = isinstance(problem, RecordError)
            run.tracker.stayed(sent, str(problem) if known else f"adapter: {problem!r}")
        utc_ns, took_ms = run.clock.epoch_utc_ns + at_ns, (at_ns - sent.sent_ns) / 1e6
        label = _LABELS[sent.card.kind]
        attempt.statistics.fire(label, utc_ns, took_ms, attempt.length, problem)


class KafkaLines:
    """The ways to several clusters: each command goes to that of its account's region."""

    def __init__(self, lines: Mapping[str, KafkaLine]) -> None:
        self._lines = lines

    def sender(self, run: Run, statistics: Statistics) -> KafkaSender:  # noqa: ARG002 - as above
        """Return a sender for one user."""
        return KafkaSender(self, statistics)

    def line_of(self, card: Card) -> KafkaLine:
        """Return the line that a command goes over."""
        return self._lines[region_of(card)]

    def parts(self, turns: deque[Turn]) -> list[tuple[KafkaLine, deque[Turn]]]:
        """Return turns by the lines that they go over."""
        parts: defaultdict[KafkaLine, deque[Turn]] = defaultdict(deque)
        for turn in turns:
            parts[self.line_of(turn.card)].append(turn)
        return list(parts.items())

    def close(self) -> None:
        """Close the line to each cluster."""
        for line in dict.fromkeys(self._lines.values()):
            line.close()


class KafkaSender:
    """Sends one command after the other, without waiting for the broker's answer to any."""

    def __init__(self, lines: KafkaLine | KafkaLines, statistics: Statistics) -> None:
        self._lines, self._statistics = lines, statistics

    def close(self) -> None:
        """Do nothing: a user has nothing of its own."""

    def send(self, turn: Turn, more: More | None = None) -> None:  # noqa: ARG002 - it takes many at once
        """Produce a command, and what else is overdue by now.

        While the local queue is full, other arrivals become overdue.
        """
        line = self._lines.line_of(turn.card)
        run, parts = line.run, [(line, deque([turn]))]
        may_send = partial(run.agent.holder.may_send, turn.card.lease)
        try:
            if not line.wait_for_room(may_send):
                return
            with line.rounds:
                # Others had their turn meanwhile, and time went on.
                if not may_send():
                    return
                others = run.dealer.more(turn.channel, min(line.room, IN_A_ROW) - 1)
                parts = self._lines.parts(deque([turn, *others]))
                for one, turns in parts:
                    one.send(turns, self._statistics)
            for one, turns in parts:
                one.send_rest(turns, self._statistics)
        finally:
            for _, turns in parts:
                while turns:
                    turns.pop().card.put_back()


@lru_cache(maxsize=4)
def _timestamp(second: int, epoch_utc_ns: int) -> str:
    return timestamp(datetime.fromtimestamp(epoch_utc_ns // SECOND_NS + second, UTC))


def _drawn() -> Iterator[str]:
    """Yield message ids, one for each attempt."""
    while True:
        yield from message_ids(IDS_AT_ONCE)
