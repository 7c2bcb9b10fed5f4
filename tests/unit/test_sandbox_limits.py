"""Windows of limits are fixed in UTC: where one ends, the next begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.limits import Period, Spending, windows_at

SECOND = timedelta(seconds=1)


def windows(moment: datetime) -> tuple[int, ...]:
    return windows_at(int(moment.timestamp()) * 10**9)


@pytest.mark.parametrize(
    ("first_of_window", "changed"),
    [
        ((2026, 11, 20, 12, 1), {Period.MINUTE}),
        ((2026, 11, 20, 13), {Period.MINUTE, Period.HOUR}),
        ((2026, 11, 20), {Period.MINUTE, Period.HOUR, Period.DAY}),
        ((2026, 11, 23), {Period.MINUTE, Period.HOUR, Period.DAY, Period.WEEK}),
        ((2026, 12, 1), {Period.MINUTE, Period.HOUR, Period.DAY, Period.MONTH}),
        ((2028, 2, 29), {Period.MINUTE, Period.HOUR, Period.DAY}),
        ((2027, 2, 1), set(Period)),
        ((1970, 1, 5), {Period.MINUTE, Period.HOUR, Period.DAY, Period.WEEK}),
    ],
)
def test_a_window_begins_at_its_first_second(first_of_window, changed):
    """One second before is in the window before; weeks begin on Monday, months on the first."""
    moment = datetime(*first_of_window[:3], *first_of_window[3:], tzinfo=UTC)
    pairs = zip(Period, windows(moment - SECOND), windows(moment), strict=True)
    assert {period for period, before, after in pairs if before != after} == changed


def test_weeks_are_iso_weeks():
    """Over four years each day is in the same window as its ISO week's Monday."""
    day = datetime(2025, 12, 20, tzinfo=UTC)
    for _ in range(4 * 366):
        monday = day - timedelta(days=day.isoweekday() - 1)
        assert windows(day)[Period.WEEK] == windows(monday)[Period.WEEK]
        assert windows(day)[Period.WEEK] != windows(monday - SECOND)[Period.WEEK]
        day += timedelta(days=1)


def test_the_same_month_of_another_year_is_another_window():
    """Nothing recurs: a date a year later is in new windows all."""
    pairs = zip(
        windows(datetime(2026, 11, 20, tzinfo=UTC)),
        windows(datetime(2027, 11, 20, tzinfo=UTC)),
        strict=True,
    )
    assert all(before != after for before, after in pairs)


def test_limits_are_inclusive():
    """Spending may reach the limit, not pass it."""
    spending = Spending((100, 1000, 1000, 1000, 1000))
    spending.add(60, 0)
    assert spending.exceeded_by(40, 0) is None
    assert spending.exceeded_by(41, 0) is Period.MINUTE
    assert spending.exceeded_by(100, 60 * 10**9) is None


def test_asking_spends_nothing():
    """Only `add` counts."""
    spending = Spending((100,) * 5)
    spending.exceeded_by(100, 0)
    assert spending.exceeded_by(100, 0) is None
