"""Whether a pool is what its manifest, its configuration and the domain's rules say."""

from __future__ import annotations

from e2e_data import chances
from e2e_data.checks import check_references, check_shard
from e2e_data.commands import Kind
from e2e_data.faults import Fault, Faults
from e2e_data.knob_checks import check_knobs
from e2e_data.manifest import Manifest, Metrics
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from e2e_data.progress import Progress
from e2e_data.sampled import Sampled
from e2e_data.shard import Shard
from e2e_data.tally import Tally, empty_tally, tally_of


def validate(pool: Pool, progress: Progress | None = None) -> list[Fault]:
    """Return what is wrong with a pool, each sort of error once; an empty list if nothing is.

    Reads one shard at a time. What was drawn is tested with chances.SIGNIFICANCE;
    `chances.untested` names what has too few cases to tell much.
    """
    found = Faults()
    manifest = pool.manifest
    tally: Tally | None = empty_tally(pool.config)
    hashes: dict[str, int] = {}
    commands = 0
    for number in range(pool.shard_count):
        shard = _readable(pool, number, found)
        part = _checked(shard, manifest, found) if shard else None
        if shard and shard.hash == manifest.shards[number].hash:
            _check_file(pool, number, found)
        tally = tally.plus(part) if tally and part else None
        if shard:
            _check_unique(shard, hashes, found)
        commands += sum(manifest.shards[number].counts)
        if progress:
            progress(number + 1, commands)
    if tally:
        _check_totals(manifest, tally, found)
    return found.all()


def _readable(pool: Pool, number: int, found: Faults) -> Shard | None:
    try:
        return pool.unchecked_shard(number)
    except Problems as problems:
        found.add("every shard can be read", problems.problems[0])
        return None


def _check_file(pool: Pool, number: int, found: Faults) -> None:
    fault = pool.file_fault(number)
    if fault:
        found.add("a shard's file is as it was written", fault)


def _check_unique(shard: Shard, hashes: dict[str, int], found: Faults) -> None:
    # A command is named by (shard, index), and its index is its row: only whole shards can repeat.
    if shard.counts.payment == 0:
        return
    other = hashes.setdefault(shard.hash, shard.number)
    if other != shard.number:
        found.add("no two shards are equal", f"shard {shard.number} repeats shard {other}")


def _checked(shard: Shard, manifest: Manifest, found: Faults) -> Tally | None:
    """Check one shard, and return its tally, if its references are sound."""
    entry = manifest.shards[shard.number]
    if shard.hash != entry.hash:
        case = f"shard {shard.number} has {shard.hash}, the manifest {entry.hash}"
        found.add("a shard's hash is the manifest's", case)
    if tuple(shard.counts) != entry.counts:
        case = f"shard {shard.number} has {tuple(shard.counts)}, the manifest {entry.counts}"
        found.add("a shard has as many commands of each kind as the manifest says", case)
    if not check_references(shard, found):
        return None
    sampled = Sampled(shard)
    check_shard(sampled, found)
    check_knobs(sampled, found)
    return tally_of(shard, sampled)


def _check_totals(manifest: Manifest, tally: Tally, found: Faults) -> None:
    config = manifest.config
    said, right = _flat(manifest.tally), _flat(tally)
    for name in sorted(said.keys() | right.keys()):
        if said.get(name) != right.get(name):
            case = f"{name} is {right.get(name)}, not {said.get(name)}"
            found.add("the manifest's tally is that of the shards", case)
    if manifest.metrics != Metrics.of(config, tally):
        found.add("the manifest's metrics follow from the shards", "they are others")
    for kind in Kind:
        counted = sum(entry.counts[kind] for entry in manifest.shards)
        if counted != manifest.counts[kind.label]:
            case = f"{kind.label} is {manifest.counts[kind.label]}, not {counted}"
            found.add("the manifest's counts are the sums of its shards", case)
    for fault in chances.faults(config, tally):
        found.add("what was drawn follows the configuration", fault)


def _flat(tally: Tally) -> dict[str, object]:
    fields = tally.model_dump()
    return {**fields.pop("drawn"), **fields}
