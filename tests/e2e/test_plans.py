"""The shipped plans, scaled down to seconds: the real command plays each of them, against one sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e_data.exits import Exit
from locustfiles.plans import load_plan, shipped_plans
from tests.e2e.conftest import ENVIRONMENT, PAYSTORM, ROOT, run

PAYMENTS = "phases.payments"
SCALED = {
    "small": [],
    "peak": [],
    "sustained": [],
    "scale": [],
    "burst": ["burst_per_s=60", "burst_s=0.3", "every_s=1"],
    "wave": ["swing_per_s=20", "every_s=1"],
    "chaos": ["from_per_s=5", "every_s=1"],
    "soak": ["over_s=0.5"],
}
"""What each needs beside a low rate and two seconds. The others are played by tests of their own."""
ELSEWHERE = {"smoke", "demo", "failure-recovery"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where one sandbox listens that all plans are played against."""
    options = ["--http-port", "0", "--announce", "--stop-with-stdin"]
    process = subprocess.Popen(
        [sys.executable, "-m", "paystorm", "sandbox", *options],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())["http"]
    process.communicate(timeout=120)


def test_every_shipped_plan_is_played() -> None:
    """A new plan is scaled down here, or has a test of its own."""
    assert SCALED.keys() | ELSEWHERE == set(shipped_plans())


@pytest.mark.parametrize("name", SCALED)
def test_a_shipped_plan_plays(name: str, url: str, tmp_path: Path) -> None:
    """At 25 a second for two seconds it does all of its phases, and the platform was right."""
    changes = [
        "pool.preset=smoke",
        "pool.accounts=8",
        "slos=[]",
        f"{PAYMENTS}.warm_up_s=0",
        "users=8",
    ]
    changes += [f"{PAYMENTS}.{change}" for change in SCALED[name]]
    # What a busy machine makes of so few commands says nothing of the plan.
    changes += ["fitness.lag_below_ms=20000", "fitness.loop_lag_below_ms=20000"]
    settings = [word for change in changes for word in ("--set", change)]
    bounds = ["--rate", "25", "--duration", "2s", "--host", url, "--runs-dir", str(tmp_path)]
    ended = run([*PAYSTORM, "run", name, *bounds, *settings])
    assert ended.code == Exit.GOOD, ended.out + ended.err
    assert [phase["name"] for phase in ended.summary["phases"]] == list(load_plan(name).phases)
    assert ended.summary["phases"][-1]["sent"] > 10
    assert {check["status"] for check in ended.summary["checks"]} == {"holds"}
