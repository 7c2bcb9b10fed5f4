"""What grows while a run is on, such as memory: a straight line through it, and how sure its slope is.

Neighbouring seconds are alike, so a line through all of them would look surer than it is: the line is
fitted to the means of twenty equal parts of the time, by least squares, with Student's t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.judgement import Status

PARTS = 20
T_95 = 2.101
"""Of Student's distribution with 18 degrees of freedom: 95 % lie between its negative and this."""
SETTLING_SHARE = 0.1
"""The first tenth is left out: caches fill."""


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much something has grown from the beginning to the end, in percent of the beginning."""

    percent: float
    low_percent: float
    """With a confidence of 95 % it is between this and `high_percent`."""
    high_percent: float
    from_value: float
    """Where the line begins."""
    to_value: float
    hours: float

    def below(self, percent: float) -> Status:
        """Tell whether it grew by less: it holds only if even the upper end of the confidence does."""
        if self.percent >= percent:
            return Status.VIOLATED
        return Status.HOLDS if self.high_percent < percent else Status.UNKNOWN

    def told(self, unit: str) -> str:
        """Return all of it in words."""
        return (
            f"{self.percent:+.1f} % in {self.hours:.2f} h (95 %: {self.low_percent:+.1f} to "
            f"{self.high_percent:+.1f}), from {self.from_value:.0f} to {self.to_value:.0f} {unit}"
        ).rstrip()


def growth(times_s: Sequence[float], values: Sequence[float]) -> Growth | None:
    """Fit a line to values over time; None where there are too few to say anything."""
    skipped = int(len(times_s) * SETTLING_SHARE)
    at_s, value = (np.array(column[skipped:], np.float64) for column in (times_s, values))
    if len(at_s) < 2 * PARTS or not value.any():
        return None
    x, y = (np.array([part.mean() for part in np.array_split(one, PARTS)]) for one in (at_s, value))
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    rest = y - y.mean() - slope * (x - x.mean())
    error = float(np.sqrt((rest**2).sum() / (PARTS - 2) / spread))
    span_s = float(at_s[-1] - at_s[0])
    begin = float(y.mean() + slope * (at_s[0] - x.mean()))
    if begin <= 0:
        return None  # Of nothing there is no percentage.
    low, middle, high = (
        100 * one * span_s / begin for one in (slope - T_95 * error, slope, slope + T_95 * error)
    )
    return Growth(middle, low, high, begin, begin + slope * span_s, span_s / 3600)
