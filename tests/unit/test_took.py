"""Lag, service and completion while a run is on: what the journal's rows say, over its chunks."""

from __future__ import annotations

import msgpack
import numpy as np
import pytest

from e2e_data.commands import Channel, Kind
from e2e_data.config import load
from e2e_data.pool import Pool
from locustfiles.fleet.buckets import percentile_ms
from locustfiles.fleet.figures import Figures, FleetFigures
from locustfiles.fleet.took import Took
from reports.journal import ROW, Fact

POOL = Pool.in_memory(load("smoke", {}), 7)
PAYMENT = POOL.shard_counts(0).range_of(Kind.PAYMENT).start
MS = 1_000_000


def row(fact, at_ms, *, index=PAYMENT, shard=0, attempt=0, intended_ms=0, free_ms=0):
    made = np.zeros(1, ROW)
    made["fact"], made["shard"], made["index"], made["attempt"] = fact, shard, index, attempt
    made["phase"], made["channel"] = 2, Channel.MQ
    made["at_ns"], made["intended_ns"], made["free_ns"] = at_ms * MS, intended_ms * MS, free_ms * MS
    return made


def found(took: Took) -> dict[str, tuple[int, float | None]]:
    """Return the count of each latency, and the longest in ms, as the master has them."""
    fleet = FleetFigures()
    snapshot = {**Figures().snapshot("a", 1), "took": took.packed()}
    fleet.take(msgpack.loads(msgpack.dumps(snapshot), strict_map_key=False))
    names = ("lag", "service", "completion")
    counts = {name: fleet.counts(latency=name) for name in names}
    return {name: (int(each.sum()), percentile_ms(each, 100)) for name, each in counts.items()}


def about(ms):
    return pytest.approx(ms, rel=0.009)


def played(*chunks) -> Took:
    took = Took(POOL.shard_counts)
    for chunk in chunks:
        took.take(np.concatenate(chunk))
    return took


@pytest.mark.parametrize("apart", [False, True])
def test_each_latency_has_its_beginning_and_its_end(apart):
    """Whether the journal wrote all at once or fact by fact: lag is what a free user was late by."""
    rows = [
        row(Fact.SENT, 30, intended_ms=10, free_ms=25),
        row(Fact.ACKNOWLEDGED, 50),
        row(Fact.COMPLETED, 110),
    ]
    took = played(*([one] for one in rows)) if apart else played(rows)
    assert found(took) == {
        "lag": (1, about(5)),
        "service": (1, about(20)),
        "completion": (1, about(100)),
    }


def test_an_outcome_may_be_seen_before_the_answer():
    """An event overtakes a slow answer, which took what it took all the same."""
    took = played([row(Fact.SENT, 10), row(Fact.COMPLETED, 20)], [row(Fact.ACKNOWLEDGED, 60)])
    assert found(took)["service"] == (1, about(50))
    assert len(took._out) == 0, "and nothing more is remembered of it"


def test_they_are_kept_by_phase_kind_and_channel():
    """As responses are, so that they stand beside each other."""
    took = played([row(Fact.SENT, 30), row(Fact.SENT, 9, index=0), row(Fact.ACKNOWLEDGED, 31)])
    (service,) = took.packed()["service"]
    assert tuple(service[:3]) == (2, Kind.PAYMENT, Channel.MQ)
    assert {one[1] for one in took.packed()["lag"]} == {Kind.ACCOUNT, Kind.PAYMENT}


def test_an_answer_counts_for_its_own_attempt():
    """One that comes late, after another attempt was sent, is no time of the latter's."""
    took = played(
        [row(Fact.SENT, 10), row(Fact.UNANSWERED, 40), row(Fact.SENT, 50, attempt=16)],
        [row(Fact.ACKNOWLEDGED, 51), row(Fact.ACKNOWLEDGED, 60, attempt=16)],
        [row(Fact.COMPLETED, 90)],
    )
    assert found(took) == {
        "lag": (2, about(50)),
        "service": (1, about(10)),
        "completion": (1, about(90)),
    }


def test_what_was_sent_elsewhere_is_not_measured_and_nothing_twice():
    """An event may be of another worker's command, or be told again."""
    took = played(
        [row(Fact.COMPLETED, 5, shard=1), row(Fact.SENT, 10)],
        [row(Fact.COMPLETED, 20), row(Fact.COMPLETED, 25), row(Fact.ACKNOWLEDGED, 21, shard=3)],
        [row(Fact.COMPLETED, 30)],
    )
    assert found(took) == {
        "lag": (1, about(10)),
        "service": (0, None),
        "completion": (1, about(20)),
    }


def test_memory_is_bounded(monkeypatch):
    """Commands without an end are forgotten, the oldest first."""
    monkeypatch.setattr("locustfiles.fleet.took.KEPT_MAX", 2)
    took = played([row(Fact.SENT, 10 + number, index=number) for number in range(3)])
    took.take(np.concatenate([row(Fact.COMPLETED, 50, index=number) for number in range(3)]))
    assert found(took)["completion"][0] == 2
