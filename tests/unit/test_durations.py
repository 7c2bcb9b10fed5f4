"""Durations as people write them."""

from __future__ import annotations

import pytest

from locustfiles.durations import parse_duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("2m", 120),
        ("1h30m", 5400),
        ("1h", 3600),
        ("1h1m1s", 3661),
        ("1h5s", 3605),
        ("0.5s", 0.5),
        ("1m2.25s", 62.25),
        ("15", 15),
        ("1.5", 1.5),
        (" 2m ", 120),
        ("0s", 0),
    ],
)
def test_hours_minutes_and_seconds(text, seconds):
    """Parts with h, m and s add up; a number alone is seconds."""
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "s", "h", "2 m", "-5s", "1d", "100ms", "5m1h", "1.5h", "1e3", "1h30", "2m30"),
        *("ever", "9" * 400 + "h", "nan", "inf", "٣s", "1.s"),
    ],
)
def test_anything_else_is_refused_with_examples(text):
    """What could mean something else, or nothing, is refused with its text and what would do."""
    with pytest.raises(ValueError, match="is no duration; write 90s, 2m or 1h30m") as refused:
        parse_duration_s(text)
    assert repr(text) in str(refused.value)
