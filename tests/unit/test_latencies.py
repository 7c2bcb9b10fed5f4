"""Latencies: named times, nearest-rank percentiles, and nothing that the samples cannot show."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_data.commands import Channel, Kind, Label
from reports.columns import NEVER
from reports.hdr import Histogram
from reports.latencies import Distribution, Latencies
from reports.rundir import PhaseRecord
from reports.seconds import HEAT, HEAT_STEPS_MAX, METRICS, Cells, Seconds, step_s_of

MS = 1_000_000
S = 1000 * MS
PHASES = (
    PhaseRecord(name="accounts", sends=(Kind.ACCOUNT,)),
    PhaseRecord(name="payments", sends=(Kind.PAYMENT,)),
)
DIGITS = 1e-3
"""What a histogram's three significant digits leave open."""


def frame(*rows, kind=Kind.PAYMENT):
    """Make samples of (phase, intended, free, sent, acknowledged, completed) in ms; None is never."""
    columns = ("phase", "intended_ns", "ready_ns", "sent_ns", "acknowledged_ns", "completed_ns")
    table = [
        [row[0], *(NEVER if t is None else t * MS for t in (row[1], max(row[1:3]), *row[3:]))]
        for row in rows
    ]
    made = pd.DataFrame(table, columns=list(columns))
    made["channel"] = int(Channel.HTTP)
    made["kind"] = int(kind)
    made["refused"] = made["failed"] = False
    made["sent"], made["label"], made["region"] = True, int(Label.NONE), ""
    made["to_other_region"] = False
    return made


def latencies(*frames) -> Latencies:
    """Return the latencies of samples, each frame as a shard of its own."""
    found = Latencies()
    for each in frames:
        found.add(each)
    return found


def found_ms(samples, latency):
    """Return the one value of a latency."""
    over = latencies(samples).over(latency)
    assert over.histogram.count == 1
    return over.max_ms


@pytest.mark.parametrize(
    ("latency", "wanted"),
    [("lag", 2), ("queueing", 5), ("service", 30), ("response", 37), ("completion", 140)],
)
def test_each_latency_is_the_difference_of_its_two_times(latency, wanted):
    """Due at 100, a user free at 105, sent 107, answered 137, final 240: five different latencies."""
    assert found_ms(frame((1, 100, 105, 107, 137, 240)), latency) == wanted


def test_a_user_that_was_free_early_is_no_lag():
    """Lag begins when the command was due, however long a user waited for it; nothing queued."""
    samples = frame((1, 100, 20, 101, 137, 240))
    assert found_ms(samples, "lag") == 1
    assert found_ms(samples, "queueing") == 0


def test_what_was_refused_is_not_waited_for():
    """A command that the platform would not take has a response, and no completion to be censored."""
    samples = frame((1, 0, 0, 1, 5, None), (1, 0, 0, 1, 9, 20))
    samples["refused"] = [True, False]
    found = latencies(samples)
    assert found.over("completion").censored == 0
    assert found.over("response").histogram.count == 2


def test_what_never_ended_is_censored():
    """Commands without an end are counted, and are no samples."""
    found = latencies(frame((1, 0, 0, 1, 5, None), (1, 0, 0, 1, None, None), (1, 0, 0, 1, 9, 20)))
    assert [found.over(name).censored for name in ("lag", "response", "completion")] == [0, 1, 2]


def test_what_was_dropped_is_censored():
    """An arrival that was given up is a customer never served: not to be forgotten, of any kind.

    It says nothing of the generator's lag, nor of what the platform took for others.
    """
    found = latencies(frame(*[(1, 0, 0, 1, 5, 9)] * 90), frame((0, 0, 0, 1, 5, 9)))
    found.give_up(1, 10)
    censored = {name: found.over(name, phase=1).censored for name in ("lag", "queueing", "service",
                "response", "completion")}  # fmt: skip
    assert censored == {"lag": 0, "queueing": 10, "service": 0, "response": 10, "completion": 10}
    assert found.over("response", phase=1).percentile_ms(90) == 5
    assert found.over("response", phase=1).percentile_ms(91) is None
    assert found.over("response", phase=1, kind=Kind.PAYMENT).censored == 10
    assert found.over("response", phase=0).censored == 0


