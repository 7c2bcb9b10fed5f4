"""A topic read once from where it ended to where it ends, against brokers; and where that cannot be."""

from __future__ import annotations

from unittest.mock import Mock

import pyarrow.parquet as pq
import pytest
from confluent_kafka import KafkaError, Producer

from e2e_data.ids import Ids
from e2e_data.platform import Platform
from e2e_data.problems import Problems
from locustfiles import kafka_book
from locustfiles.channels import kafka_replay
from locustfiles.channels.kafka_probe import ends_of
from locustfiles.channels.kafka_replay import records_since
from locustfiles.plans import load_plan
from reports.event_log import PARTITION_BITS
from reports.rundir import RunDirectory
from tests.kafka_parts import QUIET, produce

TOPIC = "payments.events"


@pytest.fixture(scope="module")
def bootstrap():
    """A mock cluster of librdkafka's own, with the topic."""
    owner = Producer({"bootstrap.servers": "nobody", "test.mock.num.brokers": 1, **QUIET})
    (broker,) = owner.list_topics(timeout=10).brokers.values()
    address = f"127.0.0.1:{broker.port}"
    # To ask for a topic that is not there makes it, with four partitions.
    owner.list_topics(TOPIC, timeout=10)
    yield address
    del owner


def config(bootstrap):
    return {"bootstrap.servers": bootstrap, "group.id": "paystorm-book", **QUIET}


def put(bootstrap, *values):
    produce(bootstrap, TOPIC, *((value.decode()[:1], value, []) for value in values))


def read(bootstrap, start):
    return [record for batch in records_since(config(bootstrap), TOPIC, start) for record in batch]


def test_what_came_since_is_read_once_and_in_order(bootstrap):
    """Nothing from before, nothing left out, each partition in its order; nothing new is nothing."""
    put(bootstrap, b"before", b"a", b"b")
    start = ends_of(config(bootstrap), [TOPIC])[TOPIC]
    assert read(bootstrap, start) == []
    values = [f"{n % 7} {n}".encode() for n in range(3000)]
    put(bootstrap, *values)
    records = read(bootstrap, start)
    assert sorted(record.value for record in records) == sorted(values)
    for partition, begin in start.items():
        offsets = [record.offset for record in records if record.partition == partition]
        assert offsets == list(range(begin, begin + len(offsets)))
    assert len(read(bootstrap, {})) == len(values) + 3, "a partition that is new has all of its own"


def test_what_is_gone_is_said_and_not_passed_over(bootstrap):
    """Trimmed, made anew, with fewer partitions: a book of the rest would accuse the platform."""
    start = ends_of(config(bootstrap), [TOPIC])[TOPIC]
    with pytest.raises(Problems, match=r"payments.events 1 ends at \d+, before 1000000"):
        read(bootstrap, {**start, 1: 1_000_000})
    with pytest.raises(Problems, match="has no partition 9 any more"):
        read(bootstrap, {**start, 9: 0})
    full = b"x" * 900_000
    produce(bootstrap, TOPIC, *(("k", full, []) for _ in range(12)))
    with pytest.raises(
        Problems, match=r"\d+ records of payments.events \d are gone: the broker keeps"
    ):
        read(bootstrap, start)


class Told:
    """What librdkafka gives: a record, the end of a partition, or an error."""

    def __init__(self, offset, value=None, error=None):
        self._offset, self._value = offset, value
        self._error = None if error is None else KafkaError(error)

    def partition(self):
        return 0

    def offset(self):
        return self._offset

    def value(self):
        return self._value

    def error(self):
        return self._error


@pytest.fixture
def giving(monkeypatch):
    """Have a topic of one partition, 0 to 3, be read from a consumer that gives these."""

    def read_from(*given):
        left = list(given)
        consumer = Mock(
            **{"get_watermark_offsets.return_value": (0, 3), "consume.return_value": []}
        )
        consumer.list_topics.return_value.topics = {TOPIC: Mock(error=None, partitions=[0])}
        consumer.poll.side_effect = lambda _: left.pop(0) if left else None
        monkeypatch.setattr(kafka_replay, "Consumer", lambda _: consumer)
        return read("nobody", {0: 0})

    return read_from


END, AWAY, DENIED = (
    KafkaError._PARTITION_EOF,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
)


def test_a_partition_ends_where_it_ended_when_asked(giving):
    """At its last record, or at marks of transactions behind it; what came later is not the book's."""
    assert giving(Told(0, b"a"), Told(2, b"b")) == [(0, 0, b"a"), (0, 2, b"b")]
    assert giving(Told(0, b"a"), Told(3, error=END)) == [(0, 0, b"a")]
    assert giving(Told(0, b"a"), Told(7, b"later")) == [(0, 0, b"a")]
    assert giving(Told(-1, error=AWAY), Told(0, b"a"), Told(3, error=END)) == [(0, 0, b"a")]


