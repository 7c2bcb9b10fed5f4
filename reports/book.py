"""The book: the platform's own statements, taken after the drain and kept with the run.

Accounts and commands are fetched until both come with the same sequence number, so that they are one
consistent picture. Ids are decoded on the way: what is not this run's is marked foreign.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any, TypeVar

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from e2e_data.book_rows import BookAccount, BookCommand, Posting, StatementEnd
from e2e_data.ids import Ids, Namespace
from e2e_data.platform import HttpRequest, Platform
from e2e_data.problems import Problems
from reports.rundir import RunDirectory
from reports.site import Site

_ACCOUNTS_FILE, _COMMANDS_FILE = "accounts.parquet", "commands.parquet"

Row = TypeVar("Row", BookAccount, BookCommand)

TRIES = 5
TRY_AGAIN_S = 1.0
TIMEOUT_S = 60
BATCH_ROWS = 20_000

PLACE = [("known", pa.bool_()), ("lap", pa.int32()), ("shard", pa.int32()), ("index", pa.int32())]
ACCOUNTS = pa.schema(
    [
        *PLACE,
        ("account_id", pa.string()),
        ("customer_id", pa.string()),
        ("currency", pa.string()),
        ("balance_minor", pa.int64()),
    ]
)
"""`index` is the account's number in its shard; `known` is false for accounts not of this run."""
COMMANDS = pa.schema(
    [
        *PLACE,
        ("command_id", pa.string()),
        ("account_id", pa.string()),
        ("outcome", pa.uint8()),
        ("reason", pa.string()),
        ("decided_ns", pa.int64()),
        ("account_seq", pa.int64()),
        ("legs", pa.int16()),
        ("own_account_id", pa.string()),
        ("own_minor", pa.int64()),
        ("own_currency", pa.string()),
        ("other_minor", pa.int64()),
        ("other_currency", pa.string()),
        ("other_account_id", pa.string()),
        ("balance_after_minor", pa.int64()),
    ]
)
"""`own` sums the legs on the command's own account, `other` those on all others.

Where none of several legs is on the command's account, the first is taken to be its own, gone astray.
"""


def take_snapshot(
    sites: Sequence[Site], platform: Platform, ids: Ids, directory: RunDirectory
) -> dict[str, int]:
    """Fetch the statements of all `sites`, which together are the platform's book, into `directory`.

    Returns the sequence number that both of each site have in common, by its address. Raises Problems
    where they cannot be had, cannot be read, never agree, or tell the same book twice.
    """
    parts = [directory.book / f".{number}" for number, _ in enumerate(sites)]
    try:
        told = {}
        for site, part in zip(sites, parts, strict=True):
            part.mkdir(exist_ok=True)
            told[str(site)] = _take(site, platform, ids, part)
        _refuse_twice(sites, [part / _ACCOUNTS_FILE for part in parts])
        for name in (_ACCOUNTS_FILE, _COMMANDS_FILE):
            _join([part / name for part in parts], directory.book / name)
    finally:
        for part in parts:
            rmtree(part, ignore_errors=True)
    end = {"as_of": told, "taken_utc_ns": time.time_ns()}
    directory.write("book/book.json", orjson.dumps(end))
    return told


def _take(site: Site, platform: Platform, ids: Ids, folder: Path) -> int:
    """Fetch both statements of a site into a folder, and return their common sequence number."""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(TRY_AGAIN_S)
        accounts_as_of = _fetch(
            site,
            platform.accounts_statement,
            platform.read_account_row,
            folder / _ACCOUNTS_FILE,
            ACCOUNTS,
            lambda rows: account_table(rows, ids),
        )
        commands_as_of = _fetch(
            site,
            platform.commands_statement,
            platform.read_command_row,
            folder / _COMMANDS_FILE,
            COMMANDS,
            lambda rows: command_table(rows, ids),
        )
        if accounts_as_of == commands_as_of:
            return accounts_as_of
    raise Problems(
        [
            f"the platform's book kept changing: its statements stood at {accounts_as_of} and "
            f"{commands_as_of} after {TRIES} tries; make sure that nobody else uses the platform"
        ]
    )


def _refuse_twice(sites: Sequence[Site], parts: Sequence[Path]) -> None:
    """Raise Problems where a customer's account is in the statements of two sites."""
    seen: dict[str, Site] = {}
    for site, part in zip(sites, parts, strict=True):
        if len(parts) == 1:
            return
        accounts = pq.read_table(part, columns=["account_id"], filters=[("known", "==", True)])
        for account in accounts["account_id"].to_pylist():
            other = seen.setdefault(account, site)
            if other is not site:
                raise Problems(
                    [
                        f"{other} and {site} both tell of the account {account}: if they have one "
                        "book, say so with one_book = true in the plan's table [http]"
                    ]
                )


