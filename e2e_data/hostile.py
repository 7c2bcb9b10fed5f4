"""Hostile commands: what each label does to a command before it is sent.

Some labels change the command's values, which any adapter then writes in its own way. Others spoil
what was written: compact JSON in which an amount is `"amount":12.34` beside its `"currencyCode"`,
as docs/contract.md has it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from e2e_data.commands import Command, Label
from e2e_data.ids import static_account_id

UNKNOWN_CURRENCY = "ZZZ"
"""Reserved by nobody: ISO 4217 gives out no code that begins with ZZ."""
OVERSIZED_CHARACTERS = 10_000
"""Far beyond any payment scheme's limit, and still well below what servers take for a request."""

DISFIGURED = tuple(Label.UNKNOWN_ACCOUNT <= label < Label.REPLAY for label in Label)
"""For each label whether its commands are sent in another form than they have.

Replays are hostile too, but are their originals to the byte.
"""

_WORD = "oversized "
_OVERSIZED = _WORD * (OVERSIZED_CHARACTERS // len(_WORD))
_CURRENCY = re.compile(r'"currencyCode":"[^"]*"')
_AMOUNT = re.compile(r'("amount":-?\d+)(\.\d+)?')


def unknown_account_id(command_id: str) -> str:
    """Return an account id that no platform assigned: a UUID made of the command's own id."""
    return static_account_id(command_id)


def altered(command: Command) -> Command:
    """Return a command with the values that its label asks for."""
    match command.label:
        case Label.NEGATIVE:
            debit, credit = -command.amount_minor, -command.credit_minor
            return replace(command, amount_minor=debit, credit_minor=credit)
        case Label.ZERO:
            return replace(command, amount_minor=0, credit_minor=0)
        case Label.OVERSIZED:
            return replace(command, description=_OVERSIZED)
    return command


def spoilt(payload: str, label: Label) -> str:
    """Return what was written for a command, spoilt as its label asks for."""
    match label:
        case Label.UNKNOWN_CURRENCY:
            return _CURRENCY.sub(f'"currencyCode":"{UNKNOWN_CURRENCY}"', payload, count=1)
        case Label.EXCESS_DECIMALS:
            return _AMOUNT.sub(_finer, payload, count=1)
        case Label.MISSING_FIELD:
            # The first field: the customer or the account whom the command concerns.
            return "{" + payload.partition(",")[2]
        case Label.MALFORMED:
            return payload[: len(payload) // 2]
    return payload


def _finer(amount: re.Match[str]) -> str:
    """Write an amount with one digit more than its currency has."""
    return f"{amount[1]}{amount[2] or '.'}1"
