"""One measurement each, in a process of its own, for benchmarks/kafka.py. Prints a line of JSON.

python benchmarks/kafka_clients.py paystorm|plain|bare|events|listen|gone BOOTSTRAP SECONDS
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import numpy as np
import psutil
from locust.env import Environment

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from confluent_kafka import Consumer, KafkaError, Message, Producer

from benchmarks.http_clients import Undecided
from benchmarks.waits import Wait, probe, told
from e2e_data import config as pool_config
from e2e_data.commands import Channel, Kind
from e2e_data.ids import Correlations, Ids
from e2e_data.over_kafka import HEADERS, Headers
from e2e_data.platform import Platform
from e2e_data.pool import Pool
from locustfiles.bindings import Bindings, Stage
from locustfiles.channels import kafka_probe
from locustfiles.channels.kafka_events import EventSource
from locustfiles.channels.kafka_reader import RecordReader
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.clock import RunClock
from locustfiles.director import Director
from locustfiles.kafka_completions import Observer
from locustfiles.kafka_sender import KafkaLine
from locustfiles.launch import direct, keep_for_good
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan, PoolChoice
from locustfiles.pulse import Pulse
from locustfiles.run import Run
from locustfiles.statistics import statistics_of
from locustfiles.tracker import Tracker
from locustfiles.work import Service
from reports.event_log import EventLog
from reports.journal import Journal
from reports.rundir import RunDirectory

ACCOUNTS = 15_000
USERS = 4
SATURATING_PER_S = 1_000_000
SETTINGS = KafkaSettings(dead_letters=None, linger_ms=5)
TIMEOUT_MS = 60_000
BODY = b"x" * 620
BARE_RECORDS = 10_000
EVENTS = 40_000
"""As many as the mock cluster keeps."""


def main(what: str, bootstrap: str, seconds: float) -> None:
    """Measure one thing."""
    with tempfile.TemporaryDirectory() as folder:
        measures = (paystorm, plain, bare, events, listen, gone)
        measure = next(one for one in measures if one.__name__ == what)
        told = measure(Path(folder), bootstrap, seconds)
    print(json.dumps(told), flush=True)
    os._exit(0)


def run_of(directory: Path) -> tuple[Run, Director]:
    """Return a run, and its director, whose accounts are all open and whose payments go over Kafka."""
    config = pool_config.load("stress", {"accounts": ACCOUNTS, "limit_based_percentage": 50})
    plan = Plan.model_construct(
        name="benchmark",
        users=USERS,
        timeout_s=60,
        channels={Channel.KAFKA: 100},
        phases={"payments": Phase(sends=(Kind.PAYMENT,), rate_per_s=SATURATING_PER_S)},
        pool=PoolChoice(preset="stress"),
    )
    pool, place = Pool.in_memory(config, 7), RunDirectory.create(directory, "benchmark")
    made, clock = (plan, pool, Platform()), RunClock()
    run = Run(*made, Ids.fresh(), place, clock, USERS, Service(place.name))
    for shard in range(pool.shard_count):
        for account in range(pool.shard_counts(shard).account):
            account_id = f"{shard:08x}-0000-4000-8000-{account:012x}"
            run.bindings.learn((0, shard, account), Stage.OPENED, account_id)
    run.completions = Undecided(run)
    director = Director(*made, place, clock)
    direct(run, director)
    return run, director


def paystorm(folder: Path, bootstrap: str, seconds: float) -> dict[str, Any]:
    """Produce payments with everything that a run writes down, as fast as it goes."""
    run, director = run_of(folder)
    _begin(run, director, bootstrap)
    gevent.sleep(2)
    stalls: list[Wait] = []
    gevent.spawn(probe, stalls)
    rates = _counted(lambda: run.tracker.tally.acknowledged, seconds)
    return {**rates, "late": told(stalls, seconds)}


def gone(folder: Path, bootstrap: str, seconds: float) -> dict[str, Any]:
    """Produce to nobody: how much more memory that takes, and how many records wait."""
    run, director = run_of(folder)
    _begin(run, director, bootstrap)
    gevent.sleep(3)
    before = psutil.Process().memory_info().rss
    gevent.sleep(seconds)
    grown = psutil.Process().memory_info().rss - before
    return {"grown_mb": round(grown / 1e6, 1), "waiting": run.tracker.tally.waiting}


def _begin(run: Run, director: Director, bootstrap: str) -> None:
    line = KafkaLine(run, SETTINGS, bootstrap, TIMEOUT_MS)
    run.lines = {Channel.KAFKA: line}
    environment = Environment()
    environment.create_local_runner()
    statistics = statistics_of(environment, "KAFKA")
    keep_for_good()
    director.begin()
    director.refresh()

    def user() -> None:
        seat, sender = run.roster.join(), line.sender(run, statistics)
        while True:
            turn = run.take(seat)
            if turn is not None:
                sender.send(turn)

    for _ in range(USERS):
        gevent.spawn(user)
    Pulse(run, print)


def plain(_: Path, bootstrap: str, seconds: float) -> dict[str, Any]:
    """Produce one constant record with headers by librdkafka's binding, and count its answers."""
    producer, done = Producer(SETTINGS.producer(bootstrap, TIMEOUT_MS)), [0]
    headers: Headers = [
        ("correlation-id", b"x" * 48),
        ("command-id", b"y" * 36),
        ("command-type", b"z"),
    ]

    def answered(error: object, message: object) -> None:  # noqa: ARG001 - the client's arguments
        done[0] += 1

    def produce(_: int) -> None:
        producer.produce(SETTINGS.commands, BODY, b"k", headers=headers, on_delivery=answered)

    gevent.spawn(_produce_on, producer, produce)
    gevent.sleep(1)
    return _counted(lambda: done[0], seconds)


