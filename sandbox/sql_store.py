"""The book in a SQL database, committed in groups: one transaction for all that came meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sql

from sandbox.book import Entry, Posting
from sandbox.commands import CreateAccount
from sandbox.sql_rows import (
    ACCOUNTS,
    COMMANDS,
    METADATA,
    OUTBOX,
    POSTINGS,
    REPLIES,
    decided_row,
    entry_of,
    posting_rows,
    received_row,
)
from sandbox.store import Balances

Rows = list[dict[str, Any]]
FLUSH_S = 2.0
"""How often a platform writes that waits for nothing."""


@dataclass(slots=True)
class _Batch:
    """What is written in one transaction."""

    received: Rows = field(default_factory=list)
    decided: Rows = field(default_factory=list)
    postings: Rows = field(default_factory=list)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    published: Rows = field(default_factory=list)
    wanted: Rows = field(default_factory=list)
    replied: Rows = field(default_factory=list)
    told: list[Callable[[], None]] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)

    def __bool__(self) -> bool:
        rows = (self.received, self.decided, self.published, self.wanted, self.replied)
        return any(rows) or bool(self.waiting)


@dataclass(frozen=True, slots=True)
class Kept:
    """A book as it was left, in order of receipt, and the ids in order of decision."""

    entries: tuple[Entry, ...]
    decided: tuple[str, ...]
    unpublished: tuple[str, ...]
    undecided: tuple[str, ...]
    correlation_ids: dict[str, str]
    """Of commands that are not decided, or not published."""
    unreplied: tuple[tuple[str, str], ...]
    """Command ids, and who waits for a final reply to them."""


class SqlStore:
    """Writes on a thread of its own, so that the platform goes on.

    With `flush_s`, which is a defect, commits are that far apart and nobody waits for them.
    """

    has_outbox = True

    def __init__(self, url: str, flush_s: float = 0) -> None:
        """Open the database and make its tables. Raises SQLAlchemyError where that cannot be."""
        self._engine = sql.create_engine(url)
        if self._engine.dialect.name == "sqlite":
            sql.event.listen(self._engine, "connect", _make_durable)
        METADATA.create_all(self._engine)
        self._flush_s = flush_s
        self._thread = ThreadPoolExecutor(1, "book")
        self._batch = _Batch()
        self._uncommitted: set[str] = set()
        """Commands whose decisions nobody may be told of yet."""
        self._customers: dict[str, str] = {}
        self._arrived = asyncio.Event()
        self._received, self._decided = self._last_numbers()

    def load(self) -> Kept:
        """Read the book as it was left."""
        postings: dict[str, list[Posting]] = {}
        with self._engine.connect() as connection:
            for row in connection.execute(sql.select(POSTINGS).order_by(POSTINGS.c.leg)):
                posting = Posting(row.account_id, row.minor, row.currency)
                postings.setdefault(row.command_id, []).append(posting)
            rows = connection.execute(sql.select(COMMANDS).order_by(COMMANDS.c.number)).all()
            unpublished = {row.command_id for row in connection.execute(sql.select(OUTBOX))}
            unreplied = connection.execute(sql.select(REPLIES.c.command_id, REPLIES.c.sender)).all()
        decided = sorted(
            (row for row in rows if row.decision is not None), key=lambda row: row.decision
        )
        entries = tuple(entry_of(row, tuple(postings.get(row.command_id, ()))) for row in rows)
        for entry in entries:
            if isinstance(entry.command, CreateAccount):
                self._customers[entry.account_id] = entry.command.customer_id
        return Kept(
            entries,
            tuple(row.command_id for row in decided),
            tuple(row.command_id for row in decided if row.command_id in unpublished),
            tuple(row.command_id for row in rows if row.decision is None),
            {
                row.command_id: row.correlation_id
                for row in rows
                if row.decision is None or row.command_id in unpublished
            },
            tuple((row.command_id, row.sender) for row in unreplied),
        )

    def received(self, entry: Entry, correlation_id: str) -> None:
        """Add the receipt of a command."""
        self._received += 1
        self._batch.received.append(received_row(self._received, entry, correlation_id))
        self._arrived.set()

    def decided(self, entry: Entry, balances: Balances, told: Callable[[], None]) -> None:
        """Add a decision; call `told` when it is durable."""
        self._decided += 1
        batch = self._batch
        batch.decided.append(decided_row(self._decided, entry))
        batch.postings += posting_rows(entry)
        if isinstance(entry.command, CreateAccount):
            self._customers[entry.account_id] = entry.command.customer_id
        for account_id, (currency, minor) in balances(entry).items():
            batch.accounts[account_id] = {
                "account_id": account_id,
                "customer_id": self._customers.get(account_id),
                "currency": currency,
                "balance_minor": minor,
            }
        if not self._flush_s:
            self._uncommitted.add(entry.command.command_id)
            batch.told.append(lambda: self._tell(entry.command.command_id, told))
        else:
            told()
        self._arrived.set()

    def published(self, command_id: str) -> None:
        """Note that the event on a decision was taken by the broker."""
        self._batch.published.append({"key": command_id})
        self._arrived.set()

    def reply_wanted(self, command_id: str, correl_id: str, sender: str) -> None:
        """Add who waits for the final reply to a command, as text."""
        key = {"command_id": command_id, "correl_id": correl_id}
        self._batch.wanted.append({**key, "sender": sender})
        self._arrived.set()

    def replied(self, command_id: str, correl_id: str) -> None:
        """Note that a final reply was put."""
        self._batch.replied.append({"key": command_id, "to": correl_id})
        self._arrived.set()

    def is_durable(self, command_id: str) -> bool:
        """Tell whether what was decided of a command may be told."""
        return command_id not in self._uncommitted

    async def commit(self) -> None:
        """Wait until everything that was added so far is durable."""
        if self._flush_s:
            return
        done = asyncio.get_running_loop().create_future()
        self._batch.waiting.append(done)
        self._arrived.set()
        await done

    async def run(self) -> None:
        """Commit what comes, until cancelled. Raises SQLAlchemyError where that cannot be."""
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            if self._flush_s:
                await asyncio.sleep(self._flush_s)
            self._arrived.clear()
            batch, self._batch = self._batch, _Batch()
            if self._flush_s:
                self._hold_back(batch)
            await loop.run_in_executor(self._thread, self._write, batch)
            for told in batch.told:
                told()
            for future in batch.waiting:
                if not future.done():
                    future.set_result(None)

    def _hold_back(self, batch: _Batch) -> None:
        """Write no command before its decision: what is forgotten is forgotten as a whole."""
        decided = {row["key"] for row in batch.decided}
        self._batch.received = [row for row in batch.received if row["command_id"] not in decided]
        batch.received = [row for row in batch.received if row["command_id"] in decided]

    def close(self) -> None:
        """Write what is left and close the database."""
        self._thread.shutdown()
        if self._batch:
            self._write(self._batch)
        self._engine.dispose()

    def _tell(self, command_id: str, told: Callable[[], None]) -> None:
        self._uncommitted.discard(command_id)
        told()

    def _write(self, batch: _Batch) -> None:
        key: sql.BindParameter[str] = sql.bindparam("key")
        with self._engine.begin() as connection:
            if batch.received:
                connection.execute(sql.insert(COMMANDS), batch.received)
            if batch.decided:
                update = sql.update(COMMANDS).where(COMMANDS.c.command_id == key)
                connection.execute(
                    update.values(
                        {name: sql.bindparam(name) for name in batch.decided[0] if name != "key"}
                    ),
                    batch.decided,
                )
                connection.execute(
                    sql.insert(OUTBOX), [{"command_id": row["key"]} for row in batch.decided]
                )
            if batch.postings:
                connection.execute(sql.insert(POSTINGS), batch.postings)
            if batch.accounts:
                ids = [{"key": account_id} for account_id in batch.accounts]
                connection.execute(sql.delete(ACCOUNTS).where(ACCOUNTS.c.account_id == key), ids)
                connection.execute(sql.insert(ACCOUNTS), list(batch.accounts.values()))
            _write_replies(connection, batch)
            if batch.published:
                connection.execute(
                    sql.delete(OUTBOX).where(OUTBOX.c.command_id == key), batch.published
                )

    def _last_numbers(self) -> tuple[int, int]:
        with self._engine.connect() as connection:
            row = connection.execute(
                sql.select(sql.func.max(COMMANDS.c.number), sql.func.max(COMMANDS.c.decision))
            ).one()
        return row[0] or 0, row[1] or 0


def _write_replies(connection: sql.Connection, batch: _Batch) -> None:
    """Write down who waits for a reply from now on, and who does no more."""
    key: sql.BindParameter[str] = sql.bindparam("key")
    to: sql.BindParameter[str] = sql.bindparam("to")
    cross_off = sql.delete(REPLIES).where(REPLIES.c.command_id == key, REPLIES.c.correl_id == to)
    if batch.wanted:
        # One that is read again, since its reading was not committed, waits already.
        waiting = {(row["command_id"], row["correl_id"]): row for row in batch.wanted}
        connection.execute(cross_off, [{"key": key, "to": to} for key, to in waiting])
        connection.execute(sql.insert(REPLIES), list(waiting.values()))
    if batch.replied:
        connection.execute(cross_off, batch.replied)


def _make_durable(connection: Any, _: object) -> None:
    """Have SQLite write ahead, and to the disk before a commit returns."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
