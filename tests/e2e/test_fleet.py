"""A fleet of real processes: killed, stopped, cut off from its master, joined late, resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import (
    ENVIRONMENT,
    LOCUST,
    PAYSTORM,
    ROOT,
    Ended,
    Sandbox,
    finish,
    run,
    start,
)

WAIT_S = 60
LEASE_S = 3
PLAN = """
name = "fleet"
description = "Three phases that are long enough for something to happen in each."
users = 24

[pool]
preset = "smoke"
seed = 5
accounts = 40

[phases.accounts]
sends = ["account"]
rate_per_s = 15

[phases.opening-credits]
sends = ["opening credit"]
rate_per_s = 15

[phases.payments]
sends = ["funding", "payment"]
rate_per_s = 120

[fleet]
lease_s = 3

# Several processes on a busy machine: how fast it is, is not what these tests are about.
[fitness]
lag_percentile = 50
lag_below_ms = 60000
"""


@dataclass
class Fleet:
    """A run with workers in processes of their own."""

    process: subprocess.Popen[str]
    runs: Path
    joined: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        """The run directory."""
        return (self.runs / "fleet" / "latest").resolve()

    def workers(self) -> list[psutil.Process]:
        """Return the workers that the master started, and that live."""
        children = psutil.Process(self.process.pid).children()
        found = [
            child
            for child in children
            if child.status() != psutil.STATUS_ZOMBIE and "--worker" in child.cmdline()
        ]
        return sorted(found, key=lambda child: child.pid)

    @property
    def port(self) -> str:
        """The port that the master listens on."""
        command = self.workers()[0].cmdline()
        return command[command.index("--master-port") + 1]

    def events(self) -> list[dict[str, Any]]:
        """Return what happened until now."""
        timeline = self.directory / "timeline.jsonl"
        lines = timeline.read_text().splitlines(keepends=True) if timeline.exists() else []
        rows = [json.loads(line) for line in lines if line.endswith("\n")]
        return [row for row in rows if "event" in row]

    def wait_for(self, event: str, phase: str | None = None, count: int = 1) -> dict[str, Any]:
        """Wait until something happened so often, and return it."""
        until = time.monotonic() + WAIT_S
        while True:
            found = [
                row
                for row in self.events()
                if row["event"] == event and phase in (None, row["phase"])
            ]
            if len(found) >= count:
                return found[count - 1]
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until, f"{event} {phase}: {self.events()}"
            time.sleep(0.05)

    def wait_until_sent(self, sent: int) -> None:
        """Wait until so many commands were sent."""
        until = time.monotonic() + WAIT_S
        while True:
            rows = (self.directory / "timeline.jsonl").read_text().splitlines()
            last = [json.loads(row)["sent"] for row in rows[-20:] if '"sent"' in row]
            if last and last[-1] >= sent:
                return
            assert time.monotonic() < until
            time.sleep(0.05)

    def join(self) -> None:
        """Start one more worker, as an operator would."""
        command = [*LOCUST, "--worker", "--master-host", "127.0.0.1", "--master-port", self.port]
        self.joined.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=ENVIRONMENT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )


@pytest.fixture
def fleet(sandbox: Callable[..., Sandbox], tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """A function that starts runs of the plan with workers; all processes end with the test."""
    started: list[Fleet] = []
    plan = tmp_path / "fleet.toml"
    plan.write_text(PLAN)
    platform = sandbox("--latency", "20")
    runs = tmp_path / "runs"

    def start_fleet(workers: int, *options: str) -> Fleet:
        command = [*PAYSTORM, "run", *(() if "--resume" in options else (str(plan),))]
        command += ["--workers", str(workers)] if workers else []
        command += options
        new = ["--runs-dir", str(runs), "--host", platform.url]
        command += [] if "--resume" in options else new
        started.append(Fleet(start(command, to_be_killed=True), runs))
        return started[-1]

    yield start_fleet
    for each in started:
        processes = [*each.joined]
        if each.process.poll() is None:
            for worker in each.workers():
                worker.kill()
            each.process.kill()
            each.process.communicate()
        for process in processes:
            process.kill()
            process.wait()


def assert_all_accounted_for(ended: Ended, *, lost: bool) -> dict[str, Any]:
    """Assert that every command of the pool was sent and decided, and that the book is right."""
    assert ended.code == (Exit.UNFIT if lost else Exit.GOOD), ended.out + ended.err
    summary = ended.summary
    assert {check["status"] for check in summary["checks"]} == {"holds"}, ended.out
    assert summary["classes"].keys() <= {"settled", "rejected"}, summary["classes"]
    decided = sum(sum(kinds.values()) for kinds in summary["classes"].values())
    assert decided == summary["journaled"] == summary["commands"]
    assert summary["perhaps_sent"] == 0
    assert sum(summary["classes"]["settled"].values()) > summary["commands"] / 2
    return summary


def test_an_undisturbed_fleet_is_right_and_keeps_the_rate(fleet: Callable[..., Fleet]) -> None:
    """Three processes share pool and rate: every command once, at the plan's rate, all journals there."""
    ended = finish(fleet(3).process)
    summary = assert_all_accounted_for(ended, lost=False)
    rates = [(phase["rate_per_s"], phase["intended_per_s"]) for phase in summary["phases"]]
    assert rates[2][0] == pytest.approx(120, rel=0.1)
    names = {
        path.name.rpartition("-")[0] for path in (ended.directory / "journal").glob("*.parquet")
    }
    assert len(names) == 3
    grants = [json.loads(line) for line in (ended.directory / "journal/grants.jsonl").open()]
    assert {grant["worker"] for grant in grants if "worker" in grant} == names
    assert {grant["closed"] for grant in grants if "closed" in grant} == names


