"""The embedded sandbox: a payments platform of our own, in a process of its own, for one run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gevent
from gevent import subprocess

from e2e_data.problems import Problems

START_S = 30


class EmbeddedSandbox:
    """A sandbox that lives no longer than the process that started it."""

    def __init__(self, *options: str) -> None:
        """Start it with `options`, and return when it listens. Raises Problems where it does not."""
        # A session of its own, so that Ctrl-C in the terminal reaches the run and not the sandbox:
        # the run drains first. Its standard input is a pipe that closes when the run is gone.
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sandbox",
                "--http-port",
                "0",
                "--announce",
                "--stop-with-stdin",
                *options,
            ],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            with gevent.Timeout(START_S):
                assert self._process.stdout is not None
                line = self._process.stdout.readline()
            announced = json.loads(line)
            self.url = str(announced["http"])
            self.mq: str | None = announced.get("mq")
            """Where its queue manager listens, if it was asked for one."""
            self.kafka: str | None = announced.get("kafka")
            """Where Kafka clients begin, if it was asked for a broker."""
        except (gevent.Timeout, ValueError, KeyError) as error:
            self.stop()
            raise Problems(
                ["the embedded sandbox did not start; try it alone with: paystorm sandbox"]
            ) from error

    def stop(self) -> None:
        """End the sandbox and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
