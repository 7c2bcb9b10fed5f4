"""What the Kafka channel does per core: python benchmarks/kafka.py [--quick]

Against librdkafka's mock cluster, and against real Apache Kafka where Java and Maven are there:

1. Commands produced and acknowledged, with everything that a run writes down, per second of processor
   time, and how late the event loop was with others' timers meanwhile; beside two loops by librdkafka's
   own binding, one with a constant record, one with records that were made before and a note of each
   answer; and beside Kafka's own kafka-producer-perf-test.
2. Events classified, timed and written to the journal, per second of processor time; beside a loop
   that parses them by Python's json and counts outcomes.
3. The memory that it takes to go on while the broker is gone.

What is compared is measured in turns, each five times, and the middle one is told.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Before any other import: in this folder are modules with the names of the library's own.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import argparse
import importlib
import json
import re
import resource
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.measure import ROOT, Row, table

GOAL_COMMANDS = 100_000
GOAL_EVENTS = 100_000
RECORD_BYTES = 620
MEASURED = ("plain", "bare", "paystorm", "listen", "events")
START_S = 30
PERF_TEST = "org.apache.kafka.tools.ProducerPerformance"
PERF_RECORDS = 1_000_000


@contextmanager
def mock() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a mock cluster in a process of its own; yield where it is."""
    command = [sys.executable, "-m", "sandbox", "--kafka-only", "--kafka-port", "0"]
    process = subprocess.Popen(
        [*command, "--announce", "--stop-with-stdin"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["kafka"], process
    finally:
        process.communicate(timeout=START_S)


def client(what: str, bootstrap: str, seconds: float) -> dict[str, Any]:
    """Take one measurement, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.kafka_clients", what, bootstrap, str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def middles(bootstrap: str, seconds: float, turns: int) -> dict[str, dict[str, Any]]:
    """Measure each thing in turns, so that a slow moment is no rule; of each, return what is in the middle."""
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for turn in range(turns):
        # There and back: the broker has more to do after one of them than after another.
        for what in MEASURED[:: 1 if turn % 2 == 0 else -1]:
            found[what].append(client(what, bootstrap, seconds))
    return {
        what: sorted(told, key=lambda one: one["per_cpu_s"])[turns // 2]
        for what, told in found.items()
    }


def rows(name: str, bootstrap: str, seconds: float, turns: int) -> Iterator[Row]:
    """Measure against one broker."""
    middle = middles(bootstrap, seconds, turns)
    rates = {what: told["per_cpu_s"] for what, told in middle.items()}
    shown = {what: f"{rate:,}/CPU-s" for what, rate in rates.items()}
    yield Row(f"{name}: one constant record, by the binding", shown["plain"], "", "")
    yield Row(
        f"{name}: records made before, answers noted one by one, by the binding",
        shown["bare"],
        "",
        "what no tester in Python can pass",
    )
    yield Row(
        f"{name}: commands acknowledged, all of it written down",
        shown["paystorm"],
        f"≥ {GOAL_COMMANDS:,}",
        f"{rates['paystorm'] / rates['bare']:.2f} of the records made before",
    )
    late = middle["paystorm"]["late"]
    yield Row(
        f"{name}: how late the event loop was with timers, as it went as fast as it could",
        f"p50 {late['p50_ms']:.1f} ms, p99 {late['p99_ms']:.1f} ms",
        "",
        "",
    )
    yield Row(
        f"{name}: events parsed by json, outcomes counted, by the binding", shown["listen"], "", ""
    )
    yield Row(
        f"{name}: events classified and written down",
        shown["events"],
        f"≥ {GOAL_EVENTS:,}",
        f"{rates['events'] / rates['listen']:.2f} of only parsing them by json",
    )


def gone_rows(seconds: float) -> Iterator[Row]:
    """Measure what it takes to go on without a broker."""
    with mock() as (bootstrap, process):
        process.kill()
        told = client("gone", bootstrap, seconds)
    figure = f"{told['grown_mb']} MB, {told['waiting']:,} records wait"
    yield Row(f"memory grown while the broker is gone for {seconds:g} s", figure, "bounded", "")


def perf_rows(broker: Any, records: int) -> Iterator[Row]:
    """Let Kafka's own tool produce as large records."""
    command = broker.command(
        *(PERF_TEST, "--topic", "payments.commands", "--num-records", str(records)),
        *("--record-size", str(RECORD_BYTES), "--throughput", "-1"),
        *("--producer-props", f"bootstrap.servers={broker.bootstrap}", "acks=all", "linger.ms=5"),
    )
    command.remove("-XX:TieredStopAtLevel=1")
    before_s = _children_cpu_s()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cpu_s = _children_cpu_s() - before_s
    (per_s,) = re.findall(r"^\d+ records sent, ([\d.]+) records/sec", done.stdout, re.M)[-1:]
    figure = f"{records / cpu_s:,.0f}/CPU-s"
    yield Row(
        "real: kafka-producer-perf-test, without headers", figure, "", f"{float(per_s):,.0f}/s"
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def real() -> Iterator[Any]:
    """Run real Apache Kafka; yields None where it cannot be had."""
    try:
        kafka = importlib.import_module("tests.kafka")
    except ImportError as error:
        print(f"without real Kafka, whose start is in the tests' set-up: {error}", file=sys.stderr)
        yield None
        return
    try:
        with kafka.broker() as running:
            yield running
    except kafka.Unavailable as why:
        print(f"without real Kafka: {why}", file=sys.stderr)
        yield None


def real_rows(broker: Any, seconds: float, turns: int, records: int) -> Iterator[Row]:
    """Measure against real Kafka."""
    from confluent_kafka.cimpl import NewTopic

    admin = broker.admin()
    topics = [NewTopic(name, 4, 1) for name in ("payments.commands", "payments.events")]
    for made in admin.create_topics(topics).values():
        made.result(START_S)
    yield from rows("real", broker.bootstrap, seconds, turns)
    yield from perf_rows(broker, records)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="for seconds only")
    quick = parser.parse_args().quick
    seconds, turns = (3, 1) if quick else (5, 5)
    found: list[Row] = []
    with mock() as (bootstrap, _):
        found += rows("mock", bootstrap, seconds, turns)
    found += gone_rows(5 if quick else 30)
    with real() as broker:
        if broker is not None:
            records = PERF_RECORDS // (10 if quick else 1)
            found += real_rows(broker, seconds, turns, records)
    print(table("Kafka", found))


if __name__ == "__main__":
    main()
