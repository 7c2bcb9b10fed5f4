"""The parts of the Kafka channel against brokers: what is produced is told of, and read once."""

from __future__ import annotations

import time
from types import SimpleNamespace

import gevent
import pytest
from confluent_kafka import KafkaError

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.ids import Correlation, Ids
from e2e_data.over_kafka import KafkaRecord
from e2e_data.problems import Problems
from locustfiles.channels import kafka_probe
from locustfiles.channels.kafka_faults import RecordError
from locustfiles.channels.kafka_producer import RecordProducer
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.kafka_sender import KafkaLine
from tests.kafka_parts import produce
from tests.kafka_reading import GROUP, SETTINGS, Reading, creation, producer, until
from tests.mq_process import platform, sandbox
from tests.stages import Stage


def test_what_is_produced_is_acknowledged_and_its_events_are_read(tmp_path):
    """Each command has a delivery and one completion, with what its correlation id says of it."""
    ids, delivered = Ids.fresh(), []
    with platform("--kafka-port", "0") as running:
        kafka_probe.ready(SETTINGS, running.kafka, produces=True)
        ends = kafka_probe.start_at_the_end(SETTINGS, running.kafka, GROUP)
        assert set(ends) == set(SETTINGS.observed)
        reading = Reading(running.kafka, ids, tmp_path)
        sending = producer(running.kafka, delivered)
        for index in range(10):
            assert sending.produce(index, creation(ids, index))
        poison = creation(ids, 3, attempt=1)
        sending.produce("poison", KafkaRecord(poison.key, b"{", poison.headers))
        reading.wait_for(11)
        until(lambda: len(delivered) == 11)
        sending.close()
        wrote = []
        reading.source.stop(lambda: wrote.append(len(reading.seen)))
    assert {one.token for one in delivered} == {*range(10), "poison"}
    assert all(one.error is None and one.took_ns > 0 for one in delivered)
    settled = [one for one in reading.seen if one.completion.outcome is Outcome.SETTLED]
    assert sorted(one.place for one in settled) == [(0, 0, index) for index in range(10)]
    assert {(one.kind, one.channel, one.phase) for one in settled} == {
        (Kind.ACCOUNT, Channel.KAFKA, 1)
    }
    assert all(one.account_id for one in settled)
    (dead,) = (one for one in reading.seen if one.completion.outcome is Outcome.DEAD_LETTERED)
    assert (dead.place, dead.attempt) == ((0, 0, 3), 1)
    assert (reading.source.counted.ours, reading.source.counted.dead_letters) == (11, 1)
    assert wrote == [11], "the journal is written before the last offsets are committed"
    assert not reading.faults


def test_records_of_others_complete_nothing(tmp_path):
    """Foreign, misdirected, beyond the pool, and no events at all: told apart, and counted."""
    ids, other = Ids.fresh(), Ids.fresh()

    def event(correlation, command_id):
        return (
            f'{{"eventId":"e","correlationId":"{correlation}","commandId":"{command_id}",'
            '"commandType":"x","status":"SETTLED","accountId":"a","amount":null,"reason":null,'
            '"flags":[],"occurredAt":"x"}'
        ).encode()

    def correlation(of, index):
        return dict(creation(of, index).headers)["correlation-id"].decode()

    def beyond(of):
        return Correlation(of.tag, 0, 0, 9999, 0, Kind.ACCOUNT, Channel.KAFKA, Outcome(1), 0, 0)

    values = [
        event(correlation(ids, 1), ids.command_ids(0, 0, [1])[0]),
        event(correlation(ids, 1), ids.command_ids(0, 0, [2])[0]),
        event(correlation(ids, 1), other.command_ids(0, 0, [1])[0]),
        event(beyond(ids).pack().hex(), ids.command_ids(0, 0, [9999])[0]),
        event(correlation(other, 1), other.command_ids(0, 0, [1])[0]),
        event("", "no id"),
        b"no JSON",
        b"[]",
        b'{"eventId":1}',
        None,
    ]
    with sandbox("--kafka-only", "--kafka-port", "0") as broker:
        kafka_probe.start_at_the_end(SETTINGS, broker.kafka, GROUP)
        reading = Reading(broker.kafka, ids, tmp_path)
        produce(broker.kafka, SETTINGS.events, *(("k", value, []) for value in values))
        counted = reading.source.counted
        until(lambda: counted.malformed == 4 and counted.foreign == 2)
        reading.source.stop(lambda: None)
    assert [one.place for one in reading.seen] == [(0, 0, 1)]
    assert (counted.ours, counted.misdirected, counted.orphan) == (1, 2, 1)


def read_half_for_good(bootstrap, ids, folder):
    """Have a member read six events, of which the journal has three, and go."""
    first = Reading(bootstrap, ids, folder)
    records = [creation(ids, index) for index in range(6)]
    produce(bootstrap, SETTINGS.commands, *records[:3])
    first.wait_for(3)
    positions = first.source.positions()
    produce(bootstrap, SETTINGS.commands, *records[3:])
    first.wait_for(6)
    first.source.durable(positions)
    first.reader.stop()


def test_a_member_goes_on_where_the_journal_of_the_last_one_ends(tmp_path):
    """What was read and not committed is read again; what was committed is not."""
    ids = Ids.fresh()
    with platform("--kafka-port", "0") as running:
        kafka_probe.start_at_the_end(SETTINGS, running.kafka, GROUP)
        read_half_for_good(running.kafka, ids, tmp_path)
        second = Reading(running.kafka, ids, tmp_path)
        second.wait_for(3)
        second.source.stop(lambda: None)
    assert {one.place for one in second.seen} == {(0, 0, index) for index in range(3, 6)}


