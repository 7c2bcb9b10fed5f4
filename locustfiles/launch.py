"""Making a run: its directory, its record, its platform, its completion source."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from e2e_data import manifest as manifests
from e2e_data.commands import Channel
from e2e_data.ids import Ids
from e2e_data.platform import Platform
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from locustfiles import (
    books,
    fault_plan,
    kafka_book,
    kafka_launch,
    kafka_plan,
    mq_launch,
    mq_target,
    regional,
)
from locustfiles.addresses import addresses_of
from locustfiles.backlogs import Backlogs
from locustfiles.channels.gates import Gates
from locustfiles.channels.origin import Origin
from locustfiles.channels.os_thread import on_a_thread
from locustfiles.clock import AlignedClock, Clock, RunClock
from locustfiles.completions import PollingSource
from locustfiles.control import user_name
from locustfiles.director import Director
from locustfiles.embedded import EmbeddedSandbox
from locustfiles.faults import Faults, proxied
from locustfiles.fleet.messages import Ask
from locustfiles.fleet.shipping import fetch
from locustfiles.http_sender import HttpLine
from locustfiles.plans import Plan
from locustfiles.probing import open_gates
from locustfiles.recording import record_of
from locustfiles.resumed import Resumed
from locustfiles.run import Run
from locustfiles.settings import Settings
from locustfiles.takeover import last_ns, take_over
from locustfiles.tracing import Tracing
from locustfiles.work import LOCAL, Service
from reports.audit import Audit
from reports.grants import GrantLog
from reports.rundir import RunDirectory, RunRecord
from reports.timeline import VIOLATION

COLLECTED = 50_000, 10, 100
"""After so many new objects the garbage collector looks through them: a few times a second at most.
After ten times it looks through what had survived, too, and hardly ever through everything: that stops
the process for a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A run with what it was started on."""

    director: Director
    run: Run | None
    """What sends in this process; None where a fleet does."""
    record: RunRecord
    gates: Gates
    sandbox: EmbeddedSandbox | None
    book: str | None
    """The database or topic to read the book from; None where statements are asked for."""
    backlogs: Backlogs
    """Of what the run sends over."""
    faults: Faults

    def let_go(self) -> None:
        """End what was started for the run."""
        self.gates.close()
        self.backlogs.close()
        self.faults.close()
        if self.sandbox is not None:
            self.sandbox.stop()


def launch(settings: Settings, *, fleet: bool = False) -> Launched:
    """Make everything that a run needs, up to the point where users may begin. Raises Problems.

    Where a `fleet` sends, its workers get an `order` and make their own part with `serve`.
    """
    with ExitStack() as undoing:
        origin, sandbox, wire = settings.origin, None, None
        if origin is None:
            sandbox = _embedded(settings)
            undoing.callback(sandbox.stop)
            origin = Origin.parse(sandbox.url)
            plan = mq_target.with_sandbox(settings.plan, sandbox.mq)
            settings = replace(settings, plan=kafka_plan.with_sandbox(plan, sandbox.kafka))
        if fault_plan.on_wire(settings.plan):
            plan, origin, wire = proxied(settings.plan, origin)
            undoing.callback(wire.close)
            settings = replace(settings, plan=plan)
        plan = settings.plan
        gates = open_gates(settings.gates(origin), settings.platform)
        undoing.callback(gates.close)
        kafka_launch.ready(plan)
        books.ready(settings.book, plan)
        directory, record, clock, resumed = (
            _again(settings) if settings.resume else _anew(settings, origin)
        )
        if resumed is None:
            kafka_launch.begin(plan, directory)
            books.begin(settings.book, plan, directory)
        else:
            kafka_launch.begin_again(plan, directory, resumed.term)
        director = Director(
            *(settings.plan, settings.pool, settings.platform, directory, clock),
            fleet=fleet,
            resumed=resumed,
        )
        director.command_id = record.ids.command_id
        if fleet and plan.fitness.may_lose_workers and (why := kafka_plan.loses_events(plan)):
            director.event("warning", "", why)
        run = None if fleet else _sender(settings, director, record, gates)
        director.queues = backlogs = Backlogs.of(
            settings.plan, lambda note: director.event("warning", "", note)
        )
        faults = Faults(director, sandbox, wire)
        faults.start()
        undoing.pop_all()
    keep_for_good()
    return Launched(director, run, record, gates, sandbox, settings.book, backlogs, faults)


def _embedded(settings: Settings) -> EmbeddedSandbox:
    """Start a sandbox that has what a plan sends over. Raises Problems."""
    plan = settings.plan
    # Who asks for behaviours wants to see them noticed.
    flags = ["--flags"] if settings.pool.config.pattern_percentage else []
    services = mq_target.sandbox_services(plan) | kafka_plan.sandbox_services(plan)
    if kafka_book.is_topic(settings.book):
        services |= {"kafka": services.get("kafka", [])}
    options = [*flags, *plan.sandbox.options]
    return EmbeddedSandbox(options, services, apart=fault_plan.apart(plan))


def _sender(settings: Settings, director: Director, record: RunRecord, gates: Gates) -> Run:
    """Make what sends in this process, and have it directed here. Raises Problems."""
    again = f"-{record.masters}" if record.masters > 1 else ""
    directory, clock = director.directory, director.clock
    service = Service(directory.name, LOCAL + again, record.masters)
    run = _run(
        *(settings.plan, settings.pool, settings.platform, record, directory, clock),
        *(settings.users, service, settings.tracing),
    )
    direct(run, director)
    _connect(run, gates)
    return run


def _run(
    plan: Plan,
    pool: Pool,
    platform: Platform,
    record: RunRecord,
    directory: RunDirectory,
    clock: Clock,
    users: int,
    service: Service,
    tracing: Tracing | None,
) -> Run:
    """Make a process's part of a run, with the plan's layers over the platform's adapter."""
    platform = plan.padding.of(platform, pool)
    platform = tracing.of(platform) if tracing is not None else platform
    run = Run(plan, pool, platform, record.ids, directory, clock, users, service)
    if tracing is not None:
        # Its packages are there only where they are asked for.
        from locustfiles.traces import Traces

        run.counting.traces = Traces(tracing, run)
    return run


