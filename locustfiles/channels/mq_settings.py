"""The table [mq] of a plan: which queue manager, who we are there, and how messages are put and got."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from e2e_data.envelope import REPLY_QUEUE
from locustfiles.channels.http_settings import Reference
from locustfiles.durations import parse_duration_s

PORT = 1414
QUEUE_MANAGER = "QM1"
CHANNEL = "DEV.APP.SVRCONN"
COMMAND_QUEUE = "COMMAND.QUEUE"
BACKOUT_QUEUE = "COMMAND.QUEUE.BO"
MODEL_QUEUE = "SYSTEM.DEFAULT.MODEL.QUEUE"

_HOST = re.compile(r"([^\s(),:]+)(?:[(:]([0-9]{1,5})\)?)?")
_OBJECT = re.compile(r"[A-Za-z0-9._/%]{1,48}")
_MANAGER = re.compile(r"\*?[A-Za-z0-9._/%]{0,48}")


def connection_name(address: str, port: int = PORT) -> str:
    """Return an address as MQ writes it, "host(port)", from that, "host:port" or "host"."""
    found = _HOST.fullmatch(address.strip())
    if found is None or not 0 < int(found[2] or port) < 65536:
        raise ValueError(f"{address!r} is no address such as mq.example(1414)")
    return f"{found[1]}({found[2] or port})"


def _named(pattern: re.Pattern[str], length: int) -> Callable[[str], str]:
    def check(name: str) -> str:
        if len(name) > length or pattern.fullmatch(name) is None:
            raise ValueError(f"{name!r} must have 1 to {length} letters, digits and . _ / %")
        return name

    return check


def _hosts(value: object) -> object:
    return tuple(value.split(",")) if isinstance(value, str) else value


def _seconds(value: object) -> object:
    return parse_duration_s(value) if isinstance(value, str) else value


QueueName = Annotated[str, AfterValidator(_named(_OBJECT, 48))]
Host = Annotated[str, AfterValidator(connection_name)]


def from_environment(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the settings that the environment names, as MQ's own samples and load-mq.sh do."""
    named = {
        "queue_manager": "MQ_QMGR",
        "channel": "MQ_CHANNEL",
        "user": "MQ_USER",
        "binding": "MQ_BINDING",
        "library": "MQ_LIBRARY",
    }
    found: dict[str, Any] = {
        setting: environment[variable]
        for setting, variable in named.items()
        if environment.get(variable)
    }
    if environment.get("MQ_HOST"):
        text = environment.get("MQ_PORT") or str(PORT)
        if not text.isdecimal():
            raise ValueError(f"MQ_PORT is {text!r}: give a number, such as {PORT}")
        hosts = environment["MQ_HOST"].split(",")
        found["hosts"] = tuple(connection_name(host, int(text)) for host in hosts)
    if "user" in found:
        found["password"] = "env:MQ_PASSWORD"  # noqa: S105 - the name, not a password
    return found


