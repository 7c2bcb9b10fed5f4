"""Pools that must never change: another hash means another pool for everybody's seeds."""

import json
from pathlib import Path

from e2e_data.config import load
from e2e_data.pool import Pool

GOLDEN = Path(__file__).with_name("smoke-seed-7.json")


def test_smoke_seed_7():
    """The shards of `smoke` with seed 7, on every machine and in every version of this number.

    When the generator changes on purpose: raise manifest.VERSION and write the new hashes.
    """
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    manifest = Pool.in_memory(load("smoke"), 7).manifest
    assert manifest.version == golden["version"]
    assert manifest.counts == golden["counts"]
    assert [entry.hash for entry in manifest.shards] == golden["hashes"]
