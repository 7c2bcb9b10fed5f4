"""What a run is made of, read from the options and checked."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from e2e_data import manifest as manifests
from e2e_data.commands import Kind
from e2e_data.platform import Platform, load_platform
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from locustfiles import books, fault_plan, kafka_plan, mq_target, regions
from locustfiles.addresses import addresses_of
from locustfiles.channels.gates import Gates
from locustfiles.channels.origin import Origin
from locustfiles.durations import parse_duration_s
from locustfiles.options import OF_THE_PLAN, OPTIONS, given
from locustfiles.pacing import Even
from locustfiles.plan_parts.allowed import hosts_in, refused
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan, load_plan, names_faults
from locustfiles.sandboxed import sandboxed
from locustfiles.tracing import Tracing, tracing_of
from reports.rundir import RunDirectory

EMBEDDED = "embedded sandbox"
"""What the web UI shows, and takes, as the host where none is given."""

WORKERS_MAX = 256
"""Worker processes on one machine."""
POOL_RESERVE_PERCENT = 10
"""How much larger than a rate and duration need, on average, a pool is made for them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is made of, read and checked."""

    plan: Plan
    pool: Pool
    platform: Platform
    platform_spec: str | None
    origin: Origin | None
    """Where the platform listens; None for the embedded sandbox."""
    users: int
    workers: int
    """Worker processes to start on this machine; 0 where none are, or others start them."""
    runs_dir: Path
    book: str | None = None
    """The database, or the event topic, with the platform's book; None where its statements are asked for."""
    resume: RunDirectory | None = None
    """The run to go on with; its own record says everything else."""
    tracing: Tracing | None = None
    """What is recorded for OpenTelemetry; None for nothing."""

    def gates(self, origin: Origin) -> Gates:
        """Return the gates to the platform, which listens at `origin`. Raises Problems."""
        plan, regions = self.plan, self.pool.config.regions
        return Gates(origin, plan.http, plan.timeout_s, plan.allow, regions)


def read_settings(options: argparse.Namespace, host: str | None) -> Settings:
    """Check Locust's parsed options and the host. Raises Problems with everything that is wrong."""
    resumed = getattr(options, "paystorm_resume", None)
    return settings_of_run(options, Path(resumed)) if resumed else _read_new(options, host)


def settings_of_run(options: argparse.Namespace, path: Path) -> Settings:
    """Return what the run in `path` was made of, to go on with it. Raises Problems."""
    directory = RunDirectory.open(path)
    record = directory.record()
    problems: list[str] = []
    if record.state != "running":
        problems.append(
            f"--resume {path}: the run has {record.state}: there is nothing to go on with"
        )
    if record.embedded_sandbox:
        problems.append(f"--resume {path}: its platform was embedded, and ended with its process")
    workers = 0
    tracing = None
    with _collecting(problems):
        workers = workers_wanted(options.paystorm_workers)
    with _collecting(problems):
        tracing = tracing_of(options)
    plan, origin = Plan.model_validate(record.plan), Origin.parse(record.host)
    problems += refused(addresses_of(plan, origin), plan.allow)
    book = options.paystorm_book or None
    with _collecting(problems):
        problems += books.check(book, plan, embedded=False)
    if problems:
        raise Problems(problems)
    return Settings(
        plan=plan,
        pool=Pool.of_manifest(manifests.read(directory.pool)).lapped(record.laps),
        platform=load_platform(record.platform),
        platform_spec=record.platform,
        origin=origin,
        users=options.num_users or plan.users,
        workers=workers,
        runs_dir=directory.path.parent.parent,
        resume=directory,
        book=book,
        tracing=tracing,
    )


def _read_new(options: argparse.Namespace, host: str | None) -> Settings:
    values: dict[str, Any] = {
        option.flag: getattr(options, option.name) or option.default for option in OPTIONS
    }
    problems: list[str] = []
    plan = pool = platform = origin = tracing = None
    workers = 0
    with _collecting(problems):
        plan = plan_for(
            values["--plan"],
            changes_of(values["--preset"], values["--set"] or []),
            values["--rate"],
            values["--duration"],
            channels=values["--channels"],
            allow=values["--allow"] or [],
            fixed_pool=bool(values["--pool"]),
        )
        pool = _pool(plan, values["--pool"])
    if values["--preset"] not in (None, OF_THE_PLAN) and values["--pool"]:
        problems.append("--preset: the pool is that of --pool: leave one of them out")
    with _collecting(problems):
        platform = load_platform(values["--platform"])
    with _collecting(problems):
        origin = _origin(plan, host)
    if plan is not None:
        problems += refused(addresses_of(plan, origin), plan.allow)
    with _collecting(problems):
        workers = workers_wanted(values["--workers"])
    if plan is not None and origin is None and values["--channels"] is None:
        plan = sandboxed(plan)
    if plan is not None and pool is not None:
        hosted = host not in (None, "", EMBEDDED)
        problems += regions.check(plan, pool.config.regions, hosted=hosted)
        problems += names_faults(plan, pool.config) if values["--pool"] else []
    if plan is not None:
        problems += _too_few(plan, options.num_users or plan.users, workers)
        problems += mq_target.check(plan, embedded=origin is None)
        problems += kafka_plan.check(plan, embedded=origin is None)
        problems += fault_plan.check(plan, embedded=origin is None)
    with _collecting(problems):
        problems += books.check(values["--book"] or None, plan, embedded=origin is None)
    with _collecting(problems):
        tracing = tracing_of(options)
    if problems:
        raise Problems(problems)
    assert plan is not None
    assert pool is not None
    assert platform is not None
    return Settings(
        plan=plan,
        pool=pool,
        platform=platform,
        platform_spec=values["--platform"],
        origin=origin,
        users=options.num_users or plan.users,
        workers=workers,
        runs_dir=Path(values["--runs-dir"]),
        book=values["--book"] or None,
        tracing=tracing,
    )


