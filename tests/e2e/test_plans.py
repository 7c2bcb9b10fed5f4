"""The shipped plans, scaled down to seconds, and started from Locust's web UI: so a process plays many."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from e2e_data.exits import Exit
from locustfiles.plans import load_plan, shipped_plans
from tests.e2e.conftest import start_sandbox
from tests.e2e.web_uis import serving

AT_ONCE = 2
PAYMENTS = "phases.payments"
SCALED = {
    "small": [],
    "peak": [],
    "sustained": [],
    "scale": [],
    "burst": ["burst_per_s=60", "burst_s=0.3", "every_s=1"],
    "showcase": ["burst_per_s=60", "burst_s=0.3", "every_s=1"],
    "wave": ["swing_per_s=20", "every_s=1"],
    "chaos": ["from_per_s=5", "every_s=1"],
    "soak": ["over_s=0.5"],
    "freshness": ["steps=[{rate_per_s=10,for_s=1}]"],
    "large-message": [],
    "breakpoint": [
        *("from_per_s=10", "rate_per_s=20", "step_s=0.6", "warm_up_s=0.1", "tries=1"),
        # Each step takes a second or two more, to await what it sent.
        "duration_s=60",
    ],
}
"""What each needs beside a low rate and two seconds. The others are played by tests of their own."""
ELSEWHERE = {"smoke", "demo", "failure-recovery"}
SLOS = {
    "breakpoint": ["slos=[{errors_below_percent=50}]"],
    "freshness": ["slos=[{freshness_below_s=60}]", "channels={http=1}"],
}
"""A search has to have something that holds; and this sandbox has no broker."""


PEAK_MB = 600
"""Though one message has 100 MB: no more of it than a few copies are ever in memory."""
LAPPED = "small"
"""This one plays a pool of half the size twice."""


def scaled(name: str) -> str:
    """Return a shipped plan as a file that plays in two seconds, at 25 a second."""
    changes = ["pool.preset=smoke", "pool.accounts=8", "users=8"]
    # What a busy machine makes of so few commands says nothing of the plan.
    changes += ["fitness.lag_below_ms=20000", "fitness.loop_lag_below_ms=20000"]
    changes += SLOS.get(name, ["slos=[]"])
    changes += ["pool.laps=2", "pool.accounts=4"] if name == LAPPED else []
    # Some accounts are hotter than others of their shard.
    changes += ["pool.accounts_per_shard=8"] if name == "showcase" else []
    payments = ["warm_up_s=0", "rate_per_s=25", "duration_s=2", *SCALED[name]]
    plan = load_plan(name, [*changes, *(f"{PAYMENTS}.{change}" for change in payments)])
    document = plan.model_dump(mode="json")
    # Two seconds say nothing of a leak.
    document["fitness"]["memory_growth_below_percent"] = None
    return "".join(
        f"{key} = {toml(value)}\n" for key, value in document.items() if value is not None
    )


def toml(value: Any) -> str:
    """Return what JSON has as TOML has it."""
    if isinstance(value, dict):
        given = (f"{json.dumps(k)} = {toml(v)}" for k, v in value.items() if v is not None)
        return f"{{ {', '.join(given)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """What was judged of each plan: some Locusts play one plan after the other, against one sandbox."""
    folder = tmp_path_factory.mktemp("plans")
    names = list(SCALED)
    with start_sandbox() as sandbox, ThreadPoolExecutor(AT_ONCE) as threads:
        parts = [names[n::AT_ONCE] for n in range(AT_ONCE)]
        summaries = threads.map(lambda part: play(part, folder, sandbox.url), parts)
        yield {name: summary for part in summaries for name, summary in part.items()}


def play(names: Sequence[str], folder: Path, url: str) -> dict[str, dict[str, Any]]:
    """Play plans one after the other, and return what was judged of each."""
    found = {}
    with serving(folder / "runs", "--host", url) as web:
        for name in names:
            plan = folder / f"{name}.toml"
            plan.write_text(scaled(name))
            found[name] = web.run_through(name, paystorm_plan=str(plan))
            found[name]["peak_mb"] = peak_mb(web.process.pid)
    return found


def peak_mb(process: int) -> float:
    """Return the most memory that a process ever had, in MB; 0 where the system does not tell."""
    status = Path(f"/proc/{process}/status")
    told = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(told[1]) / 1000 if told else 0


def test_every_shipped_plan_is_played() -> None:
    """A new plan is scaled down here, or has a test of its own."""
    assert SCALED.keys() | ELSEWHERE == set(shipped_plans())


@pytest.mark.parametrize("name", SCALED)
def test_a_shipped_plan_plays(name: str, played: dict[str, dict[str, Any]]) -> None:
    """It does all of its phases, and the platform was right."""
    summary = played[name]
    assert summary["exit"] == Exit.GOOD, summary["reasons"]
    assert [phase["name"] for phase in summary["phases"]] == list(load_plan(name).phases)
    assert summary["phases"][-1]["sent"] > 10
    assert summary["peak_mb"] < PEAK_MB
    assert {check["status"] for check in summary["checks"]} == {"holds"}
    assert sum(summary["classes"]["settled"][kind] for kind in ("account", "opening credit")) == 16
