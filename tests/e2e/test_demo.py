"""The demonstration, as whoever is new here starts it: at full size, with nothing but Locust's command."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import LOCUST, run

FILES = (
    "run.json",
    "pool/manifest.json",
    "journal/grants.jsonl",
    "bindings/local.jsonl",
    "book/accounts.parquet",
    "book/commands.parquet",
    "timeline.jsonl",
    "locust_stats.csv",
    "locust_stats_history.csv",
    "findings.json",
    "summary.json",
    "report.html",
    "report.md",
    "junit.xml",
)


def test_plain_locust_with_no_other_argument_does_the_whole_demonstration(tmp_path: Path) -> None:
    """`locust -f locustfiles/payments.py --headless` sends 20,000 commands, 30 s of payments, and is right."""
    place = {"PAYSTORM_RUNS_DIR": str(tmp_path / "runs")}
    ended = run([*LOCUST, "--headless"], **place)
    assert ended.code == Exit.GOOD, ended.out + ended.err
    summary = ended.summary
    assert summary["commands"] == summary["journaled"] >= 20_000
    payments = summary["phases"][-1]
    assert payments["ended_ns"] - payments["began_ns"] >= 30e9
    assert payments["rate_per_s"] == pytest.approx(850, rel=0.01)
    assert {check["status"] for check in summary["checks"]} == {"holds"}
    assert ended.out.rstrip().endswith("(exit code 0)")
    assert all((ended.directory / name).is_file() for name in FILES)
    assert (tmp_path / "runs/demo/latest").resolve() == ended.directory
