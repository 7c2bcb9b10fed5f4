"""What a fleet costs: python benchmarks/fleet.py [--workers 1000] [--seconds 20]

Two measurements, each as a ratio within one run on one machine:

1. Commands per CPU-second of the sending processes, with one worker and with two, at the same rate:
   their ratio is the efficiency that a second worker has.
2. Many simulated workers, in two processes, send real Locust messages to one real master. Once they
   send what every Locust worker sends; once asks, figures and accounts as well. The difference is
   what our messages and merges cost the master, beside what Locust itself costs; and the time from
   an ask to its answer is measured where it is waited for.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
SHARDS_PER_WORKER = 4
PATIENT_S = 180
PROCESSES = 2
WATCHED = 40


@contextmanager
def sandbox() -> Iterator[str]:
    """Run a platform, and yield where it listens."""
    command = [
        sys.executable,
        "-m",
        "sandbox",
        "--http-port",
        "0",
        "--announce",
        "--stop-with-stdin",
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["http"]
    finally:
        process.communicate(timeout=30)


# -- one worker and two -----------------------------------------------------------------------


def efficiency(rate: int, seconds: int) -> dict[str, float]:
    """Return commands per CPU-second of one and of two workers, and their ratio."""
    per_cpu_s = {workers: _commands_per_cpu_s(workers, rate, seconds) for workers in (1, 2)}
    return {
        "one_worker_per_cpu_s": round(per_cpu_s[1]),
        "two_workers_per_cpu_s": round(per_cpu_s[2]),
        "efficiency": round(per_cpu_s[2] / per_cpu_s[1], 3),
    }


def _commands_per_cpu_s(workers: int, rate: int, seconds: int) -> float:
    with sandbox() as host, tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "paystorm", "run", "demo", "--workers", str(workers)]
        command += ["--rate", str(rate), "--duration", f"{seconds}s", "--host", host]
        command += ["--runs-dir", runs]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        timeline = Path(runs) / "demo" / "latest" / "timeline.jsonl"
        begun = _wait_for_row(timeline, process, lambda row: row.get("phase") == "payments")
        crew = [
            one for one in psutil.Process(process.pid).children() if "--worker" in one.cmdline()
        ]
        before_s, sent = _cpu_s(crew), begun["sent"]
        time.sleep(seconds * 0.6)
        row = json.loads(timeline.read_text().splitlines()[-1])
        spent_s = _cpu_s(crew) - before_s
        process.wait(timeout=PATIENT_S)
        return float(row["sent"] - sent) / spent_s


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _wait_for_row(
    timeline: Path, process: subprocess.Popen[bytes], wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    until_s = time.monotonic() + PATIENT_S
    while time.monotonic() < until_s and process.poll() is None:
        lines = timeline.read_text().splitlines() if timeline.exists() else []
        for line in lines:
            row: dict[str, Any] = json.loads(line)
            if "sent" in row and wanted(row):
                return row
        time.sleep(0.2)
    raise SystemExit("the run did not come so far")


# -- very many workers ------------------------------------------------------------------------


def crowd(workers: int, seconds: int) -> dict[str, float]:
    """Return the master's CPU with Locust's own messages and with ours, and how fast answers come."""
    bare, _ = _master_cpu(workers, seconds, "bare")
    full, told = _master_cpu(workers, seconds, "full")
    return {
        "workers": workers,
        "locust_itself_cores": round(bare, 3),
        "with_ours_cores": round(full, 3),
        "ours_cores": round(full - bare, 3),
        **told,
    }


def ends(workers: int, seconds: int) -> dict[str, float]:
    """Return what it costs the master that each command's end is seen by another worker."""
    full, _ = _master_cpu(workers, seconds, "full")
    events, told = _master_cpu(workers, seconds, "events")
    return {
        "workers": workers,
        "ends_per_s": workers * 20,
        "without_ends_cores": round(full, 3),
        "with_ends_cores": round(events, 3),
        "ends_cores": round(events - full, 3),
        **told,
    }


def _master_cpu(workers: int, seconds: int, mode: str) -> tuple[float, dict[str, float]]:
    accounts = workers * SHARDS_PER_WORKER
    with sandbox() as host, tempfile.TemporaryDirectory() as runs:
        settings = {
            "pool.accounts": accounts,
            "pool.accounts_per_shard": 1,
            "pool.payments": "[200, 200]",
            "pool.funding": "[2, 2]",
            "phases.accounts.rate_per_s": workers * 4,
            "phases.opening-credits.rate_per_s": workers * 4,
            "phases.payments.rate_per_s": workers * 20,
        }
        command = [sys.executable, "-m", "locust", "-f", "locustfiles/payments.py", "--headless"]
        command += ["--master", "--master-bind-port", "0", "--expect-workers", str(workers)]
        command += ["--plan", "demo", "-u", str(workers), "-r", str(workers), "--host", host]
        command += ["--runs-dir", runs, "--only-summary"]
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        log = Path(runs) / "master.log"
        with log.open("wb") as out:
            master = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
        port = _port_of(master)
        # The waits are measured by a few workers that have a process, and its event loop, to
        # themselves: in a crowd's, an answer lies about until its five hundred have had their turn.
        counts = [(workers - WATCHED) // PROCESSES] * PROCESSES + [WATCHED]
        crowds = [
            subprocess.Popen(
                [sys.executable, "benchmarks/crowd.py", str(port), str(count), mode, str(seconds)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for count in counts
        ]
        try:
            timeline = Path(runs) / "demo" / "latest" / "timeline.jsonl"
            in_phase = "" if mode == "bare" else "payments"
            _wait_for_row(
                timeline, master, lambda row: row["phase"] == in_phase and row["users_now"] >= 0
            )
            if mode == "bare":
                time.sleep(5)
            watched = psutil.Process(master.pid)
            before_s = _cpu_s([watched])
            time.sleep(seconds)
            cores = (_cpu_s([watched]) - before_s) / seconds
        finally:
            told = [json.loads(one.communicate(timeout=30)[0] or b"{}") for one in crowds]
            master.kill()
            master.wait()
    if mode == "bare":
        return cores, {}
    return cores, {
        "asks": sum(one["answers"] for one in told),
        "answer_p50_ms": told[-1]["p50_ms"],
        "answer_p99_ms": told[-1]["p99_ms"],
        "of_answers": told[-1]["answers"],
    }


def _port_of(process: subprocess.Popen[bytes]) -> int:
    until_s = time.monotonic() + PATIENT_S
    while time.monotonic() < until_s:
        for connection in psutil.Process(process.pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                return int(connection.laddr.port)
        time.sleep(0.1)
    raise SystemExit("the master does not listen")


def main() -> None:
    """Measure, and print what came of it as one line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rate", type=int, default=600)
    parser.add_argument("--only", choices=["efficiency", "crowd", "ends"])
    options = parser.parse_args()
    if options.only in (None, "efficiency"):
        print(json.dumps(efficiency(options.rate, options.seconds)), flush=True)
    if options.only in (None, "crowd"):
        print(json.dumps(crowd(options.workers, options.seconds)), flush=True)
    if options.only in (None, "ends"):
        print(json.dumps(ends(options.workers, options.seconds)), flush=True)


if __name__ == "__main__":
    main()
