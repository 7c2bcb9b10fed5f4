"""What a run writes down of itself when it begins: all that its directory needs to be judged later."""

from __future__ import annotations

import platform as machine
from importlib import metadata

import psutil

from e2e_data.ids import Ids
from locustfiles.channels.origin import Origin
from locustfiles.clock import RunClock
from locustfiles.settings import Settings
from reports.rundir import PhaseRecord, RunDirectory, RunRecord

LIBRARIES = ("paystorm", "locust", "gevent", "numpy", "pyarrow", "faker")


def record_of(
    settings: Settings, directory: RunDirectory, ids: Ids, clock: RunClock, origin: Origin
) -> RunRecord:
    """Return the record of a run that begins."""
    plan = settings.plan
    return RunRecord(
        run_id=directory.name,
        plan_name=plan.name,
        plan=plan.model_dump(mode="json"),
        phases=tuple(
            PhaseRecord(
                name=name,
                sends=phase.sends,
                weights=phase.kind_weights,
                completion_deadline_s=phase.completion_deadline_s,
                warm_up_s=phase.warm_up_s,
                search_from_per_s=int(phase.from_per_s) if phase.profile == "search" else 0,
            )
            for name, phase in plan.phases.items()
        ),
        completion_deadline_s=plan.completion_deadline_s,
        slos=plan.slos,
        fitness=plan.fitness,
        server=plan.server.metrics if plan.server and plan.server.prometheus else (),
        key=ids.key.hex(),
        nonce=ids.nonce,
        laps=settings.pool.laps,
        shards=ids.shards,
        host=str(origin),
        regions=settings.plan.http.regions,
        embedded_sandbox=settings.origin is None,
        workers=settings.workers,
        platform=settings.platform_spec,
        versions=_versions(),
        epoch_utc_ns=clock.epoch_utc_ns,
    )


def _versions() -> dict[str, str]:
    versions = {
        "python": machine.python_version(),
        "machine": machine.platform(),
        "cores": str(psutil.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
    }
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            versions[library] = "not installed"
    return versions
