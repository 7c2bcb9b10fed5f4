"""However a run ends, what it knows is kept: signals drain, and even kill -9 leaves a readable run."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import LOCUST, PAYSTORM, Sandbox, finish, run, start

WAIT_S = 300


def directory_of(runs: list[str], plan: str) -> Path:
    """Return the directory of the only run of a plan."""
    return (Path(runs[1]) / plan / "latest").resolve()


def wait_for_phase(process: subprocess.Popen[str], runs: list[str], phase: str) -> None:
    """Wait until a run of the demo plan has been in a phase for two rows of its timeline."""
    timeline = Path(runs[1]) / "demo" / "latest" / "timeline.jsonl"
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        assert process.poll() is None, process.communicate()
        lines = timeline.read_text().splitlines() if timeline.exists() else []
        began = [f'"event":"phase began","phase":"{phase}"' in line for line in lines]
        if True in began and sum('"sent":' in line for line in lines[began.index(True) :]) >= 2:
            return
        time.sleep(0.05)
    raise AssertionError(f"phase {phase} did not begin in {WAIT_S} s")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_drains_reports_and_exits_130(name: str, runs: list[str]) -> None:
    """Ctrl-C and SIGTERM end a run in good order: drained, journaled, judged, exit 130."""
    process = start([*PAYSTORM, "run", "demo", *runs])
    wait_for_phase(process, runs, "payments")
    process.send_signal(signal.Signals[name])
    ended = finish(process)
    assert ended.code == Exit.INTERRUPTED, ended.out + ended.err
    assert "draining" in ended.err
    summary = ended.summary
    assert {check["status"] for check in summary["checks"]} == {"holds"}
    assert summary["perhaps_sent"] == 0
    assert summary["surely_not_sent"] > 0
    assert json.loads((ended.directory / "run.json").read_text())["state"] == "interrupted"
    assert "the run was interrupted" in ended.out


def test_a_second_interrupt_stops_at_once(sandbox: Callable[..., Sandbox], runs: list[str]) -> None:
    """A second Ctrl-C ends a run that would drain for minutes, and nothing is judged."""
    platform = sandbox("--latency", "600000")
    slow = ["--set", "phases.accounts.settle_s=600"]
    process = start([*PAYSTORM, "run", "demo", "--host", platform.url, *slow, *runs])
    wait_for_phase(process, runs, "accounts")
    process.send_signal(signal.SIGINT)
    timeline = directory_of(runs, "demo") / "timeline.jsonl"
    until = time.monotonic() + WAIT_S
    while "stop asked" not in timeline.read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert finish(process).code == Exit.INTERRUPTED
    assert not (directory_of(runs, "demo") / "summary.json").exists()


def test_kill_9_leaves_a_run_that_can_be_read(
    sandbox: Callable[..., Sandbox], runs: list[str]
) -> None:
    """After kill -9 each command is surely not sent, perhaps sent, or journaled; nothing is claimed right."""
    platform = sandbox()
    command = [*PAYSTORM, "run", "demo", "--host", platform.url, *runs]
    process = start(command)
    wait_for_phase(process, runs, "payments")
    process.kill()
    process.communicate()
    directory = directory_of(runs, "demo")
    ended = run([*PAYSTORM, "reconcile", str(directory)])
    assert ended.code == Exit.NOT_RIGHT, ended.out + ended.err
    summary = ended.summary
    three = (summary["surely_not_sent"], summary["perhaps_sent"], summary["journaled"])
    assert all(count > 0 for count in three)
    assert sum(three) == summary["commands"]
    assert sum(sum(kinds.values()) for kinds in summary["classes"].values()) == summary["commands"]
    assert {check["status"] for check in summary["checks"]} == {"unknown"}
    assert (
        "died before its journal was complete" in ended.out + (directory / "report.md").read_text()
    )


def test_the_embedded_sandbox_does_not_outlive_a_killed_run(runs: list[str]) -> None:
    """A run that is killed with -9 takes its sandbox with it."""
    process = start([*PAYSTORM, "run", "demo", *runs])
    wait_for_phase(process, runs, "accounts")
    host = json.loads((directory_of(runs, "demo") / "run.json").read_text())["host"]
    process.kill()
    process.communicate()
    until = time.monotonic() + WAIT_S
    while run([*PAYSTORM, "try", "--host", host]).code != Exit.WRONG_USE:
        assert time.monotonic() < until, "the sandbox still answers"


def test_a_platform_that_dies_in_the_middle_is_unknown_not_failed(
    sandbox: Callable[..., Sandbox], runs: list[str]
) -> None:
    """When the platform goes away, the run goes on to its end, and claims nothing that it cannot know."""
    platform = sandbox()
    change = ["--set", "phases.payments.settle_s=2", "--set", "pool.accounts=150"]
    process = start([*LOCUST, "--headless", "--host", platform.url, *change, *runs])
    wait_for_phase(process, runs, "payments")
    platform.process.kill()
    ended = finish(process)
    assert ended.code == Exit.NOT_RIGHT, ended.out + ended.err
    classes = ended.summary["classes"]
    assert sum(classes["refused"].values()) > 0
    assert "the run directory has no statement" in (ended.directory / "report.md").read_text()
    assert "violated" not in {
        check["status"] for check in ended.summary["checks"] if check["invariant"] != "1"
    }
