"""Events: what the platform publishes of each decision, whatever channel the command came by."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID, uuid5

from sandbox.commands import CreateAccount, Payment
from sandbox.money import MINOR_DIGITS, Money, to_wire
from sandbox.platform import Decided

_NAMESPACE = UUID("0b6f1c6e-8a0c-4f8f-9d3e-6f3a4f1f7c55")


def event_id(command_id: str) -> str:
    """Return the id of the event on a command: one outcome has one, however often it is published."""
    return str(uuid5(_NAMESPACE, command_id))


def event(decided: Decided) -> bytes:
    """Write the event on a decision. Only the correlation id is the sender's text."""
    entry, decision = decided.entry, decided.entry.decision
    assert decision is not None, "an event is on what was decided"
    command = entry.command
    seconds, ns = divmod(decision.decided_ns, 1_000_000_000)
    moment = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns // 1000:06d}Z"
    reason = "null" if decision.reason is None else f'"{decision.reason}"'
    amount: Money | None = None
    if not isinstance(command, CreateAccount):
        amount = command.debit if isinstance(command, Payment) else command.amount
    return (
        f'{{"eventId":"{event_id(command.command_id)}",'
        f'"correlationId":{json.dumps(decided.correlation_id)},'
        f'"commandId":"{command.command_id}","commandType":"{command.TYPE}",'
        f'"status":"{decision.status}","accountId":"{entry.account_id}",'
        f'"amount":{_money(amount)},"reason":{reason},'
        f'"flags":{json.dumps(decided.flags, separators=(",", ":"))},"occurredAt":"{moment}"}}'
    ).encode()


def _money(money: Money | None) -> str:
    """Write an amount, as commands have theirs; nobody can say what one of an unknown currency is."""
    if money is None or money.currency not in MINOR_DIGITS:
        return "null"
    return f'{{"amount":{to_wire(money.minor, money.currency)},"currencyCode":"{money.currency}"}}'