_Begun = tuple[RunDirectory, RunRecord, RunClock, Resumed | None]


def _anew(settings: Settings, origin: Origin) -> _Begun:
    """Begin a run: with a directory, ids and a clock of its own."""
    directory = RunDirectory.create(settings.runs_dir, settings.plan.name)
    # Without files every shard is made for it: on a thread, so that heartbeats are answered meanwhile.
    manifest = on_a_thread(lambda: settings.pool.manifest)
    manifest.write(directory.pool / manifests.FILE_NAME)
    clock = RunClock()
    ids = Ids.fresh(settings.pool.config.shard_count)
    record = record_of(settings, directory, ids, clock, origin)
    directory.write_record(record)
    return directory, record, clock, None


def _again(settings: Settings) -> _Begun:
    """Go on with a run, from what its directory says."""
    directory = settings.resume
    assert directory is not None
    record = directory.record()
    # Whoever has the log is the master; it is let go of for the director, who opens it himself.
    GrantLog(directory.grants).close()
    if "://" in settings.plan.fleet.journals:
        fetch(settings.plan.fleet.journals, record.run_id, directory)
    resumed = take_over(directory, record, settings.plan, settings.pool, settings.platform)
    record = record.model_copy(update={"masters": resumed.term, "workers": settings.workers})
    directory.write_record(record)
    clock = RunClock.again(record.epoch_utc_ns, last_ns(directory))
    return directory, record, clock, resumed


def direct(run: Run, director: Director) -> None:
    """Let a run be directed in this same process: each ask is answered at once."""

    def deliver(ask: Ask) -> None:
        answer = director.desk.receive(ask)
        assert answer is not None, "asks of the same process come in order"
        run.agent.follow(answer)
        run.heard()

    def refresh() -> None:
        # What the first answer changes, such as an end to the sending, the second ask tells.
        run.ask()
        run.ask()
        run.wake()
        if director.needs_figures:
            director.figures.take(run.counting.snapshot())

    run.deliver = deliver
    if director.needs_figures:
        run.let_watch()
    run.dealer.warned = lambda phase, note: director.event("warning", phase, note)
    run.counting.vigil.say = lambda note: director.event(VIOLATION, run.phase_name, note)
    director.refresh = refresh
    # Before anything is due: what is made later makes the first commands late.
    run.hand.stock()


