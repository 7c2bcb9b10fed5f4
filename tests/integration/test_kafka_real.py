"""The Kafka channel against real Apache Kafka, through all that may happen to a broker and a group."""

from __future__ import annotations

import time
import uuid

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from e2e_data.commands import Outcome
from e2e_data.ids import Ids
from e2e_data.over_kafka import KafkaRecord
from e2e_data.problems import Problems
from locustfiles.channels import kafka_probe, kafka_replay
from locustfiles.channels.kafka_faults import RecordError
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.channels.os_thread import on_a_thread
from locustfiles.kafka_hop import through
from locustfiles.kafka_lag import PlatformLag
from locustfiles.plans import load_plan
from tests import kafka
from tests.kafka_parts import QUIET, WAIT_S, produce
from tests.kafka_reading import Reading, creation, producer, until
from tests.mq_process import platform
from tests.toxiproxy import NoProxy


class Place:
    """Topics of its own for a test, so that tests do not see each other's records."""

    def __init__(self, real_kafka):
        name = uuid.uuid4().hex[:8]
        self.admin = real_kafka.admin()
        self.settings = KafkaSettings(
            commands=f"{name}.commands", events=f"{name}.events", dead_letters=None, linger_ms=1
        )
        self.group = f"group-{name}"
        self.make(self.settings.commands, self.settings.events)

    def make(self, *topics, **config):
        new = [NewTopic(topic, 4, 1, config=config) for topic in topics]
        for made in self.admin.create_topics(new).values():
            made.result(30)


