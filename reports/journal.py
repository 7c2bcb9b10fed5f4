"""The journal: facts about commands, appended, never changed.

A fact is a record of fixed width, packed as it happens (well under a microsecond) and written in
chunks of Parquet. Whoever crashes loses its last chunk and nothing else: the grants, which are
written before use, say which commands that can concern.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from e2e_data.commands import Channel, Outcome
from e2e_data.platform import Acknowledged


class Fact(IntEnum):
    """What a row says of a command."""

    SENT = 1
    """Stamped before connect, put or produce: from here on the command may take effect."""
    ACKNOWLEDGED = 2
    """An answer was read; `code` is an Acknowledged."""
    UNANSWERED = 3
    """The attempt ended without an answer; `reason` says how."""
    COMPLETED = 4
    """The final outcome was observed; `code` is an Outcome."""
    BLOCKED = 5
    """Never sent, because what it needs was not observed; `reason` says what."""
    NOT_SENT = 6
    """The attempt failed before anything left: the connection was refused."""
    UNREADABLE = 7
    """A reply came under its correlation id that nobody can read."""
    MISDIRECTED = 8
    """A reply about it came under another command's correlation id."""
    OTHER_ACCOUNT = 9
    """A reply to it names another account than the one that it was sent for."""


ROW = np.dtype(
    [
        ("fact", "u1"),
        ("lap", "<u2"),
        ("shard", "<u4"),
        ("index", "<u4"),
        ("attempt", "u1"),
        ("phase", "u1"),
        ("channel", "u1"),
        ("code", "u1"),
        ("reason", "<u2"),
        ("flags", "<u2"),
        ("at_ns", "<i8"),
        ("intended_ns", "<i8"),
        ("free_ns", "<i8"),
    ]
)
"""One fact. Times are nanoseconds since the run's epoch; intended and free stand on SENT rows."""

_PACK = struct.Struct("<BHIIBBBBHHqqq")
assert _PACK.size == ROW.itemsize
_SENT, _ACKNOWLEDGED = int(Fact.SENT), int(Fact.ACKNOWLEDGED)

TEXTS = ("reason", "flags")
"""The columns that are texts; rows have their numbers."""

SCHEMA = pa.schema(
    [
        (
            name,
            pa.dictionary(pa.int32(), pa.string())
            if name in TEXTS
            else pa.from_numpy_dtype(ROW[name]),
        )
        for name in ROW.names or ()
    ]
)

Leaving = tuple[tuple[int, int, int], int, int, Channel, int, Sequence[int]]
"""(place, attempt, phase, channel, at_ns, (intended_ns, free_ns)) of an attempt."""
LEAVING_MAX = 256

TEXTS_MAX = 1000
TEXT_LENGTH_MAX = 160

FLAGS_SEPARATOR = ","
"""Between the flags of a completion, which are written as one text."""


class _Texts:
    """Gives each text a number; texts come from the network, so length and count are bounded."""

    def __init__(self, beyond: str) -> None:
        """Make a table in which `beyond` stands for every text that there is no room for."""
        self._beyond = beyond
        self._numbers: dict[str, int] = {"": 0}

    def number(self, text: str) -> int:
        """Return the number of a text."""
        text = text[:TEXT_LENGTH_MAX]
        number = self._numbers.get(text)
        if number is None:
            if len(self._numbers) >= TEXTS_MAX:
                text = self._beyond
            # Half a surrogate pair, which some parsers let through, could not be written.
            text = text.encode("utf-8", "replace").decode()
            number = self._numbers.setdefault(text, len(self._numbers))
        return number

    def __iter__(self) -> Iterator[str]:
        """Return the texts in the order of their numbers."""
        return iter(tuple(self._numbers))


