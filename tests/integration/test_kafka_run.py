"""A whole run over real Apache Kafka, whose broker crashes in the middle and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from tests.mq_process import ENVIRONMENT, ROOT, platform

RUN_S = 300


def test_a_broker_that_crashes_in_the_middle_of_a_run_loses_nothing(real_kafka, tmp_path):
    """Commands wait in the process, events on the topic: in the end everything is right, once each."""
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
    assert "RIGHT, and as fast as asked" in out
    events = timeline.parent / "events"
    counted = json.loads((events / "local.json").read_text())["counted"]
    assert counted["ours"] >= json.loads((timeline.parent / "summary.json").read_text())["commands"]
    assert counted["trimmed"] == 0


def _is_paying(timeline):
    lines = timeline.read_text().splitlines() if timeline.exists() else []
    rows = [json.loads(line) for line in lines[-3:] if line.endswith("}")]
    return any(row.get("phase") == "payments" and row.get("sent", 0) > 60 for row in rows)
