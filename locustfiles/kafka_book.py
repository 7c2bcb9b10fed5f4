"""The book by replaying the event topic of a real broker: --book kafka://HOST:PORT/TOPIC.

What the address leaves out is the table [kafka]'s, and so are TLS and who we are. Before the first
command it is written down where the topic ends; the book is what comes after it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from confluent_kafka import KafkaException
from pydantic import ValidationError

from e2e_data.ids import Ids
from e2e_data.platform import Platform
from e2e_data.problems import Problems
from locustfiles.channels import kafka_probe
from locustfiles.channels.kafka_replay import records_since
from locustfiles.channels.kafka_settings import Config, KafkaSettings
from locustfiles.channels.os_thread import on_a_thread
from locustfiles.kafka_plan import settings_of
from locustfiles.plans import Plan
from reports.book_events import START, Record, Replayed, take_event_snapshot
from reports.event_log import PARTITION_BITS
from reports.rundir import RunDirectory

SCHEME = "kafka://"
FORM = "kafka://HOST:PORT/TOPIC, or parts of it"


def is_topic(source: str | None) -> bool:
    """Tell whether a book is to be replayed from a topic."""
    return source is not None and source.startswith(SCHEME)


def check(source: str, plan: Plan, *, embedded: bool) -> list[str]:
    """Return what is wrong with where the events are; secrets are read, no broker is asked."""
    try:
        settings = _settings(source, plan)
        settings.client("")
    except Problems as found:
        return [f"--book: {problem}" for problem in found.problems]
    problems = []
    if embedded and settings.clusters:
        problems.append(
            "--book: without --host the platform is the embedded sandbox, which has a broker of its "
            f"own: write --book {SCHEME}"
        )
    if not embedded and not settings.clusters:
        problems.append(f"--book {source}: name the brokers ({FORM}), or bootstrap in [kafka]")
    if settings.events is None:
        problems.append(f"--book {source}: name the topic ({FORM}), or events in [kafka]")
    return problems


def ready(source: str, plan: Plan, *, seconds: float = kafka_probe.ANSWER_S) -> None:
    """Make sure that brokers and topic are there. Raises Problems."""
    settings = _settings(source, plan)
    for bootstrap in settings.clusters.values():
        try:
            kafka_probe.there(settings, bootstrap, [_topic(settings)], seconds)
        except Problems as found:
            raise Problems([f"--book {source}: {problem}" for problem in found.problems]) from found


def begin(source: str, plan: Plan, directory: RunDirectory) -> None:
    """Write down where the topic ends on each cluster, before the first command. Raises Problems."""
    settings = _settings(source, plan)
    topic, offsets = _topic(settings), {}
    try:
        for name, bootstrap in settings.clusters.items():
            asked = partial(kafka_probe.ends_of, _config(settings, bootstrap), [topic])
            offsets[name] = on_a_thread(asked)[topic]
    except KafkaException as error:
        raise Problems(
            [f"--book {source}: it cannot be told where {topic} ends: {error.args[0].str()}"]
        ) from error
    told = {"topic": topic, "clusters": settings.clusters, "offsets": offsets}
    directory.write(START, json.dumps({**told, "at_utc_ns": time.time_ns()}, indent=2).encode())


def take(
    source: str, plan: Plan, platform: Platform, ids: Ids, directory: RunDirectory
) -> Replayed:
    """Keep what the topic tells from the run's beginning to now. Raises Problems."""
    settings = _settings(source, plan)
    batches = _records(settings, _start(source, directory, settings))
    return on_a_thread(lambda: take_event_snapshot(batches, platform, ids, directory))


def _records(
    settings: KafkaSettings, start: Mapping[str, Mapping[int, int]]
) -> Iterator[Sequence[Record]]:
    """Yield the records of all clusters; one's partitions have numbers of their own."""
    for number, (name, bootstrap) in enumerate(settings.clusters.items()):
        first = number << PARTITION_BITS
        for batch in records_since(_config(settings, bootstrap), _topic(settings), start[name]):
            yield [record._replace(partition=first + record.partition) for record in batch]


def _start(
    source: str, directory: RunDirectory, settings: KafkaSettings
) -> dict[str, dict[int, int]]:
    """Return where the topic ended when the run began, by cluster and partition."""
    try:
        told = json.loads((directory.path / START).read_bytes())
    except FileNotFoundError as error:
        raise Problems(
            [
                f"--book {source}: when the run began it was not asked for, and nobody wrote down where "
                "the topic ended: give the source that the run began with"
            ]
        ) from error
    if (told["topic"], told["clusters"]) != (settings.events, settings.clusters):
        where = " and ".join(told["clusters"].values())
        raise Problems(
            [f"--book {source}: the run began with {told['topic']} at {where}: give that"]
        )
    return {
        name: {int(number): offset for number, offset in offsets.items()}
        for name, offsets in told["offsets"].items()
    }


def _settings(source: str, plan: Plan) -> KafkaSettings:
    """Return the plan's settings, with what the address names. Raises Problems."""
    address, _, topic = source.removeprefix(SCHEME).partition("/")
    named: dict[str, object] = {"events": topic} if topic else {}
    if address:
        # Instead of all clusters that the plan has.
        named |= {"bootstrap": address, "regions": {}}
    if "@" in address:
        # Not shown: it may be a password.
        raise Problems(["leave name and password out of the address: [kafka.sasl] has them"])
    try:
        KafkaSettings.model_validate(named)
    except ValidationError as error:
        raise Problems([f"{source}: {one['msg']}" for one in error.errors()]) from error
    return settings_of(plan).model_copy(update=named)


def _topic(settings: KafkaSettings) -> str:
    assert settings.events is not None, "it was checked"
    return settings.events


def _config(settings: KafkaSettings, bootstrap: str) -> Config:
    # librdkafka wants a name for every reader; nothing is committed under it.
    return {
        **settings.client(bootstrap),
        "group.id": settings.group or "paystorm-book",
        "fetch.wait.max.ms": settings.fetch_wait_ms,
    }
