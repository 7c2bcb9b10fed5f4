"""The double-entry ledger: pure, synchronous, in memory; the rules of a correct platform."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from sandbox.account_ids import NewAccountId, at_random
from sandbox.accounts import Account
from sandbox.book import AccountRow, Decision, Entry, Posting, Reason, Snapshot, Status
from sandbox.commands import Command, CreateAccount, Payment, Transaction
from sandbox.limits import Spending
from sandbox.money import MINOR_DIGITS, Money


class Conflict(Exception):  # noqa: N818 - it is the client's conflict, not an error of ours
    """A known command id came again with another content; the message names the id."""


class Ledger:
    """Accounts, clearing positions and every command received, by command id.

    A command is first received, then decided; both at most once. Each posting to a customer's
    account has its counterpart on `clearing-<currency>`. A payment between two currencies takes a
    debit out of one and puts a credit into another, so each currency is squared by a position
    `fx-<currency>`: +debit in the one, -credit in the other. These positions are the bank's own
    exchange book. They are internal: neither the rows of commands nor those of accounts show them,
    only `totals`, which is zero in every currency of a sound book.

    `clock_ns` gives wall-clock nanoseconds UTC. Decision times never run backwards, even when the
    clock does: a window of a limit that was closed stays closed.
    """

    def __init__(
        self,
        clock_ns: Callable[[], int] = time.time_ns,
        new_account_id: NewAccountId = at_random,
    ) -> None:
        self._clock_ns = clock_ns
        self._new_account_id = new_account_id
        self._entries: dict[str, Entry] = {}
        self._accounts: dict[str, Account] = {}
        self._clearing: Counter[str] = Counter()
        self._fx: Counter[str] = Counter()
        self._last_decided_ns = 0
        self._as_of = 0

    @property
    def as_of(self) -> int:
        """The number of changes so far: receipts and decisions."""
        return self._as_of

    def find(self, command_id: str) -> Entry | None:
        """Return the entry of a command, or None if it was never received."""
        return self._entries.get(command_id)

    def draft(self, command: Command) -> Entry:
        """Make the entry of a command as of now, with a new account's id, without booking it."""
        account_id = (
            self._new_account_id(command)
            if isinstance(command, CreateAccount)
            else command.account_id
        )
        return Entry(command, account_id, self._clock_ns())

    def receive(self, command: Command) -> Entry:
        """Book the receipt of a command; a replay changes nothing and returns the first entry.

        Raises Conflict when the id is known with another content.
        """
        known = self._entries.get(command.command_id)
        if known is not None:
            return same_or_conflict(known, command)
        entry = self._entries[command.command_id] = self.draft(command)
        self._as_of += 1
        return entry

    def decide(self, command_id: str) -> Entry:
        """Decide a received command now; one already decided is returned as it stands.

        Raises KeyError for a command that was never received.
        """
        entry = self._entries[command_id]
        if entry.decision is not None:
            return entry
        decided_ns = self._last_decided_ns = max(self._clock_ns(), self._last_decided_ns)
        if isinstance(entry.command, CreateAccount):
            decision = self._open(entry.command, entry.account_id, decided_ns)
        else:
            decision = self._move(entry.command, decided_ns)
        entry = self._entries[command_id] = replace(entry, decision=decision)
        self._as_of += 1
        return entry

    def restore(self, entries: Iterable[Entry], decided: Iterable[str]) -> None:
        """Take over a book as it was left: entries in order of receipt, ids in order of decision."""
        for entry in entries:
            self._entries[entry.command.command_id] = entry
            self._as_of += 1
        for command_id in decided:
            self._restore(self._entries[command_id])
            self._as_of += 1

    def balances(self, entry: Entry) -> dict[str, tuple[str, int]]:
        """Return account id -> currency and balance, of the accounts that a decision moved or made."""
        assert entry.decision is not None, "only what is decided moves anything"
        ids = {leg.account_id: leg.currency for leg in entry.decision.postings}
        found = {}
        for account_id in (*ids, entry.account_id):
            account = self._accounts.get(account_id)
            if account is not None:
                found[account_id] = account.currency, account.balance
            elif account_id in ids:
                found[account_id] = ids[account_id], self._clearing[ids[account_id]]
        return found

    def accounts(self) -> Snapshot[AccountRow]:
        """Return all customers' accounts in order of creation, then the clearing accounts."""
        rows = [
            AccountRow(account.account_id, account.customer_id, Money(account.balance, currency))
            for account in self._accounts.values()
            for currency in (account.currency,)
        ]
        rows += [
            AccountRow(f"clearing-{currency}", None, Money(minor, currency))
            for currency, minor in sorted(self._clearing.items())
        ]
        return Snapshot(self._as_of, tuple(rows))

    def entries(self) -> Snapshot[Entry]:
        """Return all commands received, in order of receipt."""
        return Snapshot(self._as_of, tuple(self._entries.values()))

    def totals(self) -> dict[str, int]:
        """Sum each currency over all accounts and positions, fx too: 0 each in a sound book."""
        totals = Counter(self._clearing)
        for currency, minor in self._fx.items():
            totals[currency] += minor
        for account in self._accounts.values():
            totals[account.currency] += account.balance
        return dict(totals)

    def _open(self, command: CreateAccount, account_id: str, decided_ns: int) -> Decision:
        reason = _objection_to_opening(command)
        if reason is not None:
            return Decision(Status.REJECTED, reason, decided_ns, None, (), None)
        limits = tuple(limit.minor for limit in command.limits)
        account = self._accounts[account_id] = Account(
            account_id,
            command.customer_id,
            command.currency,
            Spending(limits) if command.limit_based else None,
        )
        opened = Money(0, command.currency)
        return Decision(Status.SETTLED, None, decided_ns, account.next_seq(), (), opened)

    def _restore(self, entry: Entry) -> None:
        command, decision = entry.command, entry.decision
        assert decision is not None, "what was decided has a decision"
        self._last_decided_ns = max(self._last_decided_ns, decision.decided_ns)
        settled = decision.status is Status.SETTLED
        if isinstance(command, CreateAccount):
            self._new_account_id(command)
            if settled:
                self._open(command, entry.account_id, decision.decided_ns)
            return
        account = self._accounts.get(command.account_id)
        if account is not None:
            account.next_seq()
            if settled:
                self._spend(command, account, decision.decided_ns)
        self._post(decision.postings)

    def _move(self, command: Transaction | Payment, decided_ns: int) -> Decision:
        account = self._accounts.get(command.account_id)
        if account is None:
            return Decision(
                Status.REJECTED, Reason.UNKNOWN_ACCOUNT, decided_ns, None, (), balance_after=None
            )
        reason = self._objection(command, account, decided_ns)
        postings = () if reason else self._postings(command, account)
        if reason is None:
            self._spend(command, account, decided_ns)
            self._post(postings)
        return Decision(
            Status.REJECTED if reason else Status.SETTLED,
            reason,
            decided_ns,
            account.next_seq(),
            postings,
            Money(account.balance, account.currency),
        )

    def _objection(
        self, command: Transaction | Payment, account: Account, decided_ns: int
    ) -> Reason | None:
        """Say why a command cannot be settled, or None if it can."""
        return _objection_to_moving(command, account, decided_ns)

    def _postings(
        self,
        command: Transaction | Payment,
        account: Account,  # noqa: ARG002
    ) -> tuple[Posting, ...]:
        """Return what a settled command posts: to its account, and to clearing."""
        return _postings_of(command)

    def _spend(self, command: Transaction | Payment, account: Account, decided_ns: int) -> None:
        own, _ = _postings_of(command)
        if own.minor < 0 and account.spending is not None:
            account.spending.add(-own.minor, decided_ns)

    def _post(self, postings: Sequence[Posting]) -> None:
        """Move balances, and the bank's own position where the legs are of two currencies."""
        for posting in postings:
            account = self._accounts.get(posting.account_id)
            if account is None:
                self._clearing[posting.currency] += posting.minor
            else:
                account.balance += posting.minor
            if len({leg.currency for leg in postings}) > 1:
                self._fx[posting.currency] -= posting.minor


