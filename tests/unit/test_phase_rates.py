"""The rates of a phase: from when its first command was intended, however late it was sent."""

from __future__ import annotations

import pandas as pd
import pytest

from reports.reconcile import Spans
from reports.sending import SendingTime

SECOND = 1_000_000_000


def sent(*times_s: tuple[float, float], phase: int = 2) -> pd.DataFrame:
    """Make commands of (intended, sent)."""
    frame = pd.DataFrame(times_s, columns=["intended_ns", "sent_ns"]) * SECOND
    return frame.astype("int64").assign(phase=phase)


def test_a_late_first_command_makes_no_rate_look_higher():
    """Five were due in two seconds; the first was sent a second late: the rate is still theirs."""
    spans = Spans(SendingTime())
    spans.add(sent((10, 11), (10.5, 11.1), (11, 11.2)))
    spans.add(sent((11.5, 11.5), (12, 12)))
    assert spans.rate_per_s(2, "intended_ns") == spans.rate_per_s(2, "sent_ns") == 2


def test_a_late_last_command_makes_the_rate_lower():
    """What was sent after the last was due took that long."""
    spans = Spans(SendingTime())
    spans.add(sent((10, 10), (11, 11), (12, 14)))
    assert spans.rate_per_s(2, "intended_ns") == 1
    assert spans.rate_per_s(2, "sent_ns") == 0.5


@pytest.mark.parametrize("times", [(), ((3, 3),)])
def test_less_than_two_commands_have_no_rate(times):
    """Nothing is per second where there is no time between."""
    spans = Spans(SendingTime())
    spans.add(sent(*times))
    assert spans.rate_per_s(2, "sent_ns") == 0
