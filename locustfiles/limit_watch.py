"""What the accounts of a shard surely spent in the windows of now, while the run is on.

A payment was decided between its sending and when its outcome was seen, by the platform's clock, which
may be off. Where both are in one window of a limit, give or take that, it surely counts there; what may
be in either of two counts in none. So too little is counted, and nothing is said that is not so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import PERIODS, Kind, Label
from e2e_data.model.rules import Rules
from e2e_data.platform import Platform
from e2e_data.shard import Shard

_HOSTILE = min(label for label in Label if label.is_hostile)
_NEVER = np.iinfo(np.int64).min
Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Limits:
    """What limits hold, and how its clock is to be read."""

    rules: Rules
    epoch_utc_ns: int
    off_ns: int
    """How far the platform's clock may be off."""

    @classmethod
    def of(cls, platform: Platform, epoch_utc_ns: int) -> Limits:
        """Return what an adapter declares, for a run that began at `epoch_utc_ns`."""
        return cls(platform.rules, epoch_utc_ns, round(platform.clock_off_ms * 1e6))


class LimitWatch:
    """What is known of a shard; a few bytes for each command and account."""

    def __init__(self, shard: Shard, limits: Limits) -> None:
        self._limits = limits
        account = shard.account_number
        asked = limits.rules.checks(limit_based=True).limits
        plain = (shard.kind == Kind.PAYMENT) & (shard.label < _HOSTILE)
        self._counts = plain & shard.limit_based[account] & asked
        self._account, self._amount = account, shard.amount_minor
        self._most = limits.rules.most_minor(shard.limits_minor.astype(np.int64))
        self._sent_ns = np.full(len(shard), _NEVER)
        self._window = np.full(self._most.shape, _NEVER)
        """By account and period: when the latest window began that surely has a payment."""
        self._spent = np.zeros(self._most.shape, np.int64)

    def sent(self, index: Int64s, at_ns: Int64s) -> None:
        """Take in when commands were sent for the first time."""
        self._sent_ns[index] = at_ns

    def settled(self, index: Int64s, at_ns: Int64s) -> list[int]:
        """Take in when commands were seen settled; return those by which a limit is exceeded."""
        known = self._counts[index] & (self._sent_ns[index] != _NEVER)
        if not known.any():
            return []
        index, at_ns = index[known], at_ns[known] + self._limits.epoch_utc_ns
        sent_ns = self._sent_ns[index] + self._limits.epoch_utc_ns
        found: set[int] = set()
        for place, period in enumerate(PERIODS):
            window_of, off_ns = self._limits.rules.window_start_ns, self._limits.off_ns
            began_ns = window_of(period, sent_ns - off_ns)
            sure = began_ns == window_of(period, at_ns + off_ns)
            found.update(self._spend(place, index[sure], began_ns[sure]))
        return sorted(found)

    def _spend(self, place: int, index: Int64s, began_ns: Int64s) -> list[int]:
        """Count payments in their windows, of each account in its latest; return what is too much."""
        account, window, spent = self._account[index], self._window[:, place], self._spent[:, place]
        latest = window.copy()
        np.maximum.at(latest, account, began_ns)
        spent[latest > window] = 0
        window[:] = latest
        here = began_ns == latest[account]
        index, account = index[here], account[here]
        before = spent.copy()
        np.add.at(spent, account, self._amount[index])
        most = self._most[:, place]
        crossed = (before <= most) & (spent > most)
        return list(
            {int(account[n]): int(index[n]) for n in np.flatnonzero(crossed[account])}.values()
        )
