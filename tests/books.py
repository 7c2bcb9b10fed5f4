"""Books by statement: what a history's platform would have told at the end, kept with its run."""

from __future__ import annotations

import orjson
import pyarrow.parquet as pq

from e2e_data.book_rows import StatementEnd
from reports import book
from reports.rundir import RunDirectory
from sandbox import statements
from tests.fated_platform import FatedPlatform
from tests.fates import Fate


def write_book(history: FatedPlatform, directory: RunDirectory) -> None:
    """Write down the book of a history's platform, as its fates have it."""
    accounts = [
        line
        for chunk in statements.of_accounts(history.ledger.accounts())
        for line in chunk.splitlines()
    ]
    commands = [
        line
        for chunk in statements.of_commands(history.ledger.entries())
        for line in chunk.splitlines()
    ]
    commands += history.extra_rows
    for key, fate in history.fates.items():
        entry = history.entry(key)
        if entry is None:
            continue
        if fate is Fate.ROW_TWICE:
            commands.insert(0, statements.command_line(entry).encode())
        if fate is Fate.ROW_GONE:
            commands = [line for line in commands if entry.command.command_id.encode() not in line]
        mine = f'"{entry.account_id}"'.encode()
        if fate is Fate.ACCOUNT_MISSING:
            accounts = [line for line in accounts if mine not in line]
        if fate is Fate.ACCOUNT_TWICE:
            row = next(line for line in accounts if mine in line)
            fields = orjson.loads(row)
            again = row.replace(mine, b'"00000000-0000-4000-8000-ffffffffffff"')
            accounts.insert(0, again.replace(row[row.index(b'"balance"') :], b'"balance":0}'))
            assert fields["balance"] is not None
        if fate is Fate.ACCOUNT_CURRENCY:
            row = next(line for line in accounts if mine in line)
            code = orjson.loads(row)["currencyCode"]
            other = b"CAD" if code != "CAD" else b"USD"
            at = accounts.index(row)
            accounts[at] = row.replace(f'"{code}"'.encode(), b'"' + other + b'"')
    account_rows = [history.platform.read_account_row(line) for line in accounts]
    command_rows = [history.platform.read_command_row(line) for line in commands]
    accounts_table = book.account_table(
        [row for row in account_rows if not isinstance(row, StatementEnd)], history.ids
    )
    commands_table = book.command_table(
        [row for row in command_rows if not isinstance(row, StatementEnd)], history.ids
    )
    pq.write_table(accounts_table, directory.book / "accounts.parquet")
    pq.write_table(commands_table, directory.book / "commands.parquet")
    directory.write("book/book.json", orjson.dumps({"as_of": history.ledger.as_of}))
