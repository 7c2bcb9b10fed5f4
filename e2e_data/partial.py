"""A pool while it is being written: a hidden directory beside its place, locked by its writer.

Shards appear in it whole, one by one, and a line of its log tells of each. So whoever was stopped,
in whatever way, goes on where the log ends. The directory is given the pool's own name when
everything is in it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from e2e_data import parquet
from e2e_data.problems import Problems
from e2e_data.writer import TEMPORARY, Made

LOG_NAME = "generation.jsonl"
FORMAT = "paystorm generation"
WAIT_S = 2.0
"""What the processes of a writer that was killed take to finish their shards, which end the lock."""
_POLL_S = 0.05


class Partial:
    """The directory of an unfinished pool; made by `locked`, which alone has the right to it."""

    def __init__(self, path: Path, log: BinaryIO) -> None:
        self.path = path
        self._log = log

    @property
    def lock(self) -> int:
        """The file descriptor that holds the lock, for other processes to inherit."""
        return self._log.fileno()

    def begin(self, header: dict[str, Any]) -> tuple[dict[int, Made], str]:
        """Return the shards that need not be made again, by number, and why others are discarded.

        `header` says what is to be written. What was written under another one is removed.
        """
        self._log.seek(0)
        first = self._log.readline()
        if _parsed(first) == {"format": FORMAT, **header}:
            return self._whole(), ""
        discarded = ""
        if first.endswith(b"\n"):
            discarded = f"{self.path}: was begun with another configuration, seed or version"
        for path in self.path.iterdir():
            if path.name != LOG_NAME:
                path.unlink()
        self._log.truncate(0)
        self._append({"format": FORMAT, **header})
        return {}, discarded

    def add(self, made: Made) -> None:
        """Write down that a shard is finished."""
        self._append(made.model_dump(mode="json"))

    def become(self, target: Path) -> None:
        """Give the directory the pool's name."""
        self.path.rename(target)
        # Only now: while the log is there, nobody else can begin in the same directory.
        (target / LOG_NAME).unlink()

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _whole(self) -> dict[int, Made]:
        """Read the log's lines up to the first that is not whole, and forget the rest."""
        end = self._log.tell()
        logged: dict[int, Made] = {}
        for line in self._log:
            try:
                made = Made.model_validate_json(line)
            except ValidationError:
                break
            if not line.endswith(b"\n"):
                break
            logged[made.number] = made
            end += len(line)
        self._log.truncate(end)
        for path in self.path.glob(f"{TEMPORARY}*"):
            path.unlink()
        return {number: made for number, made in logged.items() if self._has(made)}

    def _has(self, made: Made) -> bool:
        path = self.path / parquet.file_name(made.number)
        return path.is_file() and path.stat().st_size == made.entry.file_bytes

    def _append(self, line: dict[str, Any]) -> None:
        self._log.write(json.dumps(line).encode() + b"\n")
        self._log.flush()


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


@contextmanager
def locked(target: Path) -> Iterator[Partial]:
    """Make, or take over, the directory in which the pool `target` is written.

    Raises Problems where another process is writing there, and OSError.
    """
    path = target.parent / f".{target.name}.partial"
    log = _locked_log(path)
    try:
        yield Partial(path, log)
    finally:
        log.close()


def _locked_log(path: Path) -> BinaryIO:
    """Open and lock the log, which is the lock too: a kill releases it."""
    give_up_s = time.monotonic() + WAIT_S
    while True:
        log = _lock_if_free(path)
        if log:
            return log
        if time.monotonic() >= give_up_s:
            raise Problems(
                [
                    f"{path}: another process is generating this pool; wait until it has ended, or "
                    "choose another --out"
                ]
            )
        time.sleep(_POLL_S)


def _lock_if_free(path: Path) -> BinaryIO | None:
    path.mkdir(parents=True, exist_ok=True)
    # Whoever had the lock may finish meanwhile: then the directory goes elsewhere, with its log.
    try:
        if any(path.iterdir()) and not (path / LOG_NAME).exists():
            raise Problems(
                [f"{path}: holds something else than an unfinished pool; remove it and try again"]
            )
        log = (path / LOG_NAME).open("a+b")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(log.fileno()), (path / LOG_NAME).stat()):
            return log
    except (BlockingIOError, FileNotFoundError):
        pass
    log.close()
    return None
