"""The main job as users start it: the real `locust` and `paystorm` commands, end to end."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import LOCUST, PAYSTORM, Ended, Sandbox, run, start_sandbox


@dataclass(frozen=True)
class Smoke:
    """Runs of the smoke plan with a pool that was made before, on one platform of one's own."""

    platform: Sandbox
    pool: Path

    def run(self) -> Ended:
        """Play the pool."""
        runs = ["--runs-dir", str(self.pool.parent / "runs")]
        host = ["--host", self.platform.url]
        ended = run([*PAYSTORM, "run", "smoke", "--pool", str(self.pool), *host, *runs])
        assert ended.code == Exit.GOOD, ended.out + ended.err
        return ended


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Smoke]:
    """What plays a pool, as often as it is asked to."""
    pool = tmp_path_factory.mktemp("smoke") / "pool"
    options = ["--preset", "smoke", "--seed", "11", "--accounts", "12", "--out", str(pool)]
    assert run([*PAYSTORM, "pool", "generate", *options]).code == Exit.GOOD
    with start_sandbox() as platform:
        yield Smoke(platform, pool)


@pytest.fixture(scope="module")
def smoke(again: Smoke) -> Ended:
    """How the first run ended."""
    return again.run()


def test_a_pool_of_ones_own_is_played(smoke: Ended) -> None:
    """`paystorm pool generate` and `run --pool` work together: the run sends that pool's commands."""
    assert smoke.summary["classes"]["settled"]["account"] == 12
    assert "seed 11" in smoke.summary["facts"]["pool"]


def test_locusts_own_statistics_agree_with_the_journal(smoke: Ended) -> None:
    """Each command is in Locust's statistics once, under its kind; polls are not; no rejection fails."""
    with (smoke.directory / "locust_stats.csv").open() as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    classes = smoke.summary["classes"]
    for kind in ("account", "opening credit", "funding", "payment"):
        assert int(rows[kind]["Request Count"]) == sum(counts[kind] for counts in classes.values())
    assert int(rows["Aggregated"]["Request Count"]) == smoke.summary["commands"]
    assert int(rows["Aggregated"]["Failure Count"]) == 0
    assert classes["rejected"]["payment"] > 0


def test_judging_again_offline_says_the_same(smoke: Ended) -> None:
    """`paystorm reconcile` of a finished run gives the same judgement to the letter."""
    written = (smoke.directory / "summary.json").read_bytes()
    again = run([*PAYSTORM, "reconcile", str(smoke.directory)])
    assert again.code == Exit.GOOD
    assert (smoke.directory / "summary.json").read_bytes() == written
    assert run([*PAYSTORM, "report", str(smoke.directory)]).out.strip().endswith("report.html")


def test_users_and_run_time_bound_a_run_that_still_drains(runs: list[str]) -> None:
    """`-u` bounds the users; `-t` ends the run through the drain: nothing pending, all accounted for."""
    ended = run([*LOCUST, "--headless", "--plan", "smoke", "-u", "3", "-t", "4s", *runs])
    assert ended.code == Exit.GOOD, ended.out + ended.err
    seconds = [json.loads(line) for line in (ended.directory / "timeline.jsonl").open()]
    assert max(row["users_now"] for row in seconds if "users_now" in row) == 3
    assert any("--run-time" in row.get("note", "") for row in seconds)
    not_sent = ended.summary["classes"]["not sent: phase ended"]
    assert sum(not_sent.values()) > 0
    assert "pending" not in ended.summary["classes"]


def test_rate_and_duration_need_no_file(runs: list[str]) -> None:
    """`paystorm run --rate 100 --duration 3s` sends that many payments from a pool that suffices."""
    ended = run([*PAYSTORM, "run", "--rate", "100", "--duration", "3s", *runs])
    assert ended.code == Exit.GOOD, ended.out + ended.err
    payments = ended.summary["phases"][-1]
    assert payments["sent"] == pytest.approx(300, abs=10)
    assert payments["rate_per_s"] == pytest.approx(100, rel=0.02)


def test_a_dry_run_shows_the_load_and_sends_nothing(runs: list[str]) -> None:
    """`--dry-run` prints phases and commands of the plan as it was changed, and leaves no directory."""
    change = ["--set", "phases.payments.rate_per_s=500", "--set", "pool.accounts=30"]
    ended = run([*PAYSTORM, "run", "smoke", "--dry-run", *change, *runs])
    assert ended.code == Exit.GOOD
    assert "500" in ended.out
    assert "30 accounts" in ended.out
    assert not Path(runs[1]).exists()


def test_a_host_of_ones_own_is_used_and_no_sandbox_started(again: Smoke, smoke: Ended) -> None:
    """With `--host` the run goes there, and the same pool can be played again: a new nonce."""
    second = again.run()
    assert smoke.summary["foreign"] == 0
    assert second.summary["foreign"] == smoke.summary["commands"]
    record = json.loads((second.directory / "run.json").read_text())
    assert record["host"] == again.platform.url
    assert not record["embedded_sandbox"]


def test_try_walks_one_accounts_life_and_shows_both_sides(again: Smoke) -> None:
    """`paystorm try` prints every request and answer, and says that each was understood."""
    ended = run([*PAYSTORM, "try", "--host", again.platform.url])
    assert ended.code == Exit.GOOD, ended.err
    for text in ("POST /api/accounts", "POST /api/transactions", "POST /api/payments"):
        assert f"-> {text}" in ended.out
    assert ended.out.count('<- 200 {"commandId"') == 4
    assert "every step was understood" in ended.out
