"""The steps of searches, as they are written down while a run is on: JSON lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reports.lines import damaged, read_lines


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a search, as it was written down when it was over. Times are since the run's epoch."""

    phase: str
    rate_per_s: int
    from_ns: int
    """When its first arrival was due."""
    until_ns: int
    missed: str
    """Why the search took its rate for too high; empty where it held."""


def read_steps(path: Path) -> list[Step]:
    """Read the steps of a run's searches, in their order; none where there was no search."""
    steps: list[Step] = []
    for entry in read_lines(path):
        try:
            steps.append(Step(**entry))
        except TypeError as error:
            raise damaged(path, f"the step {entry}", error) from error
    return steps
