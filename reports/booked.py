"""What the book says of a shard, as columns with one row per command or account."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from e2e_data.commands import Kind
from e2e_data.model.decisions import Decisions
from e2e_data.shard import Shard
from reports.columns import NEVER, Bools, Ints


@dataclass(frozen=True)
class Booked:
    """What the book says, one row per command; where it has several of one, their sum."""

    rows: Ints
    account_id: NDArray[np.object_]
    """The account that the row names."""
    outcome: Ints
    """Outcome flags; 0 where the book has no row, or has not decided."""
    reason: NDArray[np.object_]
    legs: Ints
    own_minor: Ints
    landed_minor: Ints
    """What of it was posted to the account that the row names, and not to another."""
    own_currency: NDArray[np.object_]
    other_minor: Ints
    other_currency: NDArray[np.object_]
    other_account_id: NDArray[np.object_]
    decided_ns: Ints
    account_seq: Ints
    balance_after_minor: Ints
    """NEVER where the row does not say."""
    decisions: Decisions
    """All rows one by one, for the reference model."""
    beyond: int
    """Rows of commands that the shard does not have."""
    found: int
    """Rows of those that it has."""
    told: Ints
    """How many events with different ids tell of it, where the book was replayed from events."""
    by_events: bool
    """Events tell of the account's own leg at most, and of no balance."""


@dataclass(frozen=True)
class BookedAccounts:
    """What the book says, one row per account of the shard."""

    rows: Ints
    account_id: NDArray[np.object_]
    currency: NDArray[np.object_]
    balance_minor: Ints
    """The sum, where the book has several accounts of one customer."""


def _placed(table: pa.Table, size: int) -> tuple[pa.Table, Ints]:
    """Return the rows of the book that have a place below `size`, and their places.

    A row beyond the pool cannot be placed; invariant 3 misses it in what own_commands counts.
    """
    index = table["index"].to_numpy().astype(np.int64)
    inside = index < size
    return table.filter(pa.array(inside)), index[inside]


def read_commands(table: pa.Table, size: int) -> Booked:
    """Read the book's rows of a shard of `size` commands."""
    every, by_events = table.num_rows, "told" in table.column_names
    table, index = _placed(table, size)

    def whole(column: str) -> Ints:
        values: Ints = pc.fill_null(table[column].cast(pa.int64()), NEVER).to_numpy()
        return values

    def numbers(column: str, nothing: int = 0) -> Ints:
        result = np.full(size, nothing, dtype=np.int64)
        result[index] = whole(column)
        return result

    def sums(column: str) -> Ints:
        result = np.zeros(size, dtype=np.int64)
        np.add.at(result, index, table[column].cast(pa.int64()).to_numpy())
        return result

    landed = np.where(_astray(table), 0, whole("own_minor"))

    def texts(column: str) -> NDArray[np.object_]:
        result = np.full(size, "", dtype=np.object_)
        result[index] = table[column].to_numpy(zero_copy_only=False)
        return result

    outcome = np.zeros(size, dtype=np.int64)
    np.bitwise_or.at(outcome, index, whole("outcome"))
    landed_minor = np.zeros(size, dtype=np.int64)
    np.add.at(landed_minor, index, landed)
    return Booked(
        rows=np.bincount(index, minlength=size),
        account_id=texts("account_id"),
        outcome=outcome,
        reason=texts("reason"),
        legs=sums("legs"),
        own_minor=sums("own_minor"),
        landed_minor=landed_minor,
        own_currency=texts("own_currency"),
        other_minor=sums("other_minor"),
        other_currency=texts("other_currency"),
        other_account_id=texts("other_account_id"),
        decided_ns=numbers("decided_ns"),
        account_seq=numbers("account_seq"),
        balance_after_minor=numbers("balance_after_minor", NEVER),
        decisions=Decisions(
            command=index,
            outcome=whole("outcome"),
            reason=table["reason"].to_numpy(zero_copy_only=False),
            account_seq=whole("account_seq"),
            decided_ns=whole("decided_ns"),
            balance_after_minor=whole("balance_after_minor"),
            posted_minor=landed,
        ),
        beyond=every - len(index),
        found=len(index),
        told=sums("told") if by_events else np.zeros(size, dtype=np.int64),
        by_events=by_events,
    )


def _astray(table: pa.Table) -> Bools:
    """Tell which rows were posted to another account than the one that they name."""
    astray = pc.and_(
        pc.not_equal(table["own_account_id"], table["account_id"]),
        pc.not_equal(table["own_account_id"], ""),
    )
    return np.asarray(pc.fill_null(astray, fill_value=False).to_numpy())


def read_accounts(table: pa.Table, shard: Shard) -> BookedAccounts:
    """Read the book's accounts of a shard."""
    size = shard.range_of(Kind.ACCOUNT).stop
    table, index = _placed(table, size)
    account_id = np.full(size, "", dtype=np.object_)
    balance = np.zeros(size, dtype=np.int64)
    currency = account_id.copy()
    account_id[index] = table["account_id"].to_numpy(zero_copy_only=False)
    currency[index] = table["currency"].to_numpy(zero_copy_only=False)
    np.add.at(balance, index, table["balance_minor"].to_numpy())
    return BookedAccounts(np.bincount(index, minlength=size), account_id, currency, balance)
