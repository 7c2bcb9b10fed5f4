"""Nordbank's adapter: all that paystorm has to know of it.

paystorm run --platform docs/example/nordbank_adapter.py:Nordbank --book sqlite:///nordbank.db --host …
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from e2e_data import platform
from e2e_data.book_rows import BookAccount, BookCommand, Posting
from e2e_data.commands import PERIODS, Kind, Outcome
from e2e_data.model.rules import Rules

_JSON = (("Content-Type", "application/json"),)
STATES = {"done": Outcome.SETTLED, "declined": Outcome.REJECTED}


class NordbankRules(Rules):
    """As ours, but for the reasons: of several limits that are exceeded, it names the longest."""

    insufficient_funds = "NSF"
    limit_exceeded: Mapping[str, str] = {period: f"CAP-{period}" for period in PERIODS}

    def right_reasons(self, objections: Sequence[str]) -> frozenset[str]:
        """Return the last objection, where ours names the first."""
        return frozenset(objections[-1:])


class Nordbank(platform.Platform):
    """Orders by PUT, amounts in minor units, account numbers of its own, a book in SQL."""

    rules = NordbankRules()
    accounts_query = "SELECT number, holder, ccy, minor FROM accounts"
    commands_query = "SELECT ref AS command_id, * FROM entries ORDER BY rowid"

    def http_command(self, sending: platform.Sending) -> platform.HttpRequest:
        """Return the order that carries a command; the reference makes it idempotent."""
        command, account = sending.command, sending.command.account
        order: dict[str, Any] = {"ref": sending.command_id}
        if command.kind is Kind.ACCOUNT:
            order |= {"holder": sending.customer_id, "ccy": account.currency}
            order |= {"line": account.limit_based, "caps": account.limits_minor}
            return _put("open", order)
        order["minor"] = command.amount_minor
        if command.kind is not Kind.PAYMENT:
            return _put(f"{sending.account_id}/in", order)
        order |= {"other": command.credit_minor, "other_ccy": command.credit_currency}
        return _put(f"{sending.account_id}/out", order)

    def read_acknowledgement(self, answer: platform.HttpAnswer) -> platform.Acknowledgement:
        """Read what it says when it takes an order; a refusal is in what became of it."""
        if answer.status != 200:
            unknown, why = platform.Acknowledged.UNKNOWN, f"HTTP {answer.status}"
            return platform.Acknowledgement(unknown, reason=why)
        return platform.Acknowledgement(
            platform.Acknowledged.ACCEPTED, orjson.loads(answer.body)["number"]
        )

    def http_status(self, command_id: str) -> platform.HttpRequest:
        """Return what asks what became of an order."""
        return platform.HttpRequest("GET", f"/core/refs/{command_id}")

    def read_status(self, answer: platform.HttpAnswer) -> platform.Completion | None:
        """Read what became of it."""
        if answer.status != 200:
            return None
        fields = orjson.loads(answer.body)
        return platform.Completion(STATES[fields["state"]], fields["why"])

    def http_probe(self) -> platform.HttpRequest:
        """Return what shows that it is there."""
        return platform.HttpRequest("GET", "/core/about")

    def is_recognised(self, answer: platform.HttpAnswer) -> bool:
        """Tell whether it is."""
        return answer.status == 200 and b'"nordbank"' in answer.body

    def read_account_record(self, record: Mapping[str, Any]) -> BookAccount:
        """Read an account of its book."""
        return BookAccount(record["number"], record["holder"], record["ccy"], record["minor"])

    def read_command_records(self, records: Sequence[Mapping[str, Any]]) -> BookCommand:
        """Read an entry of its book: one row has both legs, and the other is not on any account."""
        row = records[0]
        own = Posting(row["number"], row["minor"], row["ccy"])
        other = Posting(f"clearing-{row['other_ccy']}", row["other_minor"], row["other_ccy"])
        return BookCommand(
            *(row["ref"], row["number"], STATES[row["state"]], row["why"], row["at_us"] * 1000),
            *(row["entry"], (own, other) if row["minor"] else (), row["after"]),
        )


def _put(path: str, order: dict[str, Any]) -> platform.HttpRequest:
    return platform.HttpRequest("PUT", f"/core/{path}", _JSON, orjson.dumps(order))
