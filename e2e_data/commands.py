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


def expected_on(expected: Outcome, channel: Channel) -> Outcome:
    """Return the part of an expected set that is right for a command sent over `channel`.

    What cannot be understood is answered as invalid over HTTP; over MQ and Kafka nobody waits for
    an answer, so it is put aside.
    """
    return expected & ~(Outcome.DEAD_LETTERED if channel is Channel.HTTP else Outcome.INVALID)


class Label(IntEnum):
    """What is particular about a command. Each has one: of several that fit, the last group's.

    Those from UNKNOWN_ACCOUNT on are hostile: a correct platform does nothing for them.
    """

    NONE = 0
    HOT = 1
    """A payment of an account that takes far more than its share of them."""
    BOUNDARY = 2
    """With it, running sums meet a limit or the balance exactly."""
    BEYOND = 3
    """One minor unit beyond a limit or the balance."""
    VELOCITY = 4
    """One of a burst: all of the account's payments, one after the other."""
    STRUCTURING = 5
    """Just below the MINUTE limit."""
    ROUND = 6
    """Whole hundreds of the currency's unit."""
    DORMANT = 7
    """Large, from an account that paid nothing for a long time."""
    REPORTABLE = 8
    """10,000 currency units and more."""
    UNKNOWN_ACCOUNT = 9
    UNKNOWN_CURRENCY = 10
    NEGATIVE = 11
    ZERO = 12
    EXCESS_DECIMALS = 13
    MISSING_FIELD = 14
    MALFORMED = 15
    """Cut off: no JSON at all."""
    OVERSIZED = 16
    """With a description longer than any platform takes."""
    REPLAY = 17
    """A command again under its own id, after the original completed."""
    RACING_REPLAY = 18
    """The same, while the original may still be under way."""

    @property
    def text(self) -> str:
        """The label as people read it, such as "unknown account"."""
        return self.name.lower().replace("_", " ")

    @property
    def is_pattern(self) -> bool:
        """Whether the command belongs to a behaviour that a platform may flag."""
        return Label.VELOCITY <= self <= Label.REPORTABLE

    @property
    def is_hostile(self) -> bool:
        """Whether the command is one that must have no effect."""
        return self >= Label.UNKNOWN_ACCOUNT

    @property
    def is_replay(self) -> bool:
        """Whether the command repeats another under the same id."""
        return self >= Label.REPLAY


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
    region: str = ""
    """Empty where the configuration has no regions."""


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
    """Whatever the channel; `expected_on` gives what is right on one."""
    label: Label = Label.NONE
    original: int | None = None
    """For a replay the index, in the same shard, of the command that it repeats."""