def test_half_of_a_topic_is_no_book(giving):
    """Brokers that give nothing are not waited for without end; an error that stays is said."""
    with pytest.raises(
        Problems, match=r"gave no record for 30 s, .*0 to 3.* look after its brokers"
    ):
        giving(Told(0, b"a"), Told(1, error=END), Told(-1, error=AWAY))
    with pytest.raises(Problems, match=r"the topic payments.events cannot be read: .*uthorization"):
        giving(Told(0, b"a"), Told(0, error=DENIED))


def test_the_book_is_what_came_after_the_run_began(bootstrap, tmp_path):
    """Begun and taken by the address; what was begun with another topic, or not at all, is no book."""
    plan, source = load_plan("smoke", []), f"kafka://{bootstrap}/{TOPIC}"
    directory = RunDirectory.create(tmp_path, "smoke")
    taking = (plan, Platform(), Ids.fresh(), directory)
    with pytest.raises(Problems, match="give the source that the run began with"):
        kafka_book.take(source, *taking)
    kafka_book.ready(source, plan)
    kafka_book.begin(source, plan, directory)
    put(bootstrap, b"no event")
    assert kafka_book.take(source, *taking) == (1, 1)
    with pytest.raises(Problems, match=r"the run began with payments.events at 127"):
        kafka_book.take(f"kafka://{bootstrap}/others", *taking)


def test_regions_with_clusters_of_their_own_are_one_book(bootstrap, tmp_path):
    """Each cluster is read from where it ended; their partitions are told apart."""
    owner = Producer({"bootstrap.servers": "nobody", "test.mock.num.brokers": 1, **QUIET})
    (broker,) = owner.list_topics(timeout=10).brokers.values()
    owner.list_topics(TOPIC, timeout=10)
    other = f"127.0.0.1:{broker.port}"
    clusters = f'kafka={{bootstrap="{bootstrap}", regions={{north="{other}"}}}}'
    plan = load_plan("smoke", [clusters, 'pool.regions=["north", "south"]'])
    directory = RunDirectory.create(tmp_path, "smoke")
    kafka_book.begin("kafka://", plan, directory)
    event = (
        b'{"eventId":"e","correlationId":"c","commandId":"k","status":"SETTLED","accountId":"a"}'
    )
    produce(bootstrap, TOPIC, ("k", event, []), ("k", event, []))
    produce(other, TOPIC, ("k", event, []))
    assert kafka_book.take("kafka://", plan, Platform(), Ids.fresh(), directory) == (3, 0)
    kept = pq.read_table(directory.book / "events.parquet")["partition"].to_pylist()
    assert sorted(partition >> PARTITION_BITS for partition in kept) == [0, 0, 1]
    alone = f"kafka://{bootstrap}"
    kafka_book.begin(alone, plan, directory)
    produce(other, TOPIC, ("k", event, []))
    assert kafka_book.take(alone, plan, Platform(), Ids.fresh(), directory) == (0, 0)


def test_brokers_or_topics_that_are_not_there_are_named():
    """Before anything is sent, with the source that was given."""
    with pytest.raises(Problems, match=r"--book kafka://127.0.0.1:1/t: no Kafka broker serves us"):
        kafka_book.ready("kafka://127.0.0.1:1/t", load_plan("smoke", []), seconds=1)


@pytest.mark.parametrize(
    ("source", "embedded", "message"),
    [
        ("kafka://", False, "name the brokers (kafka://HOST:PORT/TOPIC, or parts of it), or boot"),
        ("kafka://host:9092/payments.events", True, "has a broker of its own: write --book kafka://"),
        ("kafka://host", False, "'host' is no HOST:PORT"),
        ("kafka://host:1/a b", False, "a topic's name has 1 to 249 letters"),
        ("kafka://me:secret@host:1/t", False, "[kafka.sasl] has them"),
        ("kafka://host:1", False, "name the topic"),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(source, embedded, message):
    """Each with what would be right; what may be a password is not shown."""
    plan = load_plan("smoke", ['kafka={dead_letters="x"}'])
    if message == "name the topic":
        plan = plan.model_copy(update={"kafka": plan.kafka.model_copy(update={"events": None})})
    (problem,) = kafka_book.check(source, plan, embedded=embedded)
    assert message in problem
    assert "secret" not in problem


def test_what_the_address_leaves_out_is_the_plans(monkeypatch):
    """Brokers and topic, TLS and who we are: secrets are read from where the plan names them."""
    monkeypatch.setenv("KAFKA_PASSWORD", "quiet")
    sasl = 'sasl={username="me", password="env:KAFKA_PASSWORD"}'
    plan = load_plan("smoke", [f'kafka={{bootstrap="b:1", events="told", {sasl}}}'])
    assert kafka_book.check("kafka://", plan, embedded=False) == []
    monkeypatch.delenv("KAFKA_PASSWORD")
    (problem,) = kafka_book.check("kafka://c:2/other", plan, embedded=False)
    assert "KAFKA_PASSWORD" in problem
