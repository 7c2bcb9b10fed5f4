"""Latencies: named times, nearest-rank percentiles, and nothing that the samples cannot show."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_data.commands import Channel, Kind
from reports.latencies import Samples, latency_rows, milliseconds, per_second, percentile
from reports.rundir import PhaseRecord
from reports.seen import NEVER

MS = 1_000_000
S = 1000 * MS
PHASES = (
    PhaseRecord(name="accounts", sends=(Kind.ACCOUNT,)),
    PhaseRecord(name="payments", sends=(Kind.PAYMENT,)),
)


def frame(*rows):
    """Make samples of (phase, intended, free, sent, acknowledged, completed) in ms; None is never."""
    columns = ("phase", "intended_ns", "ready_ns", "sent_ns", "acknowledged_ns", "completed_ns")
    table = [
        [row[0], *(NEVER if t is None else t * MS for t in (row[1], max(row[1:3]), *row[3:]))]
        for row in rows
    ]
    made = pd.DataFrame(table, columns=list(columns))
    made["channel"] = int(Channel.HTTP)
    made["kind"] = int(Kind.PAYMENT)
    made["refused"] = False
    return made


@pytest.mark.parametrize(
    ("latency", "wanted"),
    [("lag", 2.0), ("service", 30.0), ("response", 37.0), ("completion", 140.0)],
)
def test_each_latency_is_the_difference_of_its_two_times(latency, wanted):
    """Due at 100, a user free at 105, sent 107, answered 137, final 240: four different latencies."""
    took, censored = milliseconds(frame((1, 100, 105, 107, 137, 240)), latency)
    assert took.tolist() == [wanted]
    assert censored == 0


def test_a_user_that_was_free_early_is_no_lag():
    """Lag begins when the command was due, however long a user waited for it."""
    took, _ = milliseconds(frame((1, 100, 20, 101, 137, 240)), "lag")
    assert took.tolist() == [1.0]


def test_what_was_refused_is_not_waited_for():
    """A command that the platform would not take has a response, and no completion to be censored."""
    samples = frame((1, 0, 0, 1, 5, None), (1, 0, 0, 1, 9, 20))
    samples["refused"] = [True, False]
    assert milliseconds(samples, "completion")[1] == 0
    assert len(milliseconds(samples, "response")[0]) == 2


def test_what_never_ended_is_censored():
    """Commands without an end are counted, and are no samples."""
    samples = frame((1, 0, 0, 1, 5, None), (1, 0, 0, 1, None, None), (1, 0, 0, 1, 9, 20))
    assert [milliseconds(samples, name)[1] for name in ("lag", "response", "completion")] == [
        0,
        1,
        2,
    ]


@pytest.mark.parametrize(
    ("size", "percent", "rank"),
    [(100, 50, 50), (101, 50, 51), (100, 99, 99), (200, 99, 198), (1000, 99.9, 999),
     (10_000, 99.9, 9990), (10, 90, 9), (3, 50, 2), (2, 50, 1)],
)  # fmt: skip
def test_a_percentile_is_a_sample_by_nearest_rank(size, percent, rank):
    """The smallest sample that the share of all does not exceed: exact, also where floats are not."""
    assert percentile(np.arange(1, size + 1), 0, percent) == rank


@pytest.mark.parametrize(
    ("size", "percent"), [(99, 99), (1, 50), (0, 50), (9, 90), (999, 99.9), (19, 95)]
)
def test_too_few_samples_show_no_percentile(size, percent):
    """Where not one sample lies beyond it, the maximum would pose as the percentile: it is None."""
    assert percentile(np.arange(size), 0, percent) is None


def test_censored_commands_are_the_slowest():
    """They push percentiles up, and one that falls among them is more than was seen: None."""
    samples = np.arange(1, 91)
    assert percentile(samples, 10, 50) == 50
    assert percentile(samples, 10, 90) == 90
    assert percentile(samples, 10, 95) is None


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=300),
    st.integers(0, 30),
    st.sampled_from([50.0, 90.0, 95.0, 99.0, 99.9]),
)
def test_a_percentile_bounds_its_share(samples, censored, percent):
    """At least the share of all commands took no longer, and one command at least lies beyond."""
    found = percentile(np.sort(samples), censored, percent)
    size = len(samples) + censored
    if found is None:
        assert size * (100 - percent) < 100 * (1 + censored)
        return
    assert sum(sample <= found for sample in samples) * 100 >= percent * size - 1e-6
    assert sum(sample < found for sample in samples) * 100 < percent * size


def test_rows_are_per_phase_channel_and_kind():
    """Phases are never mixed; each row says how many ended and how many did not."""
    samples = pd.concat(
        [frame(*[(0, 0, 0, 1, 1 + n, None) for n in range(4)]), frame((1, 0, 0, 1, 3, 9))],
        ignore_index=True,
    )
    rows = {(row.phase, row.latency): row for row in latency_rows(samples, PHASES)}
    assert len(rows) == 8
    service = rows["accounts", "service"]
    assert (service.channel, service.kind, service.count, service.censored) == (
        "HTTP", "payment", 4, 0,
    )  # fmt: skip
    assert service.percentiles_ms == {
        "p50": 1.0, "p90": None, "p95": None, "p99": None, "p99.9": None, "max": 3.0,
    }  # fmt: skip
    assert rows["accounts", "completion"].censored == 4
    assert rows["accounts", "completion"].percentiles_ms["max"] is None


def test_nothing_sent_has_no_rows():
    """A run that sent nothing has no latencies, and a table without seconds."""
    assert list(latency_rows(Samples().frame, PHASES)) == []
    table = per_second(Samples().frame, PHASES)
    assert table.empty
    assert list(table.columns) == [
        "t_s", "phase", "intended", "sent", "acknowledged", "completed", "response_p50_ms",
        "response_p99_ms", "completion_p50_ms", "completion_p99_ms",
    ]  # fmt: skip


def test_seconds_are_counted_where_things_happened():
    """Each time counts in its own second; seconds in which nothing happened are there too."""
    table = per_second(
        frame(
            (0, 900, 0, 1100, 1300, 3500),
            (1, 3100, 0, 3100, 3200, None),
            (1, 3200, 0, 3300, 3500, 3600),
        ),
        PHASES,
    )
    assert table["t_s"].tolist() == [0, 1, 2, 3]
    assert table["phase"].tolist() == ["", "accounts", "", "payments"]
    assert table["intended"].tolist() == [1, 0, 0, 2]
    assert table["sent"].tolist() == [0, 1, 0, 2]
    assert table["acknowledged"].tolist() == [0, 1, 0, 2]
    assert table["completed"].tolist() == [0, 0, 0, 2]
    assert table["response_p50_ms"][1] == 400.0
    assert math.isnan(table["response_p50_ms"][0])
    assert table["response_p50_ms"][3] == 200.0
    assert table["completion_p50_ms"][3] == 1500.0
