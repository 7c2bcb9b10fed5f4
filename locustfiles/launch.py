"""Making a run: its directory, its record, its platform, its completion source."""

from __future__ import annotations

import gc
import platform as machine
from dataclasses import dataclass
from importlib import metadata

from e2e_data import manifest as manifests
from e2e_data.ids import Ids
from e2e_data.platform import Platform
from e2e_data.problems import Problems
from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.channels.gate import Gate
from locustfiles.channels.origin import Origin
from locustfiles.clock import RunClock
from locustfiles.completions import PollingSource
from locustfiles.embedded import EmbeddedSandbox
from locustfiles.run import Run
from locustfiles.settings import Settings
from reports.rundir import PhaseRecord, RunDirectory, RunRecord

PROBE_S = 5
PROBE_BYTES = 16 * 1024
LIBRARIES = ("paystorm", "locust", "gevent", "numpy", "pyarrow", "faker")


@dataclass(frozen=True, slots=True)
class Launched:
    """A run with what it was started on."""

    run: Run
    record: RunRecord
    gate: Gate
    sandbox: EmbeddedSandbox | None


def probe(gate: Gate, platform: Platform) -> None:
    """Make sure that the platform is there. Raises Problems that say what is, and what to do."""
    origin, connection = gate.origin, gate.connect(PROBE_S)
    try:
        answer = connection.request(platform.http_probe(), peek_bytes=PROBE_BYTES)
    except NotSentError as error:
        raise Problems(
            [
                f"nothing answers at {origin} ({error}): start the platform, correct --host, or "
                "leave --host out to use the embedded sandbox"
            ]
        ) from error
    except UnansweredError as error:
        raise Problems(
            [f"{origin} does not answer as a web server does ({error}): check --host"]
        ) from error
    finally:
        connection.close()
    if not platform.is_recognised(answer):
        path = platform.http_probe().path
        raise Problems(
            [
                f"{origin} is not the payments platform of the adapter {type(platform).__name__}: "
                f"GET {path} answered {answer.status} {answer.body[:60]!r}; check --host, or name "
                "your platform's adapter with --platform"
            ]
        )


def open_gate(origin: Origin, settings: Settings) -> Gate:
    """Let ourselves in, and make sure that the platform is there. Raises Problems."""
    gate = Gate(origin, settings.plan.http, settings.plan.timeout_s)
    try:
        gate.open()
        probe(gate, settings.platform)
    except BaseException:
        gate.close()
        raise
    return gate


def launch(settings: Settings) -> Launched:
    """Make everything that a run needs, up to the point where users may begin. Raises Problems."""
    origin, sandbox = settings.origin, None
    if origin is None:
        # Who asks for behaviours wants to see them noticed.
        flags = ["--flags"] if settings.pool.config.pattern_percentage else []
        sandbox = EmbeddedSandbox(*flags)
        origin = Origin.parse(sandbox.url)
    gate = None
    try:
        gate = open_gate(origin, settings)
        directory = RunDirectory.create(settings.runs_dir, settings.plan.name)
        settings.pool.manifest.write(directory.pool / manifests.FILE_NAME)
        ids, clock = Ids.fresh(), RunClock()
        record = _record(settings, directory, ids, clock, origin)
        directory.write_record(record)
        run = Run(
            settings.plan, settings.pool, settings.platform, ids, directory, clock, settings.users
        )
    except BaseException:
        if gate:
            gate.close()
        if sandbox:
            sandbox.stop()
        raise
    _keep_for_good()
    run.completions = PollingSource(
        settings.platform, gate.connect, clock.now_ns, run.tracker.completed
    )
    return Launched(run, record, gate, sandbox)


def _keep_for_good() -> None:
    """Spare the garbage collector what is there now: it would look through all of it, again and again."""
    gc.unfreeze()  # of the run before
    gc.collect()
    gc.freeze()


def _record(
    settings: Settings, directory: RunDirectory, ids: Ids, clock: RunClock, origin: Origin
) -> RunRecord:
    plan = settings.plan
    return RunRecord(
        run_id=directory.name,
        plan_name=plan.name,
        plan=plan.model_dump(mode="json"),
        phases=tuple(
            PhaseRecord(name=name, sends=phase.sends) for name, phase in plan.phases.items()
        ),
        completion_deadline_s=plan.completion_deadline_s,
        slos=plan.slos,
        fitness=plan.fitness,
        key=ids.key.hex(),
        nonce=ids.nonce,
        host=str(origin),
        embedded_sandbox=settings.origin is None,
        platform=settings.platform_spec,
        versions=_versions(),
        epoch_utc_ns=clock.epoch_utc_ns,
    )


def _versions() -> dict[str, str]:
    versions = {"python": machine.python_version(), "machine": machine.platform()}
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            versions[library] = "not installed"
    return versions
