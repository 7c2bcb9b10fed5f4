"""A plan: what a run sends, when, and what is asked of it. A TOML file that reads as its story."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)

from e2e_data import config as pool_config
from e2e_data.commands import Channel, Kind
from e2e_data.config import PoolConfig
from e2e_data.problems import Problems, of_validation
from locustfiles.bindings import BRINGS, NEEDS
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.channels.mq_settings import MqSettings
from locustfiles.durations import parse_duration_s
from locustfiles.mix import Mix
from locustfiles.pacing import Even, Pace, Poisson
from locustfiles.profiles import SECOND_NS, Profile, ramp, steps
from reports.slos import Fitness, KindName, Slo

SHIPPED = files("locustfiles") / "plans"


def _duration(value: object) -> object:
    return parse_duration_s(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_duration), Field(allow_inf_nan=False)]
"""A number of seconds, or text such as "90s" and "2m"."""

RATE_MAX = 1_000_000
Rate = Annotated[float, Field(gt=0, le=RATE_MAX)]
"""Arrivals per second."""


def _channels(value: object) -> object:
    """Read shares by the names of channels, such as { http = 60, mq = 40 }."""
    if not isinstance(value, Mapping):
        return value
    known = {channel.name.lower(): channel for channel in Channel}
    unknown = [str(name) for name in value if name not in known and name not in known.values()]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: channels are {', '.join(known)}")
    return {known.get(name, name): share for name, share in value.items()}


def _mixed(value: dict[Channel, float]) -> dict[Channel, float]:
    Mix.of(value)
    missing = [channel.name.lower() for channel in value if channel not in SENT_OVER]
    if missing:
        sent_over = ", ".join(channel.name.lower() for channel in SENT_OVER)
        raise ValueError(f"{', '.join(missing)}: this version sends over {sent_over} only")
    return value


SENT_OVER = (Channel.HTTP, Channel.MQ, Channel.KAFKA)
"""The channels that there is a line for."""

Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Channels = Annotated[
    dict[Channel, Share],
    BeforeValidator(_channels),
    AfterValidator(_mixed),
    PlainSerializer(lambda value: {c.name.lower(): share for c, share in value.items()}),
]
"""Shares by channel, of whatever sum: { http = 60, mq = 30, kafka = 10 }."""


def _exact(rate: float) -> Fraction:
    """Return a rate as exact as it was written: 0.1 is a tenth."""
    return Fraction(str(rate))


def _ns(seconds: float) -> int:
    return round(seconds * SECOND_NS)


class Part(BaseModel):
    """What all parts of a plan have in common: they do not change, and know their settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(Part):
    """A rate that stays for a while."""

    rate_per_s: Rate
    for_s: Seconds = Field(gt=0)


