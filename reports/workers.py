"""The workers of a fleet, one by one: what each reported of itself, and what became of it.

The report's latencies are the journal's. These are what the workers told their master while they
sent, so a slow one is visible, and one whose journal is missing has said something all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import orjson

from reports.judgement import WorkerRow
from reports.lines import damaged, read_lines
from reports.rundir import RunDirectory
from reports.timeline import Event

FATES = ("worker lost", "worker replaced", "worker back")


@dataclass(frozen=True, slots=True)
class Reported:
    """The response times of a worker, cumulative, as of its last report."""

    worker: str
    answered: int
    p50_ms: float | None
    p99_ms: float | None


def write_reported(directory: RunDirectory, reported: Iterable[Reported]) -> Path:
    """Write down what the workers reported last; return the file."""
    lines = b"".join(orjson.dumps(one) + b"\n" for one in reported)
    return directory.write("latency/workers.jsonl", lines)


def read_reported(directory: RunDirectory) -> dict[str, Reported]:
    """Return worker -> what it reported last. Raises Problems for a damaged file."""
    path = directory.latency / "workers.jsonl"
    found: dict[str, Reported] = {}
    for entry in read_lines(path):
        try:
            found[str(entry["worker"])] = Reported(**entry)
        except (KeyError, TypeError) as error:
            raise damaged(path, f"the entry {entry}", error) from error
    return found


def worker_rows(
    events: Iterable[Event],
    reported: Mapping[str, Reported],
    closed: Mapping[str, int],
    damaged_journals: Set[str],
) -> Iterator[WorkerRow]:
    """Yield a row for each worker that ever joined, in the order of their names.

    `closed` has the workers that closed their journals; of `damaged_journals` something is missing.
    """
    fates: dict[str, list[str]] = {}
    for event in events:
        worker, _, what = event.note.partition(": ")
        if event.event == "worker joined":
            fates.setdefault(worker, [])
        elif event.event in FATES:
            fates.setdefault(worker, []).append(f"{event.event.removeprefix('worker ')}: {what}")
    for worker in sorted(fates):
        told = reported.get(worker)
        complete = worker in closed and worker not in damaged_journals
        yield WorkerRow(
            worker=worker,
            answered=told.answered if told else 0,
            response_p50_ms=told.p50_ms if told else None,
            response_p99_ms=told.p99_ms if told else None,
            journal_complete=complete,
            note="; ".join(fates[worker]),
        )