def _origin(plan: Plan | None, host: str | None) -> Origin | None:
    """Return where the platform listens; None for the embedded sandbox. Raises Problems."""
    host = host if host != EMBEDDED else None
    if plan is None:
        return Origin.parse(host) if host else None
    origin = regions.main_origin(plan, host)
    if origin is not None:
        # Its certificates and secrets are read, so that what is missing is said now.
        Gates(origin, plan.http, plan.timeout_s)
    return origin


def _too_few(plan: Plan, users: int, workers: int) -> list[str]:
    """Name what a process cannot do that has fewer users than channels."""
    channels, processes = len(plan.channels_used), max(workers, 1)
    if users >= channels * processes:
        return []
    where = f" in each of {processes} workers" if workers else ""
    return [
        f"users = {users}: give at least {channels * processes} (-u), since each channel needs a user"
        f"{where}"
    ]


def platform_of(options: argparse.Namespace | None) -> Platform:
    """Return the adapter that the options name. Raises Problems."""
    return load_platform(given(options, "--platform"))


@contextmanager
def _collecting(problems: list[str]) -> Iterator[None]:
    """Add what is found wrong to `problems`, so that all of it can be said at once."""
    try:
        yield
    except Problems as found:
        problems += found.problems


def changes_of(preset: str | None, changes: Sequence[str]) -> list[str]:
    """Return what --preset and --set change in a plan; the latter is more particular."""
    own = preset in (None, "", OF_THE_PLAN)
    return [*([] if own else [f"pool.preset={preset}"]), *changes]


def plan_for(
    source: str,
    changes: Sequence[str],
    rate: str | None,
    duration: str | None,
    *,
    channels: str | None = None,
    allow: Sequence[str] = (),
    fixed_pool: bool,
) -> Plan:
    """Return the plan with its last phase at `rate` for `duration`, and a pool that suffices.

    All phases send over `channels`, shares such as "http=60,mq=40"; commands may go to the hosts that
    `allow` names, and to those of the plan. The pool keeps its size where it
    is given (`fixed_pool`) or set by hand. Raises Problems.
    """
    load = partial(load_plan, source, own_pool=not fixed_pool)
    plan = load(changes)
    if channels is not None or allow:
        changes = [*changes, *(_shares(plan, channels) if channels is not None else ())]
        changes += [f"allow={json.dumps([*plan.allow, *hosts_in(allow)])}"]
        plan = load(changes)
    phase = list(plan.phases)[-1]
    shorthand = _shorthand(phase, rate, duration)
    if not shorthand:
        return plan
    plan = load([*changes, *shorthand])
    if fixed_pool or any(change.partition("=")[0].strip() == "pool.accounts" for change in changes):
        return plan
    return load([*changes, *shorthand, *_pool_size(plan, plan.phases[phase])])


def _shares(plan: Plan, channels: str) -> list[str]:
    """Return what --channels sets: the plan's channels, and those of phases that have their own."""
    own = [f"phases.{name}." for name, phase in plan.phases.items() if phase.channels is not None]
    return [f"{of}channels={{{channels}}}" for of in ["", *own]]


def _shorthand(phase: str, rate: str | None, duration: str | None) -> list[str]:
    """Return what --rate and --duration set."""
    settings: list[str] = []
    problems: list[str] = []
    if rate is not None:
        settings.append(f"phases.{phase}.rate_per_s={rate}")
        if not _positive(rate):
            problems.append(f"--rate {rate}: give a number of commands per second above 0")
    if duration is not None:
        try:
            settings.append(f"phases.{phase}.duration_s={parse_duration_s(duration)}")
        except ValueError as error:
            problems.append(f"--duration: {error}")
    if problems:
        raise Problems(problems)
    return settings


def _pool_size(plan: Plan, phase: Phase) -> list[str]:
    """Return the setting that makes the pool large enough for a phase of a known duration."""
    if phase.duration_ns is None:
        return []
    config = plan.pool.config()
    each = {
        Kind.ACCOUNT: 1,
        Kind.OPENING_CREDIT: 1,
        Kind.FUNDING: sum(config.funding) / 2,
        Kind.PAYMENT: sum(config.payments) / 2,
    }
    per_account = plan.pool.laps * sum(each[kind] for kind in phase.sends)
    arrivals = Even(phase.rates).due_by(phase.duration_ns)
    wanted = arrivals * (1 + POOL_RESERVE_PERCENT / 100)
    return [f"pool.accounts={max(1, round(wanted / max(per_account, 1)))}"]


def workers_wanted(text: str | None) -> int:
    """Read --workers; 0 without it. Raises Problems."""
    if text is None:
        return 0
    if not text.isdecimal() or not 1 <= int(text) <= WORKERS_MAX:
        raise Problems([f"--workers {text}: give a number of processes from 1 to {WORKERS_MAX}"])
    return int(text)


def _positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


def _pool(plan: Plan, directory: str | None) -> Pool:
    """Open the given pool, or describe the plan's, whose shards are made when they are needed."""
    one = (
        Pool.open(Path(directory))
        if directory
        else Pool.in_memory(plan.pool.config(), plan.pool.seed)
    )
    return one.lapped(plan.pool.laps)
