"""The options of `paystorm sandbox` that are about Kafka, and what they ask for."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sandbox.kafka_front import KafkaClient

_AT = re.compile(r"[^\s:,/]+:[0-9]{1,5}(,[^\s:,/]+:[0-9]{1,5})*")
_SETTING = re.compile(r"[a-z0-9.]+=.*", re.DOTALL)
_OURS = frozenset({"bootstrap.servers", "group.id", "enable.auto.commit", "message.timeout.ms"})
"""Settings that the front's promises hang on."""


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """The options as they were given; each `kafka_` and its name on the command line."""

    port: int | None
    only: bool
    at: str | None
    setting: tuple[str, ...]
    partitions: int
    store: Path | None

    @property
    def wanted(self) -> bool:
        """Whether there is to be anything of Kafka."""
        return self.port is not None or self.at is not None

    def problems(self, environment: Mapping[str, str] = os.environ) -> list[str]:
        """Return what is wrong with them, one sentence each."""
        found = []
        if self.only and self.port is None:
            found.append("--kafka-only needs --kafka-port: the port for clients, or 0 for any")
        if self.store is not None and self.port is None:
            found.append("--kafka-store needs --kafka-port: it is for a broker of our own")
        if self.at is not None and _AT.fullmatch(self.at) is None:
            found.append(f"--kafka-at {self.at!r} must be an address such as 127.0.0.1:9092")
        if self.at is not None and (self.only or self.port is not None):
            found.append("--kafka-at names another broker: leave out --kafka-port and --kafka-only")
        if self.setting and self.at is None:
            found.append("--kafka-setting is for another broker: give --kafka-at too")
        for setting in self.setting:
            name, _, value = setting.partition("=")
            if not _SETTING.fullmatch(setting) or name in _OURS:
                found.append(
                    f"--kafka-setting {name}: give NAME=VALUE with one of librdkafka's settings"
                    f" but {', '.join(sorted(_OURS))}"
                )
            elif value.startswith("env:") and not environment.get(value[4:]):
                found.append(f"--kafka-setting {name}: {value[4:]} is not in the environment")
        return found

    def client(self, environment: Mapping[str, str] = os.environ) -> KafkaClient | None:
        """Return how to reach another broker; None where it is our own."""
        from sandbox.kafka_front import KafkaClient

        if self.at is None:
            return None
        pairs = (setting.split("=", 1) for setting in self.setting)
        extra = {
            name: environment[value[4:]] if value.startswith("env:") else value
            for name, value in pairs
        }
        return KafkaClient(self.at, extra, self.partitions)


_OPTIONS = (
    click.option(
        "--kafka-port",
        type=click.IntRange(0, 65535),
        help="Port where Kafka clients begin, 0 for any free one; without it there is no broker. It"
        " is librdkafka's mock cluster, for tests and demos: it keeps about 5 MB of each partition.",
    ),
    click.option(
        "--kafka-only",
        is_flag=True,
        help="The broker alone: it lives on when a platform with --kafka-at is killed.",
    ),
    click.option(
        "--kafka-at",
        metavar="HOST:PORT,…",
        help="Read commands at another broker: Apache Kafka, or one that runs alone (--kafka-only).",
    ),
    click.option(
        "--kafka-setting",
        multiple=True,
        metavar="NAME=VALUE",
        help="One of librdkafka's settings, for --kafka-at; a secret as NAME=env:VARIABLE. May be"
        " repeated.",
    ),
    click.option(
        "--kafka-partitions",
        type=click.IntRange(1, 1000),
        default=4,
        show_default=True,
        help="Partitions of the topics that are missing at --kafka-at, and are made.",
    ),
    click.option(
        "--kafka-store",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Keep what the broker is given in this file over a restart.",
    ),
)


def kafka_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options; it gets them as one argument, `kafka`."""

    @wraps(command)
    def with_options(**arguments: Any) -> None:
        given = {one.name: arguments.pop(f"kafka_{one.name}") for one in fields(KafkaOptions)}
        command(**arguments, kafka=KafkaOptions(**given))

    decorated: Callable[..., None] = with_options
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