class Phase(Part):
    """One phase: it begins when the one before has its completions."""

    sends: tuple[KindName, ...]
    """Kinds of commands, interleaved evenly."""
    channels: Channels | None = None
    """Over which channels; those of the plan unless the phase has its own."""
    rate_per_s: Rate
    """How many arrivals there are in a second; of a ramp or of steps, what it comes to in the end."""
    profile: Literal["constant", "ramp", "steps"] = "constant"
    from_per_s: float = Field(default=0, ge=0, le=RATE_MAX, allow_inf_nan=False)
    """Where a ramp begins."""
    over_s: Seconds | None = Field(default=None, gt=0)
    """How long a ramp takes to come to `rate_per_s`."""
    steps: tuple[Step, ...] = ()
    """The rates before `rate_per_s`, each with its time."""
    spacing: Literal["even", "poisson"] = "even"
    """Arrivals at equal distances, or at random ones, as of many independent customers."""
    late: Literal["overdue", "drop"] = "overdue"
    """What becomes of an arrival that is due while all users wait: sent as soon as one is free, or
    given up after `drop_after_s`. The command itself is never given up."""
    drop_after_s: Seconds = Field(default=1, ge=0)
    duration_s: Seconds | None = Field(default=None, gt=0)
    """Ends the sending after so long; without it, the phase sends all that the pool has."""
    settle_s: Seconds = Field(default=10, gt=0)
    """Without any movement for so long, pending commands are left behind."""

    @field_validator("sends")
    @classmethod
    def _sends(cls, value: tuple[Kind, ...]) -> tuple[Kind, ...]:
        # No min_length: pydantic would say it of a kind that is misspelt, too.
        if not value:
            raise ValueError(f"name one kind or more of {', '.join(kind.label for kind in Kind)}")
        return value

    @model_validator(mode="after")
    def _profile(self) -> Phase:
        # By value, since a run's record has every setting, and is read as a plan again.
        fields = type(self).model_fields
        given = {name for name in fields if getattr(self, name) != fields[name].default}
        wrong = [
            f'{name} is for profile = "{profile}", and this is "{self.profile}"'
            for name, profile in (("from_per_s", "ramp"), ("over_s", "ramp"), ("steps", "steps"))
            if name in given and self.profile != profile
        ]
        if self.profile == "ramp" and self.over_s is None:
            wrong.append("over_s: a ramp takes some time, such as over_s = 60")
        if self.profile == "steps" and not self.steps:
            wrong.append("steps: name them, such as steps = [{ rate_per_s = 100, for_s = 30 }]")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def rates(self) -> Profile:
        """The rate over time, as exact as it was written."""
        last = _exact(self.rate_per_s)
        if self.profile == "ramp":
            assert self.over_s is not None, "a ramp was checked to have it"
            return ramp(_exact(self.from_per_s), last, _ns(self.over_s))
        levels = [(_exact(step.rate_per_s), _ns(step.for_s)) for step in self.steps]
        return steps(levels, last)

    def pace(self, seed: int, stream: int = 0) -> Pace:
        """Return when its arrivals are due; random ones are the same for the same seed and stream."""
        return Even(self.rates) if self.spacing == "even" else Poisson(self.rates, seed, stream)

    @property
    def duration_ns(self) -> int | None:
        """How long it sends; None until nothing is left."""
        return None if self.duration_s is None else round(self.duration_s * SECOND_NS)

    @property
    def settle_ns(self) -> int:
        """How long nothing may move before pending commands are left behind."""
        return round(self.settle_s * SECOND_NS)

    @property
    def drop_after_ns(self) -> int | None:
        """How late an arrival may be before it is given up; None when it never is."""
        return round(self.drop_after_s * SECOND_NS) if self.late == "drop" else None


class Fleet(Part):
    """What holds for a run with several processes that send."""

    lease_s: Seconds = Field(default=10, ge=2, le=600)
    """A worker that was not heard of for so long is given up, and others take over its commands."""
    resend: bool = True
    """Whether what a lost worker may have sent is sent again under the same id, where the platform
    is idempotent; otherwise it is unknown until the book tells."""

    journals: str = "auto"
    """Where workers keep what they saw: in the run directory where they see it, and else with the
    master (auto); with the master; or in object storage, by URL, such as "s3://bucket/folder"."""

    @field_validator("journals")
    @classmethod
    def _journals(cls, value: str) -> str:
        if value not in ("auto", "master") and "://" not in value:
            raise ValueError("auto, master, or a URL such as s3://bucket/folder")
        if "@" in value:
            raise ValueError("leave credentials out: every worker has them in its environment")
        return value

    @property
    def lease_ns(self) -> int:
        """`lease_s` in nanoseconds."""
        return round(self.lease_s * SECOND_NS)


class PoolChoice(Part):
    """Which pool to play: a preset, and what differs from it."""

    preset: str = "smoke"
    seed: int = Field(default=7, ge=0, lt=2**63)
    overrides: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _collect(cls, value: Any) -> Any:
        """Take every other setting of the table as an override of the preset."""
        if not isinstance(value, Mapping) or "overrides" in value:
            return value
        own = {name: value[name] for name in ("preset", "seed") if name in value}
        return {**own, "overrides": {k: v for k, v in value.items() if k not in own}}

    def config(self) -> PoolConfig:
        """Return the pool's configuration. Raises Problems, naming all that is wrong with it."""
        return pool_config.load(self.preset, self.overrides)


