"""Grants: which commands a worker may send, written down before the worker is told.

What lies outside every grant was surely never sent. What lies inside and has no fact in the journal
was perhaps sent, unless the worker closed its journal in good order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e_data.problems import Problems
from reports.lines import LineLog, damaged, read_lines


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission for `worker` to send positions [start, stop) of a shard's part of a phase."""

    epoch: int
    worker: str
    lap: int
    shard: int
    phase: int
    start: int
    stop: int
    at_ns: int
    attempt: int = 0
    """0, or how often the commands may have been sent before: by workers that were lost."""


class GrantLog:
    """Writes grants down. A line is with the operating system before `write` returns."""

    def __init__(self, path: Path) -> None:
        """Open the log. Raises Problems where another master writes to it: the run is still on."""
        try:
            self._lines = LineLog(path, alone=True)
        except BlockingIOError:
            raise Problems(
                [f"{path.parent.parent} is a run that is still going on: stop its master first"]
            ) from None

    def write(self, grant: Grant) -> None:
        """Write a grant down."""
        self._lines.write(grant)

    def write_all(self, grants: Sequence[Grant]) -> None:
        """Write several grants down at once."""
        self._lines.write_all(grants)

    def write_closed(self, worker: str, chunks: int) -> None:
        """Write down that `worker` stopped sending and its journal is complete, in `chunks` files."""
        self._lines.write({"closed": worker, "chunks": chunks})

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


@dataclass(frozen=True, slots=True)
class GrantBook:
    """All the grants of a run, and the workers whose journals are complete."""

    grants: tuple[Grant, ...]
    closed: dict[str, int]
    """Worker -> how many chunks its journal has."""

    @property
    def open_workers(self) -> frozenset[str]:
        """The workers that had grants and never closed their journals."""
        return frozenset(grant.worker for grant in self.grants) - self.closed.keys()


def read_grants(path: Path) -> GrantBook:
    """Read a grant log; a grant whose line a crash cut off was never answered, so it is no grant."""
    grants: list[Grant] = []
    closed: dict[str, int] = {}
    for entry in read_lines(path):
        try:
            if "closed" in entry:
                closed[str(entry["closed"])] = int(entry["chunks"])
            else:
                grants.append(Grant(**entry))
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, f"the entry {entry}", error) from error
    return GrantBook(tuple(grants), closed)
