"""The platform's book, as its statements or its database have it: accounts, commands, postings."""

from __future__ import annotations

from dataclasses import dataclass

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
