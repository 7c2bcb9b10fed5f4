"""A run over IBM MQ: to the embedded sandbox's queue manager, beside HTTP, and to one that is killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from e2e_data.exits import Exit
from tests.e2e.conftest import PAYSTORM, Ended, finish, run, start
from tests.e2e.test_endings import wait_for_phase
from tests.mq_parts import needs_ibmmq
from tests.mq_process import platform, queue_manager

pytestmark = needs_ibmmq

QUEUES = {"COMMAND.QUEUE", "REPLY.QUEUE", "COMMAND.QUEUE.BO"}
AWAY_S = 1.0
PLAN = """
name = "demo"
users = 24
timeout_s = 4
channels = { mq = 1 }

[pool]
preset = "small"
accounts = 28

[mq]
persistence = "yes"
connections = 4

[phases.accounts]
sends = ["account"]
rate_per_s = 100

[phases.opening-credits]
sends = ["opening credit"]
rate_per_s = 100

[phases.payments]
sends = ["funding", "payment"]
rate_per_s = 80

[fitness]
lag_percentile = 75
lag_below_ms = 1000
loop_lag_below_ms = 2000
"""


def timeline(ended: Ended) -> list[dict[str, Any]]:
    """Return the rows and events of the run."""
    return [json.loads(line) for line in (ended.directory / "timeline.jsonl").open()]


def test_a_run_over_mq_needs_nothing_installed(runs: list[str]) -> None:
    """`paystorm run smoke --channels mq=100`: the sandbox's queue manager is started and watched."""
    ended = run([*PAYSTORM, "run", "smoke", "--channels", "mq=100", *runs])
    assert ended.code == Exit.GOOD, ended.out + ended.err
    summary = ended.summary
    assert {check["status"] for check in summary["checks"]} <= {"holds", "not asked"}
    assert summary["commands"] == summary["journaled"]
    with (ended.directory / "locust_stats.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["Name"] != "Aggregated"]
    assert {row["Type"] for row in rows} == {"MQ"}
    assert sum(int(row["Request Count"]) for row in rows) == summary["commands"]
    assert sum(int(row["Failure Count"]) for row in rows) == 0
    assert {row["channel"] for row in summary["latencies"]} == {"MQ"}
    seconds = [row for row in timeline(ended) if "queues" in row]
    assert QUEUES in [set(row["queues"]) for row in seconds]


def test_a_fleet_over_http_and_mq_with_poison(runs: list[str]) -> None:
    """Both channels have their share; what cannot be understood ends on the backout queue, and is said."""
    pool = ("--set", "pool.accounts=24", "--set", "pool.hostile_percentage=20")
    command = [*PAYSTORM, "run", "smoke", "--channels", "http=40,mq=60", "--workers", "2"]
    ended = run([*command, *pool, *runs])
    assert ended.code == Exit.GOOD, ended.out + ended.err
    assert {row["channel"] for row in ended.summary["latencies"]} == {"HTTP", "MQ"}
    classes = ended.summary["classes"]
    put_aside = classes["dead-lettered"]["payment"]
    assert put_aside > 0
    assert classes["answered as invalid"]["payment"] > 0
    notes = " ".join(row.get("note", "") for row in timeline(ended))
    assert "stands on the backout queue" in notes
    assert max(
        row["queues"].get("COMMAND.QUEUE.BO", 0) for row in timeline(ended) if "queues" in row
    )


def test_a_queue_manager_that_is_killed_and_started_again(runs: list[str], tmp_path: Path) -> None:
    """The run goes on; what was in doubt is unknown or recovered as the book tells, and all adds up."""
    plan = tmp_path / "mq.toml"
    plan.write_text(PLAN)
    options = ("--mq-store", str(tmp_path / "messages"))
    with ExitStack() as stack:
        first = stack.enter_context(queue_manager(*options, to_be_killed=True))
        front = stack.enter_context(platform("--mq-at", first.mq))
        there = ("--set", f"mq.hosts=['{first.mq}']", "--set", "mq.binding='sandbox'")
        process = start([*PAYSTORM, "run", str(plan), "--host", front.url, *there, *runs])
        wait_for_phase(process, runs, "payments")
        time.sleep(AWAY_S)  # some payments
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        time.sleep(AWAY_S)  # the queue manager is away
        again = ("--mq-port", str(first.port), *options)
        stack.enter_context(queue_manager(*again, to_be_killed=True))
        ended = finish(process)
    assert ended.code == Exit.GOOD, ended.out + ended.err
    summary = ended.summary
    assert {check["status"] for check in summary["checks"]} <= {"holds", "not asked"}
    total = sum(sum(counts.values()) for counts in summary["classes"].values())
    assert total == summary["commands"]
    assert "lost in the platform" not in summary["classes"]
    notes = " ".join(row.get("note", "") for row in timeline(ended))
    assert "trying again" in notes
    assert "the queue manager is back after" in notes
    payments = summary["phases"][-1]
    assert payments["ended_ns"] - payments["began_ns"] > AWAY_S * 1e9
