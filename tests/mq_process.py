"""The sandbox with MQ or Kafka in a process of its own, for tests that reach it as programs do."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START_S = 30
END_S = 30

ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("PAYSTORM_")}


class Sandbox:
    """A running sandbox: its process and its addresses."""

    def __init__(self, process):
        assert select.select([process.stdout], [], [], START_S)[0], "the sandbox did not start"
        announced = json.loads(os.read(process.stdout.fileno(), 4096))
        self.process = process
        self.url = announced.get("http")
        self.mq = announced.get("mq")
        self.kafka = announced.get("kafka")

    @property
    def port(self):
        return int(self.mq.partition("(")[2].rstrip(")"))

    def ended(self):
        """Wait for its end; return exit code and what it logged."""
        _, complaints = self.process.communicate(timeout=END_S)
        return self.process.returncode, complaints.decode()


@contextmanager
def sandbox(*options, to_be_killed=False, **environment):
    """Run a sandbox until the end of the block; `to_be_killed`, it is not measured for coverage."""
    left_out = "COVERAGE_" if to_be_killed else "\0"
    kept = {key: value for key, value in ENVIRONMENT.items() if not key.startswith(left_out)}
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--announce", "--stop-with-stdin", *options],
        cwd=ROOT,
        env={**kept, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield Sandbox(process)
        finally:
            if process.poll() is None and not to_be_killed:
                process.stdin.close()
                process.stdin = None
                process.wait(END_S)
            process.kill()


def queue_manager(*options, **how):
    """Run a queue manager alone."""
    return sandbox("--mq-only", "--mq-port", "0", *options, **how)


def platform(*options, **how):
    """Run a platform on any free port."""
    return sandbox("--http-port", "0", "--latency", "1", *options, **how)
