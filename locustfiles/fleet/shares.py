"""The rate is the fleet's: whose arrival is whose. Pure arithmetic on the numbers of arrivals.

The arrivals of a phase are numbered by its pace. Time is cut into slices; within one, an arrival
belongs to the worker that has its number's remainder. A slice is decided a while ahead, once, and
never changed: so when workers come and go, no arrival has two owners and none has no owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

import numpy as np

from e2e_data.sequence import interleave
from locustfiles.fleet.messages import Slice

SLOTS_PER_WORKER = 16
SLOTS_MAX = 8192
"""How finely the rate is shared, and the most remainders there are."""
KEPT_SHARE = 8
"""Shares stay as they are while none is off by more than an eighth of an even one."""


@dataclass(slots=True)
class _Decided:
    """A stretch of time, and which remainders modulo `of` are whose in it."""

    from_ns: int
    until_ns: int
    of: int
    mine: dict[str, tuple[int, ...]]


class Shares:
    """Who sends which arrivals of one phase. Times are nanoseconds since the phase began."""

    def __init__(self) -> None:
        self._decided: list[_Decided] = []
        self._idle = False

    @property
    def until_ns(self) -> int:
        """Until when it is decided."""
        return self._decided[-1].until_ns if self._decided else 0

    def decide(self, now_ns: int, until_ns: int, left: Mapping[str, int]) -> None:
        """Decide the time until `until_ns`: in proportion to what each worker has left to send.

        While nobody has anything left, nothing is due: what comes later begins `now_ns`.
        """
        left = {name: count for name, count in sorted(left.items()) if count > 0}
        if until_ns <= self.until_ns:
            return
        if not left:
            self._idle = True
            return
        from_ns = max(self.until_ns, now_ns) if self._idle else self.until_ns
        self._idle = False
        if self._decided and from_ns == self.until_ns and _as_before(left, self._decided[-1]):
            self._decided[-1].until_ns = until_ns
        elif from_ns < until_ns:
            self._decided.append(_shared(from_ns, until_ns, left))

    def of(self, worker: str, since_ns: int) -> tuple[Slice, ...]:
        """Return a worker's slices from `since_ns` on; empty ones where it has no arrivals."""
        return tuple(
            Slice(
                max(one.from_ns, since_ns),
                one.until_ns,
                one.of if worker in one.mine else 1,
                one.mine.get(worker, ()),
            )
            for one in self._decided
            if one.until_ns > since_ns
        )


def _as_before(left: Mapping[str, int], last: _Decided) -> bool:
    total = sum(left.values())
    off_max = 1 / (KEPT_SHARE * len(left))
    return left.keys() == last.mine.keys() and all(
        abs(count / total - len(last.mine[name]) / last.of) <= off_max
        for name, count in left.items()
    )


def _shared(from_ns: int, until_ns: int, left: Mapping[str, int]) -> _Decided:
    total = sum(left.values())
    slots = min(SLOTS_PER_WORKER * len(left), SLOTS_MAX)
    weights = [max(1, round(count * slots / total)) for count in left.values()]
    weights = [weight // gcd(*weights) for weight in weights]
    ends = np.cumsum(weights)
    ranges = [range(int(end) - weight, int(end)) for end, weight in zip(ends, weights, strict=True)]
    # Evenly over the remainders, so that nobody's arrivals come in a lump.
    owners = np.searchsorted(ends, interleave(ranges), side="right")
    by_owner = np.split(np.argsort(owners, kind="stable"), ends[:-1])
    mine = {name: tuple(slots.tolist()) for name, slots in zip(left, by_owner, strict=True)}
    return _Decided(from_ns, until_ns, int(ends[-1]), mine)
