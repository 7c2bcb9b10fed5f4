"""The scenario pool: a configuration and a seed, and optionally a directory that holds its shards.

The directory is a cache to inspect and to save time. Whoever has no file makes the shard, and
compares its hash with the manifest's when there is one.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

from e2e_data import manifest as manifests
from e2e_data import parquet, tables
from e2e_data.commands import Kind
from e2e_data.config import PoolConfig
from e2e_data.manifest import Manifest, ShardEntry
from e2e_data.problems import Problems
from e2e_data.shard import Counts, Shard, make_shard, shard_counts
from e2e_data.tally import Tally, tally_of

Progress = Callable[[int, int], None]
"""Called with the number of shards and of commands that are done."""

SHARDS_KEPT = 8
"""So many shards stay in memory; a large one takes about 3 MB."""
FAULTS_TOLD = 10
SMALL_POOL_COMMANDS = 2_000_000
"""Below this, starting processes takes longer than the work they would share."""


class Pool:
    """All commands of a test and what is expected of them, shard by shard."""

    def __init__(
        self,
        config: PoolConfig,
        seed: int,
        *,
        directory: Path | None = None,
        manifest: Manifest | None = None,
    ) -> None:
        """Prefer the named constructors; raises Problems for a seed that is none."""
        if not 0 <= seed <= tables.SEED_MAX:
            raise Problems([f"seed = {seed}: must be from 0 to {tables.SEED_MAX}"])
        self.config = config
        self.seed = seed
        self.directory = directory
        self._manifest = manifest
        self._recent: OrderedDict[int, Shard] = OrderedDict()
        self._counts: dict[int, Counts] = {}

    @classmethod
    def generate(
        cls,
        config: PoolConfig,
        seed: int,
        directory: Path,
        jobs: int | None = None,
        progress: Progress | None = None,
    ) -> Pool:
        """Write the pool into `directory` and return it; an equal finished pool there is kept.

        `jobs` processes share the work: one for each core unless given, none beside this one for
        a small pool or for 1. The directory appears with everything in it or not at all. Raises
        Problems when it already holds anything else, or cannot be written.
        """
        pool = cls(config, seed)
        kept = cls.kept(config, seed, directory)
        if kept:
            return kept
        target = directory.resolve()
        partial = target.parent / f".{target.name}.{secrets.token_hex(4)}.partial"
        try:
            partial.mkdir(parents=True)
            made = _generated(pool, partial, jobs or _default_jobs(config), progress)
            manifests.build(config, seed, made).write(partial / manifests.FILE_NAME)
            if target.exists():
                target.rmdir()
            partial.rename(target)
        except OSError as error:
            raise Problems([f"{directory}: cannot be written: {error.strerror or error}"]) from None
        except BrokenProcessPool:
            raise Problems(
                [
                    f"{directory}: a generating process was killed (for want of memory?); lower --jobs"
                ]
            ) from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return cls.open(directory)

    @classmethod
    def kept(cls, config: PoolConfig, seed: int, directory: Path) -> Pool | None:
        """Return the equal pool that `directory` holds already; None if there is room for one.

        Raises Problems when the directory holds anything else, or an equal pool that is damaged.
        """
        try:
            if not directory.exists() or not any(directory.iterdir()):
                return None
        except OSError as error:
            raise Problems([f"{directory}: cannot be used: {error.strerror}"]) from None
        if not (directory / manifests.FILE_NAME).exists():
            raise Problems(
                [
                    f"{directory}: holds something else than a pool; choose another --out, or empty it"
                ]
            )
        pool = cls.open(directory)
        if not pool.manifest.is_of(config, seed):
            which = "of another configuration" if pool.seed == seed else f"of seed {pool.seed}"
            raise Problems(
                [f"{directory}: holds the pool {which}; choose another --out, or delete it"]
            )
        return pool

    @classmethod
    def open(cls, directory: Path) -> Pool:
        """Open a pool that was generated; raises Problems for what is missing or cut off.

        Shards are compared with the manifest's hashes only when they are read.
        """
        if not directory.is_dir():
            raise Problems(
                [f"{directory}: there is no such directory; {manifests.remedy(directory)}"]
            )
        found = manifests.read(directory)
        faults = list(_file_faults(directory, found))
        if faults:
            more = len(faults) - FAULTS_TOLD
            told = faults[:FAULTS_TOLD] + ([f"and {more} shards more"] if more > 0 else [])
            raise Problems([*told, manifests.remedy(directory, found)])
        return cls(found.config, found.seed, directory=directory, manifest=found)

    @classmethod
    def in_memory(cls, config: PoolConfig, seed: int) -> Pool:
        """Return a pool without files; its shards are made when they are asked for."""
        return cls(config, seed)

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> Pool:
        """Return a pool without files whose shards are compared with a manifest from elsewhere."""
        return cls(manifest.config, manifest.seed, manifest=manifest)

    def __len__(self) -> int:
        return sum(self.count_of(kind) for kind in Kind)

    def __repr__(self) -> str:
        where = self.directory or "in memory"
        return f"<Pool of {self.config.accounts} accounts, seed {self.seed}, {where}>"

    @property
    def shard_count(self) -> int:
        """The number of shards."""
        return self.config.shard_count

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest: as it was read, or found out by making every shard."""
        if self._manifest:
            return self._manifest
        made = ((_entry(shard, file_bytes=0), tally_of(shard)) for shard in self.shards())
        return manifests.build(self.config, self.seed, made)

    def count_of(self, kind: Kind) -> int:
        """Return the number of commands of one kind in the whole pool."""
        return self._totals[kind]

    def shard_counts(self, number: int) -> Counts:
        """Return what one shard has of each kind, without making or reading it."""
        if self._manifest:
            return self._manifest.shard_counts(number)
        if number not in self._counts:
            self._counts[number] = shard_counts(self.config, self.seed, number)
        return self._counts[number]

    def shard(self, number: int) -> Shard:
        """Return one shard: from its file when there is one, else made.

        Raises Problems when it is not what the manifest says, and IndexError when there is none.
        """
        if number in self._recent:
            self._recent.move_to_end(number)
            return self._recent[number]
        shard = self.unchecked_shard(number)
        if self._manifest and shard.hash != self._manifest.shards[number].hash:
            raise Problems([self._difference(shard)])
        self._recent[number] = shard
        if len(self._recent) > SHARDS_KEPT:
            self._recent.popitem(last=False)
        return shard

    def unchecked_shard(self, number: int) -> Shard:
        """Return one shard as it is, not compared with the manifest, for whoever looks for faults.

        Raises Problems when its file cannot be read at all.
        """
        path = self.path_of(number)
        if path and path.exists():
            return parquet.read_shard(path, self.config, self.seed, number)
        return make_shard(self.config, self.seed, number)

    def path_of(self, number: int) -> Path | None:
        """Return where the file of a shard is or would be; None for a pool in memory."""
        return self.directory / parquet.file_name(number) if self.directory else None

    def shards(self) -> Iterator[Shard]:
        """Go through all shards in order; only a few are in memory at a time."""
        return (self.shard(number) for number in range(self.shard_count))

    @cached_property
    def _totals(self) -> Counts:
        every = (self.shard_counts(number) for number in range(self.shard_count))
        return Counts(*map(sum, zip(*every, strict=True)))

    def _difference(self, shard: Shard) -> str:
        wanted = self.manifest.shards[shard.number].hash
        path = self.path_of(shard.number)
        if path and path.exists() and self.directory:
            return (
                f"{path}: was changed: its columns' hash is {shard.hash}, the manifest has "
                f"{wanted}; {manifests.remedy(self.directory, self.manifest)}"
            )
        return (
            f"shard {shard.number}: made here its hash is {shard.hash}, the manifest has {wanted}: "
            "another version of paystorm made the pool; use the same version everywhere"
        )


