"""What a fleet costs: its workers among each other, and its master.

    python benchmarks/fleet.py            about seven minutes
    python benchmarks/fleet.py --quick    less than one, to see that it runs

1. One worker sends at a rate, then two at twice that rate together: the ratio of commands per CPU
   second of the sending processes is the efficiency of the second, 1 if a fleet costs nothing. Two at
   the rate of one show what a process costs that has little to do.
2. One, two, three and five workers send at the same rate together, below what they could: the master's
   share of the processor time of all of them. All that the master does counts as coordination, Locust's
   own messages, the metrics and the timeline too; a worker's asks are in its own time, which cannot be
   told apart, and grows with the number of processes.
3. Many simulated workers, in a few processes, send real Locust messages to one real master: once what
   every Locust worker sends, once asks, figures and accounts as well. The difference is what our
   messages and merges cost the master, beside what Locust itself costs. The master has a core to itself,
   where there are two, and all the others share the rest. How fast it answers is seen by some of the
   workers, that have a process of their own with precedence over the crowd's; each of Locust's own
   heartbeats is answered too, and says how long Locust alone would have taken.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

if __package__ in (None, ""):
    # Instead of this folder, whose modules must not be taken for others of their names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import PAYSTORM, ROOT, Row, table

CLIENTS = (sys.executable, "-m", "benchmarks.fleet_clients")
SHARDS_PER_WORKER = 4
PER_S, PAYMENTS = 10, 100
"""Payments of a simulated worker: so many a second, and so many in each of its shards."""
SETTLED_S = 3
"""After a phase began, so long is left out."""
PATIENT_S = 150
CROWDS = 2
WATCHED = 60
NICENESS = "15"
SIZES = (1, 2, 3, 5)
"""Numbers of workers that the plan `scale` is to be run with."""
GOAL_SHARE_PERCENT = 5
GOAL_CORES = 0.5
GOAL_MS = 50


@contextmanager
def sandbox() -> Iterator[str]:
    """Run a platform, and yield where it listens."""
    command = [*PAYSTORM, "sandbox", "--http-port", "0", "--announce", "--stop-with-stdin"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["http"]
    finally:
        process.communicate(timeout=30)


@contextmanager
def confined(cores: Set[int]) -> Iterator[None]:
    """Start processes that run on some cores only; where the system cannot do that, anywhere."""
    if not hasattr(os, "sched_setaffinity") or not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(processes: list[psutil.Process]) -> float:
    """Return the processor time that processes have taken."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def wait_for_row(
    timeline: Path, process: subprocess.Popen[bytes], wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Wait until a run's timeline has a row that is wanted, and return it."""
    until_s = time.monotonic() + PATIENT_S
    while time.monotonic() < until_s and process.poll() is None:
        lines = timeline.read_text().splitlines(keepends=True) if timeline.exists() else []
        for line in lines:
            row: dict[str, Any] = json.loads(line) if line.endswith("\n") else {}
            if "sent" in row and wanted(row):
                return row
        time.sleep(0.2)
    raise SystemExit("the run did not come so far")


# -- one worker and two -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spent:
    """What a fleet sent in a while, and the processor time that it took."""

    sent: int
    workers_s: float
    master_s: float

    @property
    def per_cpu_s(self) -> float:
        """Commands per CPU second of the sending processes."""
        return self.sent / self.workers_s

    @property
    def master_share(self) -> float:
        """The master's part of all the processor time."""
        return self.master_s / (self.master_s + self.workers_s)


def spent(workers: int, rate: int, seconds: int) -> Spent:
    """Let some workers send at a rate together, and return what that took."""
    with sandbox() as host, tempfile.TemporaryDirectory() as runs:
        command = [*PAYSTORM, "run", "demo", "--workers", str(workers), "--host", host]
        command += ["--rate", str(rate), "--duration", f"{seconds + 2 * SETTLED_S}s"]
        command += ["--runs-dir", runs]
        for phase in ("accounts", "opening-credits"):
            command += ["--set", f"phases.{phase}.rate_per_s={rate}"]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        crew: list[psutil.Process] = []
        try:
            timeline = Path(runs) / "demo" / "latest" / "timeline.jsonl"
            wait_for_row(timeline, process, lambda row: row["phase"] == "payments")
            time.sleep(SETTLED_S)
            master = psutil.Process(process.pid)
            crew = [one for one in master.children() if "--worker" in one.cmdline()]
            before, crew_s, master_s = _last_sent(timeline), cpu_s(crew), cpu_s([master])
            time.sleep(seconds)
            return Spent(
                _last_sent(timeline) - before, cpu_s(crew) - crew_s, cpu_s([master]) - master_s
            )
        finally:
            # Its workers end when their standard input does, and write until then.
            process.kill()
            process.wait()
            psutil.wait_procs(crew, timeout=30)


