"""A second, tiny platform, written from the contract: right by default, and wrong in single ways.

It decides commands one by one. A wrong one notes each of its mistakes, by what a person would call
wrong: so a replay of its book can be asked for exactly these.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

import numpy as np

from e2e_data.commands import PERIODS, Command, Kind, Label, Outcome
from e2e_data.model.decisions import UNTOLD, Decisions, Observed
from e2e_data.model.deviations import What

EITHER = Outcome.SETTLED | Outcome.REJECTED
UNDERSTOOD = (Label.UNKNOWN_ACCOUNT, Label.UNKNOWN_CURRENCY)


def calendar(at_ns):
    """Name the fixed UTC windows that a moment is in, in the order of PERIODS."""
    at = datetime.fromtimestamp(at_ns // 10**9, UTC)
    return tuple(at.strftime(form) for form in ("M%F %H:%M", "H%F %H", "D%F", "W%G-%V", "m%Y-%m"))


class Row(NamedTuple):
    """A decision as the book has it; the names are those of Decisions."""

    command: int
    outcome: Outcome
    reason: str
    account_seq: int
    decided_ns: int
    balance_after_minor: int
    posted_minor: int


class Account:
    """What the platform keeps of an account."""

    def __init__(self) -> None:
        self.balance = 0
        self.seq = 0
        self.spent: Counter[str] = Counter()
        self.debits: list[tuple[int, int]] = []
        self.uncleared: list[int] = []


class Tiny:
    """A correct platform; subclasses override what they do wrong."""

    def __init__(self, seed: int = 0) -> None:
        self.random = Random(seed)
        self.accounts: defaultdict[int, Account] = defaultdict(Account)
        self.rows: list[Row] = []
        self.mistakes: defaultdict[What, set[int]] = defaultdict(set)

    # -- what a wrong platform does otherwise ---------------------------------------------------

    def objection(self, command: Command, account: Account, at_ns: int) -> str:
        """Say why a payment is rejected; empty if it is not."""
        if not command.account.limit_based:
            return "INSUFFICIENT_FUNDS" if account.balance < command.amount_minor else ""
        for period, window, limit in zip(
            PERIODS, calendar(at_ns), command.account.limits_minor, strict=True
        ):
            if account.spent[window] + command.amount_minor > limit:
                return f"LIMIT_EXCEEDED_{period}"
        return ""

    def posted(self, command: Command) -> int:
        """Return what a settled command moves."""
        return -command.amount_minor if command.kind is Kind.PAYMENT else command.amount_minor

    def next_seq(self, command: Command, account: Account) -> int:
        """Return the number of a decision."""
        return account.seq + 1

    def told_balance(self, command: Command, account: Account) -> int:
        """Return the balance that the book tells after a decision that posted something."""
        return account.balance

    # -- deciding -------------------------------------------------------------------------------

    def decide(self, command: Command, at_ns: int) -> Outcome:
        """Decide a command; what is not understood is not in the book."""
        if command.label.is_hostile and command.label not in UNDERSTOOD:
            return Outcome.INVALID
        if command.label is Label.UNKNOWN_ACCOUNT:
            self.rows.append(
                Row(command.index, Outcome.REJECTED, "UNKNOWN_ACCOUNT", 0, at_ns, UNTOLD, 0)
            )
            return Outcome.REJECTED
        account = self.accounts[command.account.number]
        reason = self._judged(command, account, at_ns)
        outcome = Outcome.REJECTED if reason else Outcome.SETTLED
        posted = 0 if reason else self.posted(command)
        self._move(command, account, posted, at_ns)
        account.seq = self.next_seq(command, account)
        told = self.told_balance(command, account) if posted else UNTOLD
        row = Row(command.index, outcome, reason, account.seq, at_ns, told, posted)
        self.rows.append(row)
        return outcome

    def _judged(self, command: Command, account: Account, at_ns: int) -> str:
        if command.label is Label.UNKNOWN_CURRENCY:
            return "UNKNOWN_CURRENCY"
        if command.kind is not Kind.PAYMENT:
            return ""
        right = Tiny.objection(self, command, account, at_ns)
        given = self.objection(command, account, at_ns)
        if bool(right) != bool(given):
            self.mistakes[What.OUTCOME].add(command.index)
        elif right != given:
            self.mistakes[What.REASON].add(command.index)
        return given

    def _move(self, command: Command, account: Account, posted: int, at_ns: int) -> None:
        account.balance += posted
        if posted >= 0:
            return
        account.debits.append((at_ns, -posted))
        account.spent.update(dict.fromkeys(calendar(at_ns), -posted))
        if not command.account.limit_based:
            if account.balance < 0:
                self.mistakes[What.BELOW_ZERO].add(command.index)
        elif any(
            account.spent[window] > limit
            for window, limit in zip(calendar(at_ns), command.account.limits_minor, strict=True)
        ):
            self.mistakes[What.WINDOW].add(command.index)


class RejectsTheUndetermined(Tiny):
    """Whatever may be settled or rejected is rejected, for a likely reason."""

    def objection(self, command, account, at_ns):
        if command.expected != EITHER:
            return super().objection(command, account, at_ns)
        return "LIMIT_EXCEEDED_MINUTE" if command.account.limit_based else "INSUFFICIENT_FUNDS"


class OneTooMuch(Tiny):
    """Limits and balances may be exceeded by one minor unit."""

    def objection(self, command, account, at_ns):
        if not command.account.limit_based:
            return "INSUFFICIENT_FUNDS" if account.balance + 1 < command.amount_minor else ""
        for period, window, limit in zip(
            PERIODS, calendar(at_ns), command.account.limits_minor, strict=True
        ):
            if account.spent[window] + command.amount_minor > limit + 1:
                return f"LIMIT_EXCEEDED_{period}"
        return ""


class OneTooLittle(Tiny):
    """What meets a limit or the balance exactly is rejected."""

    def objection(self, command, account, at_ns):
        if not command.account.limit_based:
            return "INSUFFICIENT_FUNDS" if account.balance <= command.amount_minor else ""
        for period, window, limit in zip(
            PERIODS, calendar(at_ns), command.account.limits_minor, strict=True
        ):
            if account.spent[window] + command.amount_minor >= limit:
                return f"LIMIT_EXCEEDED_{period}"
        return ""


class RollingMinute(Tiny):
    """The MINUTE limit is held in the last sixty seconds, not in the minute of the clock."""

    def objection(self, command, account, at_ns):
        reason = super().objection(command, account, at_ns)
        if not command.account.limit_based or reason not in {"", "LIMIT_EXCEEDED_MINUTE"}:
            return reason
        recent = sum(minor for when, minor in account.debits if when > at_ns - 60 * 10**9)
        beyond = recent + command.amount_minor > command.account.limits_minor[0]
        return "LIMIT_EXCEEDED_MINUTE" if beyond else ""


class ChecksFunds(Tiny):
    """Limit-based accounts cannot go negative either."""

    def objection(self, command, account, at_ns):
        reason = super().objection(command, account, at_ns)
        return reason or ("INSUFFICIENT_FUNDS" if account.balance < command.amount_minor else "")


class EnforcesLimits(Tiny):
    """The limits of balance-based accounts hold too."""

    def objection(self, command, account, at_ns):
        reason = super().objection(command, account, at_ns)
        beyond = command.amount_minor > command.account.limits_minor[0]
        return reason or ("LIMIT_EXCEEDED_MINUTE" if beyond else "")


class Ignores(Tiny):
    """No limits, no check of funds."""

    def objection(self, command, account, at_ns):
        return ""


class WrongReason(Tiny):
    """The longest period whose limit is exceeded is named, not the shortest."""

    def objection(self, command, account, at_ns):
        if not command.account.limit_based:
            return super().objection(command, account, at_ns)
        exceeded = [
            f"LIMIT_EXCEEDED_{period}"
            for period, window, limit in zip(
                PERIODS, calendar(at_ns), command.account.limits_minor, strict=True
            )
            if account.spent[window] + command.amount_minor > limit
        ]
        return exceeded[-1] if exceeded else ""


class Capricious(Tiny):
    """It tosses a coin, and says anything."""

    def objection(self, command, account, at_ns):
        reasons = ["INSUFFICIENT_FUNDS", *(f"LIMIT_EXCEEDED_{period}" for period in PERIODS)]
        return self.random.choice(["", "", "", *reasons])


class LateCredits(Tiny):
    """Funding is booked at once, but to be had only three decisions later."""

    def _move(self, command, account, posted, at_ns):
        super()._move(command, account, posted, at_ns)
        account.uncleared.append(posted if command.kind is Kind.FUNDING else 0)

    def objection(self, command, account, at_ns):
        reason = super().objection(command, account, at_ns)
        if command.account.limit_based:
            return reason
        cleared = account.balance - sum(account.uncleared[-3:])
        return "INSUFFICIENT_FUNDS" if cleared < command.amount_minor else ""


class SkipsNumbers(Tiny):
    """Now and then a number is left out."""

    def next_seq(self, command, account):
        skipped = self.random.random() < 0.1
        if skipped:
            self.mistakes[What.SEQUENCE].add(command.index)
        return account.seq + 1 + skipped


class DoublesNumbers(Tiny):
    """Now and then a decision has the number of the one before, and the next one is right again."""

    def __init__(self, seed=0):
        super().__init__(seed)
        self.right: Counter[int] = Counter()

    def next_seq(self, command, account):
        number = command.account.number
        self.right[number] += 1
        doubled = account.seq == self.right[number] - 1 > 0 and self.random.random() < 0.1
        if doubled:
            self.mistakes[What.SEQUENCE].add(command.index)
        return self.right[number] - doubled


class TellsWrongBalances(Tiny):
    """Now and then the balance that is told is a few minor units off, for once."""

    def told_balance(self, command, account):
        off = self.random.randint(1, 10**9) if self.random.random() < 0.1 else 0
        if off:
            self.mistakes[What.BALANCE].add(command.index)
        return account.balance + off


class LosesAnUpdate(Tiny):
    """Of each account one update of the balance is lost for good, though it is posted."""

    def __init__(self, seed=0):
        super().__init__(seed)
        self.lost: set[int] = set()

    def _move(self, command, account, posted, at_ns):
        super()._move(command, account, posted, at_ns)
        if posted and account.seq >= 3 and command.account.number not in self.lost:
            self.lost.add(command.account.number)
            account.balance -= posted
            self.mistakes[What.BALANCE].add(command.index)


class AppliesTwice(Tiny):
    """Now and then a command is posted twice over; limits count it once or twice."""

    def posted(self, command):
        return super().posted(command) * (2 if self.random.random() < 0.1 else 1)

    def _move(self, command, account, posted, at_ns):
        super()._move(command, account, posted, at_ns)
        self.mistakes[What.WINDOW].discard(command.index)
        if posted == -2 * command.amount_minor and self.random.random() < 0.5:
            account.spent.subtract(dict.fromkeys(calendar(at_ns), command.amount_minor))


WRONG = tuple(Tiny.__subclasses__())
"""Every wrong platform here."""


def decisions(rows: list[Row], random: Random | None = None) -> Decisions:
    """Make columns of rows, in any order if `random` is given."""
    rows = random.sample(rows, len(rows)) if random else rows
    columns = zip(*rows, strict=True) if rows else [[]] * len(Row._fields)
    return Decisions(
        **{
            name: np.array(column, dtype=object if name == "reason" else np.int64)
            for name, column in zip(Row._fields, columns, strict=True)
        }
    )


def observed(told: Decisions, random: Random, uncertainty_ns: int = 0) -> Observed:
    """Make up what a tester saw: sent before the decision, answered and completed after it."""

    def near(sign: int) -> np.ndarray:
        away = [sign * random.randint(0, 10**9) for _ in told.command]
        off = [random.randint(-uncertainty_ns, uncertainty_ns) for _ in told.command]
        times = told.decided_ns + np.array(away, dtype=np.int64) + np.array(off, dtype=np.int64)
        untold = np.array([random.random() < 0.1 for _ in told.command], dtype=np.bool_)
        return np.where(untold, UNTOLD, times)

    give = np.full(len(told.command), uncertainty_ns, dtype=np.int64)
    return Observed(near(-1), near(1), near(1), give)
