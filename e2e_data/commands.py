"""The records of the domain: accounts, commands and the outcomes a correct platform may give."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag


class Kind(IntEnum):
    """What a command does; also the order in which a shard numbers its commands."""

    ACCOUNT = 0
    OPENING_CREDIT = 1
    FUNDING = 2
    PAYMENT = 3

    @property
    def label(self) -> str:
        """The kind as people read it, such as "opening credit"."""
        return self.name.lower().replace("_", " ")


COMMAND_TYPES = {
    Kind.ACCOUNT: "InitiateCreateAccountProcess",
    Kind.OPENING_CREDIT: "CreateTransactionCommand",
    Kind.FUNDING: "CreateTransactionCommand",
    Kind.PAYMENT: "InitiateSimplePaymentCommand",
}
"""The name that each kind of command has on the wire."""


class Outcome(IntFlag):
    """A final outcome; a combination is the set of outcomes that would be correct."""

    NONE = 0
    SETTLED = 1
    REJECTED = 2
    INVALID = 4
    """Answered at once as not understandable (HTTP 400, 422)."""
    DEAD_LETTERED = 8
    """Put aside on a backout queue or dead-letter topic."""

    @property
    def label(self) -> str:
        """The set as people read it, such as "settled or rejected"."""
        return " or ".join((part.name or "").lower().replace("_", "-") for part in self) or "none"


PERIODS = ("MINUTE", "HOUR", "DAY", "WEEK", "MONTH")
"""The fixed UTC windows in which an account's limits hold."""


class Channel(IntEnum):
    """How a command goes in."""

    HTTP = 0
    MQ = 1
    KAFKA = 2


class AccountType(IntEnum):
    """The product an account is."""

    CHECKING = 0
    SAVINGS = 1
    CREDIT_CARD = 2
    LINE_OF_CREDIT = 3


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the pool, before the platform has given it an id."""

    shard: int
    number: int
    """Its index in the shard, which is also the index of the command that creates it."""
    currency: str
    transit_number: str
    account_type: AccountType
    limit_based: bool
    opening_balance_minor: int
    limits_minor: tuple[int, ...]
    """One limit for each of PERIODS."""


@dataclass(frozen=True, slots=True)
class Beneficiary:
    """Whom a payment goes to."""

    name: str
    account_number: str
    transit_number: str
    bank_name: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the pool, complete but for what is known only when it is sent."""

    shard: int
    index: int
    kind: Kind
    account: Account
    amount_minor: int
    """What the account is credited or debited, in its currency; 0 for its creation."""
    credit_minor: int
    """What a payment's beneficiary gets, in `credit_currency`; 0 for other kinds."""
    credit_currency: str
    description: str
    beneficiary: Beneficiary | None
    value_day: int
    """A payment's value date, in days after the run's first day."""
    expected: Outcome
