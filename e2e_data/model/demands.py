"""What the rules demand of decisions: which outcomes are right, and which reasons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import PERIODS, Label, Outcome
from e2e_data.model.decisions import Line
from e2e_data.model.rules import UNDERSTOOD, Rules, Ruling
from e2e_data.model.segments import Flags
from e2e_data.model.state import Balances, Windows
from e2e_data.tables import Int64s

_FUNDS = len(PERIODS)
"""The bit of the objection that there are no funds; those of PERIODS are before it."""
_BITS = _FUNDS + 1


@dataclass(frozen=True, slots=True, eq=False)
class Demands:
    """The right outcomes of decisions in order; columns of shape (decided,).

    Both outcomes are right where the state is not known well enough to tell.
    """

    may_settle: Flags
    may_reject: Flags
    rules: Rules
    _case: Int64s
    """Stands for all that the right reasons depend on; see `_reasons`."""

    def wrong_reasons(self, asked: Flags, reason: NDArray[np.object_]) -> Flags:
        """Tell which of the `asked` decisions have a reason that is not right."""
        wrong = np.zeros(len(asked), dtype=np.bool_)
        cases = self._case[asked]
        for case in np.unique(cases).tolist():
            if right := self._reasons(case):
                rows = np.flatnonzero(asked & (self._case == case))
                wrong[rows] = [given not in right for given in reason[rows].tolist()]
        return wrong

    def ruling(self, position: int) -> Ruling:
        """Return what is right for one decision; the outcomes are those that may be."""
        outcome = Outcome.NONE
        if self.may_settle[position]:
            outcome |= Outcome.SETTLED
        if self.may_reject[position]:
            outcome |= Outcome.REJECTED
            return Ruling(outcome, self._reasons(int(self._case[position])))
        return Ruling(outcome)

    def _reasons(self, case: int) -> frozenset[str]:
        """Return the right reasons, any of those of the states that are possible; empty for any."""
        if case < 0:
            return self.rules.of_hostile(Label(-case)).reasons
        possible, certain = divmod(case, 1 << _BITS)
        open_bits = possible & ~certain
        found: set[str] = set()
        for some in _subsets(open_bits):
            if names := self._names(certain | some):
                right = self.rules.right_reasons(names)
                if not right:
                    return right
                found |= right
        return frozenset(found)

    def _names(self, objections: int) -> list[str]:
        names = [
            *map(self.rules.limit_exceeded.__getitem__, PERIODS),
            self.rules.insufficient_funds,
        ]
        return [name for bit, name in enumerate(names) if objections >> bit & 1]


def demands_of(
    line: Line, rules: Rules, funds: Flags, balance: Balances, limited: Int64s, spent: list[Windows]
) -> Demands:
    """Return what the rules demand of the decisions in a line.

    `funds` are those that must be covered by the balance, `limited` the rows of `spent`.
    """
    debit = line.is_debit
    asked = line.asked_minor
    certain, possible = (np.zeros(len(asked), dtype=np.int64) for _ in range(2))
    certain += (funds & ~balance.lost & (asked > balance.high)).astype(np.int64) << _FUNDS
    possible += (funds & (balance.lost | (asked > balance.low))).astype(np.int64) << _FUNDS
    for bit, window in enumerate(spent):
        room = window.most - asked[limited]
        certain[limited] += (window.low > room).astype(np.int64) << bit
        possible[limited] += (window.lost | (window.high > room)).astype(np.int64) << bit

    understood = np.isin(line.label, UNDERSTOOD)
    hostile = line.is_hostile
    return Demands(
        may_settle=~hostile & (~debit | (certain == 0)),
        may_reject=np.where(hostile, understood, debit & (possible != 0)),
        rules=rules,
        _case=np.where(hostile, -line.label, possible << _BITS | certain),
    )


def _subsets(bits: int) -> list[int]:
    """Return all the ways to choose among some bits."""
    found, some = [bits], bits
    while some:
        some = (some - 1) & bits
        found.append(some)
    return found
