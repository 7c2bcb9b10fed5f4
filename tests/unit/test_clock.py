"""The run's clock."""

from __future__ import annotations

from datetime import date

from locustfiles import clock
from locustfiles.clock import RunClock


def test_time_is_counted_from_the_epoch(monkeypatch):
    """A clock stands at 0 when it is made, and runs with the monotonic clock."""
    times = iter([1_000, 1_000, 4_500])
    monkeypatch.setattr(clock.time, "monotonic_ns", lambda: next(times))
    made = RunClock(epoch_ns=clock.time.monotonic_ns())
    assert [made.now_ns(), made.now_ns()] == [0, 3_500]


def test_value_dates_count_from_the_runs_first_day():
    """Day 0 is the UTC day of the epoch, to its last nanosecond; months and years are crossed."""
    last_ns_of_2026 = 1_798_761_600 * 10**9 - 1
    made = RunClock(epoch_ns=0, epoch_utc_ns=last_ns_of_2026)
    assert [made.day(0), made.day(1)] == [date(2026, 12, 31), date(2027, 1, 1)]
    assert RunClock(epoch_ns=0, epoch_utc_ns=last_ns_of_2026 + 1).day(0) == date(2027, 1, 1)