def _connect(run: Run, gates: Gates) -> None:
    """Give a run the lines that its plan sends over, and a source of completions."""
    regions = run.pool.config.regions
    run.lines = {Channel.HTTP: regional.lines_of(regions, gates.of, HttpLine)}
    if mq_target.sends(run.plan):
        run.lines[Channel.MQ] = mq_launch.line(run)
    run.completions = regional.completions_of(
        regions,
        gates.of,
        lambda gate: PollingSource(
            run.platform, gate.connect, run.clock.now_ns, run.tracker.completed
        ),
        lambda place: run.tracker.pending[place].card,
    )
    if kafka_plan.sends(run.plan):
        run.lines[Channel.KAFKA] = kafka_launch.line(run)
    if kafka_plan.used(run.plan):
        run.completions = kafka_launch.completions(run, run.completions)


def order_of(launched: Launched, users: int) -> dict[str, Any]:
    """Return all that a worker has to know of a run; msgpack can carry it. No secrets are in it."""
    director = launched.director
    return {
        "run": director.desk.run,
        "term": director.desk.term,
        "directory": str(director.directory.path.resolve()),
        "record": launched.record.model_dump_json(),
        "users": users,
        "journals": launched.director.plan.fleet.journals,
    }


def audit_of(launched: Launched, users: int) -> Audit:
    """Note that a run was started, and let its director note what is done to it."""
    record, director = launched.record, launched.director
    audit = Audit(director.directory, user_name())
    workers = f", {record.workers} workers" if record.workers else ""
    others = (
        f", {one.purpose} is {one}"
        for one in addresses_of(director.plan, Origin.parse(record.host))
        if one.purpose != "--host"
    )
    audit.write(
        "start" if record.masters == 1 else "resume",
        f"plan {record.plan_name} to {record.host}{' (embedded sandbox)' * record.embedded_sandbox}"
        f"{''.join(others)}, {len(director.pool):,} commands, {users} users{workers}",
    )
    director.audit = audit.write
    return audit


def manifest_of(launched: Launched) -> str:
    """Return the pool's manifest, for workers that do not see the run directory."""
    return launched.director.pool.manifest.model_dump_json()


def sees_directory(order: Mapping[str, Any]) -> bool:
    """Tell whether the run directory of an order is there, over a shared folder or on this machine."""
    try:
        return bool(RunDirectory(Path(order["directory"])).record().run_id == order["run"])
    except (Problems, OSError):
        return False


def serve(
    order: Mapping[str, Any],
    directory: RunDirectory,
    worker: str,
    platform: Platform,
    tracing: Tracing | None = None,
) -> tuple[Run, Gates]:
    """Make a worker's part of the run that `order` describes, which writes to `directory`.

    Raises ValueError or KeyError where it is no order, and Problems for a pool that is another here.
    """
    record = RunRecord.model_validate_json(order["record"])
    plan = Plan.model_validate(record.plan)
    # It makes the pool's vocabulary, for which a slow machine takes seconds: on a thread, since Locust's
    # master stops a test whose workers send no heartbeat for three.
    pool = Pool.of_manifest(on_a_thread(lambda: manifests.read(directory.pool)))
    pool = pool.lapped(record.laps)
    clock = AlignedClock(record.epoch_utc_ns)
    service = Service(order["run"], worker, int(order["term"]), plan.fleet.lease_ns, shared=True)
    users = int(order["users"])
    run = _run(plan, pool, platform, record, directory, clock, users, service, tracing)
    clock.offset = run.agent.offset
    origin, regions = Origin.parse(record.host), pool.config.regions
    gates = Gates(origin, plan.http, plan.timeout_s, plan.allow, regions)
    gates.open()
    _connect(run, gates)
    return run, gates


def keep_for_good() -> None:
    """Spare the garbage collector what is there now: it would look through all of it, again and again.

    And what a sender makes is given back by counting references: few rounds are enough for the rest.
    """
    gc.unfreeze()  # of the run before
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED)
