"""The search for the highest rate that a platform bears: which rate is tried next. Pure.

what the tries so far say                          next
nothing yet                                        the first rate
a rate was missed, but not by a majority           the same rate once more
no rate is too high                                twice the highest that held, or the most there may be
the highest that held, and the lowest that is      halfway between them
too high, are further apart than asked for
the highest that held has had few tries            the same rate once more
all of that is done, or the first is too high      nothing: found

Whatever is too high for a rate is taken to be too high for those above it. A rate is too high when it
was missed in most of its tries, and bearable when it held in more tries than it was missed in.
"""

from __future__ import annotations

from collections import defaultdict


class Search:
    """Doubles the rate until it is too high, halves what is left, and repeats what it has found."""

    def __init__(self, first: int, most: int, *, within_percent: float, tries: int) -> None:
        """Try rates from `first` to `most`, whole numbers, until two are `within_percent` apart."""
        self._first, self._most = first, most
        self._within_percent = within_percent
        self._tries_wanted = tries
        self._tries: defaultdict[int, list[bool]] = defaultdict(list)

    def tell(self, rate: int, *, held: bool) -> None:
        """Take in how a try went."""
        self._tries[rate].append(held)

    @property
    def too_high(self) -> int | None:
        """The lowest rate that was missed in most of the tries that it is given."""
        wanted = self._tries_wanted
        missed = (rate for rate, tries in self._tries.items() if 2 * tries.count(False) > wanted)
        return min(missed, default=None)

    @property
    def bearable(self) -> int | None:
        """The highest rate below it that held in more tries than it was missed in."""
        limit = self.too_high
        held = (
            rate
            for rate, tries in self._tries.items()
            if tries.count(True) > tries.count(False) and (limit is None or rate < limit)
        )
        return max(held, default=None)

    def next(self) -> int | None:
        """Return the rate to try next; None where all is found out."""
        low, high = self.bearable, self.too_high
        open_ = [
            rate
            for rate, tries in self._tries.items()
            if tries.count(True) <= tries.count(False) and (high is None or rate < high)
        ]
        if open_:
            return min(open_)
        if low is None:
            return self._first if high is None else None
        if high is None and low < self._most:
            return min(2 * low, self._most)
        if high is not None and high - low > max(1, low * self._within_percent / 100):
            return (low + high) // 2
        return low if len(self._tries[low]) < self._tries_wanted else None
