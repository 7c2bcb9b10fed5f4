"""Why the outcomes of a command are right ones: the oracle's rules once more, told one by one.

It works the sums out on its own, in plain integers over records, where the oracle has columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from e2e_data import money
from e2e_data.commands import Command, Kind, Label, Outcome

EITHER = Outcome.SETTLED | Outcome.REJECTED


@dataclass(frozen=True, slots=True)
class Reason:
    """The set of outcomes that are right for a command, and the sentence that says why."""

    expected: Outcome
    sentence: str


def reason_of(command: Command, history: Sequence[Command]) -> Reason:
    """Explain the right outcomes of a command.

    `history` is everything that happens to its account, in any order, the command included; a
    replay's original is in it too.
    """
    if command.label.is_replay:
        original = next(one for one in history if one.index == command.original)
        reason = reason_of(original, history)
        answered = f"a replay of {original.shard}:{original.index}, answered as that is"
        return Reason(reason.expected, f"{answered} and without any effect; {reason.sentence}")
    if command.label.is_hostile:
        return _of_hostile(command.label)
    if command.kind is not Kind.PAYMENT:
        return Reason(Outcome.SETTLED, _CREDITS[command.kind])
    payments = [one for one in history if one.kind is Kind.PAYMENT and not one.label.is_hostile]
    if command.account.limit_based:
        return _of_limits(command, [one.amount_minor for one in payments])
    funding = [one.amount_minor for one in history if one.kind is Kind.FUNDING]
    return _of_balance(command, funding, [one.amount_minor for one in payments])


_CREDITS = {
    Kind.ACCOUNT: "there is no reason to refuse an account",
    Kind.OPENING_CREDIT: "nothing limits a credit, and it is sent when its account is there",
    Kind.FUNDING: "nothing limits a credit, and it is sent when the opening credit is settled",
}


_UNDERSTOOD = (Label.UNKNOWN_ACCOUNT, Label.UNKNOWN_CURRENCY)
"""Hostile, but well formed: there is something to decide about."""


def _of_hostile(label: Label) -> Reason:
    if label in _UNDERSTOOD:
        return Reason(Outcome.REJECTED, f"hostile: {label.text}, which is understood and rejected")
    return Reason(
        Outcome.INVALID | Outcome.DEAD_LETTERED,
        f"hostile: {label.text}, which cannot be understood: over HTTP it is refused at once, over "
        "MQ and Kafka it is put aside",
    )


def _of_limits(command: Command, payments_minor: Sequence[int]) -> Reason:
    limit_minor = command.account.limits_minor[0]
    limit = f"the account's MINUTE limit of {_told(command, limit_minor)}"
    if command.amount_minor > limit_minor:
        return Reason(Outcome.REJECTED, f"above {limit}, so it fits into no minute at all")
    counted = [minor for minor in payments_minor if minor <= limit_minor]
    spent_minor = sum(counted)
    told = (
        f"all payments of the account that could be accepted ({len(counted)} of "
        f"{len(payments_minor)}) sum to {_told(command, spent_minor)}"
    )
    if spent_minor <= limit_minor:
        return Reason(
            Outcome.SETTLED, f"{told}, not above {limit}: they fit even into a single minute"
        )
    return Reason(
        EITHER,
        f"either, because {told}, above {limit}, and this one is not above it: whether there is "
        "room for it depends on when the platform decides",
    )


def _of_balance(
    command: Command, funding_minor: Sequence[int], payments_minor: Sequence[int]
) -> Reason:
    opening_minor = command.account.opening_balance_minor
    funded_minor = opening_minor + sum(funding_minor)
    opening = f"the opening balance of {_told(command, opening_minor)}"
    funded = (
        f"{opening} plus all {len(funding_minor)} funding credits, {_told(command, funded_minor)}"
    )
    if command.amount_minor > funded_minor:
        return Reason(Outcome.REJECTED, f"above {funded}, so the account never has that much")
    spent_minor = sum(payments_minor)
    told = f"all {len(payments_minor)} payments of the account sum to {_told(command, spent_minor)}"
    if spent_minor <= opening_minor:
        return Reason(Outcome.SETTLED, f"{told}, not above {opening}, so the money is always there")
    return Reason(
        EITHER,
        f"either, because {told}, above {opening}, and this one is not above {funded}: whether the "
        "money is there depends on what was decided before",
    )


def amount_text(minor: int, currency: str) -> str:
    """Write an amount, not below zero, for people: 5000000 USD -> "50,000.00 USD"."""
    whole, point, fraction = money.to_wire(minor, currency).partition(".")
    return (
        f"{int(whole):,}{point}{fraction} {currency}"
        if minor >= 0
        else f"{whole}{point}{fraction} {currency}"
    )


def _told(command: Command, minor: int) -> str:
    return amount_text(minor, command.account.currency)
