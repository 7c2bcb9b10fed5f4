"""The sandbox's flags: each rule at its edges, and where the answer to a command's state tells them."""

from __future__ import annotations

import json
from itertools import count
from uuid import UUID

import pytest

from sandbox import statements
from sandbox.book import Entry
from sandbox.commands import Command, CreateAccount, Payment, Transaction
from sandbox.defects import Defects
from sandbox.flags import FLAGS, Monitor
from sandbox.ledger import Ledger
from sandbox.money import Money
from sandbox.platform import Platform

SECOND_NS = 1_000_000_000
LIMITS = tuple(Money(minor, "USD") for minor in (200_000, 10**7, 10**8, 10**9, 10**10))
PLAIN_MINOR = 1234_56


class Bank:
    """A platform with one account, opened at second 0, and a monitor."""

    def __init__(self, monitor: Monitor | None, *, currency="USD", limit_based=True) -> None:
        self.now_ns = 0
        self._numbers = (str(UUID(int=number)) for number in count(1))
        self.platform = Platform(Ledger(lambda: self.now_ns), Defects({}), lambda _: None, monitor)
        limits = tuple(Money(limit.minor, currency) for limit in LIMITS) if limit_based else ()
        created = CreateAccount(
            next(self._numbers), str(UUID(int=0)), currency, limit_based, limits
        )
        self.currency = currency
        self.account = self._done(created).account_id

    def _done(self, command: Command) -> Entry:
        self.platform.accept(command)
        self.platform.decide(command.command_id)
        entry = self.platform.ledger.find(command.command_id)
        assert entry is not None
        return entry

    def flags(self, minor: int, at_s: float = 1, account: str | None = None):
        """Return the flags of a payment."""
        self.now_ns = round(at_s * SECOND_NS)
        money = Money(minor, self.currency)
        entry = self._done(Payment(next(self._numbers), account or self.account, money, money))
        return self.platform.flags_of(entry.command.command_id)

    def transaction(self, minor: int, *, is_credit: bool):
        money = Money(minor, self.currency)
        entry = self._done(Transaction(next(self._numbers), self.account, is_credit, money))
        return self.platform.flags_of(entry.command.command_id)


@pytest.fixture
def bank() -> Bank:
    return Bank(Monitor())


@pytest.mark.parametrize(
    ("minor", "flags"),
    [
        (PLAIN_MINOR, ()),
        (100_00, ("ROUND",)),
        (100_01, ()),
        (189_999, ()),
        (190_000, ("ROUND", "STRUCTURING")),
        (199_999, ("STRUCTURING",)),
        (200_000, ("ROUND",)),
        (999_999, ()),
        (1_000_000, ("REPORTABLE", "ROUND")),
        (1_000_001, ("REPORTABLE",)),
    ],
)
def test_amounts_are_flagged_by_the_published_rules(bank, minor, flags):
    """Large, whole hundreds, and just below the MINUTE limit of 2,000.00; rejected payments too."""
    assert bank.flags(minor) == flags


def test_units_are_the_currencys_own():
    """10,000 yen are reportable, and 100 of them are round: yen have no minor digits."""
    bank = Bank(Monitor(), currency="JPY")
    assert bank.flags(9_999) == ()
    assert bank.flags(10_000) == ("REPORTABLE", "ROUND")
    assert bank.flags(100) == ("ROUND",)


def test_an_account_without_limits_has_nothing_to_stay_below():
    """Structuring needs a limit; the other rules do not."""
    bank = Bank(Monitor(), limit_based=False)
    assert bank.flags(199_999) == ()


def test_the_fifth_debit_within_a_second_is_a_burst(bank):
    """Four are none, the fifth and sixth are; once they are a second apart, no longer."""
    told = [bank.flags(PLAIN_MINOR, at_s) for at_s in (1, 1.1, 1.2, 1.3, 1.9, 2.0, 2.5)]
    assert told == [(), (), (), (), ("VELOCITY",), ("VELOCITY",), ()]


def test_ten_quiet_seconds_make_an_account_dormant(bank):
    """Counted from the creation, and then from debit to debit; credits wake nobody."""
    assert bank.flags(PLAIN_MINOR, 9.999) == ()
    assert bank.transaction(500, is_credit=True) == ()
    assert bank.flags(PLAIN_MINOR, 19.999) == ("DORMANT",)
    assert bank.flags(PLAIN_MINOR, 20) == ()


def test_debits_by_transaction_are_watched_too(bank):
    """A rule asks what is debited, not by which command."""
    assert bank.transaction(100_00, is_credit=False) == ("ROUND",)
    assert bank.transaction(100_00, is_credit=True) == ()


def test_what_has_no_account_or_currency_has_no_flags(bank):
    """A payment from nowhere, or in a currency that is none, cannot be looked at."""
    assert bank.flags(1_000_000, account=str(UUID(int=99))) == ()
    bank.currency = "ZZZ"
    assert bank.flags(0) == ()


def test_the_answer_lists_flags_only_where_somebody_watches(bank):
    """A decided command's state has its flags; without a monitor there is no such field."""
    bank.flags(1_000_000)
    entry = list(bank.platform.ledger.entries().rows)[-1]
    told = bank.platform.flags_of(entry.command.command_id)
    assert json.loads(statements.status_line(entry, told))["flags"] == ["REPORTABLE", "ROUND"]
    assert json.loads(statements.status_line(entry, ()))["flags"] == []
    silent = Bank(None)
    assert silent.flags(1_000_000) is None
    assert "flags" not in json.loads(statements.status_line(entry, None))


def test_every_flag_is_one_that_the_rules_give(bank):
    """The table of flags, which help and documentation show, is what the rules can say."""
    given = {flag for minor in (190_000, 1_000_000) for flag in bank.flags(minor)}
    given |= {flag for at_s in (1.1, 1.2, 1.3) for flag in bank.flags(PLAIN_MINOR, at_s)}
    given |= set(bank.flags(PLAIN_MINOR, 30))
    assert given == set(FLAGS)
