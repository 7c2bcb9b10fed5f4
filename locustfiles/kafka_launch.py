"""What a run with Kafka needs beyond others: checked, started with the sandbox, read from its beginning."""

from __future__ import annotations

import json
import time
from typing import Any

from confluent_kafka import KafkaException

from e2e_data.commands import Channel
from e2e_data.problems import Problems
from locustfiles.channels import kafka_probe
from locustfiles.channels.kafka_events import EventSource
from locustfiles.channels.kafka_reader import RecordReader
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.completions import CompletionSource
from locustfiles.kafka_completions import EventCompletions, Observer
from locustfiles.kafka_sender import KafkaLine
from locustfiles.plans import Plan
from locustfiles.run import Run
from reports.event_log import EventLog
from reports.rundir import RunDirectory

WHERE = 'bootstrap = "kafka.example:9092" in the plan\'s table [kafka]'
SANDBOX_FETCH_MS = 10
"""The sandbox's broker answers after this time, and not as soon as there is an event."""
LEASE_SHARE = 0.5
"""A record is delivered within this share of the lease that it was sent under, or given up."""


def used(plan: Plan) -> bool:
    """Tell whether a plan sends over Kafka, or has its completions from there."""
    return plan.kafka is not None or Channel.KAFKA in plan.channels_used


def sends(plan: Plan) -> bool:
    """Tell whether a plan sends anything over Kafka."""
    return Channel.KAFKA in plan.channels_used


def settings_of(plan: Plan) -> KafkaSettings:
    """Return a plan's settings; the usual ones where it has none of its own."""
    return plan.kafka or KafkaSettings()


def check(plan: Plan, *, embedded: bool) -> list[str]:
    """Return what is wrong with where a plan's records are to go; secrets are read for it."""
    if not used(plan):
        return []
    settings, problems = settings_of(plan), []
    if embedded and settings.bootstrap:
        problems.append(
            f"kafka: {settings.bootstrap} is named, but without --host the platform is the embedded "
            "sandbox, which has a broker of its own: give --host, or leave bootstrap out"
        )
    if not embedded and not settings.bootstrap:
        problems.append(f"kafka: name the platform's brokers: {WHERE}")
    try:
        settings.client(settings.bootstrap or "")
    except Problems as found:
        problems += [f"kafka: {problem}" for problem in found.problems]
    return problems


def sandbox_options(plan: Plan) -> list[str]:
    """Return what the embedded sandbox is to be started with."""
    return ["--kafka-port", "0"] if used(plan) else []


def with_sandbox(plan: Plan, address: str | None) -> Plan:
    """Return a plan that uses the embedded sandbox's broker at `address`, if there is one."""
    if address is None:
        return plan
    changes = {"bootstrap": address, "fetch_wait_ms": SANDBOX_FETCH_MS}
    settings = settings_of(plan).model_copy(update=changes)
    return plan.model_copy(update={"kafka": settings})


def ready(plan: Plan) -> None:
    """Make sure that brokers and topics are there. Raises Problems."""
    if used(plan):
        settings = settings_of(plan)
        kafka_probe.ready(settings, _bootstrap(settings), produces=sends(plan))


def begin(plan: Plan, directory: RunDirectory) -> None:
    """Let the fleet's group begin where the topics end now, before the first command. Raises Problems."""
    if used(plan):
        settings = settings_of(plan)
        group = group_of(settings, directory.name)
        ends = kafka_probe.start_at_the_end(settings, _bootstrap(settings), group)
        _write(
            directory, "start.json", {"group": group, "at_utc_ns": time.time_ns(), "offsets": ends}
        )


def end(plan: Plan, directory: RunDirectory) -> None:
    """Write down where the topics end, and how far the fleet's group is, once all of it has left."""
    if not used(plan):
        return
    settings = settings_of(plan)
    group = group_of(settings, directory.name)
    config = settings.consumer(_bootstrap(settings), group)
    try:
        told = kafka_probe.on_a_thread(lambda: kafka_probe.lag_of(config, settings.observed))
    except KafkaException as error:
        told = {"problem": str(error)}
    _write(directory, "end.json", {"group": group, "at_utc_ns": time.time_ns(), **told})


def group_of(settings: KafkaSettings, run: str) -> str:
    """Return the fleet's consumer group: a run's own, unless the plan names one."""
    return settings.group or f"paystorm-{run}"


def line(run: Run) -> KafkaLine:
    """Return a process's way over Kafka. Raises Problems."""
    settings = settings_of(run.plan)
    timeout_ns = round(run.plan.timeout_s * 1e9)
    if run.service.shared:
        timeout_ns = min(timeout_ns, round(LEASE_SHARE * run.service.lease_ns))
    return KafkaLine(run, settings, _bootstrap(settings), max(timeout_ns // 1_000_000, 1))


def completions(run: Run, asking: CompletionSource) -> EventCompletions:
    """Return a source of completions that reads the events of all channels. Raises Problems."""
    settings, worker = settings_of(run.plan), run.service.worker
    source = EventCompletions(
        run.tracker,
        asking,
        run.journal.flush,
        lambda told: _write(run.directory, f"{worker}.json", told),
    )
    observer = Observer(run.tracker, run.bindings, run.pool, run.say_over)
    events = source.events = EventSource(
        run.platform,
        run.ids,
        run.pool,
        settings.dead_letters,
        lambda raw_ns: run.clock.now_ns() - (time.monotonic_ns() - raw_ns),
        observer.observed,
        EventLog(run.directory.events, worker),
        lambda note: run.dealer.warned(run.phase_name, note),
    )
    group = group_of(settings, run.service.run)
    reader = RecordReader(
        settings.consumer(_bootstrap(settings), group), settings.observed, events.take
    )
    events.read_from(reader)
    return source


def _bootstrap(settings: KafkaSettings) -> str:
    assert settings.bootstrap is not None, "it was checked, or is the sandbox's"
    return settings.bootstrap


def _write(directory: RunDirectory, name: str, told: dict[str, Any]) -> None:
    directory.write(f"events/{name}", json.dumps(told, indent=2).encode())
