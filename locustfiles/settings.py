"""The locustfile's options: one table for Locust's command line, the environment and the web UI."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_data import manifest as manifests
from e2e_data.commands import Kind
from e2e_data.platform import Platform, load_platform
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from locustfiles import kafka_plan, mq_target
from locustfiles.addresses import addresses_of
from locustfiles.channels.gate import Gate
from locustfiles.channels.origin import Origin
from locustfiles.durations import parse_duration_s
from locustfiles.pacing import Even
from locustfiles.plan_parts.allowed import refused
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan, load_plan
from locustfiles.sandboxed import sandboxed
from reports.rundir import RunDirectory

if TYPE_CHECKING:
    # Importing Locust patches the standard library, which the command line must be spared.
    from locust.argument_parser import LocustArgumentParser

EMBEDDED = "embedded sandbox"
"""What the web UI shows, and takes, as the host where none is given."""

DEFAULT_PLAN = "demo"
WORKERS_MAX = 256
"""Worker processes on one machine."""
POOL_RESERVE_PERCENT = 10
"""How much larger than a rate and duration need, on average, a pool is made for them."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option: `--plan` has the environment variable PAYSTORM_PLAN."""

    flag: str
    help: str
    metavar: str
    default: str | None = None
    repeated: bool = False
    in_web_ui: bool = False
    """Whether the web UI's form offers it; whatever else a form sends is not used."""
    of_process: bool = False
    """Whether it says how this process is watched, and nothing of the run."""

    @property
    def keyword(self) -> str:
        """The flag as a Python name, such as runs_dir."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def env_var(self) -> str:
        """The environment variable that sets the option."""
        return f"PAYSTORM_{self.keyword.upper()}"

    @property
    def name(self) -> str:
        """The option's attribute on Locust's parsed options."""
        return f"paystorm_{self.keyword}"


OPTIONS = (
    Option("--plan", "a shipped plan or a TOML file", "PLAN", DEFAULT_PLAN, in_web_ui=True),
    Option("--rate", "commands per second of the plan's last phase", "PER_S", in_web_ui=True),
    Option("--duration", "how long the last phase sends, such as 2m", "TIME", in_web_ui=True),
    Option(
        "--channels",
        "the share of each channel, such as http=60,mq=30,kafka=10",
        "SHARES",
        in_web_ui=True,
    ),
    Option("--pool", "play this pool directory instead of the plan's pool", "DIR"),
    Option("--set", "change the plan, such as users=8", "PATH=VALUE", repeated=True),
    Option("--allow", "let commands go to this host, too", "HOST", repeated=True),
    Option("--platform", "the adapter of your platform", "FILE:CLASS"),
    Option("--book", "read the book from this SQL database, not over HTTP", "URL"),
    Option("--workers", "start so many worker processes on this machine", "N"),
    Option("--resume", "go on with a run whose process or master is no more", "RUN_DIR"),
    Option("--runs-dir", "where run directories are made", "DIR", "reports/runs"),
    Option(
        "--metrics-port",
        "serve /metrics and /health here, for Prometheus and whoever watches the process",
        "PORT",
        of_process=True,
    ),
    Option(
        "--metrics-host",
        "the address that --metrics-port listens on",
        "ADDRESS",
        "127.0.0.1",
        of_process=True,
    ),
    Option(
        "--webhook",
        "tell this address of a run that was not good; named, as env:NAME or file:PATH",
        "SECRET",
        of_process=True,
    ),
    Option(
        "--log-format", "text, or json: a line for each record", "FORMAT", "text", of_process=True
    ),
)


def add_options(parser: LocustArgumentParser) -> None:
    """Add the options to Locust's parser; may be called again and again, as Locust does."""
    if any(option.name in vars(parser.parse_known_args([])[0]) for option in OPTIONS):
        return
    # Locust listens on all interfaces unless told otherwise, without a login.
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
    # Whoever joins late gets users, and a lost worker's are replaced: not the default of Locust.
    parser.set_defaults(enable_rebalancing=True)
    for option in OPTIONS:
        extra: dict[str, Any] = {"action": "append"} if option.repeated else {}
        parser.add_argument(
            option.flag,
            dest=option.name,
            metavar=option.metavar,
            default=option.default,
            help=f"(paystorm) {option.help}",
            env_var=option.env_var,
            include_in_web_ui=option.in_web_ui,
            **extra,
        )


