"""The sandbox over Kafka: commands in, events out for every channel, poison put away."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
import urllib.request
import uuid
from contextlib import ExitStack, closing

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer

from sandbox.kafka_front import COMMANDS_TOPIC, DEAD_LETTERS_TOPIC, EVENTS_TOPIC, GROUP
from tests.kafka_parts import QUIET, WAIT_S, consume, creation, envelope, produce
from tests.mq_process import platform, sandbox

CREATE = "InitiateCreateAccountProcess"


def create(command_id=None, correlation_id="ab" * 24):
    """Return a record that creates an account."""
    customer_id = str(uuid.uuid4())
    value = envelope(
        CREATE,
        creation(customer_id),
        command_id=command_id or str(uuid.uuid4()),
        correlation_id=correlation_id,
    )
    return customer_id, value, [("correlation-id", correlation_id.encode())]


def events(address, count):
    return [json.loads(message.value()) for message in consume(address, EVENTS_TOPIC, count)]


def post(url, correlation_id):
    """Create an account over HTTP; return its answer."""
    request = urllib.request.Request(
        f"{url}/api/accounts",
        json.dumps(creation(str(uuid.uuid4()))).encode(),
        {"Idempotency-Key": str(uuid.uuid4()), "X-Correlation-Id": correlation_id},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_commands_of_every_channel_have_their_event():
    """What came over Kafka and over HTTP is told alike, each with its sender's correlation id."""
    with platform("--kafka-port", "0") as running:
        produce(running.kafka, COMMANDS_TOPIC, create(correlation_id="01" * 24))
        answer = post(running.url, "02" * 24)
        told = {event["correlationId"]: event for event in events(running.kafka, 2)}
    assert told.keys() == {"01" * 24, "02" * 24}
    assert {event["status"] for event in told.values()} == {"SETTLED"}
    assert told["02" * 24]["accountId"] == answer["accountId"]


def test_a_command_id_takes_effect_once():
    """The same record twice has one event; another content under its id is poison."""
    with platform("--kafka-port", "0") as running:
        command_id = str(uuid.uuid4())
        first = create(command_id)
        other = create(command_id)
        produce(running.kafka, COMMANDS_TOPIC, first, first, other)
        produce(running.kafka, COMMANDS_TOPIC, create(correlation_id="ff" * 24))
        (dead,) = consume(running.kafka, DEAD_LETTERS_TOPIC, 1)
        told = events(running.kafka, 2)
    assert dead.key() in (first[0].encode(), other[0].encode())
    assert sorted(event["correlationId"] for event in told) == ["ab" * 24, "ff" * 24]


def test_poison_is_put_away_as_it_is():
    """A message that is no command goes to the dead letters with key, headers and the reason."""
    with platform("--kafka-port", "0") as running:
        produce(running.kafka, COMMANDS_TOPIC, ("k", b"no JSON", [("correlation-id", b"cd" * 24)]))
        (dead,) = consume(running.kafka, DEAD_LETTERS_TOPIC, 1)
    assert (dead.key(), dead.value()) == (b"k", b"no JSON")
    headers = dict(dead.headers())
    assert headers["correlation-id"] == b"cd" * 24
    assert b"not JSON" in headers["reason"]


def test_a_broker_alone_outlives_the_platform():
    """What was produced while no platform was there is read by the next one, and once only."""
    with sandbox("--kafka-only", "--kafka-port", "0") as broker:
        produce(broker.kafka, COMMANDS_TOPIC, create(correlation_id="01" * 24))
        with platform("--kafka-at", broker.kafka, to_be_killed=True):
            assert len(events(broker.kafka, 1)) == 1
        produce(broker.kafka, COMMANDS_TOPIC, create(correlation_id="02" * 24))
        with platform("--kafka-at", broker.kafka) as again:
            told = events(broker.kafka, 2)
            assert again.kafka == broker.kafka
    assert {"01" * 24, "02" * 24} <= {event["correlationId"] for event in told}


