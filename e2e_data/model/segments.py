"""Running sums over sorted rows: by segment, such as an account, and by ties within it.

A tie is a run of rows whose order among each other is not known; where it is, each row is a tie
of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e_data.tables import Int64s

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Segments:
    """Where the segment and the tie of each row begin and end; columns of shape (rows,)."""

    first: Int64s
    """The first row of a row's segment."""
    stop: Int64s
    """The row after its segment."""
    tie: Int64s
    """The first row of its tie."""
    end: Int64s
    """The row after its tie."""

    @classmethod
    def of(cls, *segment: Int64s, tie: Int64s) -> Segments:
        """Return the segments of rows sorted by the keys `segment`, and therein by `tie`."""
        anew = _changes(*segment)
        return cls(*_bounds(anew), *_bounds(anew | _changes(tie)))

    @property
    def alone(self) -> Flags:
        """Rows whose place among the others is known."""
        alone: Flags = self.end - self.tie == 1
        return alone

    @property
    def last(self) -> Flags:
        """The last row of each tie."""
        last: Flags = self.end - 1 == np.arange(len(self.end))
        return last

    def before(self, values: Int64s | Flags) -> Int64s:
        """Sum over the rows of the segment that are certainly before each row."""
        sums = _sums(values)
        return sums[self.tie] - sums[self.first]

    def beside(self, values: Int64s | Flags) -> Int64s:
        """Sum over the other rows of each row's tie."""
        sums = _sums(values)
        return sums[self.end] - sums[self.tie] - values

    def through(self, values: Int64s | Flags) -> Int64s:
        """Sum over the rows of the segment up to the end of each row's tie."""
        sums = _sums(values)
        return sums[self.end] - sums[self.first]

    def total(self, values: Int64s | Flags) -> Int64s:
        """Sum over the rows of the segment."""
        sums = _sums(values)
        return sums[self.stop] - sums[self.first]

    def marked_before(self, marks: Flags) -> Int64s:
        """Return the last marked row of the segment before each row; -1 where there is none."""
        rows = np.arange(len(marks))
        latest = np.maximum.accumulate(np.where(marks, rows, -1)) if len(marks) else rows
        before = np.concatenate(([-1], latest[:-1]))[: len(marks)]
        return np.where(before >= self.first, before, -1)


def _sums(values: Int64s | Flags) -> Int64s:
    sums = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values, out=sums[1:])
    return sums


def _changes(*keys: Int64s) -> Flags:
    """Tell at which rows any key differs from that of the row before; at the first, always."""
    changes = np.ones(len(keys[0]), dtype=np.bool_)
    changes[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return changes


def _bounds(begins: Flags) -> tuple[Int64s, Int64s]:
    """Return for each row the first row of its run and the row after it, given where runs begin."""
    first = np.flatnonzero(begins)
    size = np.diff(first, append=len(begins))
    return np.repeat(first, size), np.repeat(first + size, size)
