"""Runs that were judged, made in bulk: what comparisons are tried on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from e2e_data import manifest as manifests
from e2e_data.commands import Channel, Kind, Label
from e2e_data.config import load
from e2e_data.exits import Exit
from e2e_data.pool import Pool
from reports.judgement import (
    Class,
    ErrorRow,
    FitnessResult,
    Judgement,
    PhaseRow,
    RegionRow,
    Status,
)
from reports.latencies import Latencies
from reports.latency_log import write_log
from reports.plain import to_json
from reports.results import SUMMARY
from reports.rundir import PhaseRecord, RunDirectory, RunRecord

PHASES = (PhaseRecord(name="payments", sends=(Kind.PAYMENT,)),)
COMMANDS = 2_000
PLAN: dict[str, Any] = {"name": "evening", "phases": {"payments": {"rate_per_s": 100}}}


def write_judged(
    path: Path,
    slower: float = 1.0,
    seed: int = 1,
    *,
    plan: dict[str, Any] = PLAN,
    pool_seed: int = 7,
    errors: int = 0,
    exit_: Exit = Exit.GOOD,
    fit: bool = True,
    versions: dict[str, str] | None = None,
    regions: dict[str, float] | None = None,
) -> Path:
    """Write a run of COMMANDS payments whose responses took so many times longer, in `regions` still."""
    directory = RunDirectory(path)
    for place in ("pool", "latency"):
        (path / place).mkdir(parents=True)
    pool = Pool.in_memory(load("smoke", {"accounts": 2, "payments": (2, 2)}), pool_seed)
    pool.manifest.write(directory.pool / manifests.FILE_NAME)
    record = RunRecord(
        run_id=path.name, plan_name="evening", plan=plan, phases=PHASES,
        completion_deadline_s=30, key="0" * 32, nonce=1, host="http://127.0.0.1:1",
        embedded_sandbox=False, versions=versions or {}, epoch_utc_ns=1, state="ended",
        drained=True, ended_ns=20_000_000_000,
    )  # fmt: skip
    directory.write_record(record)
    latencies = Latencies()
    latencies.add(_frame(slower, seed))
    write_log(directory, latencies, record)
    judgement = _judgement(path.name, latencies, errors, exit_, fit=fit)
    rows = (_region(name, slower * more, seed) for name, more in (regions or {}).items())
    judgement = replace(judgement, regions=tuple(rows))
    directory.write(SUMMARY, to_json(judgement))
    return path


def _region(name: str, slower: float, seed: int) -> RegionRow:
    """Return how a region went whose figures differ a little from run to run; twice as slow, errors too."""
    wobble = 1 + 0.003 * (seed % 3)
    return RegionRow(
        region=name, accounts=2, payments=COMMANDS, settled=COMMANDS, sent=COMMANDS,
        rate_per_s=100.0 * wobble, error_percent=0.0 if slower < 2 else 5.0,
        response_p50_ms=20 * slower * wobble, response_p99_ms=50 * slower * wobble,
        completion_p99_ms=150 * slower * wobble, to_other_region=0, to_other_completion_p99_ms=None,
    )  # fmt: skip


def _frame(slower: float, seed: int) -> pd.DataFrame:
    drawn = np.random.default_rng(seed)
    intended_ns = np.arange(COMMANDS, dtype=np.int64) * 10_000_000
    took_ns = (drawn.lognormal(0, 0.4, COMMANDS) * 20e6 * slower).astype(np.int64)
    return pd.DataFrame(
        {
            "phase": 0, "channel": int(Channel.HTTP), "kind": int(Kind.PAYMENT),
            "label": int(Label.NONE), "region": "", "to_other_region": False, "intended_ns": intended_ns,
            "ready_ns": intended_ns, "sent_ns": intended_ns,
            "acknowledged_ns": intended_ns + took_ns, "completed_ns": intended_ns + 3 * took_ns,
            "refused": False, "sent": True, "failed": False,
        }
    )  # fmt: skip


def _judgement(
    name: str, latencies: Latencies, errors: int, exit_: Exit, *, fit: bool
) -> Judgement:
    fitness = FitnessResult("lag p99 below 100 ms", Status.HOLDS if fit else Status.VIOLATED, "")
    failed = (ErrorRow(Class.UNKNOWN, "payments", "HTTP", "payment", "no answer", errors),)
    return Judgement(
        run_id=name, plan_name="evening", exit=exit_, verdict=f"verdict of {name}", reasons=(),
        commands=COMMANDS, classes={Class.SETTLED: {"payment": COMMANDS}}, surely_not_sent=0,
        perhaps_sent=0, journaled=COMMANDS, foreign=0, checks=(), slos=(), fitness=(fitness,),
        latencies=tuple(latencies.rows(PHASES)),
        phases=(PhaseRow("payments", 0, 20_000_000_000, COMMANDS, 100.0, 100.0),),
        settled_minor={}, expected_rejections=0, errors=failed if errors else (),
    )  # fmt: skip