def test_another_group_goes_on_where_one_was_whose_members_are_gone(tmp_path):
    """Without a wait for their session to end; where that had committed nothing, from the beginning given."""
    ids = Ids.fresh()
    with platform("--kafka-port", "0") as running:
        starts = kafka_probe.start_at_the_end(SETTINGS, running.kafka, GROUP)
        read_half_for_good(running.kafka, ids, tmp_path)
        places = {}
        for before, count in ((GROUP, 3), ("never-there", 6)):
            group = f"after-{before}"
            kafka_probe.start_where(SETTINGS, running.kafka, before, group, starts)
            second = Reading(running.kafka, ids, tmp_path, group=group)
            second.wait_for(count)
            second.source.stop(lambda: None)
            places[before] = {one.place for one in second.seen}
    assert places[GROUP] == {(0, 0, index) for index in range(3, 6)}
    assert places["never-there"] == {(0, 0, index) for index in range(6)}


def test_records_that_are_gone_unread_are_told(tmp_path):
    """The mock cluster keeps 5 MB of a partition: what we missed is counted, and we go on behind it."""
    ids = Ids.fresh()
    filler = b"x" * 100_000
    with sandbox("--kafka-only", "--kafka-port", "0") as broker:
        kafka_probe.start_at_the_end(SETTINGS, broker.kafka, GROUP)
        produce(broker.kafka, SETTINGS.events, *((f"k{n}", filler, []) for n in range(400)))
        reading = Reading(broker.kafka, ids, tmp_path)
        until(lambda: reading.source.counted.malformed + reading.source.counted.trimmed == 400)
        reading.source.stop(lambda: None)
    assert reading.source.counted.trimmed > 0
    assert "were gone before they were read" in reading.faults[0]


def test_a_full_queue_pushes_back_and_what_is_given_up_is_told(tmp_path):
    """No broker: the queue takes what it may, says when it is full, and each record is told of."""
    delivered = []
    settings = KafkaSettings(queue_messages=100)
    sending = producer("127.0.0.1:1", delivered, settings=settings)
    ids = Ids.fresh()
    taken = sum(sending.produce(number, creation(ids, number % 10)) for number in range(150))
    assert taken == 100
    sending.purge()
    until(lambda: len(delivered) == 100)
    assert {one.token for one in delivered} == set(range(100))
    assert {str(RecordError(one.error)) for one in delivered} == {"given up: _PURGE_QUEUE"}
    assert not any(RecordError(one.error).is_not_sent for one in delivered)
    sending.close()


def test_an_emergency_stop_gives_up_what_no_broker_has_taken(tmp_path):
    """What waits in the process does not leave when the broker comes back: the run is over."""
    played = Stage(tmp_path, "channels={kafka=1}")
    played.run.completions = SimpleNamespace(expect=lambda *_: None)
    line = KafkaLine(played.run, KafkaSettings(), "127.0.0.1:1", 60_000)
    fired = []
    statistics = SimpleNamespace(fire=lambda *told: fired.append(str(told[-1])))
    played.begin()
    played.user(line.sender(played.run, statistics).send)
    played.pass_time(100)
    until(lambda: played.run.tracker.tally.waiting == 3)
    played.director.control("emergency", "by ada")
    until(lambda: played.run.tracker.tally.waiting == 0)
    assert fired == ["given up: _PURGE_QUEUE"] * 3
    line.close()


def test_what_a_lost_lease_was_sent_under_is_given_up():
    """At once, not when the time of a record is over: another worker sends it again."""
    delivered, good = [], [True]
    config = SETTINGS.producer("127.0.0.1:1", 60_000)
    sending = RecordProducer(config, "t", delivered.extend, lambda: good[0])
    sending.produce("one", creation(Ids.fresh(), 0))
    gevent.sleep(0.1)
    assert not delivered
    good[0] = False
    until(lambda: delivered, 5)
    assert str(RecordError(delivered[0].error)).startswith("given up")
    sending.close()


def test_without_an_answer_in_time_a_record_is_unknown():
    """The broker is gone: after the time that the lease leaves, each record is told of, as unknown."""
    delivered = []
    sending = RecordProducer(SETTINGS.producer("127.0.0.1:1", 1000), "t", delivered.extend)
    began_s = time.monotonic()
    sending.produce("one", creation(Ids.fresh(), 0))
    until(lambda: delivered)
    assert 0.5 < time.monotonic() - began_s < 10
    assert str(RecordError(delivered[0].error)).startswith("no acknowledgement in time")
    sending.close()


def test_nobody_there_is_said_in_time():
    """A broker that is down, at the start, is named with what to do."""
    with pytest.raises(Problems, match=r"no Kafka broker serves us at 127\.0\.0\.1:1 .*start it"):
        kafka_probe.ready(SETTINGS, "127.0.0.1:1", produces=True, seconds=1)


def test_settings_that_librdkafka_does_not_know_are_said():
    """Any setting is passed through, and its own words come back where it is none."""
    settings = KafkaSettings(librdkafka={"no.such.setting": 1})
    with pytest.raises(Problems, match="No such configuration property"):
        producer("127.0.0.1:1", [], settings=settings)
    with pytest.raises(Problems, match="No such configuration property"):
        kafka_probe.ready(settings, "127.0.0.1:1", produces=True, seconds=1)


def test_a_record_that_is_too_large_is_told_at_once():
    """Librdkafka does not take it: no broker can have it."""
    sending = producer("127.0.0.1:1", [])
    huge = KafkaRecord(b"k", b"x" * 2_000_000, [])
    with pytest.raises(RecordError, match="too large: MSG_SIZE_TOO_LARGE") as caught:
        sending.produce("huge", huge)
    assert caught.value.is_not_sent
    assert sending.on_their_way == 0
    sending.close()
    assert caught.value.code == KafkaError.MSG_SIZE_TOO_LARGE
