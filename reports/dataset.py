"""Parquet files of a run: opened, or named where they cannot be read, and cut by shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from e2e_data.problems import Problems


@contextmanager
def readable(what: object = "the evidence") -> Iterator[None]:
    """Turn what Parquet says of damaged files into Problems."""
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        raise Problems(
            [f"{what} cannot be read ({error}): restore it, or delete it and accept UNKNOWN"]
        ) from error


def open_dataset(paths: Sequence[Path], schema: pa.Schema) -> ds.Dataset:
    """Open Parquet files that must be readable. Raises Problems, naming the one that is not."""
    for path in paths:
        with readable(path):
            ds.dataset(path, format="parquet").schema  # noqa: B018 - reads the footer
    return ds.dataset([str(path) for path in paths], schema=schema, format="parquet")


class Sliced:
    """The rows of a data set that belong to a group of shards, cut by shard."""

    def __init__(self, dataset: ds.Dataset | None, group: range) -> None:
        if dataset is None:
            self._table = None
            return
        wanted = (ds.field("shard") >= group.start) & (ds.field("shard") < group.stop)
        if "known" in dataset.schema.names:
            wanted &= ds.field("known") & (ds.field("lap") == 0)
        with readable():
            table = dataset.to_table(filter=wanted)
        shards = table["shard"].to_numpy()
        if np.any(shards[1:] < shards[:-1]):
            order = np.argsort(shards, kind="stable")
            table, shards = table.take(pa.array(order)), shards[order]
        self._table, self._shards = table, shards

    def of(self, shard: int) -> pa.Table:
        """Return the rows of one shard."""
        assert self._table is not None
        first, last = np.searchsorted(self._shards, [shard, shard + 1])
        return self._table.slice(first, last - first)