def _file_faults(directory: Path, manifest: Manifest) -> Iterator[str]:
    for number, entry in enumerate(manifest.shards):
        path = directory / parquet.file_name(number)
        try:
            size = path.stat().st_size
        except OSError as error:
            yield f"{path}: is missing ({error.strerror})"
            continue
        if size != entry.file_bytes:
            yield f"{path}: has {size} bytes, the manifest has {entry.file_bytes}: cut off or changed"


def _entry(shard: Shard, *, file_bytes: int) -> ShardEntry:
    return ShardEntry(counts=tuple(shard.counts), hash=shard.hash, file_bytes=file_bytes)


def _default_jobs(config: PoolConfig) -> int:
    commands = config.accounts * (2 + config.funding[1] + config.payments[1])
    cores = os.cpu_count() or 1
    return 1 if commands < SMALL_POOL_COMMANDS else min(cores, config.shard_count)


def _generated(
    pool: Pool, directory: Path, jobs: int, progress: Progress | None
) -> Iterator[tuple[ShardEntry, Tally]]:
    commands = 0
    for number, (entry, tally) in enumerate(_written(pool, directory, jobs)):
        commands += sum(entry.counts)
        if progress:
            progress(number + 1, commands)
        yield entry, tally


def _written(pool: Pool, directory: Path, jobs: int) -> Iterator[tuple[ShardEntry, Tally]]:
    writer = _Writer(pool.config, pool.seed, directory)
    numbers = range(pool.shard_count)
    if jobs == 1:
        yield from map(writer, numbers)
        return
    # Spawned, not forked: a fork would copy threads' locks in whatever state they are.
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_start, initargs=(writer,)
    ) as workers:
        chunk = max(1, min(16, len(numbers) // (jobs * 4)))
        yield from workers.map(_write, numbers, chunksize=chunk)


class _Writer:
    """Makes a shard and writes its file."""

    def __init__(self, config: PoolConfig, seed: int, directory: Path) -> None:
        self.config = config
        self.seed = seed
        self.directory = directory

    def __call__(self, number: int) -> tuple[ShardEntry, Tally]:
        shard = make_shard(self.config, self.seed, number)
        path = self.directory / parquet.file_name(number)
        parquet.write_shard(shard, path)
        return _entry(shard, file_bytes=path.stat().st_size), tally_of(shard)


_writer_here: list[_Writer] = []


def _start(writer: _Writer) -> None:
    # The parent alone answers Ctrl-C; it cancels what is left.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _writer_here.append(writer)


def _write(number: int) -> tuple[ShardEntry, Tally]:
    return _writer_here[0](number)