def _last_sent(timeline: Path) -> int:
    rows = (json.loads(line) for line in timeline.read_text().rpartition("\n")[0].splitlines())
    return max(int(row["sent"]) for row in rows if "sent" in row)


def efficiency_rows(rate: int, seconds: int) -> Iterator[Row]:
    """Measure one worker, two at twice its rate, and two at its rate; tell what came of it."""
    one = spent(1, rate, seconds).per_cpu_s
    yield Row(f"one worker, {rate:,}/s", f"{one:,.0f} commands per CPU second", "", "")
    for together in (2 * rate, rate):
        two = spent(2, together, seconds).per_cpu_s
        told = f"{two:,.0f} commands per CPU second"
        yield Row(f"two workers, {together:,}/s together", told, "", f"efficiency {two / one:.2f}")


def coordination_rows(rate: int, seconds: int) -> Iterator[Row]:
    """Measure what a command costs fleets of several sizes at the same rate, and the master's share."""
    for workers in SIZES:
        took = spent(workers, rate, seconds)
        of_workers, of_master = (
            f"{1000 * one / took.sent:.2f} ms" for one in (took.workers_s, took.master_s)
        )
        each = f"{of_workers} of CPU a command, and {of_master} of the master's"
        share = f"master: {100 * took.master_share:.1f} % of all"
        what = f"{workers} worker{'s' * (workers > 1)}"
        yield Row(what, each, f"< {GOAL_SHARE_PERCENT} %", share)


# -- very many workers ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answered:
    """How long a kind of message waited for its answer."""

    count: int
    p50_ms: float
    p99_ms: float

    @property
    def told(self) -> str:
        """The percentiles in words."""
        return f"p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"


@dataclass(frozen=True, slots=True)
class Crowded:
    """A master under a crowd."""

    cores: float
    beats: Answered
    """Locust's own."""
    asks: Answered
    stall: Answered
    """How late a timer was in the process that saw the answers: a part of what it saw is its own."""


