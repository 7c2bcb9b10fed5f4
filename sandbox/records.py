"""Records in a file that survive a restart, kill -9 included: each with its length and check sum.

A record is written at once, and before anybody is told of what it is about. One that a crash cut off is
as if it had never been written. The file is not forced to the disk: what is in it survives the process,
not the machine.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from zlib import crc32

log = logging.getLogger("sandbox.records")

_HEAD = Struct("<II")
HEAD_BYTES = _HEAD.size


def opened(path: Path) -> int:
    """Open a file to append to, and lock it. Raises OSError, BlockingIOError where another has it."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


def write_all(file: int, content: bytes) -> int:
    """Write all of it and return how much that is; usually it is one call."""
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]
    return len(content)


def record(content: bytes) -> bytes:
    """Return a record of `content`."""
    return _HEAD.pack(len(content), crc32(content)) + content


def records(content: bytes, position: int, path: Path) -> Iterator[bytes]:
    """Yield what is in each whole record from `position` on."""
    while position + _HEAD.size <= len(content):
        size, check = _HEAD.unpack_from(content, position)
        found = content[position + _HEAD.size : position + _HEAD.size + size]
        if len(found) < size or crc32(found) != check:
            break
        yield found
        position += _HEAD.size + size
    if position < len(content):
        log.warning(
            "the last %d bytes of %s are no whole record, and are left out",
            len(content) - position,
            path,
        )
