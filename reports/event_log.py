"""The events that were read, in columns: each record of the event and dead-letter topics that is ours.

With partition and offset, so that reading a record twice is told from a platform that tells twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray


class Sort(IntEnum):
    """What a record is to us; only those of OURS are completions."""

    OURS = 0
    """It tells of a command of this run."""
    MISDIRECTED = 1
    """Its command id and its correlation id are of different commands."""
    ORPHAN = 2
    """Its ids are of this run's making, and name no command of the pool."""


ROW = np.dtype(
    [
        ("sort", "u1"),
        ("dead_letter", "u1"),
        ("partition", "<u4"),
        ("offset", "<i8"),
        ("at_ns", "<i8"),
        ("lap", "<u2"),
        ("shard", "<u4"),
        ("index", "<u4"),
        ("attempt", "u1"),
        ("channel", "u1"),
        ("phase", "u1"),
        ("outcome", "u1"),
        ("event_high", "<u8"),
        ("event_low", "<u8"),
        ("account", "<u4"),
        ("amount", "<f8"),
        ("currency", "<u4"),
    ]
)
"""One record. `at_ns` is since the run's epoch; the event's id is its 16 bytes, or a digest of its text.

`account` and `currency` are `digest` of what was told, 0 for nothing; `amount` is in units of the
currency, NaN for none.
"""
PARTITION_BITS = 24
"""Of a partition's number; above them is the number of its cluster, from 0, among those of the run."""

SCHEMA = pa.schema([(name, pa.from_numpy_dtype(ROW[name])) for name in ROW.names or ()])


def digest(text: str) -> int:
    """Return 32 bits by which a text is known again: told another one, they differ but by bad luck."""
    return crc32(text.encode("utf-8", "replace"))


def digests(texts: Sequence[str]) -> list[int]:
    """Return the same of many texts."""
    return [crc32(text.encode("utf-8", "replace")) for text in texts]


def event_numbers(event_ids: Sequence[str]) -> NDArray[np.uint64]:
    """Return two numbers for each event id, the same for the same text; shape (n, 2)."""
    try:
        raw = bytes.fromhex("".join(event_ids).replace("-", ""))
        whole = all(len(text) == 36 for text in event_ids)
    except ValueError:
        whole = False
    if not whole or len(raw) != 16 * len(event_ids):
        raw = b"".join(_sixteen(text) for text in event_ids)
    return np.frombuffer(raw, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def _sixteen(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        raw = b""
    if len(raw) == 16 and len(text) == 36:
        return raw
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


class EventLog:
    """Writes what one process read into `<directory>/<series>-<n>.parquet`."""

    def __init__(
        self,
        directory: Path,
        series: str,
        added: Callable[[NDArray[np.void]], None] = lambda _rows: None,
    ) -> None:
        """Begin; `added` gets the rows as they are added."""
        self._added = added
        self._directory = directory
        self._series = series
        self._rows: list[NDArray[np.void]] = []
        self.chunks = 0
        """How many files were written."""

    def add(self, rows: NDArray[np.void]) -> None:
        """Take in rows of the type ROW."""
        if len(rows):
            self._rows.append(rows)
            self._added(rows)

    def flush(self) -> None:
        """Write what waits as one chunk; may run on any one thread. Where that fails, the rows wait."""
        waiting, self._rows = self._rows, []
        if not waiting:
            return
        rows = np.concatenate(waiting)
        table = pa.Table.from_arrays(
            [pa.array(np.ascontiguousarray(rows[name])) for name in ROW.names or ()], schema=SCHEMA
        )
        name = f"{self._series}-{self.chunks:06d}.parquet"
        temporary = self._directory / f".{name}"
        try:
            pq.write_table(table, temporary, compression="zstd", use_dictionary=False)
            temporary.replace(self._directory / name)
        except BaseException:
            self._rows[:0] = waiting
            raise
        self.chunks += 1
