"""The book by replay: what the event topic, from the run's beginning on, tells of each decision.

The records are kept as they are, one row each. What they make of a shard is derived where it is judged:
the same event is counted once, and the decisions of an account stand in the order of their records.
Events tell outcomes, reasons, times and amounts; of postings and balances they tell nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from e2e_data.book_rows import BookEvent
from e2e_data.commands import Kind, Outcome
from e2e_data.ids import Ids, read_correlations
from e2e_data.platform import Platform
from e2e_data.problems import Problems
from e2e_data.shard import Shard
from reports.book import ACCOUNTS, BATCH_ROWS, COMMANDS, PLACE, as_table
from reports.columns import Bools, Ints
from reports.event_log import event_numbers
from reports.rundir import RunDirectory

FILE_NAME = "events.parquet"
START = "book/start.json"
"""Where the topic ended before the first command: the book begins there."""

EVENTS = pa.schema(
    [
        *PLACE,
        ("misdirected", pa.bool_()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("event_high", pa.uint64()),
        ("event_low", pa.uint64()),
        ("account_id", pa.string()),
        ("outcome", pa.uint8()),
        ("reason", pa.string()),
        ("decided_ns", pa.int64()),
        ("amount_minor", pa.int64()),
        ("currency", pa.string()),
    ]
)
"""One record; `misdirected` where its correlation id is of another command than its command id."""
TOLD = pa.schema([*COMMANDS, ("told", pa.int64())])
"""A replayed command: `told` by so many events with different ids."""


class Record(NamedTuple):
    """A record of the event topic."""

    partition: int
    offset: int
    value: bytes


class Replayed(NamedTuple):
    """How many records a book was replayed from."""

    records: int
    none: int
    """Those that are no events."""


def take_event_snapshot(
    batches: Iterable[Sequence[Record]], platform: Platform, ids: Ids, directory: RunDirectory
) -> Replayed:
    """Keep the event topic's records in `directory`, from the run's beginning to the end of `batches`.

    Raises Problems where the adapter fails on a record, or a value does not fit, such as 2**64.
    """
    path = directory.book / FILE_NAME
    temporary = path.with_name(f".{path.name}")
    read = none = 0
    waiting: list[tuple[Record, BookEvent]] = []
    with pq.ParquetWriter(temporary, EVENTS, compression="zstd") as writer:
        for batch in batches:
            read += len(batch)
            for record in batch:
                if (event := _event(platform, record)) is not None:
                    waiting.append((record, event))
                else:
                    none += 1
            if len(waiting) >= BATCH_ROWS:
                writer.write_table(_table(waiting, ids))
                waiting = []
        if waiting:
            writer.write_table(_table(waiting, ids))
    temporary.replace(path)
    told = {"taken_utc_ns": time.time_ns(), "records": read, "no_events": none}
    directory.write("book/book.json", orjson.dumps(told))
    return Replayed(read, none)


def _event(platform: Platform, record: Record) -> BookEvent | None:
    try:
        return platform.read_book_event(record.value)
    except Exception as error:
        raise _unreadable(record, error) from error


def _unreadable(record: Record, error: Exception) -> Problems:
    where = f"partition {record.partition}, offset {record.offset}"
    return Problems(
        [f"the platform adapter failed on the event at {where}: {error!r}: {record.value[:120]!r}"]
    )


def _table(rows: list[tuple[Record, BookEvent]], ids: Ids) -> pa.Table:
    events = [event for _, event in rows]
    place = ids.decode([event.command_id for event in events])
    read = read_correlations([event.correlation_id for event in events], ids.tag, ids.shards)
    same = (read.lap == place.lap) & (read.shard == place.shard) & (read.index == place.index)
    numbers = event_numbers([event.event_id for event in events])
    columns: dict[str, Any] = {
        "known": place.known,
        "lap": place.lap,
        "shard": place.shard,
        "index": place.index,
        "misdirected": read.known & place.known & ~same,
        "partition": [record.partition for record, _ in rows],
        "offset": [record.offset for record, _ in rows],
        "event_high": numbers[:, 0],
        "event_low": numbers[:, 1],
        **{
            name: [getattr(event, name) for event in events]
            for name in ("account_id", "reason", "decided_ns", "amount_minor", "currency")
        },
        "outcome": [int(event.outcome) for event in events],
    }
    try:
        return as_table(columns, EVENTS)
    except (ValueError, OverflowError) as error:
        raise _unreadable(rows[0][0], error) from error


def commands_of(events: pa.Table, shard: Shard) -> pa.Table:
    """Return what a shard's events make of its commands, in the columns of TOLD: one row for each.

    Its first record counts. Where others tell another outcome, it has both.
    """
    size = len(shard)
    index = events["index"].to_numpy().astype(np.int64)
    telling = np.flatnonzero((index < size) & ~events["misdirected"].to_numpy())
    events, index = events.take(pa.array(telling)), index[telling]
    outcome = np.zeros(size, dtype=np.int64)
    np.bitwise_or.at(outcome, index, events["outcome"].to_numpy().astype(np.int64))
    told = _different(events, index, size)
    first = _first(events, index)
    events, index = events.take(pa.array(first)), index[first]

    account = shard.account_number[index].astype(np.int64)
    account_id = events["account_id"].to_numpy(zero_copy_only=False)
    own = account_id == _account_ids(index, account_id, shard)[account]
    amount = pc.fill_null(events["amount_minor"], 0).to_numpy()
    kind = shard.kind[index]
    moved = (outcome[index] == Outcome.SETTLED) & (kind != Kind.ACCOUNT)
    moved &= events["amount_minor"].is_valid().to_numpy()
    nothing, no_text = np.zeros(len(index), np.int64), np.full(len(index), "", np.object_)
    columns: dict[str, Any] = {
        "known": np.ones(len(index), np.bool_),
        "lap": nothing,
        "shard": np.full(len(index), shard.number),
        "index": index,
        "command_id": no_text,
        "account_id": account_id,
        "outcome": outcome[index],
        "reason": events["reason"],
        "decided_ns": events["decided_ns"],
        "account_seq": _numbered(events, account, own),
        "legs": moved.astype(np.int64),
        "own_account_id": np.where(moved, account_id, no_text),
        "own_minor": np.where(moved, np.where(kind == Kind.PAYMENT, -amount, amount), 0),
        "own_currency": np.where(moved, events["currency"].to_numpy(zero_copy_only=False), ""),
        "other_minor": nothing,
        "other_currency": no_text,
        "other_account_id": no_text,
        "balance_after_minor": pa.nulls(len(index), pa.int64()),
        "told": told[index],
    }
    return as_table(columns, TOLD)


def accounts_of(commands: pa.Table, shard: Shard) -> pa.Table:
    """Return the accounts that replayed commands created, in the columns of ACCOUNTS.

    Neither currency nor balance is told: those columns are empty.
    """
    index = commands["index"].to_numpy()
    created = (index < shard.counts.account) & (
        commands["outcome"].to_numpy() & Outcome.SETTLED != 0
    )
    mine = commands.filter(pa.array(created))
    size = mine.num_rows
    columns: dict[str, Any] = {
        name: mine[name] for name in ("known", "lap", "shard", "index", "account_id")
    }
    columns |= dict.fromkeys(("customer_id", "currency"), np.full(size, "", np.object_))
    return as_table({**columns, "balance_minor": np.zeros(size, np.int64)}, ACCOUNTS)


def _different(events: pa.Table, index: Ints, size: int) -> Ints:
    """Return how many events with different ids tell of each command."""
    names = ("event_high", "event_low")
    rows = np.stack([index.astype(np.uint64), *(events[name].to_numpy() for name in names)], axis=1)
    return np.bincount(np.unique(rows, axis=0)[:, 0].astype(np.int64), minlength=size)


def _first(events: pa.Table, index: Ints) -> Ints:
    """Return the row of each command's first record, in the order of records."""
    order = np.lexsort((events["offset"].to_numpy(), events["partition"].to_numpy()))
    _, first = np.unique(index[order], return_index=True)
    return order[np.sort(first)]


def _account_ids(index: Ints, account_id: NDArray[np.object_], shard: Shard) -> NDArray[np.object_]:
    """Return the id of each account by the event on its creation; None where there is none."""
    ids = np.full(shard.counts.account, None, dtype=np.object_)
    creates = index < shard.counts.account
    ids[index[creates]] = account_id[creates]
    return ids


def _numbered(events: pa.Table, account: Ints, own: Bools) -> Ints:
    """Return the decisions' numbers in their account, from 1; 0 where it is none, or has no order.

    A broker keeps the order of a partition: an account whose records are in several has none.
    """
    partition = events["partition"].to_numpy().astype(np.int64)
    rows = np.flatnonzero(own)
    rows = rows[np.argsort(account[rows], kind="stable")]
    of, at = account[rows], partition[rows]
    begins = np.ones(len(rows), np.bool_)
    begins[1:] = of[1:] != of[:-1]
    start = np.maximum.accumulate(np.where(begins, np.arange(len(rows)), 0))
    scattered = np.unique(of[at != at[start]])
    numbers = np.zeros(len(own), dtype=np.int64)
    numbers[rows] = np.where(np.isin(of, scattered), 0, np.arange(len(rows)) - start + 1)
    return numbers
