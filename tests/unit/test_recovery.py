"""Recovery after bursts: when answers are as fast as before, and stay so."""

from __future__ import annotations

import pandas as pd
import pytest

from reports.recovery import recovery_note

PHASE = {"profile": "burst", "every_s": 20, "burst_s": 5, "duration_s": 60}


def seconds(slow_after: tuple[int, ...], length=60):
    """Return seconds of 10 ms, but 900 in each burst and for so long after it; the phase begins at 4."""
    took = []
    for t in range(length + 4):
        within, number = (t - 4) % 20, (t - 4) // 20
        in_burst = within >= 15
        after = number > 0 and within < slow_after[min(number - 1, len(slow_after) - 1)]
        took.append(900.0 if in_burst or after else 10.0)
    return pd.DataFrame({"t_s": range(length + 4), "response_p99_ms": took})


@pytest.mark.parametrize(
    ("slow_after", "told"),
    [
        (
            (0, 0),
            "after 2 of 2 bursts answers were as fast as before, within 0 s (median), 0 s at most",
        ),
        (
            (2, 4),
            "after 2 of 2 bursts answers were as fast as before, within 3 s (median), 4 s at most",
        ),
        (
            (4, 15),
            "after 1 of 2 bursts answers were as fast as before, within 4 s (median), 4 s at most",
        ),
        ((15, 15), "after 0 of 2 bursts answers were as fast as before"),
    ],
)
def test_how_soon_it_is_as_fast_as_before(slow_after, told):
    """Counted from the burst's end; what is not so before the next burst has not recovered."""
    assert recovery_note(PHASE, 4, seconds(slow_after)) == told


def test_a_single_good_second_is_no_recovery():
    """It has to stay so."""
    frame = seconds((6, 6))
    frame.loc[frame["t_s"].isin([26, 46]), "response_p99_ms"] = 10.0
    assert "within 6 s (median)" in recovery_note(PHASE, 4, frame)


@pytest.mark.parametrize(
    ("phase", "frame"),
    [
        ({"profile": "constant"}, seconds((0,))),
        (PHASE, seconds((0,), length=10)),
        (PHASE, pd.DataFrame({"t_s": [], "response_p99_ms": []})),
        ({}, seconds((0,))),
    ],
)
def test_without_bursts_nothing_is_told(phase, frame):
    """Another profile, no burst that is over, or nothing measured."""
    assert recovery_note(phase, 4, frame) == ""