def deny(place, topic, operation):
    """Forbid an operation on a topic to everybody; the broker obeys a moment after it has answered."""
    denied = AclBinding(
        *(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:*", "*"),
        *(operation, AclPermissionType.DENY),
    )
    for made in place.admin.create_acls([denied]).values():
        made.result(30)


def is_refused(bootstrap, topic):
    """Whether the broker takes no record on a topic."""
    errors = []
    plain = Producer({"bootstrap.servers": bootstrap, **QUIET})
    plain.produce(topic, b"{}", on_delivery=lambda error, _: errors.append(error))
    assert plain.flush(WAIT_S) == 0
    return errors[0] is not None


@pytest.fixture
def place(real_kafka):
    return Place(real_kafka)


def event(ids, index):
    """Return the event on the creation of an account."""
    headers = dict(creation(ids, index).headers)
    value = (
        f'{{"eventId":"{uuid.uuid4()}","correlationId":"{headers["correlation-id"].decode()}",'
        f'"commandId":"{headers["command-id"].decode()}","status":"SETTLED","accountId":"a"}}'
    )
    return str(index), value.encode(), []


def test_commands_are_completed_over_a_real_broker(real_kafka, tmp_path):
    """Produced, acknowledged, decided by a platform that is elsewhere, and read from the event topic."""
    ids, delivered = Ids.fresh(), []
    settings = KafkaSettings(linger_ms=1)
    with platform("--kafka-at", real_kafka.bootstrap) as running:
        until(lambda: settings.events in real_kafka.admin().list_topics(timeout=10).topics)
        kafka_probe.ready(settings, running.kafka, produces=True)
        kafka_probe.start_at_the_end(settings, running.kafka, "completion")
        reading = Reading(running.kafka, ids, tmp_path, settings, "completion")
        sending = producer(running.kafka, delivered, settings=settings)
        for index in range(10):
            sending.produce(index, creation(ids, index))
        reading.wait_for(10)
        until(lambda: len(delivered) == 10)
        sending.close()
        reading.source.stop(lambda: None)
    lag = kafka_probe.lag_of(
        settings.consumer(real_kafka.bootstrap, "completion"), settings.observed
    )
    assert {one.completion.outcome for one in reading.seen} == {Outcome.SETTLED}
    assert lag["ends"] == lag["committed"]


def test_a_group_divides_the_events_and_takes_over(real_kafka, place, tmp_path):
    """Two members read everything once between them; what one leaves, the other reads."""
    ids = Ids.fresh()
    kafka_probe.start_at_the_end(place.settings, real_kafka.bootstrap, place.group)
    members = [
        Reading(real_kafka.bootstrap, ids, tmp_path, place.settings, place.group) for _ in range(2)
    ]
    # What one has read and not committed when the other joins, both read: that is not asked here.
    until(lambda: all(member.reader._next for member in members))
    numbers = [index % 10 for index in range(200)]
    produce(real_kafka.bootstrap, place.settings.events, *(event(ids, n) for n in numbers[:100]))
    until(lambda: sum(len(member.seen) for member in members) >= 100)
    first, second = members
    first.source.stop(lambda: None)
    produce(real_kafka.bootstrap, place.settings.events, *(event(ids, n) for n in numbers[100:]))
    until(lambda: sum(len(member.seen) for member in members) >= 200)
    second.source.stop(lambda: None)
    assert sum(len(member.seen) for member in members) == 200, "each of them once"
    assert not first.faults
    assert not second.faults


def test_what_goes_by_a_proxy_stays_with_it(real_kafka, place, tmp_path):
    """Behind a hop, brokers and the group's coordinator are the proxy; commands and events go by it."""
    ids, delivered, wire = Ids.fresh(), [], NoProxy()
    kafka = {"kafka": place.settings.model_copy(update={"bootstrap": real_kafka.bootstrap})}
    settings = through(load_plan("demo").model_copy(update=kafka), wire).kafka
    ((_, hop),) = wire.made
    host, _, port = hop.partition(":")
    assert kafka_probe.brokers(settings, hop) == [(host, int(port))]
    kafka_probe.start_at_the_end(settings, hop, place.group)
    reading = Reading(hop, ids, tmp_path, settings, place.group)
    sending = producer(hop, delivered, settings.commands, settings)
    sending.produce(0, creation(ids, 0))
    produce(real_kafka.bootstrap, settings.events, event(ids, 0))
    reading.wait_for(1)
    until(lambda: delivered)
    assert delivered[0].error is None
    sending.close()
    reading.source.stop(lambda: None)
    wire.behind.close()


def test_a_broker_that_goes_and_comes_back_loses_nothing(real_kafka, place, tmp_path):
    """What is produced meanwhile waits and is delivered; events are read on where they were."""
    ids, delivered = Ids.fresh(), []
    kafka_probe.start_at_the_end(place.settings, real_kafka.bootstrap, place.group)
    reading = Reading(real_kafka.bootstrap, ids, tmp_path, place.settings, place.group)
    sending = producer(
        real_kafka.bootstrap, delivered, place.settings.commands, place.settings, timeout_ms=120_000
    )
    sending.produce(0, creation(ids, 0))
    produce(real_kafka.bootstrap, place.settings.events, event(ids, 0))
    reading.wait_for(1)
    until(lambda: len(delivered) == 1)
    real_kafka.stop()
    for index in range(1, 10):
        sending.produce(index, creation(ids, index))
    real_kafka.start()
    until(lambda: len(delivered) == 10, 60)
    produce(real_kafka.bootstrap, place.settings.events, *(event(ids, n) for n in range(1, 10)))
    reading.wait_for(10, 60)
    sending.close()
    reading.source.stop(lambda: None)
    assert [one.error for one in delivered] == [None] * 10
    assert sorted(one.place[2] for one in reading.seen) == list(range(10))
    assert not reading.faults


def test_how_far_the_platform_is_behind_is_seen(real_kafka, place):
    """Each second: what its group has not committed; and once, why that cannot be seen any more."""
    said = []
    config = place.settings.consumer(real_kafka.bootstrap, place.group)
    lag = PlatformLag(config, place.settings.commands, said.append)
    name = f"lag of {place.group}"
    until(lambda: lag() == {name: 0})
    records = [(str(number), b"{}", []) for number in range(10)]
    produce(real_kafka.bootstrap, place.settings.commands, *records)
    until(lambda: lag() == {name: 10})
    on_a_thread(lambda: kafka_probe._committed_ends(config, [place.settings.commands]))
    until(lambda: lag() == {name: 0})
    place.admin.delete_topics([place.settings.commands])[place.settings.commands].result(30)
    until(lambda: said)
    lag.close()
    assert lag() == {}
    assert said[0].startswith(f"the {name} cannot be seen: ")


def test_a_topic_that_is_missing_is_named(real_kafka, place):
    """At the start, with what to do; and where it goes later, each record is surely not sent."""
    missing = place.settings.model_copy(update={"events": "nowhere"})
    with pytest.raises(Problems, match=r"has no topic nowhere .*make it, or correct"):
        kafka_probe.ready(missing, real_kafka.bootstrap, produces=True)
    soon = {"librdkafka": {"topic.metadata.propagation.max.ms": 1000}}
    settings, delivered = place.settings.model_copy(update=soon), []
    sending = producer(real_kafka.bootstrap, delivered, "nowhere", settings, timeout_ms=60_000)
    sending.produce(1, creation(Ids.fresh(), 1))
    until(lambda: delivered, 60)
    sending.close()
    error = RecordError(delivered[0].error)
    assert str(error).startswith("no such topic")
    assert error.is_not_sent


def test_who_may_not_write_is_told_so(real_kafka, place):
    """An access list that does not have us: each record is surely not sent, by the broker's word."""
    topic = f"{place.group}.denied"
    place.make(topic)
    deny(place, topic, AclOperation.WRITE)
    until(lambda: is_refused(real_kafka.bootstrap, topic))
    delivered = []
    sending = producer(real_kafka.bootstrap, delivered, topic, place.settings)
    try:
        sending.produce(1, creation(Ids.fresh(), 1))
        until(lambda: delivered)
        error = RecordError(delivered[0].error)
    except RecordError as at_once:
        # Where the topic's metadata came first.
        error = at_once
    sending.close()
    assert str(error).startswith("not authorised")
    assert error.is_not_sent


def test_who_may_not_look_is_told_at_the_start(real_kafka, place):
    """Without the right to describe a topic, it is as if it were not there, and is named."""
    topic = f"{place.group}.hidden"
    place.make(topic)
    deny(place, topic, AclOperation.ALL)
    until(lambda: is_refused(real_kafka.bootstrap, topic))
    settings = place.settings.model_copy(update={"events": topic})
    with pytest.raises(Problems, match=f"does not let us use the topic {topic}"):
        kafka_probe.ready(settings, real_kafka.bootstrap, produces=True)


def test_credentials_are_needed_and_wrong_ones_are_said(real_kafka, place, monkeypatch):
    """The right password lets us in; a wrong one is named as that, at once, and is not shown."""
    monkeypatch.setenv("RIGHT", kafka.PASSWORD)
    monkeypatch.setenv("WRONG", "guessed-it")
    sasl = {"mechanism": "PLAIN", "username": kafka.USER}
    given = place.settings.model_dump() | {"sasl": {**sasl, "password": "env:RIGHT"}}
    kafka_probe.ready(KafkaSettings(**given), real_kafka.sasl_bootstrap, produces=True)
    given["sasl"] = {**sasl, "password": "env:WRONG"}
    began_s = time.monotonic()
    with pytest.raises(Problems, match=r"correct \[kafka.sasl\]") as caught:
        kafka_probe.ready(
            KafkaSettings(**given), real_kafka.sasl_bootstrap, produces=True, seconds=5
        )
    assert time.monotonic() - began_s < 20
    assert "guessed-it" not in str(caught.value)


def test_what_the_broker_finds_too_large_is_not_sent(real_kafka, place):
    """The client takes it, the topic does not: surely not sent, and the next one goes through."""
    topic = f"{place.group}.small"
    place.make(topic, **{"max.message.bytes": "2000"})
    delivered = []
    sending = producer(real_kafka.bootstrap, delivered, topic, place.settings)
    sending.produce("large", KafkaRecord(b"k", b"x" * 5000, []))
    until(lambda: len(delivered) == 1)
    sending.produce("small", KafkaRecord(b"k", b"x" * 50, []))
    until(lambda: len(delivered) == 2)
    sending.close()
    assert str(RecordError(delivered[0].error)).startswith("too large")
    assert RecordError(delivered[0].error).is_not_sent
    assert delivered[1].error is None


def test_a_topic_is_replayed_over_what_transactions_leave_in_it(real_kafka, place):
    """Numbers that are no records end no reading; and who may not read is told so."""
    topic = place.settings.events
    config = {**place.settings.client(real_kafka.bootstrap), "group.id": place.group}
    start = kafka_probe.ends_of(config, [topic])[topic]
    writer = Producer(
        {"bootstrap.servers": real_kafka.bootstrap, "transactional.id": place.group, **QUIET}
    )
    writer.init_transactions(WAIT_S)
    for value, end in ((b"kept", writer.commit_transaction), (b"undone", writer.abort_transaction)):
        writer.begin_transaction()
        writer.produce(topic, value, b"k")
        writer.flush(WAIT_S)
        end(WAIT_S)
    (records,) = kafka_replay.records_since(config, topic, start)
    assert [record.value for record in records] == [b"kept"]
    deny(place, topic, AclOperation.READ)
    with pytest.raises(Problems, match=f"the topic {topic} cannot be read: .*uthorization"):
        until(lambda: not list(kafka_replay.records_since(config, topic, start)))