def given(options: argparse.Namespace | None, flag: str) -> str | None:
    """Return what one option of `OPTIONS` was given as, or its default."""
    option = next(option for option in OPTIONS if option.flag == flag)
    value: str | None = getattr(options, option.name, None)
    return value or option.default


def as_allowed(live: argparse.Namespace, fixed: argparse.Namespace) -> argparse.Namespace:
    """Return the command line's options (`fixed`) with those that the web UI's form may change.

    Locust lets the form overwrite any option, such as where files are written.
    """
    from_form = {option.name for option in OPTIONS if option.in_web_ui}
    from_form |= {"num_users", "spawn_rate", "run_time"}
    return argparse.Namespace(
        **{**vars(fixed), **{name: getattr(live, name) for name in from_form}}
    )


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
    """The database with the platform's book; None where its statements are asked for."""
    resume: RunDirectory | None = None
    """The run to go on with; its own record says everything else."""


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
    with _collecting(problems):
        workers = workers_wanted(options.paystorm_workers)
    plan, origin = Plan.model_validate(record.plan), Origin.parse(record.host)
    problems += refused(addresses_of(plan, origin), plan.allow)
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
        book=_book(options.paystorm_book),
    )


def _read_new(options: argparse.Namespace, host: str | None) -> Settings:
    values: dict[str, Any] = {
        option.flag: getattr(options, option.name) or option.default for option in OPTIONS
    }
    problems: list[str] = []
    plan = pool = platform = origin = None
    workers = 0
    with _collecting(problems):
        plan = plan_for(
            values["--plan"],
            values["--set"] or [],
            values["--rate"],
            values["--duration"],
            channels=values["--channels"],
            allow=values["--allow"] or [],
            fixed_pool=bool(values["--pool"]),
        )
        pool = _pool(plan, values["--pool"])
    with _collecting(problems):
        platform = load_platform(values["--platform"])
    with _collecting(problems):
        origin = Origin.parse(host) if host and host != EMBEDDED else None
        if plan is not None and origin is not None:
            # Its certificates and secrets are read, so that what is missing is said now.
            Gate(origin, plan.http, plan.timeout_s)
    if plan is not None:
        problems += refused(addresses_of(plan, origin), plan.allow)
    with _collecting(problems):
        workers = workers_wanted(values["--workers"])
    if plan is not None and origin is None and values["--channels"] is None:
        plan = sandboxed(plan)
    if plan is not None:
        problems += _too_few(plan, options.num_users or plan.users, workers)
        problems += mq_target.check(plan, embedded=origin is None)
        problems += kafka_plan.check(plan, embedded=origin is None)
    with _collecting(problems):
        _book(values["--book"])
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
    )


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


def _book(url: str | None) -> str | None:
    """Return where the book is, once it can be read there. Raises Problems."""
    if url:
        # Loaded where it is wanted: it takes its time.
        from reports.book_sql import check_source

        check_source(url)
    return url or None


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
    plan = load_plan(source, changes)
    if channels is not None or allow:
        changes = [*changes, *(_shares(plan, channels) if channels is not None else ())]
        changes += [f"allow={json.dumps([*plan.allow, *allow])}"]
        plan = load_plan(source, changes)
    phase = list(plan.phases)[-1]
    shorthand = _shorthand(phase, rate, duration)
    if not shorthand:
        return plan
    plan = load_plan(source, [*changes, *shorthand])
    if fixed_pool or any(change.partition("=")[0].strip() == "pool.accounts" for change in changes):
        return plan
    return load_plan(source, [*changes, *shorthand, *_pool_size(plan, plan.phases[phase])])


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
