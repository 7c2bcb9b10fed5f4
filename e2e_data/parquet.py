"""A shard as a Parquet file: one row per command, integer columns, null where nothing applies.

A file is a copy of what `make_shard` gives, to inspect and to save time. Account columns are set
on the rows of account creations, beneficiaries and value dates on the rows of payments.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from e2e_data.commands import Kind
from e2e_data.config import PoolConfig
from e2e_data.problems import Problems
from e2e_data.shard import ACCOUNT_COLUMNS, COMMAND_COLUMNS, PAYMENT_COLUMNS, Counts, Shard


def _stored_type(kind: type[np.generic]) -> pa.DataType:
    return pa.uint8() if kind is np.bool_ else pa.from_numpy_dtype(kind)


SCHEMA = pa.schema(
    [
        *((name, _stored_type(kind)) for name, kind in COMMAND_COLUMNS.items()),
        *((name, _stored_type(kind)) for name, kind in ACCOUNT_COLUMNS.items()),
        *((name, _stored_type(kind)) for name, kind in PAYMENT_COLUMNS.items()),
    ]
)


def file_name(shard_number: int) -> str:
    """Return the name of a shard's file in its pool's directory."""
    return f"shard-{shard_number:05d}.parquet"


def write_shard(shard: Shard, path: Path) -> None:
    """Write one file; raises OSError when that is not possible."""
    columns = [pa.chunked_array(_chunks(shard, field)) for field in SCHEMA]
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    pq.write_table(table, path, compression="zstd", use_dictionary=False, row_group_size=len(shard))


def _chunks(shard: Shard, field: pa.Field) -> list[pa.Array]:
    column = getattr(shard, field.name)
    array = pa.array(column.astype(field.type.to_pandas_dtype(), copy=False))
    if field.name in ACCOUNT_COLUMNS:
        return [array, pa.nulls(len(shard) - len(column), field.type)]
    return [pa.nulls(len(shard) - len(column), field.type), array]


def file_hash(path: Path) -> str:
    """Return a digest of a file's bytes; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def read_shard(path: Path, config: PoolConfig, seed: int, number: int) -> Shard:
    """Read one file, whatever its values are: comparing hashes is for the caller.

    Raises Problems for a file that cannot be read or is not laid out as a shard.
    """
    try:
        table = pq.read_table(path, memory_map=False)
        return _shard_of(table, config, seed, number)
    except (OSError, pa.ArrowException, ValueError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Problems([f"{path}: cannot be read as a shard: {reason}"]) from None


def _shard_of(table: pa.Table, config: PoolConfig, seed: int, number: int) -> Shard:
    if not table.schema.equals(SCHEMA):
        raise ValueError("its columns are not those of a shard")
    kind = _column(table, "kind", slice(None))
    rows = np.bincount(kind, minlength=len(Kind))
    if len(rows) != len(Kind) or (np.diff(kind.astype(np.int64)) < 0).any():
        raise ValueError("its commands are not ordered by kind")
    counts = Counts(*rows.tolist())
    payments = slice(len(kind) - counts.payment, None)
    columns: dict[str, Any] = {
        **{name: _column(table, name, slice(counts.account)) for name in ACCOUNT_COLUMNS},
        **{name: _column(table, name, slice(None)) for name in COMMAND_COLUMNS},
        **{name: _column(table, name, payments) for name in PAYMENT_COLUMNS},
    }
    columns["limit_based"] = columns["limit_based"].astype(np.bool_)
    return Shard(config=config, seed=seed, number=number, counts=counts, **columns)


def _column(table: pa.Table, name: str, rows: slice) -> NDArray[Any]:
    start, stop, _ = rows.indices(len(table))
    column = table.column(name).slice(start, stop - start).combine_chunks()
    if column.null_count:
        raise ValueError(f"{name} is missing in {column.null_count} rows")
    # A copy, because Arrow's own memory would keep whole columns alive.
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False).copy()
    return values
