"""The reference model of one account, decision by decision: the plain text of the rules.

An account's state, what the rules demand of a decision in that state, and what the decision makes
of it. `replay` asks the same of a whole shard at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from e2e_data.commands import PERIODS, Command, Kind, Label, Outcome
from e2e_data.model.rules import Rules, Ruling


def change_minor(command: Command) -> int:
    """Return what a settled command adds to its account's balance, by the pool."""
    if command.label.is_hostile:
        return 0
    return -command.amount_minor if command.kind is Kind.PAYMENT else command.amount_minor


@dataclass(slots=True)
class AccountModel:
    """One account as the decisions so far have left it; before its creation it is not open."""

    rules: Rules
    limit_based: bool
    limits_minor: tuple[int, ...]
    """One for each of PERIODS."""
    is_open: bool = False
    balance_minor: int = 0
    _spent_minor: dict[tuple[str, int], int] = field(default_factory=dict)
    """(period, start of a window) -> what was debited in it."""

    def decide(self, command: Command, at_utc_ns: int) -> Ruling:
        """Return what the rules demand for a command that is decided now."""
        if command.label.is_hostile:
            return self.rules.of_hostile(command.label)
        if command.kind is Kind.ACCOUNT:
            return Ruling(Outcome.SETTLED)
        if not self.is_open:
            return self.rules.of_hostile(Label.UNKNOWN_ACCOUNT)
        if command.kind is not Kind.PAYMENT:
            return Ruling(Outcome.SETTLED)
        objections = self.objections(command.amount_minor, at_utc_ns)
        if not objections:
            return Ruling(Outcome.SETTLED)
        return Ruling(Outcome.REJECTED, self.rules.right_reasons(objections))

    def apply(
        self, command: Command, outcome: Outcome, at_utc_ns: int, posted_minor: int | None = None
    ) -> None:
        """Take over a decision, right or wrong, as the platform's book has it.

        `posted_minor` is what the book posted to the account; by default the pool's amount.
        """
        settled = outcome is Outcome.SETTLED
        if command.kind is Kind.ACCOUNT:
            self.is_open = settled
        if posted_minor is None:
            posted_minor = change_minor(command) if settled else 0
        self.balance_minor += posted_minor
        if posted_minor < 0:
            for period in PERIODS:
                window = period, self.window_start_ns(period, at_utc_ns)
                self._spent_minor[window] = self._spent_minor.get(window, 0) - posted_minor

    def objections(self, debit_minor: int, at_utc_ns: int) -> list[str]:
        """Say what stands against a debit: each limit that it would exceed, and the want of funds.

        A debit of 0 gives what is wrong with the account as it stands.
        """
        checks = self.rules.checks(limit_based=self.limit_based)
        found = []
        if checks.limits:
            most_minor = self.rules.most_minor(np.array(self.limits_minor)).tolist()
            for period, most in zip(PERIODS, most_minor, strict=True):
                if self.spent_minor(period, at_utc_ns) + debit_minor > most:
                    found.append(self.rules.limit_exceeded[period])
        if checks.funds and self.balance_minor < debit_minor:
            found.append(self.rules.insufficient_funds)
        return found

    def spent_minor(self, period: str, at_utc_ns: int) -> int:
        """Return what was debited so far in the window of `period` that contains a time."""
        return self._spent_minor.get((period, self.window_start_ns(period, at_utc_ns)), 0)

    def window_start_ns(self, period: str, at_utc_ns: int) -> int:
        """Return when the window of `period` began that contains a time."""
        return int(self.rules.window_start_ns(period, np.array([at_utc_ns], dtype=np.int64))[0])
