"""The stack on a container engine: its start order, its health, and what becomes of what dies.

Only where there is an engine with Compose, and images can be had; where there is none, it says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import ROOT
from tests.e2e.test_kubernetes_locally import free_ports

BUILD_S = 900
WAIT_S = 180
KILL = """
import os, pathlib
for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if b"sandbox" in path.read_bytes() and int(path.parent.name) not in (1, os.getpid()):
        os.kill(int(path.parent.name), 9)
"""
"""Kills the sandbox, not the init above it, from inside of its container."""


def engine_is_missing() -> str:
    """Return why there is no stack to be had here; empty where there is."""
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except FileNotFoundError:
            return "there is no docker on this machine"
        if done.returncode:
            return f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1]}"
    return ""


MISSING = engine_is_missing()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no container engine: {MISSING}")


class Stack:
    """The stack under a name of its own, on ports that nobody else has."""

    def __init__(self) -> None:
        name = f"paystorm-test-{os.getpid()}"
        self.compose = ["docker", "compose", "--project-name", name]
        self._profiles = ["--profile", "sandbox", "--profile", "run"]
        self.environment = {**os.environ, "SANDBOX_PORT": "0", "METRICS_PORT": "0"}

    def do(self, *words: str, limit_s: float = WAIT_S, check: bool = True) -> Any:
        """Run a command of Compose."""
        done = subprocess.run(
            [*self.compose, *self._profiles, *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    def inspected(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's first container, a stopped one too."""
        container = self.do("ps", "--all", "--quiet", service).stdout.split()[0]
        done = subprocess.run(
            ["docker", "inspect", container], capture_output=True, text=True, check=True, timeout=30
        )
        found: dict[str, Any] = json.loads(done.stdout)[0]
        return found


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """The image built, and the sandbox up; all of it goes away."""
    made = Stack()
    made.do("build", limit_s=BUILD_S)
    try:
        made.do("up", "--detach", "--wait", "sandbox")
        yield made
    finally:
        made.do("down", "--volumes", "--remove-orphans", check=False)


def when(text: str) -> datetime:
    """Read a time of the engine's, to the microsecond."""
    return datetime.fromisoformat(text[:26].rstrip("Z") + "+00:00")


def test_a_sandbox_that_dies_is_healthy_again(stack: Stack) -> None:
    """What is killed is started again, and called healthy only when it answers."""
    before = stack.inspected("sandbox")
    assert before["State"]["Health"]["Status"] == "healthy"
    # From inside: whoever is stopped by its operator is not started again.
    stack.do("exec", "-T", "sandbox", "python", "-c", KILL, check=False)
    until = time.monotonic() + WAIT_S
    while True:
        now = stack.inspected("sandbox")
        again = now["RestartCount"] > before["RestartCount"]
        if again and now["State"].get("Health", {}).get("Status") == "healthy":
            break
        assert time.monotonic() < until, now["State"]
        time.sleep(1)


def test_a_run_starts_in_order_and_ends_with_the_verdict(stack: Stack) -> None:
    """The platform is healthy before the master starts, the master before the workers; it exits 0."""
    stack.do("up", "--detach", "--scale", "worker=3", "master", "worker")
    code = stack.do("wait", "master", check=False).returncode
    log = stack.do("logs", "master").stdout
    assert code == Exit.GOOD, log
    assert "RIGHT, and as fast as asked" in log
    started = [when(stack.inspected(name)["State"]["StartedAt"]) for name in ("sandbox", "master")]
    assert started == sorted(started)
    assert started[1] < when(stack.inspected("worker")["State"]["StartedAt"])
    assert stack.inspected("master")["Config"]["User"] == "10001:10001"


@pytest.mark.skipif(
    os.environ.get("MQ_LICENSE") != "accept",
    reason="MQ_LICENSE=accept is not set: the images of Kafka and IBM MQ are for who agrees to IBM's terms",
)
def test_the_pipeline_is_validated_whole_on_real_brokers() -> None:
    """`make validate-pipeline`: all healthy, the run right, judged again from its directory; then all away.

    Over IBM MQ as well where MQ_CLIENT and MQ_PASSWORD are set.
    """
    stack = Stack()
    ports = {"KAFKA_PORT": str(*free_ports(1)), "MQ_PORT": "0"}
    make = ["make", "--no-print-directory", f"COMPOSE={' '.join(stack.compose)}"]

    def made(target: str, limit_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*make, target],
            cwd=ROOT,
            env={**stack.environment, **ports},
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )

    try:
        done = made("validate-pipeline", BUILD_S + WAIT_S)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("RIGHT, and as fast as asked") == 2
    finally:
        made("stack-down", WAIT_S)
        stack.do("--profile", "brokers", "down", "--volumes", "--remove-orphans", check=False)
