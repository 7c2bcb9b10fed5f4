"""Reading a topic from where it once ended to where it ends now, as a reader of its own: in no group.

All of it waits, so it is for a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from e2e_data.problems import Problems
from locustfiles.channels.kafka_probe import bounds_of, places_of
from locustfiles.channels.kafka_settings import Config
from reports.book_events import Record

BATCH = 1000
SILENT_S = 30.0
"""Brokers that give no record for so long, though there are more, will give none."""


def records_since(
    config: Config, topic: str, start: Mapping[int, int], *, silent_s: float = SILENT_S
) -> Iterator[Sequence[Record]]:
    """Yield the records of each partition, in its order, from `start` to where it ends when asked.

    A partition that is not in `start` is new, and begins at its beginning. Raises Problems where
    records are gone or cannot be read: half of what a topic told is no evidence.
    """
    reading = {
        **config,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
    }
    try:
        with closing(Consumer(reading)) as consumer:
            left = _assigned(consumer, topic, start)
            while left:
                first = consumer.poll(silent_s)
                if first is None:
                    raise Problems([_silence(topic, left, silent_s)])
                # Without waiting for more: a batch is what is there already.
                records = list(_records([first, *consumer.consume(BATCH - 1, 0)], left))
                if records:
                    yield records
    except KafkaException as error:
        raise Problems([f"the topic {topic} cannot be read: {error.args[0].str()}"]) from error


def _assigned(consumer: Consumer, topic: str, start: Mapping[int, int]) -> dict[int, int]:
    """Begin to read, and return where each partition ends that has anything."""
    places, gone = [], []
    left = {}
    for place in places_of(consumer, topic):
        number = place.partition
        first, end = bounds_of(consumer, place)
        begin = start.get(number, 0)
        if first > begin:
            gone.append(
                f"{first - begin} records of {topic} {number} are gone: the broker keeps less than the "
                "events of the run: let it keep more (retention.ms, retention.bytes)"
            )
        elif end < begin:
            gone.append(
                f"{topic} {number} ends at {end}, before {begin}, where it ended when the run began: it "
                "was made anew, and what it had is gone"
            )
        elif end > begin:
            places.append(TopicPartition(topic, number, begin))
            left[number] = end
    lost = sorted(start.keys() - {place.partition for place in places_of(consumer, topic)})
    gone += [f"{topic} has no partition {number} any more" for number in lost]
    if gone:
        raise Problems(gone)
    consumer.assign(places)
    return left


def _records(messages: Sequence[Message], left: dict[int, int]) -> Iterator[Record]:
    """Yield what comes before the ends, and take from `left` what is read to there."""
    for message in messages:
        partition, offset, error = message.partition(), message.offset(), message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            if error.retriable() or error.code() in _WAITING:
                continue
            raise KafkaException(error)
        assert partition is not None
        assert offset is not None
        end = left.get(partition, 0)
        if error is None and offset < end:
            value = message.value() or b""
            yield Record(
                partition, offset, value.encode() if isinstance(value, str) else bytes(value)
            )
        # The last numbers may be no records, but marks of transactions.
        if offset >= end - (error is None):
            left.pop(partition, None)


_WAITING = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT})
"""Errors that may go away: the next silence ends the waiting."""


def _silence(topic: str, left: Mapping[int, int], silent_s: float) -> str:
    ends = ", ".join(f"{number} to {end}" for number, end in sorted(left.items()))
    return (
        f"the topic {topic} gave no record for {silent_s:g} s, and was not read to its end "
        f"(partitions {ends}): look after its brokers"
    )
