"""Limits: what an account may spend in each fixed UTC window, and what it has spent there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum

_NS_PER_S = 1_000_000_000
_DAY_S = 86_400


class Period(IntEnum):
    """The periods in the order in which they are checked; the value is the index into limits."""

    MINUTE = 0
    HOUR = 1
    DAY = 2
    WEEK = 3
    MONTH = 4


def windows_at(decided_ns: int) -> tuple[int, int, int, int, int]:
    """Return the number of each period's window that contains `decided_ns` (UTC, ns since 1970).

    Two times are in the same window exactly when their numbers are equal. Weeks are ISO weeks and
    begin on Monday; 1970 began on a Thursday, hence the three days.
    """
    second = decided_ns // _NS_PER_S
    day = second // _DAY_S
    date = datetime.fromtimestamp(second, UTC)
    return (second // 60, second // 3600, day, (day + 3) // 7, date.year * 12 + date.month)


@dataclass(slots=True)
class Spending:
    """The settled debits of one account in the current window of each period, in minor units."""

    limits: tuple[int, ...]
    """The limit of each Period, in its order, inclusive."""
    _windows: list[int] = field(default_factory=lambda: [-1] * len(Period))
    _spent: list[int] = field(default_factory=lambda: [0] * len(Period))

    def exceeded_by(self, minor: int, decided_ns: int) -> Period | None:
        """Name the first period whose limit a debit of `minor` at `decided_ns` would exceed."""
        for period, window in zip(Period, windows_at(decided_ns), strict=True):
            before = self._spent[period] if self._windows[period] == window else 0
            if before + minor > self.limits[period]:
                return period
        return None

    def add(self, minor: int, decided_ns: int) -> None:
        """Count a settled debit; times must not run backwards, for a closed window is forgotten."""
        for period, window in zip(Period, windows_at(decided_ns), strict=True):
            if self._windows[period] != window:
                self._windows[period] = window
                self._spent[period] = 0
            self._spent[period] += minor
