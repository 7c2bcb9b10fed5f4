"""A whole run over real Apache Kafka, whose broker crashes in the middle and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from e2e_data.exits import Exit
from e2e_data.platform import Platform
from reports.book import take_snapshot
from reports.reconcile import reconcile
from reports.rundir import RunDirectory
from reports.site import Site
from tests.mq_process import ENVIRONMENT, ROOT, platform

RUN_S = 300


def test_a_broker_that_crashes_in_the_middle_of_a_run_loses_nothing(real_kafka, tmp_path):
    """Commands wait in the process, events on the topic: in the end everything is right, once each.

    By the topic itself, replayed as the book; and by the platform's statements, which tell of money.
    """
    with platform("--kafka-at", real_kafka.bootstrap) as running:
        command = [sys.executable, "-m", "paystorm", "run", "smoke", "--channels", "kafka=100"]
        settings = {
            "kafka.bootstrap": f'"{real_kafka.bootstrap}"',
            "timeout_s": 60,
            "completion_deadline_s": 90,
            "pool.accounts": 20,
            "phases.payments.rate_per_s": 40,
            "phases.payments.settle_s": 45,
        }
        command += [
            part for name, value in settings.items() for part in ("--set", f"{name}={value}")
        ]
        command += ["--host", running.url, "--runs-dir", str(tmp_path)]
        command += ["--book", f"kafka://{real_kafka.bootstrap}/payments.events"]
        process = subprocess.Popen(
            command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        timeline = tmp_path / "smoke" / "latest" / "timeline.jsonl"
        until_s = time.monotonic() + 60
        while not _is_paying(timeline) and time.monotonic() < until_s and process.poll() is None:
            time.sleep(0.1)
        real_kafka.kill()
        time.sleep(1)
        real_kafka.start()
        out = process.communicate(timeout=RUN_S)[0].decode()
        assert process.returncode == 0, out
        by_statements = _judged_by_statements(running.url, tmp_path / "smoke" / "latest")
    assert "RIGHT, and as fast as asked: nothing lost (not asked: invariants 2, 4a, 4b)" in out
    assert by_statements.exit is Exit.GOOD, by_statements.reasons
    events = timeline.parent / "events"
    counted = json.loads((events / "local.json").read_text())["counted"]
    assert counted["ours"] >= json.loads((timeline.parent / "summary.json").read_text())["commands"]
    assert counted["trimmed"] == 0


def _judged_by_statements(url, run):
    """Judge a run again by another book."""
    directory = RunDirectory(run)
    for path in directory.book.iterdir():
        path.unlink()
    take_snapshot([Site(url)], Platform(), directory.record().ids, directory)
    return reconcile(directory).results.judgement


def _is_paying(timeline):
    lines = timeline.read_text().splitlines() if timeline.exists() else []
    rows = [json.loads(line) for line in lines[-3:] if line.endswith("}")]
    return any(row.get("phase") == "payments" and row.get("sent", 0) > 60 for row in rows)