def crowded(workers: int, seconds: int, mode: str) -> Crowded:
    """Let a crowd work, "bare", "full", or with "ends" told too, and measure its master."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    own, others = set(cores[:1]), set(cores[1:] or cores)
    with sandbox() as host, tempfile.TemporaryDirectory() as runs:
        with confined(own):
            master = _master(workers, host, Path(runs))
        with confined(others):
            crowds = _crowds(workers, seconds, mode, _port_of(master))
        told: list[dict[str, Any]] = []
        try:
            timeline = Path(runs) / "demo" / "latest" / "timeline.jsonl"
            phase = "" if mode == "bare" else "payments"
            wait_for_row(
                timeline,
                master,
                lambda row: row["phase"] == phase and (mode != "bare" or row["at_ns"] > 5e9),
            )
            time.sleep(SETTLED_S)
            watched = psutil.Process(master.pid)
            before_s = cpu_s([watched])
            time.sleep(seconds)
            used = (cpu_s([watched]) - before_s) / seconds
        finally:
            told = [json.loads(one.communicate(timeout=30)[0] or b"{}") for one in crowds]
            master.kill()
            master.wait()
    asks, beats, stall = (Answered(**told[-1][name]) for name in ("asks", "beats", "stall"))
    return Crowded(used, beats, asks, stall)


def _master(workers: int, host: str, runs: Path) -> subprocess.Popen[bytes]:
    settings = {
        "pool.accounts": workers * SHARDS_PER_WORKER,
        "pool.accounts_per_shard": 1,
        "pool.payments": f"[{PAYMENTS}, {PAYMENTS}]",
        "pool.funding": "[2, 2]",
        "phases.accounts.rate_per_s": workers * 4,
        "phases.opening-credits.rate_per_s": workers * 4,
        "phases.payments.rate_per_s": workers * PER_S,
    }
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/payments.py", "--headless"]
    command += ["--master", "--master-bind-port", "0", "--expect-workers", str(workers)]
    command += ["--plan", "demo", "-u", str(workers), "-r", str(workers), "--host", host]
    command += ["--runs-dir", str(runs), "--only-summary"]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    with (runs / "master.log").open("wb") as out:
        return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)


def _crowds(workers: int, seconds: int, mode: str, port: int) -> list[subprocess.Popen[bytes]]:
    """Start the crowd; its last process is the one that sees the answers."""
    watched = min(WATCHED, workers // 2)
    counts = [(workers - watched) // CROWDS] * CROWDS
    counts.append(workers - sum(counts))
    return [
        subprocess.Popen(
            ["nice", "-n", nice, *CLIENTS, str(port), str(count), mode, str(seconds)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for count, nice in zip(counts, [*[NICENESS] * CROWDS, "0"], strict=True)
    ]


def _port_of(process: subprocess.Popen[bytes]) -> int:
    until_s = time.monotonic() + PATIENT_S
    while time.monotonic() < until_s:
        for connection in psutil.Process(process.pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                return int(connection.laddr.port)
        time.sleep(0.1)
    raise SystemExit("the master does not listen")


def crowd_rows(workers: int, seconds: int) -> Iterator[Row]:
    """Measure the master with Locust's own messages and with ours, and tell what came of it."""
    bare, full = (crowded(workers, seconds, mode) for mode in ("bare", "full"))
    ours = full.cores - bare.cores
    yield Row("CPU of the master, Locust's messages alone", f"{bare.cores:.2f} cores", "", "")
    yield Row("with ours", f"{full.cores:.2f} cores", "", f"{full.cores / bare.cores:.2f} times")
    goal = f"< {GOAL_CORES} cores"
    yield Row("ours", f"{ours:.2f} cores", goal, f"{ours / bare.cores:.2f} of Locust's own")
    per_s = full.asks.count / seconds
    ratio = f"{full.asks.p99_ms / max(full.beats.p99_ms, 0.01):.1f} of a heartbeat's"
    what = f"from ask to answer, {per_s:.0f} a second seen"
    yield Row(what, full.asks.told, f"p99 < {GOAL_MS} ms", ratio)
    beats = f"{full.beats.p99_ms / max(bare.beats.p99_ms, 0.01):.1f} of those alone"
    yield Row("from heartbeat to answer, Locust's messages alone", bare.beats.told, "", "")
    yield Row("from heartbeat to answer, with ours", full.beats.told, "", beats)
    yield Row("of which the seeing process's own lateness", full.stall.told, "", "")


def ends_rows(workers: int, seconds: int) -> Iterator[Row]:
    """Measure what it costs the master that each command's end is seen by a worker that did not send it."""
    without, told = (crowded(workers, seconds, mode) for mode in ("full", "ends"))
    yield Row(
        "CPU of the master, each ends where it was sent", f"{without.cores:.2f} cores", "", ""
    )
    ratio = f"{told.cores / without.cores:.2f} times"
    yield Row("each end told by another worker", f"{told.cores:.2f} cores", "", ratio)
    yield Row("from ask to answer", told.asks.told, "", "")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="see that it runs, in a minute")
    parser.add_argument("--only", choices=["efficiency", "coordination", "crowd", "ends"])
    options = parser.parse_args()
    rate, workers, seconds = (300, 40, 4) if options.quick else (600, 1000, 20)
    if options.only in (None, "efficiency"):
        print(table("fleet: one worker and two", efficiency_rows(rate, seconds // 2)), end="\n\n")
    if options.only in (None, "coordination"):
        title = f"fleet: {rate:,}/s together"
        print(table(title, coordination_rows(rate, seconds // 2)), end="\n\n")
    if options.only in (None, "crowd"):
        print(
            table(f"fleet: {workers:,} workers, one master", crowd_rows(workers, seconds)),
            end="\n\n",
        )
    if options.only in (None, "ends"):
        told_by = 40 if options.quick else 100
        print(
            table(f"fleet: {told_by} workers and one event topic", ends_rows(told_by, seconds // 2))
        )


if __name__ == "__main__":
    main()
