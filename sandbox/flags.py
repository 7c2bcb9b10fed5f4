"""Flags: what this platform's monitoring says of debits. Simple rules, and of its own making."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from sandbox.book import Entry
from sandbox.commands import CreateAccount, Payment, Transaction
from sandbox.limits import Period
from sandbox.money import MINOR_DIGITS, Money

FLAGS: dict[str, str] = {
    "REPORTABLE": "10,000 units of the currency or more",
    "ROUND": "whole hundreds of the currency's unit",
    "STRUCTURING": "from 95 % of the account's MINUTE limit to just below it",
    "VELOCITY": "the fifth or a later debit of the account within one second",
    "DORMANT": "the account had no debit for ten seconds or more",
}
"""Name -> what is flagged so. Help and documentation are made from this table."""

_REPORTABLE_UNITS = 10_000
_ROUND_UNITS = 100
_STRUCTURING_PERCENT = 95
_BURST_DEBITS = 5
_BURST_NS = 1_000_000_000
_QUIET_NS = 10_000_000_000


@dataclass(slots=True)
class _Watched:
    """What is remembered of an account: its MINUTE limit and when it was last debited."""

    minute_limit: int | None
    """In minor units; None where its creation named no limits."""
    last_ns: int
    """Of its last debit; of its creation before there is one."""
    burst: deque[int] = field(default_factory=lambda: deque(maxlen=_BURST_DEBITS))


class Monitor:
    """Watches decisions in their order, rejected ones too: an attempt tells as much as a debit."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Watched] = {}

    def flags_of(self, entry: Entry) -> tuple[str, ...]:
        """Return the flags of a command that was just decided, in the order of FLAGS.

        Must be called once for each decision; what is no debit of a known account has no flags.
        """
        command, decision = entry.command, entry.decision
        assert decision is not None, "flags are for what was decided"
        if isinstance(command, CreateAccount):
            limit = command.limits[Period.MINUTE].minor if command.limits else None
            self._accounts[entry.account_id] = _Watched(limit, decision.decided_ns)
            return ()
        debit, account = _debit(command), self._accounts.get(command.account_id)
        if debit is None or account is None:
            return ()
        unit = 10 ** MINOR_DIGITS[debit.currency]
        told = {
            "REPORTABLE": debit.minor >= _REPORTABLE_UNITS * unit,
            "ROUND": debit.minor % (_ROUND_UNITS * unit) == 0,
            "STRUCTURING": _is_just_below(debit.minor, account.minute_limit),
            "VELOCITY": _ends_burst(account.burst, decision.decided_ns),
            "DORMANT": decision.decided_ns - account.last_ns >= _QUIET_NS,
        }
        account.last_ns = decision.decided_ns
        return tuple(name for name in FLAGS if told[name])


def _debit(command: Transaction | Payment) -> Money | None:
    """Return what a command takes from its account; None for a credit or an unknown currency."""
    if isinstance(command, Transaction) and command.is_credit:
        return None
    money = command.amount if isinstance(command, Transaction) else command.debit
    return money if money.currency in MINOR_DIGITS else None


def _is_just_below(minor: int, limit: int | None) -> bool:
    return limit is not None and limit * _STRUCTURING_PERCENT <= 100 * minor < 100 * limit


def _ends_burst(burst: deque[int], decided_ns: int) -> bool:
    """Note a debit, and tell whether as many as make a burst were within its time."""
    burst.append(decided_ns)
    return len(burst) == _BURST_DEBITS and decided_ns - burst[0] < _BURST_NS