def bare(_: Path, bootstrap: str, seconds: float) -> dict[str, Any]:
    """Produce records that were made before, each its own, and note when each is answered.

    No tester in Python can do without: a key, headers and a value for each command, and for each of the
    broker's answers which command it is to, and how long it took.
    """
    producer = Producer(SETTINGS.producer(bootstrap, TIMEOUT_MS))
    records = [
        (b"%036d" % number, BODY[:-8] + b"%08d" % number, _headers(number))
        for number in range(BARE_RECORDS)
    ]
    notes: list[tuple[int, float | None, KafkaError | None]] = []
    done = [0]

    def produce(number: int) -> None:
        key, value, headers = records[number % BARE_RECORDS]
        append = notes.append

        def answered(error: KafkaError | None, message: Message) -> None:
            append((number, message.latency(), error))

        producer.produce(SETTINGS.commands, value, key, headers=headers, on_delivery=answered)

    def count() -> None:
        while True:
            done[0] += len(notes)
            notes.clear()
            gevent.sleep(0.001)

    keep_for_good()
    gevent.spawn(_produce_on, producer, produce)
    gevent.spawn(count)
    gevent.sleep(1)
    return _counted(lambda: done[0], seconds)


def _headers(number: int) -> Headers:
    values = (b"%048d" % number, b"%036d" % number, b"InitiateSimplePaymentCommand")
    return list(zip(HEADERS, values, strict=True))


def _produce_on(producer: Producer, produce: Callable[[int], None]) -> None:
    """Produce record after record, each given by its number, while there is room."""
    number = 0
    while True:
        wait_s = 0.0
        for _ in range(500):
            try:
                produce(number)
            except BufferError:
                # The broker is behind; to ask again and again would count as work.
                wait_s = 0.001
                break
            number += 1
        producer.poll(0)
        gevent.sleep(wait_s)


