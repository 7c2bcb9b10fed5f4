"""The run before: the latest earlier one of the same plan and pool, among the directories beside a run's.

What a report says of it is the same whenever it is made again: the runs' beginnings decide, not the clock.
Only small files are read, of few neighbours; a neighbour that is broken, or no run at all, does no harm.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from e2e_data.problems import Problems
from reports.hdr import Histogram
from reports.judgement import Judgement, LatencyRow
from reports.latencies import WAITED_FOR
from reports.latency_log import FILE_NAME, of_phase, read_log
from reports.likeness import differing_settings, pool_of, surroundings
from reports.quantities import count
from reports.results import SUMMARY, read_judgement
from reports.rundir import RunDirectory, RunRecord

NEIGHBOURS_MAX = 200
"""Directories that are looked at, those that began last before the run first: names tell."""
ALL = "all"
"""The channel and the kind of what is over all of them."""
BYTES_MAX, MANIFEST_BYTES_MAX = 8 << 20, 64 << 20
"""A larger file is none of ours; a manifest has a few hundred bytes for each shard."""


@dataclass(frozen=True, slots=True)
class Told:
    """A run that was judged, as far as another is set beside it."""

    name: str
    """That of its directory."""
    began_utc_ns: int
    surroundings: dict[str, str]
    judgement: Judgement
    whole: tuple[LatencyRow, ...] = ()
    """What customers wait for, over all channels and kinds of each phase; empty where that is not known."""

    @classmethod
    def of(
        cls,
        directory: RunDirectory,
        record: RunRecord,
        judgement: Judgement,
        histograms: Mapping[str, Histogram],
    ) -> Told:
        """Take of a run what is set beside another."""
        name = directory.path.resolve().name
        return cls(
            name,
            record.epoch_utc_ns,
            surroundings(record),
            judgement,
            whole_phases(judgement, histograms),
        )


def whole_phases(
    judgement: Judgement, histograms: Mapping[str, Histogram]
) -> tuple[LatencyRow, ...]:
    """Return a row for each phase over all its channels and kinds; none without histograms."""
    return tuple(
        of_phase(histograms, judgement, phase.name, latency).row(latency, phase.name, ALL, ALL)
        for latency in WAITED_FOR
        for phase in judgement.phases
        if histograms
    )


@dataclass(frozen=True, slots=True)
class LookedBack:
    """A run, and the one before it."""

    now: Told
    then: Told | None = None
    passed_over: tuple[str, ...] = ()
    """The later ones among the earlier runs that cannot be set beside it, with why; the latest first."""


def look_back(
    directory: RunDirectory,
    record: RunRecord,
    judgement: Judgement,
    histograms: Mapping[str, Histogram],
) -> LookedBack:
    """Find the latest earlier run of the same plan and pool that was judged and ended in good order.

    `histograms` are the run's, by the tags of its latency log.
    """
    now = Told.of(directory, record, judgement, histograms)
    pool, passed_over = _pool(directory), list[str]()
    for path in _earlier(directory.path.resolve(), record):
        found = _comparable(RunDirectory(path), pool, record)
        if isinstance(found, Told):
            return LookedBack(now, found, tuple(passed_over))
        passed_over.append(f"{path.name} {found}")
    return LookedBack(now, None, tuple(passed_over))


def _earlier(own: Path, record: RunRecord) -> Iterator[Path]:
    """Yield the directories of earlier runs of the plan, the latest first."""
    began = {}
    for path in _neighbours(own):
        told = _began(path / "run.json", record.plan_name)
        if told is not None and 0 < told < record.epoch_utc_ns:
            began[path] = told
    yield from sorted(began, key=lambda path: (began[path], path.name), reverse=True)


def _neighbours(own: Path) -> list[Path]:
    """Return the directories beside a run's: by name, from its own backwards, and then those behind it."""
    try:
        found = sorted(
            path for path in own.parent.iterdir() if not path.is_symlink() and path.is_dir()
        )
    except OSError:  # a run that is all one may read was handed on alone
        return []
    before = [path for path in found if path.name < own.name]
    behind = [path for path in found if path.name > own.name]
    return [*reversed(before), *behind][:NEIGHBOURS_MAX]


def _began(path: Path, plan_name: str) -> int | None:
    """Return when a run began, in ns of UTC; None where it is no run of the plan, or cannot be read."""
    if not _is_small(path):
        return None
    try:
        told = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    if not isinstance(told, dict) or told.get("plan_name") != plan_name:
        return None
    began = told.get("epoch_utc_ns")
    return began if isinstance(began, int) else None


def _pool(directory: RunDirectory) -> tuple[str, ...] | None:
    try:
        return pool_of(directory)
    except Problems:  # a report can be written again where a run's evidence is no more
        return None


def _comparable(there: RunDirectory, pool: tuple[str, ...] | None, record: RunRecord) -> Told | str:
    """Return what is known of an earlier run, or why it cannot be set beside its successor."""
    try:
        earlier = there.record()
        differing = list(differing_settings(earlier.plan, record.plan))
        if differing:
            where, was, is_now = differing[0]
            more = f", and {count(len(differing) - 1)} more" if differing[1:] else ""
            return f"had other settings ({where} was {was}, now {is_now}{more})"
        if earlier.state != "ended":
            return f"did not end in good order ({earlier.state})"
        if not (there.path / SUMMARY).exists():
            return "was not judged"
        if pool is None:
            return "had a pool that this run's cannot be compared with: its manifest cannot be read"
        if not (_is_small(there.path / SUMMARY) and _is_small(there.manifest, MANIFEST_BYTES_MAX)):
            return "cannot be read"
        if pool_of(there) != pool:
            return "had another pool"
        return Told.of(there, earlier, read_judgement(there), _histograms(there))
    except (Problems, OSError) as error:
        return f"cannot be read ({type(error).__name__})"


def _histograms(directory: RunDirectory) -> dict[str, Histogram]:
    """Read a run's latency log; empty where it cannot be read, since the judgement has percentiles, too."""
    path = directory.latency / FILE_NAME
    try:
        return read_log(path) if _is_small(path) else {}
    except Problems:
        return {}


def _is_small(path: Path, bytes_max: int = BYTES_MAX) -> bool:
    """Tell whether a file is there, is no pipe or device, and can be read as a whole."""
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= bytes_max
