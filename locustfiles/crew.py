"""The crew: worker processes on this machine, started by their master and ended with it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gevent import subprocess

from locustfiles.launched import LAUNCHED_BY

LOCUSTFILE = Path(__file__).with_name("payments.py")
END_S = 15
"""A worker that was told to quit has so long to close its journal."""


class Crew:
    """Worker processes on loopback."""

    def __init__(self, count: int, port: int, platform: str | None) -> None:
        """Start `count` workers of the master that listens on `port`."""
        command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--worker"]
        command += ["--master-host", "127.0.0.1", "--master-port", str(port)]
        command += ["--loglevel", "WARNING"]
        command += ["--platform", platform] if platform else []
        # A session of their own: Ctrl-C in the terminal reaches the master, which drains them. Their
        # standard input is a pipe that closes when the master is gone, however it went.
        self.processes = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, LAUNCHED_BY: "1"},
            )
            for _ in range(count)
        ]

    def kill_one(self) -> bool:
        """Kill a worker with -9, and tell whether there was one."""
        alive = [process for process in self.processes if process.poll() is None]
        for process in alive[-1:]:
            process.kill()
        return bool(alive)

    def end(self) -> None:
        """Wait for the workers, which were told to quit, and kill what is left."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self.processes:
            try:
                process.wait(timeout=END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
