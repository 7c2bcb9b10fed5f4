"""A worker that its master has started, and its master's end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from locustfiles.launched import LAUNCHED_BY

LOCUSTFILE = Path(__file__).resolve().parents[2] / "locustfiles/payments.py"


def test_a_worker_whose_master_is_killed_before_it_has_joined_ends_at_once(tmp_path):
    """It would look for its master for five minutes; its standard input says that there is none."""
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--worker"]
    command += ["--master-host", "127.0.0.1", "--master-port", str(nobody.getsockname()[1])]
    worker = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, LAUNCHED_BY: "1"},
    )
    try:
        # From here on it looks for its master.
        while b"Starting Locust" not in worker.stderr.readline():
            assert worker.poll() is None
        worker.stdin.close()
        assert worker.wait(timeout=30) == -signal.SIGTERM
    finally:
        worker.kill()
        worker.wait()
        worker.stderr.close()
        nobody.close()
