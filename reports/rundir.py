"""A run directory: everything that was seen of one run, so that it can be judged offline.

run.json            plan, pool, key and nonce, addresses, versions, times
pool/               the pool's manifest, from which its commands are made again
journal/            facts as Parquet chunks, one series per process; grants.jsonl
bindings/           which account id the platform gave to which account
book/               the platform's statements, or its events to replay, taken after the drain
latency/            histograms of the latencies, in the log format of HdrHistogram; workers.jsonl
control.jsonl       what was asked of the run while it was on
timeline.jsonl      one row per second, and what happened when
locust_stats*.csv   Locust's own statistics
findings.json  summary.json  report.html  report.md  junit.xml   written by the judge
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from e2e_data.commands import Kind
from e2e_data.ids import Ids
from e2e_data.problems import Problems, of_validation
from reports.server_metric import ServerMetric
from reports.slos import Fitness, Slo

FORMAT = 1


class PhaseRecord(BaseModel):
    """What the judge has to know of a phase."""

    model_config = ConfigDict(frozen=True)

    name: str
    sends: tuple[Kind, ...]
    weights: tuple[int, ...] = ()
    """How many of each kind come in the same time; empty where each is spread over the phase."""
    completion_deadline_s: float | None = None
    """The phase's own; None for the run's."""
    warm_up_s: float = 0
    """SLOs leave out what was due in so long from its beginning."""
    search_from_per_s: int = 0
    """The rate that a search begins with; 0 where the phase is none."""


class RunRecord(BaseModel):
    """The contents of run.json."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    run_id: str
    plan_name: str
    plan: dict[str, Any]
    """The plan as it was carried out, overrides included."""
    phases: tuple[PhaseRecord, ...]
    completion_deadline_s: float
    slos: tuple[Slo, ...] = ()
    fitness: Fitness = Fitness()
    server: tuple[ServerMetric, ...] = ()
    """What was taken of the platform's own monitoring, and is asked of it."""
    key: str = Field(pattern="^[0-9a-f]{32}$")
    """The key of the run's ids, 32 hex characters; not a secret."""
    nonce: int = Field(gt=0, lt=2**64)
    laps: int = Field(default=1, ge=1)
    """How often the pool was played; each lap has accounts of its own."""
    shards: int = Field(default=0, ge=0)
    """Of a lap, as the ids have to know (e2e_data/ids.py)."""
    host: str
    regions: dict[str, str] = {}
    """Region -> its own address over HTTP, of those that have one."""
    embedded_sandbox: bool
    platform: str | None = None
    """The adapter as FILE:CLASS; None for the default one."""
    versions: dict[str, str]
    epoch_utc_ns: int
    """The wall clock when the run's monotonic clock stood at 0."""
    state: Literal["running", "ended", "interrupted", "failed"] = "running"
    failure: str = ""
    drained: bool = False
    """True once nothing was pending, or nothing had moved for the plan's settle time."""
    ended_ns: int | None = None
    workers: int = 0
    """How many processes of a fleet were asked for; 0 where one process sends by itself."""
    masters: int = 1
    """How many masters the run has had, one after the other."""
    clock_error_ns: int = 0
    """The most that times of different processes may be off against each other."""

    @property
    def ids(self) -> Ids:
        """The scheme that made the run's ids and decodes them."""
        return Ids(bytes.fromhex(self.key), self.nonce, self.shards)


class RunDirectory:
    """The places of one run directory, and its record."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, runs_dir: Path, plan_name: str) -> RunDirectory:
        """Make a new directory `<runs_dir>/<plan>/<UTC time>-<id>` and point `latest` at it."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        path = runs_dir / plan_name / f"{stamp}-{secrets.token_hex(3)}"
        try:
            for place in ("pool", "journal", "events", "bindings", "book", "latency"):
                (path / place).mkdir(parents=True)
        except OSError as error:
            raise Problems(
                [f"--runs-dir {runs_dir}: {error.strerror}; choose a directory that can be written"]
            ) from error
        _point(runs_dir / plan_name / "latest", path)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open an existing run directory. Raises Problems where `path` is none."""
        if not (path / "run.json").is_file():
            raise Problems([f"{path} is no run directory: it has no run.json"])
        return cls(path)

    @property
    def name(self) -> str:
        """The run's own name: its time and id."""
        return self.path.name

    @property
    def pool(self) -> Path:
        """Where the pool's manifest is."""
        return self.path / "pool"

    @property
    def manifest(self) -> Path:
        """What the pool is made again from."""
        return self.pool / "manifest.json"

    @property
    def steps(self) -> Path:
        """Where the steps of searches are."""
        return self.path / "steps.jsonl"

    @property
    def journal(self) -> Path:
        """Where the facts are."""
        return self.path / "journal"

    @property
    def grants(self) -> Path:
        """Where grants are written down before they are given."""
        return self.journal / "grants.jsonl"

    @property
    def events(self) -> Path:
        """Where it stands which events were read, from where to where."""
        return self.path / "events"

    @property
    def bindings(self) -> Path:
        """Where account bindings are."""
        return self.path / "bindings"

    @property
    def book(self) -> Path:
        """Where the platform's statements are."""
        return self.path / "book"

    @property
    def latency(self) -> Path:
        """Where the latencies are, as a histogram log."""
        return self.path / "latency"

    @property
    def control(self) -> Path:
        """Where requests to the run are written while it is on."""
        return self.path / "control.jsonl"

    @property
    def timeline(self) -> Path:
        """Where the seconds and events are."""
        return self.path / "timeline.jsonl"

    def write_record(self, record: RunRecord) -> None:
        """Write run.json as a whole, so that no reader ever sees half of it."""
        self.write("run.json", record.model_dump_json(indent=2).encode())

    def record(self) -> RunRecord:
        """Read run.json. Raises Problems that say what is wrong with it."""
        path = self.path / "run.json"
        try:
            return RunRecord.model_validate(orjson.loads(path.read_bytes()))
        except orjson.JSONDecodeError as error:
            raise Problems([f"{path} is not JSON: {error}"]) from error
        except ValidationError as error:
            raise of_validation(str(path), error) from error

    def write(self, name: str, content: bytes) -> Path:
        """Write a file of the directory atomically and return its path."""
        path = self.path / name
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(content)
        temporary.replace(path)
        return path


def _point(link: Path, target: Path) -> None:
    """Make `link` a relative symbolic link to its sibling `target`, replacing an older one."""
    temporary = link.with_name(f".latest-{target.name}")
    temporary.symlink_to(target.name)
    temporary.replace(link)
