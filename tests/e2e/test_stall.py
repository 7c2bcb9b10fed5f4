"""A platform that stalls is judged by what its customers waited, and never taken for an unfit generator."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from e2e_data.exits import Exit
from tests.e2e.conftest import PAYSTORM, Sandbox, finish, start
from tests.e2e.test_endings import wait_for_phase

STALL_S = 2.0
PLAN = """
name = "demo"
users = 8

[pool]
preset = "small"
accounts = 60

[phases.accounts]
sends = ["account"]
rate_per_s = 100

[phases.opening-credits]
sends = ["opening credit"]
rate_per_s = 100

[phases.payments]
sends = ["funding", "payment"]
rate_per_s = 100
duration_s = 12

[[slos]]
latency = "response"
percentile = 95
below_ms = 500
phase = "payments"

# The tests of several projects may share this machine.
[fitness]
lag_percentile = 75
lag_below_ms = 400
loop_lag_below_ms = 2000
"""


def test_a_stalled_platform_exits_with_10(
    sandbox: Callable[..., Sandbox], runs: list[str], tmp_path: Path
) -> None:
    """Two seconds without any answer: all users wait, arrivals queue, the SLO is missed, exit 10.

    Nothing is lost, and the generator was fit: what came due in the stall was sent after it, and is
    measured from when it was due.
    """
    plan = tmp_path / "stall.toml"
    plan.write_text(PLAN)
    platform = sandbox()
    process = start([*PAYSTORM, "run", str(plan), "--host", platform.url, *runs])
    wait_for_phase(process, runs, "payments")
    platform.process.send_signal(signal.SIGSTOP)
    time.sleep(STALL_S)  # the stall itself
    platform.process.send_signal(signal.SIGCONT)
    ended = finish(process)
    assert ended.code == Exit.SLOW, ended.out + ended.err
    summary = ended.summary
    assert {check["status"] for check in summary["checks"]} == {"holds"}
    assert {rule["status"] for rule in summary["fitness"]} == {"holds"}
    longest_ms = {
        latency: max(
            row["percentiles_ms"]["max"]
            for row in summary["latencies"]
            if row["phase"] == "payments" and row["latency"] == latency
        )
        for latency in ("queueing", "service", "response")
    }
    assert longest_ms["response"] >= 1000 * STALL_S * 0.9
    assert longest_ms["queueing"] >= 1000 * STALL_S * 0.75
    assert "overdue" in ended.out + ended.err
