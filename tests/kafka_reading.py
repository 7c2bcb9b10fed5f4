"""The parts of the Kafka channel put together, as a run has them, for tests with brokers."""

from __future__ import annotations

from datetime import date

import gevent

from e2e_data.commands import Channel
from e2e_data.config import load
from e2e_data.envelope import message_ids
from e2e_data.platform import Platform
from e2e_data.pool import Pool
from locustfiles.addressing import Attempt, address
from locustfiles.channels.kafka_events import EventSource
from locustfiles.channels.kafka_producer import RecordProducer
from locustfiles.channels.kafka_reader import RecordReader
from locustfiles.channels.kafka_settings import KafkaSettings
from reports.event_log import EventLog

SETTINGS = KafkaSettings(linger_ms=1)
GROUP = "paystorm-test"
TIMEOUT_MS = 3000
POOL = Pool.in_memory(load("smoke", {"accounts_per_shard": 10}), 7)


class Reading:
    """An event source with its reader, and what it told."""

    def __init__(self, bootstrap, ids, directory, settings=SETTINGS, group=GROUP):
        self.seen, self.faults = [], []
        self.source = EventSource(
            Platform(),
            ids,
            POOL,
            settings.dead_letters,
            lambda raw_ns: raw_ns,
            self.seen.extend,
            EventLog(directory, "one"),
            self.faults.append,
        )
        self.reader = RecordReader(
            settings.consumer(bootstrap, group), settings.observed, self.source.take
        )
        self.source.read_from(self.reader)

    def wait_for(self, count, seconds=30):
        until(lambda: len(self.seen) >= count, seconds)


def until(there, seconds=30):
    """Wait for something to be there, letting greenlets run."""
    with gevent.Timeout(seconds):
        while not there():
            gevent.sleep(0.01)


def creation(ids, index, attempt=0):
    """Return the record that creates an account of the pool's first shard."""
    command = POOL.shard(0).command(index)
    sending = address(
        command,
        Attempt(0, attempt, Channel.KAFKA, 1, 5_000_000),
        ids,
        command_id=ids.command_ids(0, 0, [index])[0],
        customer_id=ids.customer_ids(0, 0, [index])[0],
        account_id=None,
        value_date=date(2026, 11, 20),
    )
    return Platform().kafka_record(
        sending,
        message_id=message_ids(1)[0],
        timestamp="2026-11-20T12:00:00Z",
        reply_to="payments.events",
    )


def producer(
    bootstrap, delivered, topic=SETTINGS.commands, settings=SETTINGS, timeout_ms=TIMEOUT_MS
):
    """Return a producer that tells `delivered` what came of each record."""
    return RecordProducer(settings.producer(bootstrap, timeout_ms), topic, delivered.extend)
