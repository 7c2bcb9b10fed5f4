"""The run before: the latest earlier one of the same plan and pool, among the directories beside a run's.

What a report says of it is the same whenever it is made again: the runs' beginnings decide, not the clock.
Only small files are read, of few neighbours; a neighbour that is broken, or no run at all, does no harm.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from e2e_data.problems import Problems
from reports.judgement import Judgement
from reports.likeness import differing_settings, pool_of, surroundings
from reports.quantities import count
from reports.results import SUMMARY, read_judgement
from reports.rundir import RunDirectory, RunRecord

NEIGHBOURS_MAX = 200
"""Directories that are looked at, those that began last before the run first: names tell."""
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

    @classmethod
    def of(cls, directory: RunDirectory, record: RunRecord, judgement: Judgement) -> Told:
        """Take of a run what is set beside another."""
        name = directory.path.resolve().name
        return cls(name, record.epoch_utc_ns, surroundings(record), judgement)


@dataclass(frozen=True, slots=True)
class LookedBack:
    """A run, and the one before it."""

    now: Told
    then: Told | None = None
    passed_over: tuple[str, ...] = ()
    """The later ones among the earlier runs that cannot be set beside it, with why; the latest first."""


def look_back(directory: RunDirectory, record: RunRecord, judgement: Judgement) -> LookedBack:
    """Find the latest earlier run of the same plan and pool that was judged and ended in good order."""
    now = Told.of(directory, record, judgement)
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
        return Told.of(there, earlier, read_judgement(there))
    except (Problems, OSError) as error:
        return f"cannot be read ({type(error).__name__})"


def _is_small(path: Path, bytes_max: int = BYTES_MAX) -> bool:
    """Tell whether a file is there, is no pipe or device, and can be read as a whole."""
    try:
        found = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size <= bytes_max
