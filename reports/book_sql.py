"""The book from a SQL database: both tables in one transaction, so that they are one picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sql
from sqlalchemy.exc import SQLAlchemyError

from e2e_data.book_rows import BookAccount, BookCommand
from e2e_data.ids import Ids
from e2e_data.platform import Platform
from e2e_data.problems import Problems
from reports.book import ACCOUNTS, BATCH_ROWS, COMMANDS, account_table, command_table
from reports.rundir import RunDirectory

Row = TypeVar("Row", BookAccount, BookCommand)
Record = Mapping[str, Any]


def check_source(url: str) -> None:
    """Raise Problems where a book cannot be read from `url`, before a run relies on it."""
    with _connected(url):
        pass


def take_sql_snapshot(url: str, platform: Platform, ids: Ids, directory: RunDirectory) -> None:
    """Read accounts and commands, as they are at one moment, into `directory`.

    Raises Problems where the database cannot be read, or has rows that are none.
    """
    with _connected(url) as connection:
        accounts = map(platform.read_account_record, _records(connection, platform.accounts_query))
        _write(
            directory.book / "accounts.parquet",
            ACCOUNTS,
            accounts,
            lambda rows: account_table(rows, ids),
        )
        records = _records(connection, platform.commands_query)
        commands = (
            platform.read_command_records(list(rows))
            for _, rows in groupby(records, key=lambda record: record["command_id"])
        )
        _write(
            directory.book / "commands.parquet",
            COMMANDS,
            commands,
            lambda rows: command_table(rows, ids),
        )
    directory.write("book/book.json", orjson.dumps({"taken_utc_ns": time.time_ns()}))


@contextmanager
def _connected(url: str) -> Iterator[sql.Connection]:
    try:
        engine = sql.create_engine(url)
        if engine.dialect.name != "sqlite":
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with engine.connect() as connection, connection.begin():
            yield connection
        engine.dispose()
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        why = getattr(error, "orig", None) or error
        raise Problems([f"--book {_shown(url)}: {why}"]) from error
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise Problems(
            [f"--book {_shown(url)}: a row is not as the adapter reads it: {error!r}"]
        ) from error


def _shown(url: str) -> str:
    """Return an address without its password."""
    try:
        return sql.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url.partition("@")[2] or url


def _records(connection: sql.Connection, query: str) -> Iterator[Record]:
    found = connection.execution_options(yield_per=BATCH_ROWS).execute(sql.text(query))
    yield from map(dict, found.mappings())


def _write(
    path: Path,
    schema: pa.Schema,
    rows: Iterable[Row],
    table: Callable[[list[Row]], pa.Table],
) -> None:
    temporary = path.with_name(f".{path.name}")
    left = iter(rows)
    with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        while batch := list(islice(left, BATCH_ROWS)):
            writer.write_table(table(batch))
    temporary.replace(path)
