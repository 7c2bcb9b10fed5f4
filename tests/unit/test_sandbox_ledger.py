"""The sandbox's ledger: what settles, what is rejected and why, and what is posted."""

from __future__ import annotations

from itertools import count

import pytest

from sandbox.book import AccountRow, Posting, Reason, Status
from sandbox.commands import CreateAccount, Payment, Transaction
from sandbox.defects import APPLY_TWICE, Defects
from sandbox.faulty import FaultyLedger
from sandbox.ledger import Conflict, Ledger
from sandbox.money import Money

MINUTE_NS = 60 * 10**9
NOON_NS = 1_795_176_000 * 10**9  # Friday 2026-11-20 12:00:00 UTC


def usd(minor: int) -> Money:
    return Money(minor, "USD")


LIMITS = tuple(usd(minor) for minor in (100, 250, 400, 600, 700))


class Bench:
    """A ledger with a clock to set and account ids A1, A2 and so on."""

    def __init__(self) -> None:
        self.now_ns = NOON_NS
        numbers = count(1)
        self.ledger = Ledger(lambda: self.now_ns, lambda _: f"A{next(numbers)}")
        self._ids = map(str, count(1))

    def decide(self, command):
        self.ledger.receive(command)
        return self.ledger.decide(command.command_id).decision

    def open(self, *, limit_based=False, currency="USD", limits=LIMITS):
        command = CreateAccount(next(self._ids), "C1", currency, limit_based, limits)
        entry = self.ledger.receive(command)
        self.ledger.decide(command.command_id)
        return entry.account_id

    def credit(self, account, money):
        return self.decide(Transaction(next(self._ids), account, True, money))

    def debit(self, account, money):
        return self.decide(Transaction(next(self._ids), account, False, money))

    def pay(self, account, debit, credit=None):
        return self.decide(Payment(next(self._ids), account, debit, credit or debit))


@pytest.fixture
def bench():
    return Bench()


def test_a_credit_posts_to_the_account_and_takes_from_clearing(bench):
    """Both sides of a transaction are in its row, in the account first."""
    account = bench.open()
    decision = bench.credit(account, usd(5000))
    assert decision.status is Status.SETTLED
    assert decision.postings == (Posting("A1", 5000, "USD"), Posting("clearing-USD", -5000, "USD"))
    assert decision.balance_after == usd(5000)


def test_a_payment_posts_minus_debit_and_plus_credit_in_the_other_currency(bench):
    """An FX payment's row shows the two legs the domain names; every currency still sums to 0."""
    account = bench.open()
    bench.credit(account, usd(5000))
    decision = bench.pay(account, usd(1000), Money(90_000, "JPY"))
    assert decision.postings == (
        Posting("A1", -1000, "USD"),
        Posting("clearing-JPY", 90_000, "JPY"),
    )
    assert bench.ledger.totals() == {"USD": 0, "JPY": 0}


def test_every_change_has_a_number(bench):
    """Receipts and decisions count in `as_of`; snapshots carry the number they were true at."""
    account = bench.open()
    assert bench.ledger.as_of == 2
    bench.ledger.receive(Transaction("t", account, True, usd(1)))
    assert bench.ledger.entries().as_of == bench.ledger.accounts().as_of == 3


def test_a_snapshot_does_not_change_with_the_book(bench):
    """Rows of a snapshot stay as they were when it was taken."""
    account = bench.open()
    bench.ledger.receive(Transaction("t", account, True, usd(7)))
    commands, accounts = bench.ledger.entries(), bench.ledger.accounts()
    bench.ledger.decide("t")
    assert commands.rows[-1].status is Status.PENDING
    assert accounts.rows == (AccountRow("A1", "C1", usd(0)),)
    assert bench.ledger.accounts().rows[-1] == AccountRow("clearing-USD", None, usd(-7))


def test_a_replay_applies_nothing(bench):
    """The same command id again, before or after the decision, gives the first entry."""
    account = bench.open()
    command = Transaction("t", account, True, usd(7))
    first = bench.ledger.receive(command)
    assert bench.ledger.receive(command) is first
    decided = bench.ledger.decide("t")
    assert bench.ledger.receive(command) is decided
    assert bench.ledger.decide("t") is decided
    assert bench.ledger.as_of == 4


def test_a_known_id_with_another_content_is_a_conflict(bench):
    """One id is one command: amount, kind and words must all be the same."""
    account = bench.open()
    bench.credit(account, usd(7))
    for other in (
        Transaction("2", account, True, usd(8)),
        Transaction("2", account, True, usd(7), b"other words"),
        Payment("2", account, usd(7), usd(7)),
    ):
        with pytest.raises(Conflict, match="command 2 was received before"):
            bench.ledger.receive(other)


def test_a_replayed_creation_keeps_its_account_id(bench):
    """The platform assigns an account's id once."""
    command = CreateAccount("c", "C1", "USD", False, ())
    assert bench.ledger.receive(command).account_id == "A1"
    assert bench.ledger.receive(command).account_id == "A1"


@pytest.mark.parametrize(
    ("currency", "limits", "reason"),
    [
        ("XXX", (), Reason.UNKNOWN_CURRENCY),
        ("USD", (Money(0, "XXX"),) * 5, Reason.UNKNOWN_CURRENCY),
        ("USD", (Money(1, "EUR"),) * 5, Reason.CURRENCY_MISMATCH),
    ],
)
def test_an_account_that_cannot_be_opened_does_not_exist(bench, currency, limits, reason):
    """A rejected creation leaves no account, and says why."""
    account = bench.open(currency=currency, limits=limits)
    decision = bench.ledger.find("1").decision
    assert (decision.status, decision.reason) == (Status.REJECTED, reason)
    assert decision.account_seq is decision.balance_after is None
    assert bench.credit(account, usd(1)).reason is Reason.UNKNOWN_ACCOUNT