def distribution(values, censored=0) -> Distribution:
    """Return the distribution of small numbers of ns, which buckets hold exactly."""
    return Distribution(Histogram.of(np.array(values, np.int64)), censored)


@pytest.mark.parametrize(
    ("size", "percent", "rank"),
    [(100, 50, 50), (101, 50, 51), (100, 99, 99), (200, 99, 198), (1000, 99.9, 999),
     (2000, 99.9, 1998), (10, 90, 9), (3, 50, 2), (2, 50, 1)],
)  # fmt: skip
def test_a_percentile_is_a_sample_by_nearest_rank(size, percent, rank):
    """The smallest sample that the share of all does not exceed: exact, also where floats are not."""
    assert distribution(range(1, size + 1)).percentile_ms(percent) == rank / MS


@pytest.mark.parametrize(
    ("size", "percent"),
    [(99, 99), (1, 50), (0, 50), (9, 90), (999, 99.9), (19, 95), (9999, 99.99)],
)
def test_too_few_samples_show_no_percentile(size, percent):
    """Where not one sample lies beyond it, the maximum would pose as the percentile: it is None."""
    assert distribution(range(size)).percentile_ms(percent) is None


def test_ten_thousand_samples_show_a_p99_99():
    """The rarest percentile of a report needs ten thousand, of which one lies beyond."""
    assert distribution([5] * 9999 + [7]).percentile_ms(99.99) == 5 / MS


def test_censored_commands_are_the_slowest():
    """They push percentiles up, and one that falls among them is more than was seen: None."""
    found = distribution(range(1, 91), censored=10)
    assert found.percentile_ms(50) == 50 / MS
    assert found.percentile_ms(90) == 90 / MS
    assert found.percentile_ms(95) is None


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=300),
    st.integers(0, 30),
    st.sampled_from([50.0, 90.0, 95.0, 99.0, 99.9]),
)
def test_a_percentile_bounds_its_share(samples, censored, percent):
    """At least the share of all commands took no longer, and one command at least lies beyond."""
    found = distribution(samples, censored).percentile_ms(percent)
    size = len(samples) + censored
    if found is None:
        assert size * (100 - percent) < 100 * (1 + censored)
        return
    assert sum(sample <= found * MS for sample in samples) * 100 >= percent * size - 1e-6
    assert sum(sample < found * MS for sample in samples) * 100 < percent * size


def test_shards_add_up():
    """However commands are spread over shards, their latencies are the same."""
    rows = [(1, n, 0, n + 1, 3 * n + 2, 9 * n + 3) for n in range(200)]
    whole, parted = latencies(frame(*rows)), latencies(*(frame(row) for row in rows))
    assert list(whole.rows(PHASES)) == list(parted.rows(PHASES))


def test_rows_are_per_phase_channel_and_kind():
    """Phases are never mixed; each row says how many ended and how many did not."""
    found = latencies(
        frame(*[(0, 0, 0, 1, 1 + n, None) for n in range(4)]), frame((1, 0, 0, 1, 3, 9))
    )
    rows = {(row.phase, row.latency): row for row in found.rows(PHASES)}
    assert len(rows) == 10
    service = rows["accounts", "service"]
    assert (service.channel, service.kind, service.count, service.censored) == (
        "HTTP", "payment", 4, 0,
    )  # fmt: skip
    assert service.percentiles_ms == {
        "p50": pytest.approx(1, DIGITS), "p90": None, "p95": None, "p99": None, "p99.9": None,
        "p99.99": None, "max": 3.0,
    }  # fmt: skip
    assert rows["accounts", "completion"].censored == 4
    assert rows["accounts", "completion"].percentiles_ms["max"] is None


# -- second by second -------------------------------------------------------------------------


def table(*frames) -> pd.DataFrame:
    seconds = Seconds()
    for each in frames:
        seconds.add(each)
    return seconds.table(PHASES)