def _join(parts: Sequence[Path], whole: Path) -> None:
    """Make one file of several of the same columns; of one it is that one."""
    if len(parts) > 1:
        joined = parts[0].with_suffix(".joined")
        with pq.ParquetWriter(joined, pq.read_schema(parts[0]), compression="zstd") as writer:
            for part in parts:
                with pq.ParquetFile(part) as file:
                    for batch in file.iter_batches(BATCH_ROWS):
                        writer.write_batch(batch)
        joined.replace(whole)
    else:
        parts[0].replace(whole)


def _fetch(
    site: Site,
    request: HttpRequest,
    read: Callable[[bytes], Row | StatementEnd],
    path: Path,
    schema: pa.Schema,
    table: Callable[[list[Row]], pa.Table],
) -> int:
    """Stream one statement into a Parquet file and return its sequence number."""
    batch: list[Row] = []
    rows = 0
    temporary = path.with_name(f".{path.name}")
    with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for line in _lines(site, request):
            try:
                row = read(line)
            except ValueError as error:
                raise Problems([f"{site}{request.path}: {error}"]) from error
            if isinstance(row, StatementEnd):
                break
            batch.append(row)
            rows += 1
            if len(batch) == BATCH_ROWS:
                writer.write_table(_tabled(site, request, table, batch))
                batch = []
        else:
            raise Problems([f"{site}{request.path}: the statement was cut off after {rows} rows"])
        if batch:
            writer.write_table(_tabled(site, request, table, batch))
    if row.rows != rows:
        raise Problems([f"{site}{request.path}: {rows} rows came, but it says {row.rows}"])
    temporary.replace(path)
    return row.as_of


def _tabled(
    site: Site, request: HttpRequest, table: Callable[[list[Row]], pa.Table], rows: list[Row]
) -> pa.Table:
    """Make columns of rows. Raises Problems where a value does not fit, such as 2**64."""
    try:
        return table(rows)
    except (ValueError, OverflowError) as error:
        raise Problems([f"{site}{request.path}: {error}"]) from error


def _lines(site: Site, request: HttpRequest) -> Iterator[bytes]:
    connection = site.connection(TIMEOUT_S)
    try:
        headers = {**site.headers, **dict(request.headers)}
        connection.request(request.method, site.target(request.path), request.body, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise Problems([f"{site}{request.path}: answered {answer.status} {answer.reason}"])
        yield from answer
    except (OSError, http.client.HTTPException) as error:
        raise Problems([f"{site}{request.path}: {error or type(error).__name__}"]) from error
    finally:
        connection.close()


def account_table(rows: list[BookAccount], ids: Ids) -> pa.Table:
    """Make columns of accounts, with the places that their customers' ids name."""
    place = ids.decode([row.customer_id for row in rows], Namespace.CUSTOMER)
    columns: dict[str, Any] = {
        "known": place.known,
        "lap": place.lap,
        "shard": place.shard,
        "index": place.index,
        "account_id": [row.account_id for row in rows],
        "customer_id": [row.customer_id for row in rows],
        "currency": [row.currency for row in rows],
        "balance_minor": [row.balance_minor for row in rows],
    }
    return as_table(columns, ACCOUNTS)


def command_table(rows: list[BookCommand], ids: Ids) -> pa.Table:
    """Make columns of commands, with the places that their ids name."""
    place = ids.decode([row.command_id for row in rows])
    own, other = zip(*map(_legs, rows), strict=True) if rows else ((), ())
    columns: dict[str, Any] = {
        "known": place.known,
        "lap": place.lap,
        "shard": place.shard,
        "index": place.index,
        "command_id": [row.command_id for row in rows],
        "account_id": [row.account_id for row in rows],
        "outcome": [int(row.outcome) for row in rows],
        "reason": [row.reason for row in rows],
        "decided_ns": [row.decided_ns for row in rows],
        "account_seq": [row.account_seq for row in rows],
        "legs": [len(row.postings) for row in rows],
        "own_account_id": [legs[0].account_id if legs else "" for legs in own],
        "own_minor": [sum(leg.amount_minor for leg in legs) for legs in own],
        "own_currency": [legs[0].currency if legs else "" for legs in own],
        "other_minor": [sum(leg.amount_minor for leg in legs) for legs in other],
        "other_currency": [legs[0].currency if legs else "" for legs in other],
        "other_account_id": [legs[0].account_id if legs else "" for legs in other],
        "balance_after_minor": [row.balance_after_minor for row in rows],
    }
    return as_table(columns, COMMANDS)


def _legs(row: BookCommand) -> tuple[Sequence[Posting], Sequence[Posting]]:
    """Return the legs of a command's own account, and the others."""
    own = [leg for leg in row.postings if leg.account_id == row.account_id]
    if not own and len(row.postings) > 1:
        return row.postings[:1], row.postings[1:]
    return own, [leg for leg in row.postings if leg.account_id != row.account_id]


def as_table(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    """Make a table of columns, by name. Raises ValueError or OverflowError for what does not fit."""
    given = (columns[field.name] for field in schema)
    arrays = [
        column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
        for column in given
    ]
    fitting = [array.cast(field.type) for array, field in zip(arrays, schema, strict=True)]
    return pa.Table.from_arrays(fitting, schema=schema)
