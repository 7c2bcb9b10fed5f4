"""The scenario pool: a configuration and a seed, and optionally a directory that holds its shards.

The directory is a cache to inspect and to save time. Whoever has no file makes the shard, and
compares its hash with the manifest's when there is one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from weakref import WeakValueDictionary

from e2e_data import manifest as manifests
from e2e_data import parquet, tables
from e2e_data.commands import Kind
from e2e_data.config import PoolConfig
from e2e_data.manifest import Manifest, ShardEntry
from e2e_data.problems import Problems
from e2e_data.progress import Progress
from e2e_data.shard import Counts, Shard, make_shard, shard_counts
from e2e_data.tally import empty_tally, tally_of

SHARDS_KEPT = 8
"""So many shards that nobody uses stay in memory; a large one takes about 3 MB."""
FAULTS_TOLD = 10


class Pool:
    """All commands of a test and what is expected of them, shard by shard."""

    def __init__(
        self,
        config: PoolConfig,
        seed: int,
        *,
        directory: Path | None = None,
        manifest: Manifest | None = None,
        laps: int = 1,
    ) -> None:
        """Prefer the named constructors; raises Problems for a seed that is none."""
        if not 0 <= seed <= tables.SEED_MAX:
            raise Problems([f"seed = {seed}: must be from 0 to {tables.SEED_MAX}"])
        self.config = config
        self.seed = seed
        self.directory = directory
        self.laps = laps
        self._manifest = manifest
        self._recent: OrderedDict[int, Shard] = OrderedDict()
        self._used: WeakValueDictionary[int, Shard] = WeakValueDictionary()
        """What anybody still has: making it once more would take time and memory for the same."""
        self._counts: dict[int, Counts] = {}

    @classmethod
    def generate(
        cls,
        config: PoolConfig,
        seed: int,
        directory: Path,
        jobs: int | None = None,
        progress: Progress | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> Pool:
        """Write the pool into `directory` and return it; an equal finished pool there is kept.

        `jobs` processes share the work: one for each core unless given, none beside this one for
        a small pool or for 1. The directory appears with everything in it or not at all; what an
        earlier attempt finished is used, of which `tell` hears. Raises Problems when the directory
        already holds anything else, or cannot be written, and generate.Interrupted.
        """
        # Imported here: it takes locks that not every system has, and most pools are only read.
        from e2e_data.generate import write_pool

        pool = cls(config, seed)
        kept = cls.kept(config, seed, directory)
        if kept:
            return kept
        write_pool(pool.config, pool.seed, directory, jobs, progress, tell)
        # Another process may have been first, with another pool.
        return cls.kept(config, seed, directory) or cls.open(directory)

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

    def lapped(self, laps: int) -> Pool:
        """Return the pool as it is played so many times.

        Each lap has accounts of its own, and the same happens to them; its shards' numbers follow
        those of the lap before. Files, manifest and hashes are those of one lap.
        """
        return Pool(
            self.config, self.seed, directory=self.directory, manifest=self._manifest, laps=laps
        )

    def __len__(self) -> int:
        return sum(self.count_of(kind) for kind in Kind)

    def __repr__(self) -> str:
        where = self.directory or "in memory"
        return f"<Pool of {self.config.accounts} accounts, seed {self.seed}, {where}>"

    @property
    def shard_count(self) -> int:
        """The number of shards, over all laps."""
        return self.config.shard_count * self.laps

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest: as it was read, or found out by making every shard."""
        if self._manifest:
            return self._manifest
        entries, tally = [], empty_tally(self.config)
        for number in range(self.config.shard_count):
            shard = self.shard(number)
            entries.append(ShardEntry.of(shard))
            tally = tally.plus(tally_of(shard))
        return manifests.build(self.config, self.seed, entries, tally)

    def count_of(self, kind: Kind) -> int:
        """Return the number of commands of one kind in the whole pool, over all laps."""
        return self._totals[kind]

    def shard_counts(self, number: int) -> Counts:
        """Return what one shard has of each kind, without making or reading it."""
        number %= self.config.shard_count
        if self._manifest:
            return self._manifest.shard_counts(number)
        if number not in self._counts:
            self._counts[number] = shard_counts(self.config, self.seed, number)
        return self._counts[number]

    def shard(self, number: int) -> Shard:
        """Return one shard: from its file when there is one, else made.

        Raises Problems when it is not what the manifest says, and IndexError when there is none.
        """
        shard = self._used.get(number)
        if shard is None:
            shard = self._used[number] = self._fresh(number)
        self._recent[number] = shard
        self._recent.move_to_end(number)
        if len(self._recent) > SHARDS_KEPT:
            self._recent.popitem(last=False)
        return shard

    def _fresh(self, number: int) -> Shard:
        if not 0 <= number < self.shard_count:
            raise IndexError(f"shard {number}: the pool has {self.shard_count} shards")
        within = number % self.config.shard_count
        fault = self.file_fault(within)
        if fault:
            raise Problems([fault])
        shard = self.unchecked_shard(within)
        if self._manifest and shard.hash != self._manifest.shards[within].hash:
            raise Problems([self._difference(shard)])
        return shard if within == number else replace(shard, number=number)

    def unchecked_shard(self, number: int) -> Shard:
        """Return one shard as it is, not compared with the manifest, for whoever looks for faults.

        Raises Problems when its file cannot be read at all.
        """
        path = self.path_of(number)
        if path and path.exists():
            return parquet.read_shard(path, self.config, self.seed, number)
        return make_shard(self.config, self.seed, number)

    def file_fault(self, number: int) -> str | None:
        """Say how the bytes of a shard's file differ from those that were written, if they do.

        Not every byte of a file counts for what is read from it, but none changes by itself.
        """
        path = self.path_of(number)
        if not path or not path.exists():
            return None
        try:
            found = parquet.file_hash(path)
        except OSError as error:
            return f"{path}: cannot be read: {error.strerror}"
        wanted = self.manifest.shards[number].file_hash
        return None if found == wanted else self._changed(path, "bytes", found, wanted)

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
        if path and path.exists():
            return self._changed(path, "columns", shard.hash, wanted)
        return (
            f"shard {shard.number}: made here its hash is {shard.hash}, the manifest has {wanted}: "
            "another version of paystorm made the pool; use the same version everywhere"
        )

    def _changed(self, path: Path, what: str, found: str, wanted: str) -> str:
        return (
            f"{path}: was changed: its {what} have the hash {found}, in the manifest it is {wanted}; "
            f"{manifests.remedy(path.parent, self.manifest)}"
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