def _counted(count: Callable[[], int], seconds: float) -> dict[str, Any]:
    before, cpu_s, since_s = count(), _cpu_s(), time.monotonic()
    gevent.sleep(seconds)
    made, took_s, used_s = count() - before, time.monotonic() - since_s, _cpu_s() - cpu_s
    return {"per_s": round(made / took_s), "per_cpu_s": round(made / used_s)}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def events(folder: Path, bootstrap: str, _: float) -> dict[str, Any]:
    """Read events that are there already: classified, timed, in the journal and the event log."""
    config = pool_config.load("stress", {"accounts": 1000, "accounts_per_shard": 500})
    pool, ids = Pool.in_memory(config, 7), Ids.fresh()
    group = f"benchmark-{os.getpid()}"
    kafka_probe.start_at_the_end(SETTINGS, bootstrap, group)
    _produce_events(bootstrap, pool, ids)
    directory = RunDirectory.create(folder, "benchmark")
    clock = RunClock()
    journal, bindings = Journal(directory.journal, "one"), Bindings(directory.bindings / "one")
    tracker = Tracker(journal, bindings, clock.now_ns)
    source = EventSource(
        *(Platform(), ids, pool, None, lambda raw_ns: raw_ns - clock.epoch_ns),
        *(Observer(tracker, bindings, pool).observed, EventLog(directory.events, "one"), print),
    )
    keep_for_good()
    cpu_s, since_s = _cpu_s(), time.monotonic()
    reader = RecordReader(SETTINGS.consumer(bootstrap, group), SETTINGS.observed, source.take)
    source.read_from(reader)
    while source.counted.ours < EVENTS and time.monotonic() < since_s + 60:
        gevent.sleep(0.005)
    took_s, used_s = time.monotonic() - since_s, _cpu_s() - cpu_s
    journal.flush()
    made = source.counted.ours
    return {"events": made, "per_s": round(made / took_s), "per_cpu_s": round(made / used_s)}


def listen(_: Path, bootstrap: str, __: float) -> dict[str, Any]:
    """Read events that are there already by librdkafka's binding: parsed, and the outcomes counted."""
    config = pool_config.load("stress", {"accounts": 1000, "accounts_per_shard": 500})
    group = f"benchmark-{os.getpid()}"
    kafka_probe.start_at_the_end(SETTINGS, bootstrap, group)
    _produce_events(bootstrap, Pool.in_memory(config, 7), Ids.fresh())
    cpu_s, since_s = _cpu_s(), time.monotonic()
    consumer = Consumer(SETTINGS.consumer(bootstrap, group))
    consumer.subscribe(SETTINGS.observed)
    outcomes: Counter[str] = Counter()
    while outcomes.total() < EVENTS and time.monotonic() < since_s + 60:
        for message in consumer.consume(1000, 0.1):
            outcomes[json.loads(message.value() or b"{}")["status"]] += 1
    made, took_s, used_s = outcomes.total(), time.monotonic() - since_s, _cpu_s() - cpu_s
    return {"events": made, "per_s": round(made / took_s), "per_cpu_s": round(made / used_s)}


def _produce_events(bootstrap: str, pool: Pool, ids: Ids) -> None:
    shard = pool.shard(0)
    indices = shard.range_of(Kind.PAYMENT)[:EVENTS]
    rows = slice(indices.start, indices.stop)
    texts = Correlations(
        tag=ids.tag, lap=0, shard=0, index=_numbers(indices), attempt=shard.kind[rows] * 0,
        kind=shard.kind[rows], channel=Channel.KAFKA, expected=shard.expected[rows],
        phase=shard.kind[rows] * 0,
    ).texts()  # fmt: skip
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 0})
    for text, command_id in zip(texts, ids.command_ids(0, 0, indices), strict=True):
        value = (
            f'{{"eventId":"{command_id}","correlationId":"{text}","commandId":"{command_id}",'
            '"commandType":"InitiateSimplePaymentCommand","status":"SETTLED","accountId":'
            '"d3715af3-5efe-4dcd-bc97-0fe8b1f48bda","amount":{"amount":12.50,"currencyCode":"USD"},'
            '"reason":null,"flags":[],"occurredAt":"2026-11-28T04:08:47.487144Z"}'
        )
        while True:
            try:
                producer.produce(SETTINGS.events or "", value, command_id)
            except BufferError:
                producer.poll(0.01)
                continue
            break
    producer.flush(30)


def _numbers(indices: range) -> Any:
    return np.arange(indices.start, indices.stop)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
