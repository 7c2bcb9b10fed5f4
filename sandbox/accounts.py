"""An account: its balance, its order of decisions, and whether it can bear a debit."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.book import LIMIT_REASONS, Reason
from sandbox.limits import Spending


@dataclass(slots=True)
class Account:
    """A customer's account; `balance` in minor units of `currency`.

    With `spending` it is limit-based: it may go negative and its windows bind. Without, it is
    balance-based: no limits, and never below 0.
    """

    account_id: str
    customer_id: str
    currency: str
    spending: Spending | None
    balance: int = 0
    decisions: int = 0

    def objection_to(self, minor: int, decided_ns: int) -> Reason | None:
        """Say why a debit of `minor` units at `decided_ns` cannot be, or None if it can."""
        if self.spending is None:
            return Reason.INSUFFICIENT_FUNDS if minor > self.balance else None
        period = self.spending.exceeded_by(minor, decided_ns)
        return None if period is None else LIMIT_REASONS[period]

    def next_seq(self) -> int:
        """Return the number of the decision being made."""
        self.decisions += 1
        return self.decisions
