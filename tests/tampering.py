"""Pools in which one shard was changed on purpose, so that validation has something to find."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e_data import parquet
from e2e_data.commands import Kind
from e2e_data.config import PoolConfig
from e2e_data.pool import Pool
from e2e_data.shard import PAYMENT_COLUMNS, Shard

NUMBER = 1
"""The shard that is changed."""

Columns = dict[str, NDArray[Any]]
Change = Callable[[Shard, Columns], None]


def tampered(directory: Path, config: PoolConfig, change: Change, *, rehash: bool) -> Pool:
    """Return a pool in which one shard's file has other columns; its hash is made to fit, or not."""
    pool = Pool.generate(config, 7, directory, jobs=1)
    shard = pool.shard(NUMBER)
    columns = {name: getattr(shard, name).copy() for name in parquet.SCHEMA.names}
    change(shard, columns)
    other = replace(shard, **columns)
    path = pool.path_of(NUMBER)
    assert path is not None
    parquet.write_shard(other, path)
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    entry = manifest["shards"][NUMBER]
    entry |= {"file_bytes": path.stat().st_size, "file_hash": parquet.file_hash(path)}
    if rehash:
        entry["hash"] = other.hash
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return Pool.open(directory)


def moved(shard: Shard, columns: Columns, source: int, target: int) -> None:
    """Move a payment to another place in the order; both are rows among the payments."""
    rows = np.insert(np.delete(np.arange(shard.counts.payment), source), target, source)
    start = shard.range_of(Kind.PAYMENT).start
    for name, column in columns.items():
        if name in PAYMENT_COLUMNS:
            column[:] = column[rows]
        elif len(column) == len(shard):
            column[start:] = column[start:][rows]
