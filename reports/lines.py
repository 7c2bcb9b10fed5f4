"""Files of JSON lines that survive a crash: appended line by line, read up to the last whole line."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from e2e_data.problems import Problems

TAIL_BYTES = 4096
"""Read at a time when the end of the last whole line is looked for."""


class LineLog:
    """Appends JSON lines; each is with the operating system when `write` returns."""

    def __init__(self, path: Path, *, alone: bool = False) -> None:
        """Open the file for appending, without the half line that a crash may have left.

        Raises BlockingIOError where it is to be written `alone`, and another process does.
        """
        self._file = path.open("ab", buffering=0)
        if alone:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _cut_half_line(path)

    def write(self, entry: object) -> None:
        """Append a dataclass or a dictionary as one line."""
        self._append(orjson.dumps(entry) + b"\n")

    def write_all(self, entries: Iterable[object]) -> None:
        """Append several entries in one writing."""
        self._append(b"".join(orjson.dumps(entry) + b"\n" for entry in entries))

    def _append(self, lines: bytes) -> None:
        size = self._file.tell()
        if self._file.write(lines) != len(lines):
            # A full disk takes a part: what was not written whole was not written.
            self._file.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._file.name)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _cut_half_line(path: Path) -> None:
    """Cut what stands behind the last whole line: it was never finished, so it does not count."""
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        at = end
        while at > 0:
            start = max(0, at - TAIL_BYTES)
            file.seek(start)
            newline = file.read(at - start).rfind(b"\n")
            if newline >= 0:
                at = start + newline + 1
                break
            at = start
        if at < end:
            file.truncate(at)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a file; a last line that a crash cut off was never finished: not read.

    Raises Problems, naming file and line, where a whole line is no JSON object.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                yield _object(path, number, line)


def damaged(path: Path, what: str, error: Exception) -> Problems:
    """Return what to tell of a file that was written by somebody else, or changed since."""
    return Problems([f"{path}: {what} cannot be read ({error}): restore the file"])


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise damaged(path, f"line {number}", error) from error
    if not isinstance(entry, dict):
        raise damaged(path, f"line {number}", ValueError("it is no JSON object"))
    return entry
