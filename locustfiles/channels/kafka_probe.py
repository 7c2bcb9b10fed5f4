"""Before a run: whether the brokers are there, with the topics that it needs, and where those end.

All calls to librdkafka here wait, so each is made on an OS thread of the event loop's pool.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from gevent.monkey import get_original

from e2e_data.problems import Problems
from locustfiles.channels.kafka_settings import Config, KafkaSettings
from locustfiles.channels.os_thread import on_a_thread

ANSWER_S = 10.0
"""Brokers that do not answer in this time are taken to be not there."""

# On a thread that is none of gevent's: it really sleeps.
_sleep = get_original("time", "sleep")

_LEADERLESS = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)

Ends = dict[str, dict[int, int]]
"""For each topic and partition an offset: where its next record will stand."""


def ready(
    settings: KafkaSettings, bootstrap: str, *, produces: bool, seconds: float = ANSWER_S
) -> None:
    """Make sure that the brokers are there, with all topics. Raises Problems that say what is not."""
    wanted = [*([settings.commands] if produces else []), *settings.observed]
    there(settings, bootstrap, wanted, seconds)


def there(
    settings: KafkaSettings, bootstrap: str, topics: Sequence[str], seconds: float = ANSWER_S
) -> None:
    """Make sure that the brokers are there, with these topics. Raises Problems."""
    on_a_thread(lambda: _ready(settings.client(bootstrap), topics, seconds))


def _ready(config: Config, wanted: Sequence[str], seconds: float) -> None:
    bootstrap = config["bootstrap.servers"]
    heard: list[KafkaError] = []
    probing = {
        **config,
        "group.id": "paystorm-probe",
        "error_cb": heard.append,
        "allow.auto.create.topics": False,
    }
    try:
        with closing(Consumer(probing)) as consumer:
            problems = [
                fault
                for topic in wanted
                if (fault := _fault_of(consumer, topic, str(bootstrap), seconds))
            ]
    except KafkaException as error:
        causes = [one for one in heard if one.code() != KafkaError._ALL_BROKERS_DOWN]
        cause = (causes or heard or [error.args[0]])[0]
        raise Problems(
            [f"no Kafka broker serves us at {bootstrap} ({cause.str()}): {_advice(cause)}"]
        ) from error
    except (ValueError, TypeError) as error:
        raise Problems([f"[kafka]: {error}"]) from error
    if problems:
        raise Problems(problems)


def _fault_of(consumer: Consumer, topic: str, bootstrap: str, seconds: float) -> str | None:
    error = consumer.list_topics(topic, timeout=seconds).topics[topic].error
    if error is None:
        return None
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return (
            f"Kafka at {bootstrap} does not let us use the topic {topic}: correct its access list"
        )
    return f"Kafka at {bootstrap} has no topic {topic} ({error.str()}): make it, or correct [kafka]"


def _advice(cause: KafkaError) -> str:
    if cause.code() in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):
        return "correct [kafka.sasl]"
    if cause.code() == KafkaError._SSL:
        return "correct [kafka.tls]"
    return "start it, or correct bootstrap in [kafka]"


def brokers(settings: KafkaSettings, bootstrap: str) -> list[tuple[str, int]]:
    """Return host and port of each broker, as they give them to their clients. Raises Problems."""
    config = settings.consumer(bootstrap, "paystorm-probe")

    def asked() -> list[tuple[str, int]]:
        with closing(Consumer(config)) as consumer:
            known = consumer.list_topics(timeout=ANSWER_S).brokers.values()
            return [(one.host, one.port) for one in known]

    try:
        return on_a_thread(asked)
    except KafkaException as error:
        why = error.args[0].str()
        raise Problems([f"Kafka at {bootstrap} does not tell its brokers: {why}"]) from error


def start_at_the_end(settings: KafkaSettings, bootstrap: str, group: str) -> Ends:
    """Let the group begin where the topics end now, and return where that is. Raises Problems."""
    config = settings.consumer(bootstrap, group)
    try:
        return on_a_thread(lambda: _committed_ends(config, settings.observed))
    except KafkaException as error:
        raise Problems(
            [
                f"Kafka at {bootstrap}: the offsets of group {group} cannot be set: {error.args[0].str()}"
            ]
        ) from error


def start_where(
    settings: KafkaSettings, bootstrap: str, before: str, group: str, starts: Ends
) -> None:
    """Let a group begin where another one is, or at `starts` where that never committed. Raises Problems."""
    asking, beginning = (settings.consumer(bootstrap, one) for one in (before, group))

    def begin() -> None:
        committed = lag_of(asking, settings.observed)["committed"]
        ends = {
            topic: {
                number: offset if offset >= 0 else starts.get(topic, {}).get(number, 0)
                for number, offset in numbers.items()
            }
            for topic, numbers in committed.items()
        }
        with closing(Consumer(beginning)) as consumer:
            consumer.commit(offsets=positions_of(ends), asynchronous=False)

    try:
        on_a_thread(begin)
    except KafkaException as error:
        why = error.args[0].str()
        raise Problems(
            [f"Kafka at {bootstrap}: group {group} cannot go on from {before}: {why}"]
        ) from error


def _committed_ends(config: Config, topics: Iterable[str]) -> Ends:
    with closing(Consumer(config)) as consumer:
        ends = _ends(consumer, topics)
        consumer.commit(offsets=positions_of(ends), asynchronous=False)
        return ends


def ends_of(config: Config, topics: Iterable[str]) -> Ends:
    """Return where topics end now; waits, so it is for a thread. Raises KafkaException."""
    with closing(Consumer(config)) as consumer:
        return _ends(consumer, topics)


def _ends(consumer: Consumer, topics: Iterable[str]) -> Ends:
    ends: Ends = {}
    for topic in topics:
        places = places_of(consumer, topic)
        ends[topic] = {place.partition: bounds_of(consumer, place)[1] for place in places}
    return ends


def places_of(consumer: Consumer, topic: str) -> list[TopicPartition]:
    """Return a topic's partitions; waits. Raises KafkaException."""
    metadata = consumer.list_topics(topic, timeout=ANSWER_S).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    return [TopicPartition(topic, number) for number in sorted(metadata.partitions)]


