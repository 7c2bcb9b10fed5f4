"""What benchmarks share: the machine, a process's use of it, and the table that tells figures."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
PAYSTORM = (sys.executable, "-m", "paystorm")
SAMPLE_S = 0.1


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command took, with all the processes that it started."""

    wall_s: float
    cpu_s: float
    parent_peak_bytes: int
    child_peak_bytes: int
    """The most that any one of the processes that it started held; 0 where there were none."""


def measured(command: Sequence[str]) -> Usage:
    """Run a command to its end, from the project's root; raises CalledProcessError if it fails."""
    before, started_s = _cpu_s(), time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    peaks: dict[int, int] = {}
    while True:
        _sample(process.pid, peaks)
        try:
            code = process.wait(SAMPLE_S)
        except subprocess.TimeoutExpired:
            continue
        break
    if code:
        raise subprocess.CalledProcessError(code, command)
    parent = peaks.pop(process.pid, 0)
    return Usage(
        wall_s=time.monotonic() - started_s,
        cpu_s=_cpu_s() - before,
        parent_peak_bytes=parent,
        child_peak_bytes=max(peaks.values(), default=0),
    )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _sample(pid: int, peaks: dict[int, int]) -> None:
    try:
        parent = psutil.Process(pid)
        for one in (parent, *parent.children(recursive=True)):
            peaks[one.pid] = max(peaks.get(one.pid, 0), _peak_bytes(one))
    except psutil.Error:
        pass  # it ended meanwhile; what was sampled before stands


def _peak_bytes(process: psutil.Process) -> int:
    """Return the most memory that a process ever held; now, where the system does not keep that."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return int(process.memory_info().rss)
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0")
    return int(peak.split()[1]) * 1024


def rate_per_cpu_s(work: Callable[[], int], least_s: float) -> float:
    """Repeat `work`, which returns how much it did, for so long; return how much a core does a second.

    Processor time is what counts, so that what else the machine does counts less.
    """
    work()
    done, started_s = 0, time.process_time()
    while time.process_time() - started_s < least_s:
        done += work()
    return done / (time.process_time() - started_s)


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, what was asked for, and how it compares with something else in the same run."""

    what: str
    figure: str
    goal: str
    ratio: str


def table(title: str, rows: Iterable[Row]) -> str:
    """Return a table in Markdown, with the date and the machine below it."""
    lines = [f"| {title} | figure | goal | ratio |", "|---|---|---|---|"]
    lines += [f"| {row.what} | {row.figure} | {row.goal} | {row.ratio} |" for row in rows]
    return "\n".join([*lines, "", f"Measured on {datetime.now(UTC):%Y-%m-%d} with {machine()}."])


def machine() -> str:
    """Tell what figures depend on."""
    memory_gb = psutil.virtual_memory().total / 1e9
    return (
        f"{os.cpu_count()} cores of {_processor()}, {memory_gb:.0f} GB, {platform.system()}, Python "
        f"{platform.python_version()}, numpy {metadata.version('numpy')}, "
        f"pyarrow {metadata.version('pyarrow')}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def megabytes(size: float) -> str:
    """Write a number of bytes as people read it."""
    return f"{size / 1e6:,.0f} MB"


def by_scale(
    description: str | None, title: str, rows: Callable[[str, Path], Iterable[Row]]
) -> None:
    """Read which scale is asked for: "quick", "large" or "", measure in a directory of its own, and print the table."""
    parser = argparse.ArgumentParser(description=description)
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--quick", action="store_true", help="a hundredth of the work")
    scale.add_argument("--large", action="store_true", help="ten times the work")
    asked = parser.parse_args()
    chosen = "quick" if asked.quick else "large" if asked.large else ""
    with tempfile.TemporaryDirectory(prefix="paystorm-bench-") as directory:
        print(table(title, rows(chosen, Path(directory))))
    if asked.quick:
        print("This was a hundredth of the work, mostly starting up; no goal applies to it.")
