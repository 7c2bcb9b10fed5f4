"""Taking over from a master that is no more: what its grant log and the journals say of a phase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np

from locustfiles.leases import ATTEMPTS_MAX, WATCH, Known, Range
from reports.grants import Grant


class Before:
    """What was granted in one phase before, shard by shard."""

    def __init__(self, phase: int, grants: Iterable[Grant], *, resend: bool) -> None:
        """Read the grants of `phase`; with `resend` what is in doubt may be sent again."""
        self._resend = resend
        self._of: dict[int, list[Grant]] = defaultdict(list)
        for grant in grants:
            if grant.phase == phase:
                self._of[grant.shard].append(grant)

    def known(self, done: Callable[[int], Iterable[int]]) -> dict[int, Known]:
        """Return what the lease book has to know; `done` tells of which positions all is known."""
        return {shard: self._known(grants, done(shard)) for shard, grants in self._of.items()}

    def _known(self, grants: list[Grant], done: Iterable[int]) -> Known:
        size = max(grant.stop for grant in grants)
        attempts = np.full(size, WATCH, dtype=np.int16)
        for grant in grants:
            span = attempts[grant.start : grant.stop]
            np.maximum(span, grant.attempt, out=span)
        finished = np.zeros(size, dtype=np.bool_)
        finished[[position for position in done if position < size]] = True
        return Known(size, tuple(self._doubts(attempts, finished)))

    def _doubts(self, attempts: np.ndarray, finished: np.ndarray) -> Iterable[Range]:
        """Yield the ranges that are not done, each with the attempt that sending again would be."""
        again = np.where(attempts < ATTEMPTS_MAX, attempts + 1, WATCH)
        again = np.where(finished, np.int16(-2), again if self._resend else np.int16(WATCH))
        ends = [0, *(np.flatnonzero(again[1:] != again[:-1]) + 1).tolist(), len(again)]
        for start, stop in pairwise(ends):
            if again[start] != -2:
                yield start, stop, int(again[start])