class Journal:
    """Writes the facts of one process into `<directory>/<series>-<n>.parquet`."""

    def __init__(
        self,
        directory: Path,
        series: str,
        written: Callable[[np.ndarray], None] = lambda _rows: None,
    ) -> None:
        """Begin; `written` gets the rows of each chunk (ROW) once they are in a file."""
        self._written = written
        self._directory = directory
        self._series = series
        self._rows = bytearray()
        self._cut = bytearray()
        self._leaving: list[Leaving] = []
        """What is about to leave: packed together, soon after, which takes half as long."""
        self._texts = {
            "reason": _Texts("(a further reason)"),
            "flags": _Texts("(further flags)"),
        }
        self.chunks = 0
        """How many files were written."""

    def sent(
        self,
        place: tuple[int, int, int],
        attempt: int,
        phase: int,
        channel: Channel,
        at_ns: int,
        intended_ns: int,
        free_ns: int,
    ) -> None:
        """Record that an attempt at the command `place` (lap, shard, index) is about to leave."""
        self._leaving.append((place, attempt, phase, channel, at_ns, (intended_ns, free_ns)))
        if len(self._leaving) >= LEAVING_MAX:
            self._note()

    def add(
        self,
        fact: Fact,
        place: tuple[int, int, int],
        attempt: int,
        phase: int,
        channel: Channel,
        at_ns: int,
        code: Acknowledged | Outcome | int = 0,
        reason: str = "",
        flags: Sequence[str] = (),
    ) -> None:
        """Record any other fact about the command `place` (lap, shard, index)."""
        self._note()
        why, flagged = self._numbers(reason, flags)
        self._rows += _PACK.pack(
            fact, *place, attempt, phase, channel, code, why, flagged, at_ns, 0, 0
        )

    def completed(
        self,
        rows: NDArray[np.void],
        outcomes: Sequence[Outcome],
        reasons: Sequence[str],
        flags: Sequence[Sequence[str]],
    ) -> None:
        """Record final outcomes: rows (ROW) whose codes and texts are filled in here."""
        self._note()
        rows["code"] = outcomes
        for name, column in (("reason", reasons), ("flags", map(FLAGS_SEPARATOR.join, flags))):
            number = self._texts[name].number
            rows[name] = [number(text) if text else 0 for text in column]
        self._rows += rows.tobytes()

    def _numbers(self, reason: str, flags: Sequence[str]) -> tuple[int, int]:
        """Return the numbers of a row's texts."""
        why = self._texts["reason"].number(reason) if reason != "" else 0
        return why, self._texts["flags"].number(FLAGS_SEPARATOR.join(flags)) if flags else 0

    def left(self, several: Iterable[Leaving]) -> None:
        """Record as `sent` does, of many attempts."""
        pack = _PACK.pack
        self._rows += b"".join(
            [
                pack(_SENT, *place, attempt, phase, channel, 0, 0, 0, at_ns, *times)
                for place, attempt, phase, channel, at_ns, times in several
            ]
        )

    def accepted(
        self, several: Iterable[tuple[tuple[int, int, int], int, int, Channel, int]]
    ) -> None:
        """Record that attempts were accepted: (place, attempt, phase, channel, at_ns) of each."""
        self._note()
        pack, accepted = _PACK.pack, Acknowledged.ACCEPTED
        self._rows += b"".join(
            [
                pack(_ACKNOWLEDGED, *place, attempt, phase, channel, accepted, 0, 0, at_ns, 0, 0)
                for place, attempt, phase, channel, at_ns in several
            ]
        )

    def _note(self) -> None:
        """Pack what left before whatever is recorded next."""
        if self._leaving:
            leaving, self._leaving = self._leaving, []
            self.left(leaving)

    def __len__(self) -> int:
        """Return how many facts wait to be written."""
        return (len(self._cut) + len(self._rows)) // ROW.itemsize + len(self._leaving)

    def flush(self) -> int:
        """Write what waits as one chunk and return its number of rows."""
        self.cut()
        return self.write()

    def cut(self) -> None:
        """Have `write` take what was recorded until now; called by the thread that records.

        Another one that took it could come in the middle of a record, whose rows would come twice.
        """
        self._note()
        self._cut += self._rows
        self._rows = bytearray()

    def write(self) -> int:
        """Write what was cut off as one chunk and return its number of rows; may run on any one thread.

        Where writing fails, nothing is lost: the rows wait for the next time.
        """
        rows, self._cut = self._cut, bytearray()
        if not rows:
            return 0
        texts = {name: list(column) for name, column in self._texts.items()}
        facts = np.frombuffer(bytes(rows), dtype=ROW)
        table = _table(facts, texts)
        name = f"{self._series}-{self.chunks:06d}.parquet"
        temporary = self._directory / f".{name}"
        try:
            # Numbers hardly repeat, and dictionaries of them would take longer than all the rest.
            pq.write_table(table, temporary, compression="zstd", use_dictionary=["reason"])
            temporary.replace(self._directory / name)
        except BaseException:
            self._cut = rows
            raise
        self.chunks += 1
        self._written(facts)
        return len(table)


def _table(rows: np.ndarray, texts: dict[str, list[str]]) -> pa.Table:
    columns = []
    for name in ROW.names or ():
        column = np.ascontiguousarray(rows[name])
        if name in texts:
            columns.append(pa.DictionaryArray.from_arrays(column.astype(np.int32), texts[name]))
        else:
            columns.append(pa.array(column))
    return pa.Table.from_arrays(columns, schema=SCHEMA)
