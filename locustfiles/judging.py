"""Judging a run that has ended: as anybody can later, from its directory and in a process of its own."""

from __future__ import annotations

import os
import sys

from gevent import subprocess

from e2e_data.exits import Exit, exit_of
from reports.rundir import RunDirectory


def judge(directory: RunDirectory) -> tuple[Exit, str]:
    """Return the judge's exit code, and what it said; with colours where a terminal shows them."""
    command = [sys.executable, "-m", "paystorm", "reconcile", str(directory.path)]
    environment = {**os.environ, "FORCE_COLOR": "1"} if sys.stdout.isatty() else None
    judged = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    return exit_of(judged.returncode), str(judged.stdout)