def test_nothing_sent_has_no_rows():
    """A run that sent nothing has no latencies, and a table without seconds."""
    assert list(latencies().rows(PHASES)) == []
    assert latencies().over("lag") is None
    empty = table()
    assert empty.empty
    assert list(empty.columns) == list(METRICS)
    assert list(Seconds().heat().columns) == list(HEAT)


def test_seconds_are_counted_where_things_happened():
    """Each time counts in its own second; seconds in which nothing happened are there too."""
    found = table(
        frame((0, 900, 0, 1100, 1300, 3500)),
        frame((1, 3100, 0, 3100, 3200, None), (1, 3200, 0, 3300, 3500, 3600)),
    )
    assert found["t_s"].tolist() == [0, 1, 3, 3]
    assert found["phase"].tolist() == ["accounts", "accounts", "accounts", "payments"]
    assert found["intended"].tolist() == [1, 0, 0, 2]
    assert found["sent"].tolist() == [0, 1, 0, 2]
    assert found["acknowledged"].tolist() == [0, 1, 0, 2]
    assert found["completed"].tolist() == [0, 0, 1, 1]
    coarsely = 0.01
    assert found["response_p50_ms"][1] == pytest.approx(400, coarsely)
    assert math.isnan(found["response_p50_ms"][0])
    assert found["response_p50_ms"][3] == pytest.approx(100, coarsely)
    assert found["response_p99_ms"][3] == pytest.approx(300, coarsely)
    assert found["completion_p50_ms"][2] == pytest.approx(2600, coarsely)
    assert found["completion_p99_ms"][3] == pytest.approx(400, coarsely)


def test_what_failed_counts_where_it_was_due_and_nowhere_else():
    """A command that never left is an error of its second, and nothing of it was sent."""
    tried = frame((1, 500, 0, 900, None, None), (1, 2500, 0, 2600, 2700, 2800))
    tried["failed"], tried["sent"] = [True, False], [False, True]
    found = table(tried)
    assert found["failed"].tolist() == [1, 0]
    assert found["sent"].tolist() == [0, 1]


def test_each_phase_channel_and_kind_has_rows_of_its_own():
    """One second with three groups has three rows, in the order of their names."""
    found = table(
        frame((1, 0, 0, 1, 2, 3)),
        frame((1, 0, 0, 1, 2, 3), kind=Kind.FUNDING),
        frame((0, 0, 0, 1, 2, 3), kind=Kind.ACCOUNT),
    )
    assert found["t_s"].tolist() == [0, 0, 0]
    assert found["kind"].tolist() == ["account", "funding", "payment"]


def test_the_heat_map_has_every_command_once():
    """Cells are within three per cent, and their counts add up to what ended."""
    seconds = Seconds()
    seconds.add(frame(*[(1, t, 0, t, t + 50, None) for t in range(0, 3000, 10)]))
    heat = seconds.heat()
    assert heat["latency"].unique().tolist() == ["response"]
    assert heat["count"].sum() == 300
    assert heat["took_ms"].tolist() == pytest.approx([50] * len(heat), 0.03)


def test_a_day_s_heat_map_is_no_longer_than_an_hour_s():
    """Steps are powers of two in seconds, so that there are at most so many of them."""
    seconds = Seconds()
    day_ms = 24 * 3600 * 1000
    seconds.add(frame(*[(1, t, 0, t, t + 5, None) for t in range(0, day_ms, 60_000)]))
    steps = np.unique(seconds.heat()["t_s"])
    assert len(steps) <= HEAT_STEPS_MAX
    assert set(steps % step_s_of(24 * 3600)) == {0}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10**12)), min_size=1, max_size=300))
def test_cells_are_bounded_and_lose_nothing(ended):
    """Whatever was measured, there are no more cells than allowed, and each sample is in one."""
    cells = Cells(cells_max=16)
    for second, took_ns in ended:
        cells.add(np.array([second]), np.array([took_ns]))
    seconds, cell, counts = cells.rows()
    assert len(cell) <= max(16, len({second for second, _ in ended}))
    assert counts.sum() == len(ended)
    assert seconds.tolist() == sorted(seconds.tolist())
    assert (cells.highest_ms(cell) * 1e6 >= min(took_ns for _, took_ns in ended)).all()
