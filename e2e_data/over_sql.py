"""What the default adapter reads of the platform's book in its database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from e2e_data.book_rows import OUTCOMES, BookAccount, BookCommand, Posting


class OverSql:
    """Queries, and how their rows are read. An adapter of another database has its own."""

    accounts_query = "SELECT account_id, customer_id, currency, balance_minor FROM accounts"
    """Reads the book's accounts from its database; columns are given by name to `read_account_record`."""
    commands_query = (
        "SELECT c.command_id, c.account_id, c.status, c.reason, c.decided_ns, c.account_seq,"
        " c.balance_after_minor, p.account_id AS posted_to, p.minor, p.currency"
        " FROM commands c LEFT JOIN postings p ON p.command_id = c.command_id"
        " ORDER BY c.number, p.leg"
    )
    """Reads the commands: a row for each posting, one for what has none; those of one command together."""

    def read_account_record(self, record: Mapping[str, Any]) -> BookAccount:
        """Read an account from the book's database."""
        return BookAccount(
            account_id=record["account_id"],
            customer_id=record["customer_id"] or "",
            currency=record["currency"],
            balance_minor=record["balance_minor"],
        )

    def read_command_records(self, records: Sequence[Mapping[str, Any]]) -> BookCommand:
        """Read a command from its rows of the book's database, one for each posting."""
        first = records[0]
        return BookCommand(
            command_id=first["command_id"],
            account_id=first["account_id"],
            outcome=OUTCOMES[first["status"]],
            reason=first["reason"] or "",
            decided_ns=first["decided_ns"] or 0,
            account_seq=first["account_seq"] or 0,
            postings=tuple(
                Posting(one["posted_to"], one["minor"], one["currency"])
                for one in records
                if one["posted_to"] is not None
            ),
            balance_after_minor=first["balance_after_minor"],
        )
