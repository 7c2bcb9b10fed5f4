"""The audit log of all runs in a folder: who started, changed and stopped what, and when."""

from __future__ import annotations

import platform as machine
from dataclasses import dataclass
from datetime import UTC, datetime

from reports.lines import LineLog
from reports.rundir import RunDirectory

FILE_NAME = "audit.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that somebody did."""

    at: str
    """UTC, by the machine's clock."""
    user: str
    machine: str
    run: str
    what: str
    """start, change, or end."""
    detail: str


class Audit:
    """Appends to the log of the folder that a run directory is in."""

    def __init__(self, directory: RunDirectory, user: str) -> None:
        self._log = LineLog(directory.path.parent.parent / FILE_NAME)
        self._run = f"{directory.path.parent.name}/{directory.name}"
        self._user = user

    def write(self, what: str, detail: str) -> None:
        """Note what this process's user did, or had done: somebody else's name is in the detail."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._log.write(Entry(at, self._user, machine.node(), self._run, what, detail))

    def close(self) -> None:
        """Close the log."""
        self._log.close()
