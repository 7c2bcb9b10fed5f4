"""Response times of a fleet: counts that add up exactly, whatever becomes of the reports."""

from __future__ import annotations

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_data.commands import Channel, Kind
from locustfiles.fleet.buckets import BUCKETS, bucket_of, percentile_ms, upper_ms
from locustfiles.fleet.figures import BATCH, Figures, FleetFigures
from reports.workers import Reported


@given(st.lists(st.integers(0, 10**12), min_size=1))
def test_a_bucket_is_next_to_its_time(times):
    """A time is at most its bucket's upper end, and not more than 0.8 % and a microsecond below it."""
    for time_ns, bucket in zip(times, bucket_of(np.array(times)).tolist(), strict=True):
        assert 0 <= bucket < BUCKETS
        assert time_ns / 1e6 <= upper_ms(bucket) <= time_ns / 1e6 * 1.0079 + 0.0011


def test_buckets_are_in_the_order_of_times():
    """A longer time is never in an earlier bucket; beyond the last all are in it."""
    times = np.unique(np.geomspace(1, 9e18, 20_000).astype(np.int64))
    buckets = bucket_of(times)
    assert (np.diff(buckets) >= 0).all()
    assert buckets[-1] == BUCKETS - 1
    assert bucket_of(np.array([-5]))[0] == 0


def wired(figures: Figures, worker="a", term=1):
    return msgpack.loads(msgpack.dumps(figures.snapshot(worker, term)), strict_map_key=False)


def figures_of(*times_ms) -> Figures:
    made = Figures()
    for time_ms in times_ms:
        made.add(0, Kind.PAYMENT, round(time_ms * 1e6))
    return made


def test_the_sum_over_workers_is_exact():
    """Percentiles of the fleet are those of all times together, to within a bucket."""
    rng = np.random.default_rng(3)
    times = rng.lognormal(2, 1, 3 * BATCH)
    fleet = FleetFigures()
    for worker, part in zip("abc", np.split(times, 3), strict=True):
        fleet.take(wired(figures_of(*part), worker))
    assert fleet.counts().sum() == len(times)
    for percent in (50, 90, 99, 99.9):
        exact = np.percentile(times, percent, method="inverted_cdf")
        assert percentile_ms(fleet.counts(), percent) == pytest.approx(exact, rel=0.009)


def test_a_snapshot_replaces_the_one_before():
    """Doubled, late or lost, reports never add up to more than was counted."""
    figures, fleet = figures_of(1, 2), FleetFigures()
    first = wired(figures)
    figures.add(1, Kind.FUNDING, 5_000_000)
    second = wired(figures)
    assert fleet.take(second)
    assert not fleet.take(first)
    assert not fleet.take(second)
    assert fleet.counts().sum() == 3


def test_responses_are_kept_by_phase_kind_and_channel():
    """Each scope has its counts and its exact sum, added up over workers."""
    fleet = FleetFigures()
    for worker in "ab":
        figures = figures_of(1, 2)
        figures.add(0, Kind.PAYMENT, 7_000_001, Channel.KAFKA)
        fleet.take(wired(figures, worker))
    found = fleet.responses()
    http, kafka = (found[0, Kind.PAYMENT, channel] for channel in (Channel.HTTP, Channel.KAFKA))
    assert (http.counts.sum(), http.sum_ns) == (4, 6_000_000)
    assert (kafka.counts.sum(), kafka.sum_ns) == (2, 14_000_002)
    assert len(found) == 2


def test_regions_are_kept_apart_and_add_up():
    """By region where that is asked for; else all of a scope together."""
    fleet, figures = FleetFigures(), Figures()
    for region in (1, 2, 2):
        figures.add(0, Kind.PAYMENT, 3_000_000, region=region)
    fleet.take(wired(figures))
    at = (0, Kind.PAYMENT, Channel.HTTP)
    by_region = fleet.responses_by_region()
    assert {scope: part.counts.sum() for scope, part in by_region.items()} == {
        (*at, 1): 1, (*at, 2): 2,
    }  # fmt: skip
    (whole,) = fleet.responses().values()
    assert (whole.counts.sum(), whole.sum_ns) == (3, 9_000_000)


def test_a_worker_of_another_master_is_counted_by_itself():
    """After a master took over, what was sent before is still there."""
    fleet = FleetFigures()
    fleet.take(wired(figures_of(1), term=1))
    fleet.take(wired(figures_of(1, 1), term=2))
    assert fleet.counts("a").sum() == 3
    assert fleet.workers() == ["a"]


def test_a_slow_worker_is_seen():
    """Each worker's figures are kept, of those that had no answer too."""
    fleet = FleetFigures()
    fleet.take(wired(figures_of(1, 1), "quick"))
    fleet.take(wired(figures_of(90, 100), "slow"))
    fleet.take(wired(Figures(), "idle"))
    assert list(fleet.reported()) == [
        Reported("idle", 0, None, None),
        Reported("quick", 2, pytest.approx(1, rel=0.01), pytest.approx(1, rel=0.01)),
        Reported("slow", 2, pytest.approx(90, rel=0.01), pytest.approx(100, rel=0.01)),
    ]
    assert percentile_ms(fleet.counts("idle"), 50) is None


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"worker": "a", "term": 1, "sequence": "x", "scopes": []},
        {"worker": "a", "term": 1, "sequence": 1, "scopes": [[0, 0, 0, 0, 0, b"\x01\x00", b""]]},
        {
            "worker": "a",
            "term": 1,
            "sequence": 1,
            "scopes": [[0, 0, 0, 0, 0, b"\xff\xff", b"\x01" * 8]],
        },
        {"worker": "a", "term": 1, "sequence": 1, "scopes": [[0]]},
        {
            "worker": "a",
            "term": 1,
            "sequence": 1,
            "scopes": [],
            "violations": {"overdrawn": -1},
        },
        {"worker": "a", "term": 1, "sequence": 1, "scopes": [], "violations": ["overdrawn"]},
        {"worker": "a", "term": 1, "sequence": 1, "scopes": [[0, 9, 0, 0, 0, b"", b""]]},
        {"worker": "a", "term": 1, "sequence": 1, "scopes": [[0, 0, 9, 0, 0, b"", b""]]},
        {"worker": "a", "term": 1, "sequence": 1, "scopes": [[0, 0, 0, 10, 0, b"", b""]]},
        {"worker": "a", "term": 1, "sequence": 1, "scopes": [[0, 0, 0, "1", 0, b"", b""]]},
        {"worker": "a", "term": 1, "sequence": 1, "scopes": [], "facts": [[99, 0, 0, 0, 0, 1]]},
    ],
)
def test_what_is_no_snapshot_is_refused(raw):
    """What comes from the network is checked, and changes nothing when it is wrong."""
    fleet = FleetFigures()
    with pytest.raises((ValueError, KeyError, TypeError)):
        fleet.take(raw)
    assert fleet.workers() == []
