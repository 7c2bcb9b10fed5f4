"""Generating a pool into a directory: with several processes, all or nothing, and resumable."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from e2e_data import manifest as manifests
from e2e_data.config import PoolConfig
from e2e_data.manifest import ShardEntry
from e2e_data.partial import Partial, locked
from e2e_data.problems import Problems
from e2e_data.progress import Progress
from e2e_data.tally import empty_tally
from e2e_data.writer import Job, Made, WriterEndedError, written

SMALL_POOL_COMMANDS = 2_000_000
"""Below this, starting processes takes longer than the work they would share."""
COMMAND_BYTES, SHARD_BYTES = 16, 8192
"""What a command takes in a file, about, and a file that has none."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what is done and how to go on as its text."""


def write_pool(
    config: PoolConfig,
    seed: int,
    directory: Path,
    jobs: int | None = None,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Write a pool into `directory`, where nothing is yet; do nothing if another did so meanwhile.

    `tell` hears that work goes on where an earlier one was stopped. Raises Problems where the pool
    cannot be written, and Interrupted.
    """
    target = directory.resolve()
    if target.is_mount() or target == Path.cwd():
        # Its name is given to another directory in the end, which such a one does not survive.
        what = "a mount point" if target.is_mount() else "the current directory"
        raise Problems([f"{directory}: is {what}; choose a directory inside of it"])
    try:
        with locked(target) as partial:
            try:
                if target.exists() and any(target.iterdir()):
                    partial.remove()
                    return
                _Generation(config, seed, partial, tell).run(jobs or default_jobs(config), progress)
                partial.become(target)
            except OSError:
                partial.remove()
                raise
    except OSError as error:
        raise Problems([f"{directory}: {_reason(error, config, target)}"]) from None


class _Generation:
    """The making of one pool in its partial directory: what is done of it, and what is left."""

    def __init__(
        self,
        config: PoolConfig,
        seed: int,
        partial: Partial,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._config = config
        self._seed = seed
        self._partial = partial
        self._entries: dict[int, ShardEntry] = {}
        self._tally = empty_tally(config)
        done, discarded = partial.begin(_header(config, seed))
        for made in done.values():
            self._count(made)
        if tell and discarded:
            tell(f"{discarded}; that is discarded")
        if tell and done:
            tell(f"going on after {self._so_far}")

    def run(self, jobs: int, progress: Progress | None) -> None:
        """Write what is left, and the manifest; keep what is finished when that is interrupted."""
        try:
            self._write_shards(jobs, progress)
            entries = [self._entries[number] for number in range(self._config.shard_count)]
            manifest = manifests.build(self._config, self._seed, entries, self._tally)
            manifest.write(self._partial.path / manifests.FILE_NAME)
        except WriterEndedError:
            raise Problems(
                [
                    f"{self._partial.path}: a generating process ended early (killed for want of "
                    f"memory?) after {self._so_far}; the same command goes on from there, perhaps "
                    "with a lower --jobs"
                ]
            ) from None
        except KeyboardInterrupt:
            raise Interrupted(self._interrupted()) from None

    def _write_shards(self, jobs: int, progress: Progress | None) -> None:
        numbers = [n for n in range(self._config.shard_count) if n not in self._entries]
        job = Job(self._config, self._seed, self._partial.path)
        commands = sum(sum(entry.counts) for entry in self._entries.values())
        if progress:
            progress(len(self._entries), commands)
        with closing(written(job, numbers, min(jobs, len(numbers)), self._partial.lock)) as shards:
            for made in shards:
                self._partial.add(made)
                self._count(made)
                commands += sum(made.entry.counts)
                if progress:
                    progress(len(self._entries), commands)

    def _count(self, made: Made) -> None:
        self._entries[made.number] = made.entry
        self._tally = self._tally.plus(made.tally)

    @property
    def _so_far(self) -> str:
        return f"{len(self._entries):,} of {self._config.shard_count:,} shards"

    def _interrupted(self) -> str:
        if not self._entries:
            self._partial.remove()
            return "interrupted before anything was written"
        return (
            f"interrupted after {self._so_far}, which are kept in {self._partial.path}; the same "
            "command goes on from there, removing that directory cleans up"
        )


def default_jobs(config: PoolConfig) -> int:
    """Return how many processes share the work unless told: one a core, or one for a small pool."""
    cores = os.cpu_count() or 1
    return 1 if _commands_most(config) < SMALL_POOL_COMMANDS else min(cores, config.shard_count)


def _commands_most(config: PoolConfig) -> int:
    return config.accounts * (2 + config.funding[1] + config.payments[1])


def _header(config: PoolConfig, seed: int) -> dict[str, Any]:
    """Return what must be equal for two runs to write the same files."""
    return {
        "version": manifests.VERSION,
        "seed": seed,
        "libraries": manifests.library_versions(),
        "config": config.model_dump(mode="json"),
    }


def _reason(error: OSError, config: PoolConfig, target: Path) -> str:
    # Arrow puts sentences of its own around the system's.
    reason = os.strerror(error.errno) if error.errno else str(error)
    remedy = "choose another --out"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = next(parent for parent in target.parents if parent.exists())
        needed = _commands_most(config) * COMMAND_BYTES + config.shard_count * SHARD_BYTES
        free = shutil.disk_usage(place).free
        reason += f"; the pool needs up to {needed / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are free"
        remedy = f"make room, have fewer --accounts, or {remedy}"
    return f"cannot be written: {reason}; {remedy}; what was written is removed"
