"""What a run with Kafka needs beyond others: brokers that are there, and events from its beginning on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException

from locustfiles.channels import kafka_probe
from locustfiles.channels.kafka_events import EventSource
from locustfiles.channels.kafka_reader import RecordReader
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.completions import CompletionSource
from locustfiles.kafka_completions import EventCompletions, Observer
from locustfiles.kafka_lag import PlatformLag
from locustfiles.kafka_plan import sends, settings_of, used
from locustfiles.kafka_sender import KafkaLine
from locustfiles.plans import Plan
from locustfiles.run import Run
from reports.event_log import EventLog
from reports.rundir import RunDirectory

LEASE_SHARE = 0.5
"""A record is delivered within this share of the lease that it was sent under, or given up."""


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
        told = {"offsets": ends, "commands": _end_of_commands(plan, settings, group)}
        _write(directory, "start.json", {"group": group, "at_utc_ns": time.time_ns(), **told})


def end(plan: Plan, directory: RunDirectory) -> None:
    """Write down where the topics end, and how far the fleet's group is, once all of it has left."""
    if not used(plan):
        return
    settings = settings_of(plan)
    group = group_of(settings, directory.name)
    config = settings.consumer(_bootstrap(settings), group)
    try:
        told = kafka_probe.on_a_thread(lambda: kafka_probe.lag_of(config, settings.observed))
        told["commands"] = _end_of_commands(plan, settings, group)
    except KafkaException as error:
        told = {"problem": str(error)}
    _write(directory, "end.json", {"group": group, "at_utc_ns": time.time_ns(), **told})


def lag(plan: Plan, say: Callable[[str], None]) -> PlatformLag | None:
    """Watch how far the platform is behind with the commands; None where it has no group to ask of."""
    if not sends(plan):
        return None
    settings = settings_of(plan)
    if not settings.platform_group:
        return None
    config = settings.consumer(_bootstrap(settings), settings.platform_group)
    return PlatformLag(config, settings.commands, say)


def _end_of_commands(plan: Plan, settings: KafkaSettings, group: str) -> dict[int, int]:
    """Return where the command topic ends, where the plan sends to it."""
    if not sends(plan):
        return {}
    config = settings.consumer(_bootstrap(settings), group)
    ends = kafka_probe.on_a_thread(lambda: kafka_probe.ends_of(config, [settings.commands]))
    return ends[settings.commands]


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
