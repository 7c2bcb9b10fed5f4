"""Controlling runs as people do: the real commands, on one process and on a fleet."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from e2e_data.exits import Exit
from reports.journal import Fact
from tests.e2e.conftest import PAYSTORM, finish, run, start

LONG = ["--set", "phases.payments.rate_per_s=1"]
"""The payments take so long that the run has not ended by itself."""
PATIENCE_S = 300


def timeline(directory: Path) -> list[dict[str, Any]]:
    """Return the rows and events of a run that is on."""
    lines = (directory / "timeline.jsonl").read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def wait_for(directory: Path, told: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until the timeline has a line of some kind."""
    until_s = time.monotonic() + PATIENCE_S
    while not ((directory / "timeline.jsonl").exists() and any(map(told, timeline(directory)))):
        assert time.monotonic() < until_s, "the timeline never told of it"
        time.sleep(0.05)


def control(directory: Path, command: str) -> None:
    """Control a run, and have its answer."""
    done = run([*PAYSTORM, "control", str(directory), command])
    assert done.code == Exit.GOOD, done.out + done.err


def sent_ns(directory: Path) -> list[int]:
    """Return when commands were sent."""
    rows = pq.read_table(sorted((directory / "journal").glob("*.parquet"))).to_pylist()
    return sorted(row["at_ns"] for row in rows if row["fact"] == Fact.SENT)


def at_ns(directory: Path, event: str) -> int:
    """Return when something happened."""
    return next(row["at_ns"] for row in timeline(directory) if row.get("event") == event)


def test_a_run_is_paused_resumed_and_stopped(tmp_path: Path) -> None:
    """Nothing is sent while it is paused; a stop awaits what was sent: all of it is accounted for."""
    process = start([*PAYSTORM, "run", "smoke", *LONG, "--runs-dir", str(tmp_path)])
    latest = tmp_path / "smoke" / "latest"
    wait_for(latest, lambda row: row.get("phase") == "payments" and row.get("sent", 0) > 20)
    control(latest, "pause")
    control(latest, "resume")
    control(latest, "stop")
    ended = finish(process)
    assert ended.code == Exit.GOOD, ended.out + ended.err
    paused, resumed = at_ns(latest, "phase paused"), at_ns(latest, "phase resumed")
    assert not [at for at in sent_ns(latest) if paused < at < resumed]
    told = (tmp_path / "audit.jsonl").read_text()
    assert [json.loads(line)["what"] for line in told.splitlines()] == [
        *("start", "change", "change", "change", "end"),
    ]
    assert "exit code 0" in told
    again = run([*PAYSTORM, "control", str(latest), "pause"])
    assert (again.code, again.err.count("there is nothing to control")) == (Exit.WRONG_USE, 1)


def test_an_emergency_stop_reaches_the_whole_fleet(tmp_path: Path) -> None:
    """Within a second nobody sends any more, nothing is awaited, and the run says what it is: cut short."""
    options = ["--workers", "2", "--runs-dir", str(tmp_path)]
    process = start([*PAYSTORM, "run", "smoke", *LONG, *options])
    latest = tmp_path / "smoke" / "latest"
    wait_for(latest, lambda row: row.get("phase") == "payments" and row.get("sent", 0) > 20)
    control(latest, "emergency")
    ended = finish(process)
    assert ended.code == Exit.INTERRUPTED, ended.out + ended.err
    assert max(sent_ns(latest)) < at_ns(latest, "emergency asked") + 1_000_000_000
    assert sum(ended.summary["classes"]["not sent: phase ended"].values()) > 0
