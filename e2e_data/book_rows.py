"""The platform's book, as its statements, its database or its events have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from e2e_data.commands import Outcome

OUTCOMES = {
    "PENDING": Outcome.NONE,
    "SETTLED": Outcome.SETTLED,
    "REJECTED": Outcome.REJECTED,
}


@dataclass(frozen=True, slots=True)
class BookAccount:
    """An account as the platform's statement has it."""

    account_id: str
    customer_id: str
    currency: str
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Posting:
    """One leg of what a command did to the book."""

    account_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class BookCommand:
    """A command as the platform's statement has it; NONE is the outcome of an undecided one."""

    command_id: str
    account_id: str
    outcome: Outcome
    reason: str
    decided_ns: int
    account_seq: int
    postings: tuple[Posting, ...]
    balance_after_minor: int | None


@dataclass(frozen=True, slots=True)
class StatementEnd:
    """The last line of a statement: the book's sequence number and how many rows came before."""

    as_of: int
    rows: int


class BookEvent(NamedTuple):
    """A decision as the platform's event on it has it, for a book that is replayed from events."""

    event_id: str
    correlation_id: str
    command_id: str
    outcome: Outcome
    account_id: str
    reason: str
    decided_ns: int
    """Since 1970, UTC; 0 where the event does not say."""
    amount_minor: int | None
    """What the account was to be credited or debited, not negative; None where it does not say."""
    currency: str
