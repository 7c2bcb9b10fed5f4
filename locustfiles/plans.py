"""A plan: what a run sends, when, and what is asked of it. A TOML file that reads as its story."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from e2e_data import config as pool_config
from e2e_data.commands import Channel, Kind
from e2e_data.config import PoolConfig
from e2e_data.ids import LAPS, SHARDS
from e2e_data.problems import Problems, of_validation
from locustfiles.bindings import BRINGS, NEEDS
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.channels.mq_settings import MqSettings
from locustfiles.mix import Mix
from locustfiles.plan_parts.allowed import Allowed
from locustfiles.plan_parts.budget import Budget
from locustfiles.plan_parts.channels import Channels
from locustfiles.plan_parts.faults import Fault, SandboxChoice, Wire
from locustfiles.plan_parts.padding import Padding
from locustfiles.plan_parts.part import Part, Seconds
from locustfiles.plan_parts.phase import Phase
from locustfiles.plan_parts.rates import ProfileName, name_faults
from locustfiles.plan_parts.retries import Retries
from locustfiles.plan_parts.server import Server
from locustfiles.plan_parts.traces import load_trace
from locustfiles.profiles import SECOND_NS
from reports.slos import Fitness, KindName, Slo

SHIPPED = files("locustfiles") / "plans"


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
    """Where the pool's configuration starts from."""
    seed: int = Field(default=7, ge=0, lt=2**63)
    """The same seed and configuration give the same pool, everywhere."""
    laps: int = Field(default=1, ge=1, lt=LAPS)
    """How often the pool is played: a phase ends when all laps of it have run out. Each lap has ids and
    accounts of its own, which are opened with the others', and the same happens to them."""
    overrides: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _collect(cls, value: Any) -> Any:
        """Take every other setting of the table as an override of the preset."""
        if not isinstance(value, Mapping) or "overrides" in value:
            return value
        own = {name: value[name] for name in ("preset", "seed", "laps") if name in value}
        return {**own, "overrides": {k: v for k, v in value.items() if k not in own}}

    def config(self) -> PoolConfig:
        """Return the pool's configuration. Raises Problems, naming all that is wrong with it."""
        return pool_config.load(self.preset, self.overrides)