def test_a_broker_with_a_store_is_killed_and_has_what_it_had(tmp_path):
    """Records at their offsets, groups where they were; its clients go on, and nothing is there twice."""
    store = "--kafka-store", str(tmp_path / "log")
    options = "--kafka-only", *store, "--kafka-port"
    with sandbox(*options, "0", to_be_killed=True) as broker:
        at = broker.kafka
        produce(at, COMMANDS_TOPIC, *((f"k{i}", b"%d" % i, []) for i in range(300)))
        before = consume(at, COMMANDS_TOPIC, 300)
        with ExitStack() as clients:
            group = clients.enter_context(closing(Consumer(member_of(at))))
            group.subscribe([COMMANDS_TOPIC])
            read = [place_of(one) for one in taken(group, 100)]
            group.commit(asynchronous=False)
            producer = Producer({"bootstrap.servers": at, "enable.idempotence": True, **QUIET})
            producer.produce(COMMANDS_TOPIC, b"before")
            assert producer.flush(WAIT_S) == 0
            broker.process.kill()
            broker.process.wait()
            producer.produce(COMMANDS_TOPIC, b"while it was gone")
            with sandbox(*options, at.partition(":")[2]) as again:
                assert again.kafka == at
                assert producer.flush(WAIT_S) == 0
                read += [place_of(one) for one in taken(group, 202)]
                after = consume(at, COMMANDS_TOPIC, 302)
    values = {place_of(one): one.value() for one in after}
    assert {place_of(one): one.value() for one in before}.items() <= values.items()
    assert sorted(read) == sorted(values), "each once"
    assert set(values.values()) >= {b"before", b"while it was gone"}


def member_of(bootstrap):
    """Return how a member of a group is made that begins at the beginning, and commits as it is told."""
    return {
        "bootstrap.servers": bootstrap,
        "group.id": "readers",
        "group.protocol": "consumer",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        **QUIET,
    }


def taken(consumer, count):
    """Return the next `count` records; fewer where no more come in time."""
    found, until_s = [], time.monotonic() + WAIT_S
    while len(found) < count and time.monotonic() < until_s:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(message)
    return found


def place_of(message):
    return message.partition(), message.offset()


def test_what_a_platform_publishes_at_its_own_broker_is_kept_too(tmp_path):
    """The broker beside a platform in one process: its events are there after both were killed."""
    store = ["--kafka-store", str(tmp_path / "log")]
    with platform("--kafka-port", "0", *store, to_be_killed=True) as running:
        produce(running.kafka, COMMANDS_TOPIC, create())
        (told,) = events(running.kafka, 1)
    with sandbox("--kafka-only", "--kafka-port", "0", *store) as broker:
        assert events(broker.kafka, 1) == [told]


def test_clients_begin_at_the_port_that_was_asked_for():
    """The mock cluster takes a port of its own; the one that was named leads to it, and is all they see."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    with platform("--kafka-port", str(free)) as running:
        assert running.kafka == f"127.0.0.1:{free}"
        with closing(Consumer(member_of(running.kafka))) as client:
            known = client.list_topics(timeout=WAIT_S).brokers.values()
            assert [f"{one.host}:{one.port}" for one in known] == [running.kafka]
        produce(running.kafka, COMMANDS_TOPIC, create())
        assert len(events(running.kafka, 1)) == 1


def test_real_kafka_serves_the_platform(real_kafka):
    """Topics are made, commands read, events published; the group's offsets say how far it is."""
    # Others of these tests use the same broker.
    already = committed(real_kafka.admin())
    with platform("--kafka-at", real_kafka.bootstrap) as running:
        produce(running.kafka, COMMANDS_TOPIC, *(create() for _ in range(50)))
        produce(running.kafka, COMMANDS_TOPIC, ("k", b"poison", []))
        before = consume(running.kafka, EVENTS_TOPIC, 50)
        assert len(consume(running.kafka, DEAD_LETTERS_TOPIC, 1)) == 1
        until_s = time.monotonic() + 20
        while time.monotonic() < until_s:
            if (read := committed(real_kafka.admin()) - already) == 51:
                break
            time.sleep(0.1)
    assert len({json.loads(message.value())["eventId"] for message in before}) == 50
    assert read == 51


def committed(admin):
    """Return how many commands the platform's group has read, by its committed offsets."""
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP)])
    (offsets,) = asked.values()
    try:
        return sum(max(one.offset, 0) for one in offsets.result().topic_partitions)
    except KafkaException:
        return 0  # There is no such group yet.


def test_what_is_told_is_kept_and_what_is_published_is_crossed_off(tmp_path):
    """With a book in a database the event comes after the commit, and leaves the outbox."""
    book = tmp_path / "book.db"
    with platform("--kafka-port", "0", "--ledger", f"sqlite:///{book}") as running:
        produce(running.kafka, COMMANDS_TOPIC, create())
        (event,) = events(running.kafka, 1)
        with closing(sqlite3.connect(f"file:{book}?mode=ro", uri=True)) as connection:
            kept = connection.execute("SELECT command_id, status FROM commands").fetchall()
            assert kept == [(event["commandId"], "SETTLED")]
            until_s = time.monotonic() + 20
            while connection.execute("SELECT count(*) FROM outbox").fetchone()[0]:
                assert time.monotonic() < until_s, "the outbox is not emptied"
                time.sleep(0.05)