def same_or_conflict(known: Entry, command: Command) -> Entry:
    """Return `known` if `command` is a replay of it; raise Conflict if the content differs."""
    if known.command != command:
        raise Conflict(f"command {command.command_id} was received before with another content")
    return known


def _objection_to_opening(command: CreateAccount) -> Reason | None:
    currencies = {limit.currency for limit in command.limits} | {command.currency}
    if not currencies <= MINOR_DIGITS.keys():
        return Reason.UNKNOWN_CURRENCY
    return Reason.CURRENCY_MISMATCH if len(currencies) > 1 else None


def _objection_to_moving(
    command: Transaction | Payment, account: Account, decided_ns: int
) -> Reason | None:
    if isinstance(command, Transaction):
        amount, reason = command.amount, _objection_to_currencies(command.amount, account)
        if command.is_credit:
            return reason
    else:
        amount, reason = command.debit, _objection_to_legs(command, account)
    return reason or account.objection_to(amount.minor, decided_ns)


def _objection_to_currencies(amount: Money, account: Account) -> Reason | None:
    if amount.currency == account.currency:
        return None
    if amount.currency not in MINOR_DIGITS:
        return Reason.UNKNOWN_CURRENCY
    return Reason.CURRENCY_MISMATCH


def _objection_to_legs(payment: Payment, account: Account) -> Reason | None:
    if payment.credit.currency not in MINOR_DIGITS:
        return Reason.UNKNOWN_CURRENCY
    reason = _objection_to_currencies(payment.debit, account)
    if reason is None and payment.debit.currency == payment.credit.currency:
        return None if payment.debit == payment.credit else Reason.AMOUNT_MISMATCH
    return reason


def _postings_of(command: Transaction | Payment) -> tuple[Posting, Posting]:
    """Return the posting to the account and the one to clearing, as the statement shows them."""
    if isinstance(command, Payment):
        debit, credit = command.debit, command.credit
        return (
            Posting(command.account_id, -debit.minor, debit.currency),
            Posting(f"clearing-{credit.currency}", credit.minor, credit.currency),
        )
    amount = command.amount
    minor = amount.minor if command.is_credit else -amount.minor
    return (
        Posting(command.account_id, minor, amount.currency),
        Posting(f"clearing-{amount.currency}", -minor, amount.currency),
    )