@pytest.mark.parametrize(
    ("debit", "credit", "reason"),
    [
        (Money(0, "XXX"), Money(0, "XXX"), Reason.UNKNOWN_CURRENCY),
        (usd(1), Money(0, "XXX"), Reason.UNKNOWN_CURRENCY),
        (Money(1, "EUR"), Money(1, "EUR"), Reason.CURRENCY_MISMATCH),
        (Money(1, "EUR"), usd(1), Reason.CURRENCY_MISMATCH),
        (usd(2), usd(1), Reason.AMOUNT_MISMATCH),
        (usd(51), usd(51), Reason.INSUFFICIENT_FUNDS),
        (usd(50), usd(50), None),
    ],
)
def test_payment_rules(bench, debit, credit, reason):
    """A payment is rejected for the first rule it breaks; paying all there is breaks none."""
    account = bench.open()
    bench.credit(account, usd(50))
    decision = bench.pay(account, debit, credit)
    assert decision.reason is reason
    assert decision.balance_after == usd(50 if reason else 0)
    assert bool(decision.postings) is (reason is None)


@pytest.mark.parametrize(
    ("money", "reason"),
    [(Money(0, "XXX"), Reason.UNKNOWN_CURRENCY), (Money(1, "EUR"), Reason.CURRENCY_MISMATCH)],
)
def test_a_credit_must_be_in_the_accounts_currency(bench, money, reason):
    """A transaction in another currency is rejected."""
    assert bench.credit(bench.open(), money).reason is reason


def test_an_unknown_account_has_no_order_and_no_balance(bench):
    """What concerns no account is rejected without a place in any account's order."""
    decision = bench.pay("nobody", usd(1))
    assert (decision.reason, decision.account_seq, decision.balance_after) == (
        Reason.UNKNOWN_ACCOUNT,
        None,
        None,
    )


def test_decisions_are_numbered_per_account(bench):
    """Creation is 1; rejections count as well; accounts do not share numbers."""
    first, second = bench.open(), bench.open()
    assert bench.credit(first, usd(5)).account_seq == 2
    assert bench.pay(first, usd(6)).account_seq == 3
    assert bench.credit(second, usd(5)).account_seq == 2


def test_a_limit_based_account_may_go_negative_up_to_its_limit_inclusive(bench):
    """No funds are needed; the limit itself is still allowed, one minor unit more is not."""
    account = bench.open(limit_based=True)
    assert bench.pay(account, usd(99)).status is Status.SETTLED
    assert bench.debit(account, usd(1)).balance_after == usd(-100)
    assert bench.debit(account, usd(1)).reason is Reason.LIMIT_EXCEEDED_MINUTE


def test_a_balance_based_account_knows_no_limits(bench):
    """Limits that were sent along are not enforced."""
    account = bench.open()
    bench.credit(account, usd(10_000))
    assert bench.pay(account, usd(10_000)).status is Status.SETTLED


def test_each_period_is_enforced_in_its_order(bench):
    """The first period exceeded gives the reason: minute, hour, day, week, month."""
    account = bench.open(limit_based=True)
    hour_ns, day_ns = 60 * MINUTE_NS, 24 * 60 * MINUTE_NS
    # Friday noon; the steps pay 100 in a new minute each, and go on where a window is full.
    steps = [
        (0, None),
        (0, Reason.LIMIT_EXCEEDED_MINUTE),
        (MINUTE_NS, None),
        (2 * MINUTE_NS, Reason.LIMIT_EXCEEDED_HOUR),
        (hour_ns, None),
        (2 * hour_ns, None),
        (3 * hour_ns, Reason.LIMIT_EXCEEDED_DAY),
        (day_ns, None),
        (day_ns + hour_ns, None),
        (2 * day_ns, Reason.LIMIT_EXCEEDED_WEEK),
        (3 * day_ns, None),
        (3 * day_ns + hour_ns, Reason.LIMIT_EXCEEDED_MONTH),
        (11 * day_ns, None),
    ]
    for after_ns, reason in steps:
        bench.now_ns = NOON_NS + after_ns
        assert bench.pay(account, usd(100)).reason is reason, after_ns


def test_rejected_debits_use_up_no_limit(bench):
    """Only settled debits count."""
    account = bench.open(limit_based=True)
    assert bench.pay(account, usd(101)).reason is Reason.LIMIT_EXCEEDED_MINUTE
    assert bench.pay(account, usd(100)).reason is None


def test_a_clock_that_steps_back_reopens_no_window(bench):
    """Decision times never decrease, so a limit cannot be had twice."""
    account = bench.open(limit_based=True)
    bench.pay(account, usd(100))
    bench.now_ns -= MINUTE_NS
    decision = bench.pay(account, usd(1))
    assert (decision.decided_ns, decision.reason) == (NOON_NS, Reason.LIMIT_EXCEEDED_MINUTE)


def test_posting_twice_shows_in_row_and_balance(bench):
    """The defect doubles both sets of postings, still balanced, and counts once against limits."""
    bench.ledger = FaultyLedger(Defects({APPLY_TWICE: 1}), lambda: bench.now_ns, lambda _: "A0")
    account = bench.open(limit_based=True)
    bench.ledger.receive(Payment("p", account, usd(60), Money(50, "EUR")))
    decision = bench.ledger.decide("p").decision
    assert [posting.minor for posting in decision.postings] == [-60, 50, -60, 50]
    assert decision.balance_after == usd(-120)
    assert bench.ledger.totals() == {"USD": 0, "EUR": 0}
    assert bench.pay(account, usd(40)).reason is None
