"""A ledger that is wrong on purpose: each defect bends one step of what the sound one does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from sandbox import defects as named
from sandbox.account_ids import NewAccountId
from sandbox.accounts import Account
from sandbox.book import Decision, Posting, Reason
from sandbox.commands import Payment, Transaction
from sandbox.defects import Defects
from sandbox.ledger import Ledger
from sandbox.limits import Period
from sandbox.money import Money

_LIMIT_REASONS = frozenset(reason for reason in Reason if reason.name.startswith("LIMIT_EXCEEDED"))


class FaultyLedger(Ledger):
    """A ledger with defects. With none of them on, it does as the sound one does."""

    def __init__(
        self, defects: Defects, clock_ns: Callable[[], int], new_account_id: NewAccountId
    ) -> None:
        super().__init__(clock_ns, new_account_id)
        self._defects = defects
        self.to_take_back: set[str] = set()
        """What was rejected, and is to be told to be settled, once."""
        self._twice: set[str] = set()
        """What is to be applied twice, once it is decided."""
        self._last_moved: dict[str, int] = {}
        """Account id -> what the last decision that moved it posted."""
        self._asked: Counter[str] = Counter()
        """Account id -> the payments so far that it could have borne, each alone."""
        self._funded: dict[str, int] = {}
        """Account id -> its first credit."""
        self._touched: dict[str, list[str]] = {}
        """Currency -> the last two accounts that were moved."""

    def race(self, command_id: str) -> None:
        """Take a command that came again before it was decided for another one."""
        self._twice.add(command_id)

    def repeat(self, command_id: str) -> None:
        """Apply a command that was settled once more."""
        entry = self._entries[command_id]
        decision = entry.decision
        if decision is None or not decision.postings:
            return
        self._post(decision.postings)
        self._entries[command_id] = replace(
            entry, decision=replace(decision, postings=decision.postings * 2)
        )
        self._as_of += 1
        self._defects.count(named.APPLY_ON_RETRY, command_id)

    def _move(self, command: Transaction | Payment, decided_ns: int) -> Decision:
        decision = super()._move(command, decided_ns)
        account = self._accounts.get(command.account_id)
        if account is None or not decision.postings:
            return decision
        moved = sum(leg.minor for leg in decision.postings if leg.account_id == account.account_id)
        before = self._last_moved.get(account.account_id, 0)
        if before and moved and self._hits(named.LOSE_UPDATE, command):
            account.balance -= before
            decision = replace(decision, balance_after=Money(account.balance, account.currency))
        if moved:
            self._last_moved[account.account_id] = moved
        touched = self._touched.setdefault(account.currency, [])
        if account.account_id not in touched:
            touched.append(account.account_id)
            del touched[:-2]
        return decision

    # -- whether to settle -------------------------------------------------------------------------

    def _objection(
        self, command: Transaction | Payment, account: Account, decided_ns: int
    ) -> Reason | None:
        reason = super()._objection(command, account, decided_ns)
        if isinstance(command, Transaction):
            if command.is_credit:
                self._funded.setdefault(account.account_id, command.amount.minor)
            return reason
        if reason is Reason.INSUFFICIENT_FUNDS and self._hits(named.OVERDRAW, command):
            return None
        if reason in _LIMIT_REASONS and self._hits(named.IGNORE_LIMIT, command):
            return None
        by_rule = reason is Reason.INSUFFICIENT_FUNDS or reason in _LIMIT_REASONS
        if by_rule and self._hits(named.WRONG_REASON, command):
            return _other_reason(reason)
        return reason or self._pretext(command, account, decided_ns)

    def _pretext(self, payment: Payment, account: Account, decided_ns: int) -> Reason | None:
        """Find a reason against a payment that there is none against."""
        pretext = (
            Reason.INSUFFICIENT_FUNDS if account.spending is None else Reason.LIMIT_EXCEEDED_MINUTE
        )
        self._asked[account.account_id] += payment.debit.minor
        if self._hits(named.REJECT, payment):
            return pretext
        if self._defects.hits(named.TAKE_BACK, payment.command_id):
            self.to_take_back.add(payment.command_id)
            return pretext
        if self._is_undetermined(account) and self._hits(named.REJECT_UNDETERMINED, payment):
            return pretext
        if account.spending is not None:
            # One minor unit more would be too much, so a limit is met exactly.
            period = account.spending.exceeded_by(payment.debit.minor + 1, decided_ns)
            if period is not None and self._hits(named.EXCLUSIVE_LIMIT, payment):
                return Reason(f"LIMIT_EXCEEDED_{period.name}")
        return None

    def _is_undetermined(self, account: Account) -> bool:
        """Tell whether an account was asked for more than it surely has, or may surely spend."""
        sure = self._funded.get(account.account_id, 0)
        if account.spending is not None:
            sure = account.spending.limits[Period.MINUTE]
        return self._asked[account.account_id] > sure

    # -- what to post ------------------------------------------------------------------------------

    def _postings(self, command: Transaction | Payment, account: Account) -> tuple[Posting, ...]:
        own, clearing = super()._postings(command, account)
        exchanges = own.currency != clearing.currency
        if self._hits(named.NO_POSTINGS, command):
            return ()
        if self._hits(named.DROP_LEG, command):
            return (own,)
        if self._hits(named.WRONG_AMOUNT, command):
            more = max(1, abs(own.minor) // 100)
            return _more(own, more), _more(clearing, more)
        if exchanges and self._hits(named.ROUND_UP, command):
            return own, _more(clearing, 1)
        if exchanges and self._hits(named.WRONG_RATE, command):
            return own, _more(clearing, max(2, abs(clearing.minor) // 50))
        other = next((one for one in self._other(account) if one), "")
        if other and self._hits(named.SWAP_ACCOUNTS, command):
            return replace(own, account_id=other), clearing
        twice = command.command_id in self._twice
        self._twice.discard(command.command_id)
        if twice:
            self._defects.count(named.APPLY_ON_RACE, command.command_id)
        if twice or self._hits(named.APPLY_TWICE, command):
            return own, clearing, own, clearing
        return own, clearing

    def _other(self, account: Account) -> list[str]:
        """Return accounts in the same currency that were moved last, but for this one."""
        touched = self._touched.get(account.currency, [])
        return [one for one in touched if one != account.account_id]

    def _hits(self, name: str, command: Transaction | Payment) -> bool:
        """Tell whether a defect hits a command that it could hit, and note that it did."""
        return self._defects.strikes(name, command.command_id)


def _more(posting: Posting, minor: int) -> Posting:
    """Return a posting that moves more, in its own direction."""
    return replace(posting, minor=posting.minor + (minor if posting.minor > 0 else -minor))


def _other_reason(reason: Reason | None) -> Reason:
    is_funds = reason is Reason.INSUFFICIENT_FUNDS
    return Reason.LIMIT_EXCEEDED_DAY if is_funds else Reason.INSUFFICIENT_FUNDS
