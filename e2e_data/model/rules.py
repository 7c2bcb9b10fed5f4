"""What a platform promises: the windows, limits, checks and reasons that its decisions follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from e2e_data.commands import PERIODS, Label, Outcome
from e2e_data.tables import Int64s

UNDERSTOOD = (Label.UNKNOWN_ACCOUNT, Label.UNKNOWN_CURRENCY)
"""Hostile commands that are well formed: they are rejected."""

_SECOND_NS = 10**9
_DAY_NS = 86_400 * _SECOND_NS
_FIXED_NS = {
    "MINUTE": (60 * _SECOND_NS, 0),
    "HOUR": (3_600 * _SECOND_NS, 0),
    "DAY": (_DAY_NS, 0),
    # ISO weeks begin on Monday; 1970 began on a Thursday.
    "WEEK": (7 * _DAY_NS, 3 * _DAY_NS),
}
"""Period -> its length, and how far 1970 began into one."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules demand of one decision."""

    outcome: Outcome
    """SETTLED or REJECTED; NONE where there is nothing to be decided."""
    reasons: frozenset[str] = frozenset()
    """The right reasons for a rejection; any is right where it is empty."""


class Checks(NamedTuple):
    """What a platform asks before it lets a debit go."""

    limits: bool
    """The debits settled in a window stay within its limit."""
    funds: bool
    """The balance never goes below zero."""


class Rules:
    """What a platform promises; an adapter whose platform differs declares a subclass of it.

    These are the rules of docs/contract.md. Times are nanoseconds since 1970, UTC.
    """

    gives_order = True
    """Decisions are numbered within their account, from 1 for its creation."""
    gives_times = True
    """Decisions come with the time that they were made at."""
    limit_based = Checks(limits=True, funds=False)
    balance_based = Checks(limits=False, funds=True)
    limits_inclusive = True
    """A window may be used up to exactly its limit."""
    insufficient_funds = "INSUFFICIENT_FUNDS"
    limit_exceeded: Mapping[str, str] = {period: f"LIMIT_EXCEEDED_{period}" for period in PERIODS}
    hostile_reasons: Mapping[Label, str] = {
        Label.UNKNOWN_ACCOUNT: "UNKNOWN_ACCOUNT",
        Label.UNKNOWN_CURRENCY: "UNKNOWN_CURRENCY",
    }
    """The right reason for rejecting a hostile command; where none is given, any is."""

    def checks(self, *, limit_based: bool) -> Checks:
        """Return what is asked before a debit of an account of this sort."""
        return self.limit_based if limit_based else self.balance_based

    def most_minor(self, limits_minor: Int64s) -> Int64s:
        """Return the most that may be spent in a window of each limit."""
        return limits_minor if self.limits_inclusive else limits_minor - 1

    def window_start_ns(self, period: str, at_utc_ns: Int64s) -> Int64s:
        """Return when the window of `period` began that contains each time; shape of `at_utc_ns`.

        Two times are in one window exactly when it began at the same moment.
        """
        if period == "MONTH":
            months = at_utc_ns.astype("datetime64[ns]").astype("datetime64[M]")
            return months.astype("datetime64[ns]").astype(np.int64)
        length_ns, into_ns = _FIXED_NS[period]
        start_ns: Int64s = at_utc_ns - (at_utc_ns + into_ns) % length_ns
        return start_ns

    def right_reasons(self, objections: Sequence[str]) -> frozenset[str]:
        """Return the right reasons for a rejection to which there are these objections.

        `objections` is not empty: the limits that are exceeded, the shortest period first, then
        the want of funds. The first is the reason. An empty result means that any reason is right.
        """
        return frozenset(objections[:1])

    def of_hostile(self, label: Label) -> Ruling:
        """Return what is right for a hostile command, which no state of an account changes.

        Nothing is decided about what is not understood, nor about a replay: that is answered as its
        original was.
        """
        if label not in UNDERSTOOD:
            return Ruling(Outcome.NONE)
        return Ruling(Outcome.REJECTED, frozenset({self.hostile_reasons.get(label, "")} - {""}))