def test_a_worker_is_killed_in_each_phase_and_others_join(fleet: Callable[..., Fleet]) -> None:
    """However many die, in whatever phase: what they were sending is sent again, and all is accounted for."""
    running = fleet(3)
    for number, phase in enumerate(("accounts", "opening-credits", "payments")):
        running.wait_for("phase began", phase)
        running.wait_until_sent((6, 50, 160)[number])
        running.join()
        os.kill(running.workers()[0].pid, signal.SIGKILL)
        killed = time.monotonic()
        running.wait_for("worker lost", count=number + 1)
        assert time.monotonic() - killed < 5 * LEASE_S
    ended = finish(running.process)
    summary = assert_all_accounted_for(ended, lost=True)
    lost = [event for event in running.events() if event["event"] == "worker lost"]
    assert len(lost) == 3
    told = next(rule for rule in summary["fitness"] if rule["title"].endswith("died"))
    assert all(event["note"].split(":")[0] in told["note"] for event in lost)
    grants = [json.loads(line) for line in (ended.directory / "journal/grants.jsonl").open()]
    assert any(grant.get("attempt") for grant in grants), "nothing was sent again"
    assert len({grant["worker"] for grant in grants if "worker" in grant}) >= 5


def test_a_worker_that_hangs_is_replaced_and_comes_back(fleet: Callable[..., Fleet]) -> None:
    """Stopped for longer than its lease, it sends nothing of its old grants, and closes its journal."""
    running = fleet(2, "--set", "fitness.may_lose_workers=true")
    running.wait_for("phase began", "payments")
    running.wait_until_sent(120)
    victim = running.workers()[0]
    victim.suspend()
    running.wait_for("worker lost")
    running.wait_until_sent(230)
    victim.resume()
    running.wait_for("worker back")
    ended = finish(running.process)
    assert_all_accounted_for(ended, lost=False)
    assert "the plan allows it" in (ended.directory / "report.md").read_text()
    grants = [json.loads(line) for line in (ended.directory / "journal/grants.jsonl").open()]
    assert sum("closed" in grant for grant in grants) == 2


def test_the_master_is_killed_and_another_goes_on(fleet: Callable[..., Fleet]) -> None:
    """`--resume` takes the run directory for a checkpoint: old grants are in doubt, nothing is lost."""
    first = fleet(2)
    first.wait_for("phase began", "payments")
    first.wait_until_sent(170)
    workers = first.workers()
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.communicate()
    assert not psutil.wait_procs(workers, timeout=WAIT_S)[1], "a worker outlived its master"
    second = fleet(2, "--resume", str(first.directory))
    ended = finish(second.process)
    assert_all_accounted_for(ended, lost=True)
    assert ended.directory == first.directory
    grants = [json.loads(line) for line in (ended.directory / "journal/grants.jsonl").open()]
    names = [grant["worker"] for grant in grants if "worker" in grant]
    epochs = [grant["epoch"] for grant in grants if "worker" in grant]
    old = set(names[: names.index(names[-1])])
    assert max(e for e, n in zip(epochs, names, strict=True) if n in old) < epochs[-1]
    assert [event["note"] for event in second.events() if event["event"] == "run resumed"] == [
        "master 2"
    ]


def test_one_process_alone_is_resumed_too(fleet: Callable[..., Fleet]) -> None:
    """A run of a single process that was killed goes on under a new name, with the same ids."""
    first = fleet(0, "--set", "pool.accounts=30")
    first.wait_for("phase began", "opening-credits")
    first.wait_until_sent(35)
    first.process.kill()
    first.process.communicate()
    ended = run([*PAYSTORM, "run", "--resume", str(first.directory)])
    assert_all_accounted_for(ended, lost=True)
    again = run([*PAYSTORM, "run", "--resume", str(first.directory)])
    assert again.code == Exit.WRONG_USE
    assert "the run has ended: there is nothing to go on with" in again.err
