"""What a run with Kafka needs beyond others: brokers that are there, and events from its beginning on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from confluent_kafka import KafkaException

from locustfiles import regional
from locustfiles.channels import kafka_probe
from locustfiles.channels.kafka_events import EventSource
from locustfiles.channels.kafka_probe import Ends
from locustfiles.channels.kafka_reader import RecordReader
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.channels.os_thread import on_a_thread
from locustfiles.completions import CompletionSource
from locustfiles.kafka_completions import EventCompletions, Observer
from locustfiles.kafka_lag import PlatformLag
from locustfiles.kafka_plan import sends, settings_of, used
from locustfiles.kafka_sender import KafkaLine, KafkaLines
from locustfiles.lines import Line
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
        for bootstrap in settings.clusters.values():
            kafka_probe.ready(settings, bootstrap, produces=sends(plan))


def begin(plan: Plan, directory: RunDirectory, term: int = 1) -> None:
    """Let the fleet's group begin where the topics end now, before the first command. Raises Problems.

    It is a group of its own on each cluster, under the same name.
    """
    if used(plan):
        settings = settings_of(plan)
        group = group_of(settings, directory.name, term)
        told: dict[str, Any] = {"offsets": {}, "commands": {}}
        for name, bootstrap in settings.clusters.items():
            ends = kafka_probe.start_at_the_end(settings, bootstrap, group)
            _add(told["offsets"], name, ends)
            told["commands"] |= _at(name, _end_of_commands(plan, settings, bootstrap, group))
        if settings.regions:
            told["clusters"] = {one: settings.cluster_of(one) for one in settings.regions}
        _write(directory, "start.json", {"group": group, "at_utc_ns": time.time_ns(), **told})


def begin_again(plan: Plan, directory: RunDirectory, term: int) -> None:
    """Let the group of a run that goes on begin where the one before was. Raises Problems.

    It has another name than the plan's runs have, since the brokers wait for who was killed, as long as
    a session lasts, before anybody else gets its partitions. A name that the plan gives stays.
    """
    settings, start = settings_of(plan), directory.events / "start.json"
    if used(plan) and not start.is_file():
        # It ended before it began: nothing was sent.
        begin(plan, directory, term)
    elif used(plan) and not settings.group:
        told = json.loads(start.read_bytes())["offsets"]
        before, group = (group_of(settings, directory.name, one) for one in (term - 1, term))
        for name, bootstrap in settings.clusters.items():
            starts = {topic: _of(name, numbers) for topic, numbers in told.items()}
            kafka_probe.start_where(settings, bootstrap, before, group, starts)


def end(plan: Plan, directory: RunDirectory, term: int) -> None:
    """Write down where the topics end, and how far the fleet's group is, once all of it has left."""
    if not used(plan):
        return
    settings = settings_of(plan)
    group = group_of(settings, directory.name, term)
    told: dict[str, Any] = {"ends": {}, "committed": {}, "commands": {}}
    try:
        for name, bootstrap in settings.clusters.items():
            config = settings.consumer(bootstrap, group)
            asked = partial(kafka_probe.lag_of, config, settings.observed)
            for what, ends in on_a_thread(asked).items():
                _add(told[what], name, ends)
            told["commands"] |= _at(name, _end_of_commands(plan, settings, bootstrap, group))
    except KafkaException as error:
        told = {"problem": str(error)}
    _write(directory, "end.json", {"group": group, "at_utc_ns": time.time_ns(), **told})


def lags(plan: Plan, say: Callable[[str], None]) -> list[PlatformLag]:
    """Watch how far the platform is behind with the commands; nothing where it has no group to ask of."""
    settings = settings_of(plan)
    if not sends(plan) or not settings.platform_group:
        return []
    return [
        PlatformLag(settings.consumer(at, settings.platform_group), settings.commands, say)
        for at in settings.clusters.values()
    ]


def _add(told: dict[str, dict[str, int]], name: str, ends: Ends) -> None:
    """Add what is known of a cluster's topics to what is told of all."""
    for topic, numbers in ends.items():
        told.setdefault(topic, {}).update(_at(name, numbers))


def _at(cluster: str, numbers: Mapping[int, int]) -> dict[str, int]:
    """Return offsets by their partitions' numbers, after the name of a region's cluster."""
    return {f"{cluster} {number}".lstrip(): offset for number, offset in numbers.items()}


def _of(cluster: str, told: Mapping[str, int]) -> dict[int, int]:
    """Return the offsets of one cluster out of what `_at` made of all."""
    places = {place.rpartition(" ")[::2]: offset for place, offset in told.items()}
    return {int(number): offset for (name, number), offset in places.items() if name == cluster}


def _end_of_commands(
    plan: Plan, settings: KafkaSettings, bootstrap: str, group: str
) -> dict[int, int]:
    """Return where the command topic ends, where the plan sends to it."""
    if not sends(plan):
        return {}
    config = settings.consumer(bootstrap, group)
    ends = on_a_thread(lambda: kafka_probe.ends_of(config, [settings.commands]))
    return ends[settings.commands]


def group_of(settings: KafkaSettings, run: str, term: int) -> str:
    """Return the fleet's consumer group under a master: a run's own, unless the plan names one."""
    return settings.group or f"paystorm-{run}{f'-{term}' if term > 1 else ''}"


def line(run: Run) -> Line:
    """Return a process's way over Kafka, with a producer for each cluster. Raises Problems."""
    settings = settings_of(run.plan)
    timeout_ns = round(run.plan.timeout_s * 1e9)
    if run.service.shared:
        timeout_ns = min(timeout_ns, round(LEASE_SHARE * run.service.lease_ns))
    timeout_ms = max(timeout_ns // 1_000_000, 1)
    return regional.lines_of(
        run.pool.config.regions,
        settings.bootstrap_of,
        lambda at: KafkaLine(run, settings, at, timeout_ms),
        KafkaLines,
    )


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
    log = EventLog(run.directory.events, worker, run.counting.vigil.events)
    group = group_of(settings, run.service.run, run.service.term)
    for number, bootstrap in enumerate(settings.clusters.values()):
        events = EventSource(
            run.platform,
            run.ids,
            run.pool,
            settings.dead_letters,
            lambda raw_ns: run.clock.now_ns() - (time.monotonic_ns() - raw_ns),
            observer.observed,
            log,
            lambda note: run.dealer.warned(run.phase_name, note),
            number,
        )
        config = settings.consumer(bootstrap, group)
        events.read_from(RecordReader(config, settings.observed, events.take))
        source.events.append(events)
    return source


def _write(directory: RunDirectory, name: str, told: dict[str, Any]) -> None:
    directory.write(f"events/{name}", json.dumps(told, indent=2).encode())