class Plan(Part):
    """A whole plan."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    description: str = ""
    users: int = Field(default=64, ge=1, le=100_000)
    """The most users at once: what bounds the commands in flight."""
    timeout_s: Seconds = Field(default=10, gt=0)
    """The whole time that one request may take; after it the command is unknown."""
    completion_deadline_s: Seconds = Field(default=30, gt=0)
    """A command whose outcome is observed later than this after its intended time is late."""
    pool: PoolChoice = PoolChoice()
    channels: Channels = {Channel.HTTP: 100}
    """The share of commands that goes over each channel."""
    sandbox_channels: Channels | None = None
    """The same, where the platform is the embedded sandbox, which has every channel."""
    channels_by: Literal["command", "account"] = "command"
    """Whether each command has a channel of its own, or an account's commands keep to one."""
    http: HttpSettings = HttpSettings()
    mq: MqSettings = Field(default_factory=MqSettings)
    kafka: KafkaSettings | None = None
    """With it, completions come from the event topic, over whatever channel a command was sent."""
    phases: dict[str, Phase] = Field(min_length=1)
    slos: tuple[Slo, ...] = ()
    fitness: Fitness = Fitness()
    fleet: Fleet = Fleet()

    def mix(self, phase: Phase) -> Mix:
        """Return the channels that a phase sends over."""
        return Mix.of(phase.channels or self.channels)

    @property
    def channels_used(self) -> tuple[Channel, ...]:
        """The channels that any phase sends over, in their order."""
        return tuple(
            sorted({c for phase in self.phases.values() for c in self.mix(phase).channels})
        )

    @model_validator(mode="after")
    def _whole(self) -> Plan:
        wrong = _order_faults(list(self.phases.values()))
        wrong += [
            f"slos: phase {slo.phase!r} is none of {', '.join(self.phases)}"
            for slo in self.slos
            if slo.phase is not None and slo.phase not in self.phases
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def _order_faults(phases: Sequence[Phase]) -> list[str]:
    """Name the kinds that are sent twice, or before what they need (docs/contract.md, order)."""
    faults: list[str] = []
    sent: list[Kind] = []
    for phase in phases:
        for kind in phase.sends:
            if kind in sent:
                faults.append(f"phases: {kind.label} is sent twice")
            sent.append(kind)
        before = sent[: -len(phase.sends)]
        for kind, needed in NEEDED.items():
            if kind in phase.sends and needed not in before:
                faults.append(
                    f"phases: {kind.label} needs a phase before it that sends {needed.label}"
                )
    return faults


NEEDED = {
    kind: brought_by
    for kind, stage in NEEDS.items()
    for brought_by, brought in BRINGS.items()
    if brought is stage
}
"""What must be complete, by a phase before, when a kind is sent."""


def shipped_plans() -> list[str]:
    """Return the names of the plans that come with paystorm."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in SHIPPED.iterdir()
        if entry.name.endswith(".toml")
    )


def load_plan(source: str, settings: Sequence[str] = ()) -> Plan:
    """Read the plan `source`, a shipped one's name or a file, changed by `settings`.

    A setting is "path.to.value=VALUE" with VALUE in TOML, such as
    "phases.payments.rate_per_s=500". Raises Problems with everything that is wrong.
    """
    document = _document(source)
    problems = [fault for text in settings if (fault := _apply(document, text))]
    plan = None
    try:
        plan = Plan.model_validate(document)
    except ValidationError as error:
        problems += of_validation(f"plan {source}", error).problems
    problems += _pool_faults(document.get("pool", {}))
    if problems or plan is None:
        raise Problems(problems)
    return plan


def _pool_faults(table: object) -> tuple[str, ...]:
    """Name what is wrong with the pool that a plan's table `pool` describes."""
    try:
        PoolChoice.model_validate(table).config()
    except Problems as found:
        return found.problems
    except ValidationError:
        return ()  # Told with the plan, of which the table is a part.
    return ()


def _document(source: str) -> dict[str, Any]:
    if source in shipped_plans():
        text = (SHIPPED / f"{source}.toml").read_text("utf-8")
    elif Path(source).is_file():
        text = Path(source).read_text("utf-8", errors="replace")
    else:
        raise Problems(
            [
                f"there is no plan {source!r}: give a TOML file, or one of {', '.join(shipped_plans())}"
            ]
        )
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Problems([f"plan {source} is not TOML: {error}"]) from error


def _apply(document: dict[str, Any], setting: str) -> str | None:
    """Change `document` by one setting; return what is wrong with the setting, if anything is."""
    path, equals, text = setting.partition("=")
    names = path.strip().split(".")
    if not equals or not all(names):
        return f"--set {setting}: write path=value, such as phases.payments.rate_per_s=500"
    table = document
    for name in names[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            return f"--set {setting}: {name} is a value, not a table"
    table[names[-1]] = _toml_value(text.strip())
    return None


def _toml_value(text: str) -> Any:
    """Read a TOML value; what is none, such as a bare word, is taken as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
