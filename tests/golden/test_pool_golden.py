"""Pools that must never change: another hash means another pool for everybody's seeds."""

import json

import pytest

from e2e_data.config import load
from e2e_data.pool import Pool

KNOBS = {
    "accounts_per_shard": 10,
    "boundary_percentage": 10,
    "pattern_percentage": 20,
    "hostile_percentage": "7.5",
    "hot_account_share": 10,
    "hot_payment_share": 40,
    "regions": ["north", "south"],
}


@pytest.mark.parametrize(
    ("name", "preset", "overrides"),
    [("smoke-seed-7", "smoke", {}), ("knobs-seed-7", "small", KNOBS)],
)
def test_pool(golden, name, preset, overrides):
    """The shards of a configuration with seed 7, on every machine, in every version of this number.

    When the generator changes on purpose: raise manifest.VERSION and write the new hashes.
    """
    manifest = Pool.in_memory(load(preset, overrides), 7).manifest
    told = {
        "version": manifest.version,
        "counts": manifest.counts,
        "labels": manifest.metrics.labels,
        "hashes": [entry.hash for entry in manifest.shards],
    }
    golden(f"pool-{name}.json", json.dumps(told, indent=1).encode() + b"\n")
