"""The book's lines: what was received, what was decided, what was posted. All immutable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from sandbox.commands import Command
from sandbox.limits import Period
from sandbox.money import Money


class Status(StrEnum):
    """Where a command stands; SETTLED and REJECTED are final."""

    PENDING = "PENDING"
    SETTLED = "SETTLED"
    REJECTED = "REJECTED"


class Reason(StrEnum):
    """Why a command was rejected, in the order in which the rules are asked."""

    UNKNOWN_ACCOUNT = "UNKNOWN_ACCOUNT"
    UNKNOWN_CURRENCY = "UNKNOWN_CURRENCY"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    AMOUNT_MISMATCH = "AMOUNT_MISMATCH"
    """A payment within one currency whose two legs differ: money would appear or vanish."""
    LIMIT_EXCEEDED_MINUTE = "LIMIT_EXCEEDED_MINUTE"
    LIMIT_EXCEEDED_HOUR = "LIMIT_EXCEEDED_HOUR"
    LIMIT_EXCEEDED_DAY = "LIMIT_EXCEEDED_DAY"
    LIMIT_EXCEEDED_WEEK = "LIMIT_EXCEEDED_WEEK"
    LIMIT_EXCEEDED_MONTH = "LIMIT_EXCEEDED_MONTH"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"


LIMIT_REASONS: dict[Period, Reason] = {
    period: Reason(f"LIMIT_EXCEEDED_{period.name}") for period in Period
}


@dataclass(frozen=True, slots=True)
class Posting:
    """A signed change of one account's balance, in minor units of `currency`."""

    account_id: str
    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The final outcome of a command.

    `account_seq` counts the decisions about one account from 1 (its creation); it and
    `balance_after` are None where there is no such account.
    """

    status: Status
    reason: Reason | None
    decided_ns: int
    account_seq: int | None
    postings: tuple[Posting, ...]
    balance_after: Money | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One command of the book; replaced by a decided one, never changed, so copies stay true."""

    command: Command
    account_id: str
    received_ns: int
    decision: Decision | None = None

    @property
    def status(self) -> Status:
        """Where the command stands."""
        return Status.PENDING if self.decision is None else self.decision.status


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account at a moment; `customer_id` is None for the platform's own accounts."""

    account_id: str
    customer_id: str | None
    balance: Money


Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[Row]):
    """Rows that were all true at the change number `as_of`."""

    as_of: int
    rows: tuple[Row, ...]