class Plan(Part):
    """A whole plan."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")
    """The run directory is named after it."""
    description: str = ""
    """One sentence, for whoever looks at the plan or its report."""
    users: int = Field(default=64, ge=1, le=100_000)
    """The most users at once: what bounds the commands in flight."""
    timeout_s: Seconds = Field(default=10, gt=0)
    """The whole time that one request may take; after it the command is unknown."""
    completion_deadline_s: Seconds = Field(default=30, gt=0)
    """A command whose outcome is observed later than this after its intended time is late."""
    pool: PoolChoice = PoolChoice()
    channels: Channels = Field(default_factory=lambda: {Channel.HTTP: 100.0})
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
    budget: Budget = Budget()
    server: Server | None = None
    """The platform's own monitoring, beside ours."""
    padding: Padding = Padding()
    retries: Retries = Retries()
    faults: tuple[Fault, ...] = ()
    """What is done to the platform or the wire, and when."""
    wire: Wire = Wire()
    sandbox: SandboxChoice = SandboxChoice()
    allow: tuple[Allowed, ...] = ()
    """Hosts that commands may go to, beside this machine itself."""

    def mix(self, phase: Phase) -> Mix:
        """Return the channels that a phase sends over."""
        return Mix.of(phase.channels or self.channels)

    def slos_of(self, phase: str) -> tuple[Slo, ...]:
        """Return the SLOs that are about anything that a phase sends."""
        planned = self.phases[phase]
        channels = self.mix(planned).channels
        return tuple(
            slo
            for slo in self.slos
            if slo.phase in (None, phase)
            and slo.kind in (None, *planned.sends)
            and slo.channel in (None, *channels)
        )

    @property
    def watched(self) -> tuple[Slo, ...]:
        """The SLOs that are looked at while a run is on: those that may end it, or lead a search."""
        searches = any(phase.profile == "search" for phase in self.phases.values())
        return tuple(
            slo for slo in self.slos if slo.abort_after_s is not None or (searches and slo.steers)
        )

    @property
    def channels_used(self) -> tuple[Channel, ...]:
        """The channels that any phase sends over, in their order."""
        return tuple(
            sorted({c for phase in self.phases.values() for c in self.mix(phase).channels})
        )

    @model_validator(mode="after")
    def _whole(self) -> Plan:
        wrong = _order_faults([phase.sends for phase in self.phases.values()])
        wrong += _phase_faults(self.slos, self.phases)
        wrong += [
            f"phases.{name}: a search takes an SLO that is seen while it is on, of a latency or "
            f'errors_below_percent, such as slos = [{{ latency = "response", percentile = 99, '
            "below_ms = 250 }]"
            for name, phase in self.phases.items()
            if phase.profile == "search" and not any(one.steers for one in self.slos_of(name))
        ]
        wrong += [
            f"faults: phase {fault.phase!r} is none of {', '.join(self.phases)}"
            for fault in self.faults
            if fault.phase not in self.phases
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def _phase_faults(slos: Iterable[Slo], phases: Collection[str]) -> list[str]:
    """Name the phases of SLOs that the plan does not have."""
    return [
        f"slos: phase {slo.phase!r} is none of {', '.join(phases)}"
        for slo in slos
        if slo.phase is not None and slo.phase not in phases
    ]


def _hidden_faults(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong between the parts of a plan, where a part is wrong by itself.

    What can be read of it is looked at: what would only follow from the part that is wrong is not told.
    """
    phases, slos = document.get("phases"), document.get("slos", [])
    if not isinstance(phases, dict):
        return
    sends = [
        _read(Sends, phase.get("sends") if isinstance(phase, dict) else None)
        for phase in phases.values()
    ]
    if all(sends):
        yield from _order_faults(sends)
    for name, phase in phases.items():
        if isinstance(phase, dict) and _has_wrong_values(phase):
            profile = _read(ProfileName, phase.get("profile", "constant"))
            faults = name_faults(phase, profile) if profile else []
            yield from (f"phases.{name}: {fault}" for fault in faults)
    given = (_read(Slo, slo) for slo in (slos if isinstance(slos, list) else ()))
    yield from _phase_faults(filter(None, given), phases)


def _has_wrong_values(phase: Mapping[str, Any]) -> bool:
    """Tell whether a phase has a wrong value, so that nobody looked at how its settings go together."""
    try:
        Phase.model_validate(phase)
    except ValidationError as error:
        return any(item["loc"] for item in error.errors())
    return False


Sends = tuple[KindName, ...]


def _read(kind: Any, value: object) -> Any:
    """Return a value as a part of a plan; None where it is none."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None


def _order_faults(phases: Sequence[Sequence[Kind]]) -> list[str]:
    """Name the kinds that are sent twice, or before what they need (docs/contract.md, order)."""
    faults: list[str] = []
    sent: list[Kind] = []
    for sends in phases:
        for kind in sends:
            if kind in sent:
                faults.append(f"phases: {kind.label} is sent twice")
            sent.append(kind)
        before = sent[: -len(sends)]
        for kind, needed in NEEDED.items():
            if kind in sends and needed not in before:
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


def load_plan(source: str, settings: Sequence[str] = (), *, own_pool: bool = True) -> Plan:
    """Read the plan `source`, a shipped one's name or a file, changed by `settings`.

    A setting is "path.to.value=VALUE" with VALUE in TOML, such as
    "phases.payments.rate_per_s=500". Raises Problems with everything that is wrong; where another pool than
    its own is played, whoever opens that one asks for `names_faults`.
    """
    document = _document(source)
    problems = [fault for text in settings if (fault := _apply(document, text))]
    problems += _load_traces(document, source)
    plan = None
    try:
        plan = Plan.model_validate(document)
    except ValidationError as error:
        problems += of_validation(f"plan {source}", error).problems
        if all(item["loc"] for item in error.errors()):
            problems += (f"plan {source}: {fault}" for fault in _hidden_faults(document))
    problems += _pool_faults(document.get("pool", {})) or (
        names_faults(plan, plan.pool.config()) if plan is not None and own_pool else ()
    )
    if problems or plan is None:
        raise Problems(problems)
    return plan


def _load_traces(document: dict[str, Any], source: str) -> list[str]:
    """Put the contents of CSV files where they are named; return what is wrong with any of them."""
    problems: list[str] = []
    phases = document.get("phases", {})
    for phase in phases.values() if isinstance(phases, dict) else ():
        named = phase.get("trace") if isinstance(phase, dict) else None
        if isinstance(named, str) and named.endswith(".csv"):
            try:
                phase["trace"] = load_trace(Path(source).parent / named)
            except Problems as found:
                problems += found.problems
                phase["trace"] = "1"  # Whatever else is wrong is told, too.
    return problems


def _pool_faults(table: object) -> tuple[str, ...]:
    """Name what is wrong with the pool that a plan's table `pool` describes."""
    try:
        choice = PoolChoice.model_validate(table)
        shards = choice.config().shard_count * choice.laps
        if shards > SHARDS:
            return (
                f"pool.laps = {choice.laps}: that makes {shards:,} shards; ids hold {SHARDS:,}",
            )
    except Problems as found:
        return found.problems
    except ValidationError:
        return ()  # Told with the plan, of which the table is a part.
    return ()


def names_faults(plan: Plan, config: PoolConfig) -> list[str]:
    """Name regions, and currencies of the budget, that the pool that is played does not have."""
    regions, currencies = config.regions, config.currencies
    named = [("slos", slo.region) for slo in plan.slos if slo.region is not None]
    named += [("http.regions", region) for region in plan.http.regions]
    named += [("mq.regions", region) for region in plan.mq.regions]
    named += [("kafka.regions", region) for region in (plan.kafka.regions if plan.kafka else ())]
    crossing = [slo for slo in plan.slos if slo.to_other_region is not None and not regions]
    return (
        [
            "slos: to_other_region is asked, and the pool has no regions: set pool.regions"
            for _ in crossing[:1]
        ]
        + [
            f"{where}: region {region!r} is none of the pool's: {', '.join(regions) or 'it has none'}"
            for where, region in named
            if region not in regions
        ]
        + [
            f"budget.moved: {currency} is none of the pool's currencies: {', '.join(currencies)}"
            for currency in plan.budget.moved
            if currency not in currencies
        ]
    )


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
