"""The book as tables of a SQL database: its schema, and commands as they are written and read back."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sql

from sandbox.book import Decision, Entry, Posting, Reason, Status
from sandbox.commands import Command, CreateAccount, Payment, Transaction
from sandbox.money import Money

METADATA = sql.MetaData()
_ID = sql.String(64)
COMMANDS = sql.Table(
    "commands",
    METADATA,
    sql.Column("number", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("command_id", _ID, unique=True, nullable=False),
    sql.Column("account_id", _ID, nullable=False),
    sql.Column("type", sql.String(64), nullable=False),
    sql.Column("content", sql.Text, nullable=False),
    sql.Column("correlation_id", sql.String(256), nullable=False),
    sql.Column("received_ns", sql.BigInteger, nullable=False),
    sql.Column("decision", sql.BigInteger, index=True),
    sql.Column("status", sql.String(16), nullable=False),
    sql.Column("reason", sql.String(64)),
    sql.Column("decided_ns", sql.BigInteger),
    sql.Column("account_seq", sql.BigInteger),
    sql.Column("balance_after_minor", sql.BigInteger),
    sql.Column("currency", sql.String(8)),
)
"""`number` is the order of receipt, `decision` that of decisions; `currency` is the balance's."""
POSTINGS = sql.Table(
    "postings",
    METADATA,
    sql.Column("command_id", _ID, primary_key=True),
    sql.Column("leg", sql.Integer, primary_key=True),
    sql.Column("account_id", _ID, nullable=False),
    sql.Column("minor", sql.BigInteger, nullable=False),
    sql.Column("currency", sql.String(8), nullable=False),
)
ACCOUNTS = sql.Table(
    "accounts",
    METADATA,
    sql.Column("account_id", _ID, primary_key=True),
    sql.Column("customer_id", _ID),
    sql.Column("currency", sql.String(8), nullable=False),
    sql.Column("balance_minor", sql.BigInteger, nullable=False),
)
OUTBOX = sql.Table(
    "outbox",
    METADATA,
    sql.Column("command_id", _ID, primary_key=True),
)
"""Decisions whose events are not known to be published; an event's id is made of the command's."""


REPLIES = sql.Table(
    "replies",
    METADATA,
    sql.Column("command_id", _ID, primary_key=True),
    sql.Column("correl_id", _ID, primary_key=True),
    sql.Column("sender", sql.Text, nullable=False),
)
"""Who waits for a final reply over MQ that is not known to be put."""


def received_row(number: int, entry: Entry, correlation_id: str) -> dict[str, Any]:
    """Return the row of a command that was received."""
    return {
        "number": number,
        "command_id": entry.command.command_id,
        "account_id": entry.account_id,
        "type": entry.command.TYPE,
        "content": json.dumps(_content(entry.command), separators=(",", ":")),
        "correlation_id": correlation_id,
        "received_ns": entry.received_ns,
        "status": str(Status.PENDING),
    }


def decided_row(number: int, entry: Entry) -> dict[str, Any]:
    """Return what a decision changes in a command's row; `key` is the command's id."""
    decision = entry.decision
    assert decision is not None, "what is decided has a decision"
    after = decision.balance_after
    return {
        "key": entry.command.command_id,
        "decision": number,
        "status": str(decision.status),
        "reason": None if decision.reason is None else str(decision.reason),
        "decided_ns": decision.decided_ns,
        "account_seq": decision.account_seq,
        "balance_after_minor": None if after is None else after.minor,
        "currency": None if after is None else after.currency,
    }


def posting_rows(entry: Entry) -> list[dict[str, Any]]:
    """Return the rows of a decision's postings."""
    assert entry.decision is not None, "what is decided has a decision"
    return [
        {
            "command_id": entry.command.command_id,
            "leg": leg,
            "account_id": posting.account_id,
            "minor": posting.minor,
            "currency": posting.currency,
        }
        for leg, posting in enumerate(entry.decision.postings)
    ]


def entry_of(row: Any, postings: tuple[Posting, ...]) -> Entry:
    """Return a command's entry from its row and its postings."""
    command = _command(row.command_id, row.type, json.loads(row.content))
    if row.decision is None:
        return Entry(command, row.account_id, row.received_ns)
    after = (
        None if row.balance_after_minor is None else Money(row.balance_after_minor, row.currency)
    )
    decision = Decision(
        Status(row.status),
        None if row.reason is None else Reason(row.reason),
        row.decided_ns,
        row.account_seq,
        postings,
        after,
    )
    return Entry(command, row.account_id, row.received_ns, decision)


def _content(command: Command) -> dict[str, Any]:
    if isinstance(command, CreateAccount):
        fields: dict[str, Any] = {
            "customer": command.customer_id,
            "currency": command.currency,
            "limited": command.limit_based,
            "limits": [_money(limit) for limit in command.limits],
        }
    elif isinstance(command, Transaction):
        fields = {
            "account": command.account_id,
            "credit": command.is_credit,
            "amount": _money(command.amount),
        }
    else:
        fields = {
            "account": command.account_id,
            "debit": _money(command.debit),
            "credit": _money(command.credit),
        }
    return {**fields, "details": command.details.hex()}


def _command(command_id: str, kind: str, fields: dict[str, Any]) -> Command:
    details = bytes.fromhex(fields["details"])
    if kind == CreateAccount.TYPE:
        limits = tuple(Money(*limit) for limit in fields["limits"])
        return CreateAccount(
            command_id, fields["customer"], fields["currency"], fields["limited"], limits, details
        )
    if kind == Transaction.TYPE:
        amount = Money(*fields["amount"])
        return Transaction(command_id, fields["account"], fields["credit"], amount, details)
    debit, credit = Money(*fields["debit"]), Money(*fields["credit"])
    return Payment(command_id, fields["account"], debit, credit, details)


def _money(money: Money) -> list[Any]:
    return [money.minor, money.currency]