def bounds_of(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """Return where a partition begins and ends; one that was just made has no leader for a moment."""
    until_s = time.monotonic() + ANSWER_S
    while True:
        try:
            first, end = consumer.get_watermark_offsets(place, timeout=ANSWER_S)
            return int(first), int(end)
        except KafkaException as error:
            if error.args[0].code() not in _LEADERLESS or time.monotonic() > until_s:
                raise
            _sleep(0.1)


def positions_of(ends: Mapping[str, Mapping[int, int]]) -> list[TopicPartition]:
    """Return offsets as the client takes them."""
    return [
        TopicPartition(topic, number, offset)
        for topic, numbers in ends.items()
        for number, offset in numbers.items()
    ]


def lag_of(config: Config, topics: Iterable[str]) -> dict[str, Any]:
    """Return where topics end and how far a group is in them; waits. Raises KafkaException."""
    with closing(Consumer(config)) as consumer:
        ends = _ends(consumer, topics)
        committed: Ends = {}
        for place in consumer.committed(positions_of(ends), timeout=ANSWER_S):
            committed.setdefault(place.topic, {})[place.partition] = place.offset
        return {"ends": ends, "committed": committed}


def behind(consumer: Consumer, topic: str) -> int:
    """Return how many records of a topic a consumer's group has yet to commit; waits.

    What was trimmed meanwhile is nobody's work any more. Raises KafkaException.
    """
    lag = 0
    for place in consumer.committed(places_of(consumer, topic), timeout=ANSWER_S):
        first, end = bounds_of(consumer, place)
        lag += max(end - max(place.offset, first), 0)
    return lag
