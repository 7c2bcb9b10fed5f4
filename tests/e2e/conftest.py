"""What end-to-end tests share: the real commands as subprocesses, and a sandbox to run against."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCUST = [sys.executable, "-m", "locust", "-f", "locustfiles/payments.py"]
PAYSTORM = [sys.executable, "-m", "paystorm"]
RUN_S = 300
"""No command of these tests takes nearly so long."""

START_S = 120

# A shell's background jobs are started without Ctrl-C, and so would be what the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

ENVIRONMENT = {
    key: value
    for key, value in os.environ.items()
    if not key.startswith(("PAYSTORM_", "LOCUST_", "FORCE_COLOR"))
}


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def directory(self) -> Path:
        """The run directory whose report it named."""
        found = re.findall(r"^Report: (.*)/report\.html$", self.out, re.MULTILINE)
        assert found, f"no report is named in:\n{self.out}\n{self.err}"
        return Path(found[-1])

    @property
    def summary(self) -> dict[str, Any]:
        """What the judge wrote down."""
        summary: dict[str, Any] = json.loads((self.directory / "summary.json").read_text())
        return summary

    def findings(self) -> dict[str, int]:
        """Return the causes that the judge named, with their counts."""
        return {
            finding["name"]: finding["count"]
            for check in self.summary["checks"]
            for finding in check["findings"]
            if not finding["consequence_of"]
        }


def run(command: list[str], **environment: str) -> Ended:
    """Run a command to its end, from the project's root."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def start(command: list[str]) -> subprocess.Popen[str]:
    """Start a command that a test will signal."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> Ended:
    """Wait for a started command."""
    out, err = process.communicate(timeout=RUN_S)
    return Ended(process.returncode, out, err)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let several processes share these tests: much of their time is waiting for what they started."""
    parser.addoption("--part", metavar="K/N", help="run every N-th file, from the K-th on")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the files of other parts; the tests of one file share what they start."""
    part = config.getoption("--part")
    if part is None:
        return
    first, _, parts = part.partition("/")
    files = sorted({item.path for item in items})
    mine = set(files[int(first) - 1 :: int(parts)])
    others = [item for item in items if item.path not in mine]
    items[:] = [item for item in items if item.path in mine]
    config.hook.pytest_deselected(items=others)


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    """The options that put run directories where the test can see them."""
    return ["--runs-dir", str(tmp_path / "runs")]


@dataclass(frozen=True)
class Sandbox:
    """A sandbox in a process of its own."""

    url: str
    process: subprocess.Popen[str]
    mq: str = ""
    kafka: str = ""

    def end(self) -> str:
        """End it, and return what it logged."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None
        return self.process.communicate(timeout=120)[1]


@contextmanager
def start_sandbox(*options: str) -> Iterator[Sandbox]:
    """Start a sandbox with options; it ends with the context."""
    process = subprocess.Popen(
        [*PAYSTORM, "sandbox", "--http-port", "0", "--announce", "--stop-with-stdin", *options],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], START_S)[0], "the sandbox did not start"
        told = json.loads(process.stdout.readline())
        yield Sandbox(told["http"], process, told.get("mq", ""), told.get("kafka", ""))
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def sandbox() -> Iterator[Callable[..., Sandbox]]:
    """A function that starts sandboxes with options; they end with the test."""
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(start_sandbox(*options))
