"""Files of JSON lines that survive a crash: appended line by line, read up to the last whole line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from e2e_data.problems import Problems


class LineLog:
    """Appends JSON lines; each is with the operating system when `write` returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def write(self, entry: object) -> None:
        """Append a dataclass or a dictionary as one line."""
        self._file.write(orjson.dumps(entry) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


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
