"""The table [kafka] of a plan: where the brokers are, which topics, and how the clients behave."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from locustfiles.channels.secret import FORMS, Secret

Config = dict[str, str | int | float | bool]
"""What a client of librdkafka is made with, by its names."""

SECRET_SETTINGS = re.compile(r"password|secret|\.pem$|token")
"""What has such a name is not written into a plan, which is copied into each run directory."""
OWN_SETTINGS = frozenset(
    {
        "bootstrap.servers",
        "group.id",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "auto.offset.reset",
        "message.timeout.ms",
        "delivery.timeout.ms",
        "on_delivery",
        "test.mock.num.brokers",
    }
)
"""Settings that the tester's promises hang on, or that have a name of their own here."""

SESSION_MS = 10_000
"""After so long without a word of a member of a classic group its partitions are others': as a lease."""
_CLASSIC_ALONE = frozenset(
    {
        "session.timeout.ms",
        "heartbeat.interval.ms",
        "partition.assignment.strategy",
        "group.protocol.type",
    }
)
"""Settings that a broker has for itself in the other protocol; librdkafka takes none of them then."""

_ADDRESS = re.compile(r"[^\s,:/@]+:[0-9]{1,5}|\[[0-9a-fA-F:.]+\]:[0-9]{1,5}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


def _reference(value: str) -> str:
    Secret(value)
    return value


def _addresses(value: str) -> str:
    wrong = [one for one in value.split(",") if not _ADDRESS.fullmatch(one.strip())]
    if wrong:
        msg = f"{wrong[0]!r} is no HOST:PORT, such as kafka1:9092,kafka2:9092"
        raise ValueError(msg)
    return ",".join(one.strip() for one in value.split(","))


def _topic(value: str) -> str:
    if not _TOPIC.fullmatch(value):
        msg = "a topic's name has 1 to 249 letters, digits and . _ -"
        raise ValueError(msg)
    return value


Reference = Annotated[str, AfterValidator(_reference)]
"""A secret, named as "env:NAME" or "file:PATH"."""
Topic = Annotated[str, AfterValidator(_topic)]
Bootstrap = Annotated[str, AfterValidator(_addresses)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sasl(_Table):
    """Who we are."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the password is proved."""
    username: str = Field(min_length=1)
    """Who we are there."""
    password: Reference
    """The user's password."""


class Tls(_Table):
    """Whom to trust, and how to identify oneself."""

    ca_file: Path | None = None
    """Certificates that are trusted instead of the system's, in PEM."""
    certificate_file: Path | None = None
    """Our own certificate, in PEM, where brokers ask for one."""
    key_file: Path | None = None
    """Its private key."""
    key_password: Reference | None = None
    """The key's password, where it has one."""
    verify: bool = True
    """Whether brokers must show a certificate that is trusted."""


class KafkaSettings(_Table):
    """How commands go over Kafka, and where the events of all channels come from."""

    bootstrap: Bootstrap | None = None
    """Where clients begin, HOST:PORT with commas; without it that of the embedded sandbox."""
    regions: dict[str, Bootstrap] = {}
    """The bootstrap of a region's own cluster, such as north = "kafka-north:9092"; all else is the same
    there. `bootstrap` is for the regions without."""
    commands: Topic = "payments.commands"
    """The topic that commands are sent to."""
    events: Topic | None = "payments.events"
    """The topic that tells of decisions."""
    dead_letters: Topic | None = "payments.commands.dlq"
    """The topic of what the platform could not understand."""
    group: str = Field(default="", max_length=200)
    """The fleet's consumer group; without it one of the run's own."""
    platform_group: str = Field(default="paystorm-sandbox", max_length=200)
    """The platform's own consumer group, whose lag is watched; empty where it has none."""
    group_protocol: Literal["consumer", "classic"] = "consumer"
    """"classic" for brokers before Kafka 4, and for fleets that may lose workers: there a lost one's share of
    the events is another's after 10 s, with "consumer" after the broker's own time, 45 s unless set there."""
    acks: Literal["all", "1", "0"] = "all"
    """Which brokers have to have a record before it is acknowledged."""
    idempotence: bool = True
    """Whether the producer's own repetitions are told apart by the broker; it needs acks =
    "all"."""
    linger_ms: float = Field(default=5, ge=0, le=10_000)
    """How long the producer gathers records for one request."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    """Of the records of a request."""
    fetch_wait_ms: int = Field(default=100, ge=1, le=10_000)
    """How long a broker may wait for events before it answers that there are none."""
    queue_messages: int = Field(default=20_000, ge=100, le=1_000_000)
    """Records that wait for the broker in a process; beyond that, arrivals become overdue."""
    tls: Tls | None = None
    """Send over TLS."""
    sasl: Sasl | None = None
    """Say who we are."""
    librdkafka: dict[str, str | int | float | bool] = {}
    """Any other setting of librdkafka; the value of a secret one is its name, env: or file:."""

    @model_validator(mode="after")
    def _fitting(self) -> KafkaSettings:
        wrong = list(_faults(self.librdkafka))
        if self.group_protocol == "consumer":
            wrong += [
                f'librdkafka: {name} is the broker\'s to set with group_protocol = "consumer" '
                '(group.consumer.session.timeout.ms and the like): set group_protocol = "classic"'
                for name in sorted(_CLASSIC_ALONE & self.librdkafka.keys())
            ]
        if self.idempotence and self.acks != "all":
            wrong.append('idempotence needs acks = "all"; set idempotence = false')
        if self.tls is not None and self.tls.key_file and not self.tls.certificate_file:
            wrong.append("tls.key_file: give its certificate_file, too")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def clusters(self) -> dict[str, str]:
        """The bootstrap of each cluster, by its name: that of its first region, or empty for `bootstrap`."""
        found: dict[str, str] = {}
        for name, at in (("", self.bootstrap), *self.regions.items()):
            if at is not None and at not in found.values():
                found[name] = at
        return found

    def bootstrap_of(self, region: str) -> str:
        """Return where a region's commands go."""
        at = self.regions.get(region, self.bootstrap)
        assert at is not None, "it was checked, or is the sandbox's"
        return at

    def cluster_of(self, region: str) -> str:
        """Return the name of the cluster that a region's commands go to."""
        at = self.bootstrap_of(region)
        return next(name for name, one in self.clusters.items() if one == at)

    def client(self, bootstrap: str) -> Config:
        """Return what every client is made with. Raises Problems where a secret cannot be read."""
        protocol = ("SASL_" if self.sasl else "") + ("SSL" if self.tls else "PLAINTEXT")
        config: Config = {
            "bootstrap.servers": bootstrap,
            "security.protocol": protocol,
            "client.id": "paystorm",
            # What goes wrong comes to us as errors; librdkafka's own lines would be in between.
            "log_level": 0,
        }
        if self.sasl is not None:
            config["sasl.mechanism"] = self.sasl.mechanism
            config["sasl.username"] = self.sasl.username
            config["sasl.password"] = Secret(self.sasl.password).read()
        if self.tls is not None:
            named = {
                "ssl.ca.location": self.tls.ca_file,
                "ssl.certificate.location": self.tls.certificate_file,
                "ssl.key.location": self.tls.key_file,
            }
            config |= {name: str(path) for name, path in named.items() if path is not None}
            config["enable.ssl.certificate.verification"] = self.tls.verify
            if self.tls.key_password is not None:
                config["ssl.key.password"] = Secret(self.tls.key_password).read()
        for name, value in self.librdkafka.items():
            is_named = isinstance(value, str) and value.startswith(("env:", "file:"))
            config[name] = Secret(str(value)).read() if is_named else value
        return config

    def producer(self, bootstrap: str, timeout_ms: int) -> Config:
        """Return what the producer is made with; a record that is not delivered in time is given up."""
        return {
            "acks": self.acks,
            "enable.idempotence": self.idempotence,
            "linger.ms": self.linger_ms,
            "compression.type": self.compression,
            "queue.buffering.max.messages": self.queue_messages,
            **self.client(bootstrap),
            "message.timeout.ms": timeout_ms,
        }

    def consumer(self, bootstrap: str, group: str) -> Config:
        """Return what the events' consumer is made with: it begins where the group's offsets say."""
        session = {"session.timeout.ms": SESSION_MS} if self.group_protocol == "classic" else {}
        return {
            "group.protocol": self.group_protocol,
            **session,
            "fetch.wait.max.ms": self.fetch_wait_ms,
            **self.client(bootstrap),
            "group.id": group,
            "enable.auto.commit": False,
            # Where what we should read is gone, the reader sees that numbers are missing.
            "auto.offset.reset": "earliest",
        }

    @property
    def is_encrypted(self) -> bool:
        """Whether nobody between us and the brokers can read anything."""
        return self.tls is not None or "SSL" in str(self.librdkafka.get("security.protocol", ""))

    @property
    def observed(self) -> list[str]:
        """The topics that tell of commands."""
        return [topic for topic in (self.events, self.dead_letters) if topic is not None]


def _faults(settings: dict[str, str | int | float | bool]) -> Iterable[str]:
    for name, value in settings.items():
        if name in OWN_SETTINGS or (name.startswith("sasl.") and "password" in name):
            yield f"librdkafka: {name} is paystorm's own to set"
        elif SECRET_SETTINGS.search(name) and not str(value).startswith(("env:", "file:")):
            yield f"librdkafka: {name} is a secret: name it as {FORMS}"