class MqSettings(BaseModel):
    """How commands go over IBM MQ."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    binding: Literal["auto", "ibmmq", "pymqi", "sandbox"] = "auto"
    """IBM's package, or the older one; "auto" takes what is installed. "sandbox" is ibmmq with a
    stand-in for IBM's C library, which reaches the sandbox's queue manager and nothing else."""
    library: Path | None = None
    """IBM's client library, such as /opt/mqm/lib64/libmqm_r.so, where the loader does not find it."""
    hosts: Annotated[tuple[Host, ...], BeforeValidator(_hosts)] = ()
    """Tried in their order; empty for the embedded sandbox, or what the CCDT says."""
    regions: dict[str, Annotated[tuple[Host, ...], BeforeValidator(_hosts)]] = {}
    """The hosts of a region's own queue manager, such as north = ["mq-north(1414)"]; all else is the
    same there. `hosts` are for the regions without."""
    queue_manager: Annotated[str, AfterValidator(_named(_MANAGER, 49))] = QUEUE_MANAGER
    """Its name; "*GROUP" takes any of a group."""
    channel: Annotated[str, AfterValidator(_named(_OBJECT, 20))] = CHANNEL
    """The server-connection channel."""
    ccdt: str | None = None
    """A client channel definition table, as a path or URL; it names hosts, channel and TLS."""
    user: str | None = None
    """Who we are there, by MQCSP."""
    password: Reference | None = None
    """The user's password."""
    tls_cipher: str | None = None
    """Such as "ANY_TLS12_OR_HIGHER"."""
    key_repository: Path | None = None
    """Certificates: a .kdb file without its ending, with its stash file beside it, or a .p12 file."""
    key_repository_password: Reference | None = None
    """Where there is no stash file."""
    certificate_label: str | None = None
    """Which certificate of the repository is our own."""
    application: str = Field(default="paystorm", min_length=1, max_length=28)
    """As which the queue manager shows us."""
    command_queue: QueueName = COMMAND_QUEUE
    """Where commands are put."""
    reply_queue: QueueName = REPLY_QUEUE
    """ReplyToQ of each command."""
    reply_model: QueueName = MODEL_QUEUE
    """Of which each reader of a fleet makes a reply queue of its own."""
    backout_queue: QueueName | None = BACKOUT_QUEUE
    """Looked at, never emptied: a command that stands there was dead-lettered."""
    reply_to_manager: Annotated[str, AfterValidator(_named(_MANAGER, 48))] = ""
    """ReplyToQMgr; empty for the queue manager that commands are put at."""
    persistence: Literal["yes", "no", "queue"] = "queue"
    """Of commands; "queue" is what the queue's DEFPSIST says."""
    expiry_s: Annotated[float | None, BeforeValidator(_seconds)] = Field(default=None, ge=0.1)
    """After so long a command that nobody got is discarded."""
    syncpoint: bool = False
    """Put under syncpoint, and commit: what a broken connection leaves in doubt is the commit alone."""
    reply_match: Literal["correl-id", "msg-id"] = "correl-id"
    """What the platform copies into a reply's CorrelId: the command's CorrelId, or its MsgId."""
    replies: Literal["reader", "own-get"] = "reader"
    """Readers in each process tell all users of their replies; or each gets its own by CorrelId."""
    readers: int = Field(default=16, ge=1, le=64)
    """So many gets wait at once, each on a connection of its own: one has to come back for the next."""
    connections: int = Field(default=8, ge=1, le=10_000)
    """Connections that put, in each process; users wait for a free one."""
    purge_replies: bool = False
    """Empty the reply queue before the run; else replies to earlier runs are counted and passed over."""

    @model_validator(mode="before")
    @classmethod
    def _environment(cls, value: Any) -> Any:
        """Let the environment say what the plan leaves out."""
        if not isinstance(value, Mapping):
            return value
        named = from_environment()
        if value.get("ccdt"):
            named.pop("hosts", None)
        return {**named, **value}

    @model_validator(mode="after")
    def _fitting(self) -> MqSettings:
        wrong = []
        if self.user is not None and self.password is None:
            wrong.append("password: name the user's, as env:NAME or file:PATH")
        if self.password is not None and self.user is None:
            wrong.append("user: say whose password it is")
        if self.ccdt and (self.hosts or self.regions or self.tls_cipher):
            wrong.append(
                "ccdt names the hosts and the cipher: leave hosts, regions and tls_cipher out"
            )
        wrong += [
            f"regions.{region}: name a host, such as mq.example(1414)"
            for region, hosts in self.regions.items()
            if not hosts
        ]
        if self.tls_cipher and self.key_repository is None:
            wrong.append("key_repository: TLS needs the certificates that are trusted")
        if self.key_repository and not (self.tls_cipher or self.ccdt):
            wrong.append('tls_cipher: without it there is no TLS; "ANY_TLS12_OR_HIGHER" fits most')
        if self.binding == "sandbox" and (self.tls_cipher or self.ccdt or self.library):
            wrong.append('binding = "sandbox" knows no TLS, no CCDT and no library of IBM\'s')
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def connection_name(self) -> str:
        """The hosts as MQ writes them, "h1(1414),h2(1414)"."""
        return ",".join(self.hosts)

    def hosts_of(self, region: str) -> tuple[str, ...]:
        """Return the hosts of a region's queue manager."""
        return self.regions.get(region, self.hosts)

    def at(self, hosts: tuple[str, ...]) -> MqSettings:
        """Return the same settings with other hosts."""
        return self.model_copy(update={"hosts": hosts, "regions": {}})

    @property
    def everywhere(self) -> list[MqSettings]:
        """The settings for each queue manager."""
        hosts = dict.fromkeys([self.hosts, *self.regions.values()])
        return [self.at(one) for one in hosts if one or not self.regions]

    @property
    def listeners(self) -> list[tuple[str, int]]:
        """The hosts, each with its port."""
        return [
            (host, int(port)) for host, _, port in (one[:-1].rpartition("(") for one in self.hosts)
        ]

    @property
    def place(self) -> str:
        """The queue manager and where it is, for messages."""
        return f"{self.queue_manager} at {self.connection_name or self.ccdt or 'no address'}"
