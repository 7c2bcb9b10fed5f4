"""Results by region: what goes wrong, or slowly, in one region is told of that region alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from e2e_data.commands import Outcome
from e2e_data.config import load
from e2e_data.shard import make_shard
from reports.regions import Regions
from tests.unit.test_latencies import frame

SHARD = make_shard(load("small", {"regions": ["north", "south"]}), 7, 0)


def tried(region: str, took_ms: int, *, failed: bool = False, to_other: bool = False, count=200):
    """Return commands of a region, every 10 ms, each answered and complete after so long."""
    times = [(0, n * 10, 0, n * 10, n * 10 + took_ms, n * 10 + took_ms) for n in range(count)]
    return frame(*times).assign(region=region, failed=failed, to_other_region=to_other)


def rows(*frames: pd.DataFrame):
    evidence = SimpleNamespace(shard=SHARD, account=SHARD.account_number)
    settled = np.full(len(SHARD), int(Outcome.SETTLED))
    judged = SimpleNamespace(evidence=evidence, final=settled)
    regions = Regions()
    regions.add(judged, pd.concat(frames))
    return {row.region: row for row in regions.rows()}


def test_rates_latencies_and_errors_are_a_regions_own():
    """One region is slow and half of it fails; the other knows nothing of that."""
    found = rows(
        tried("north", 5),
        tried("south", 900, failed=True, count=300),
        tried("south", 900, count=300),
    )
    north, south = found["north"], found["south"]
    assert (north.sent, north.error_percent) == (200, 0)
    assert (south.sent, south.error_percent) == (600, 50)
    # 200 in the 1.99 s from the first to the last.
    assert north.rate_per_s == 200 / 1.99
    assert north.response_p99_ms < 5.1
    assert south.response_p50_ms >= 900


def test_payments_to_other_regions_have_a_latency_of_their_own():
    """They are in their account's region as well."""
    found = rows(tried("north", 5, count=900), tried("north", 70, to_other=True, count=100))
    north = found["north"]
    assert north.response_p50_ms < 5.1
    assert north.to_other_completion_p99_ms >= 70
    of_north = SHARD.regions[SHARD.account_number] == "north"
    assert north.to_other_region == int(SHARD.to_other_region[of_north].sum()) > 0


def test_a_region_without_commands_has_no_figures():
    """Nothing sent is not fast, nor without errors: there is no figure at all."""
    south = rows(tried("north", 5))["south"]
    assert (south.sent, south.rate_per_s, south.error_percent, south.response_p99_ms) == (
        *(0, None, None, None),
    )
