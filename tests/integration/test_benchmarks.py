"""Benchmarks run, alone and as told in the README, and measure what they say they measure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.measure import Row, measured, rate_per_cpu_s, table

ROOT = Path(__file__).parents[2]
DEADLINE_S = 300
MB = 1_000_000


def held(megabytes: int) -> str:
    """A program that holds so much memory."""
    return f"held = bytearray({megabytes * MB}); "


def test_the_memory_of_each_process() -> None:
    """Peaks are those of the command itself, and of the largest process that it started."""
    child = repr(held(150) + "import time; time.sleep(1)")
    program = held(60) + f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child}])"
    usage = measured([sys.executable, "-c", program])
    assert 60 * MB < usage.parent_peak_bytes < 120 * MB
    assert 150 * MB < usage.child_peak_bytes < 220 * MB
    assert usage.wall_s > 1
    assert usage.cpu_s > 0


def test_a_command_that_fails() -> None:
    """There is no figure for a command that failed."""
    with pytest.raises(subprocess.CalledProcessError):
        measured([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_rate_of_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted after a first round that only warms up, per second of processor time."""
    clock_s = 0.0

    def busy(seconds: float, done: int) -> Callable[[], int]:
        def work() -> int:
            nonlocal clock_s
            clock_s += seconds
            return done

        return work

    monkeypatch.setattr("time.process_time", lambda: clock_s)
    assert rate_per_cpu_s(busy(0.5, 100), least_s=2) == 200


def test_the_table() -> None:
    """A table is Markdown, and names the day and the machine."""
    lines = table("parts", [Row("one", "1 s", "< 2 s", "2 times")]).splitlines()
    assert lines[0] == "| parts | figure | goal | ratio |"
    assert lines[2] == "| one | 1 s | < 2 s | 2 times |"
    assert re.fullmatch(
        r"Measured on \d{4}-\d\d-\d\d with \d+ cores of .+, Python .+, numpy .+\.", lines[-1]
    )


def rows_of(tmp_path: Path, *command: str) -> list[list[str]]:
    """Run a benchmark by its path from elsewhere, and return the cells of its table's rows."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / command[0]), "--quick", *command[1:]],
        cwd=tmp_path,
        # What is measured for coverage is slow, and that is not what is to be measured here.
        env={name: text for name, text in os.environ.items() if "COVERAGE_" not in name},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert "Measured on " in done.stdout
    assert list(tmp_path.iterdir()) == []
    return [line.strip("|").split(" | ") for line in done.stdout.splitlines() if "|" in line][2:]


def test_the_pool(tmp_path: Path) -> None:
    """The pool's benchmark runs by its path from anywhere, and gives every figure with a ratio."""
    rows = rows_of(tmp_path, "pool.py")
    assert len(rows) == 9
    for what, figure, goal, ratio in rows:
        assert re.search(r"\d", figure), what
        assert re.search(r"\d", goal), what
        assert re.search(r"\d", ratio), what


def test_the_fleet(tmp_path: Path) -> None:
    """Forty workers by a few processes talk to a real master: our messages are told from Locust's own."""
    rows = {
        what.strip(): figure
        for what, figure, _, _ in rows_of(tmp_path, "fleet.py", "--only", "crowd")
    }
    alone, together = (
        float(rows[what].split()[0])
        for what in ("CPU of the master, Locust's messages alone", "with ours")
    )
    assert 0 < alone < together
    asked = next(figure for what, figure in rows.items() if what.startswith("from ask to answer"))
    assert re.fullmatch(r"p50 [\d.]+ ms, p99 [\d.]+ ms", asked)
