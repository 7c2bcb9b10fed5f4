"""The message log: a file that persistent messages survive a restart in, kill -9 included.

Each record (sandbox/records.py) is one unit of work, written before anybody is told that it is committed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from struct import Struct

from sandbox.mqbinding.codes import MQRC_RESOURCE_PROBLEM
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.structs import MD_BYTES, Descriptor
from sandbox.queues import Message
from sandbox.records import HEAD_BYTES, opened, record, records, write_all

log = logging.getLogger("sandbox.mq")

_MAGIC = b"paystorm sandbox message log 1\n"
_PUT = Struct("<BQ48sqII")
_GONE = Struct("<BQ")
_BACKED_OUT = Struct("<BQI")
_IS_PUT, _IS_GONE, _IS_BACKED_OUT = 1, 2, 3
_SPARE_BYTES = 16 * 1024 * 1024
"""How much of the file may be about messages that are gone before it is written anew."""

Stored = tuple[str, Message]
"""A queue's name, and a message on it."""


class MessageLog:
    """The log in one file, which one queue manager uses at a time.

    Raises OSError where the file cannot be had, BlockingIOError where another queue manager has it,
    and ValueError where it is something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = opened(path)
        content = path.read_bytes()
        if content and not content.startswith(_MAGIC):
            os.close(self._file)
            raise ValueError(f"{path} is not a message log")
        self._live = _live_after(records(content, len(_MAGIC), path))
        self._live_bytes = sum(map(_bytes_of, self._live.values()))
        self._size = 0
        self._rewrite()

    def messages(self) -> list[Stored]:
        """Return the messages that are there, in their order."""
        return [self._live[place] for place in sorted(self._live)]

    def write(
        self,
        puts: Iterable[Stored] = (),
        gone: Iterable[Message] = (),
        backed_out: Iterable[Message] = (),
    ) -> None:
        """Write down what a unit of work did to persistent messages; of others, nothing is written.

        Raises Failed if that cannot be; then nothing of it is written.
        """
        added = [stored for stored in puts if stored[1].is_persistent]
        removed = [message.place for message in gone if message.is_persistent]
        operations = [
            *map(_put, added),
            *(_GONE.pack(_IS_GONE, place) for place in removed),
            *(
                _BACKED_OUT.pack(_IS_BACKED_OUT, message.place, message.backouts)
                for message in backed_out
                if message.is_persistent
            ),
        ]
        if not operations:
            return
        self._append(b"".join(operations))
        for stored in added:
            self._live[stored[1].place] = stored
            self._live_bytes += _bytes_of(stored)
        for place in removed:
            self._live_bytes -= _bytes_of(self._live.pop(place))
        if self._size > 2 * self._live_bytes + _SPARE_BYTES:
            self._rewrite()

    def close(self) -> None:
        """Let another queue manager have the file."""
        os.close(self._file)

    def _append(self, operations: bytes) -> None:
        written = record(operations)
        try:
            write_all(self._file, written)
        except OSError as error:
            log.warning("a message was not stored in %s: %s", self._path, error)
            os.ftruncate(self._file, self._size)
            raise Failed(MQRC_RESOURCE_PROBLEM) from None
        self._size += len(written)

    def _rewrite(self) -> None:
        """Write the file anew, with what is live only, and put it in the old one's place."""
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.unlink(missing_ok=True)
        file = opened(beside)
        size = write_all(file, _MAGIC)
        for stored in self._live.values():
            size += write_all(file, record(_put(stored)))
        beside.replace(self._path)
        os.close(self._file)
        self._file, self._size = file, size


def _bytes_of(stored: Stored) -> int:
    return HEAD_BYTES + _PUT.size + MD_BYTES + len(stored[1].body)


def _put(stored: Stored) -> bytes:
    name, message = stored
    head = _PUT.pack(
        _IS_PUT,
        message.place,
        name.encode(),
        message.expires_ns,
        message.backouts,
        len(message.body),
    )
    return head + message.md + message.body


def _live_after(units: Iterable[bytes]) -> dict[int, Stored]:
    """Return what is there after all units of work, by place."""
    live: dict[int, Stored] = {}
    for operations in units:
        position = 0
        while position < len(operations):
            if operations[position] == _IS_PUT:
                name, message, position = _read_put(operations, position)
                live[message.place] = name, message
            elif operations[position] == _IS_GONE:
                _, place = _GONE.unpack_from(operations, position)
                live.pop(place, None)
                position += _GONE.size
            else:
                _, place, backouts = _BACKED_OUT.unpack_from(operations, position)
                live[place][1].backouts = backouts
                position += _BACKED_OUT.size
    return live


def _read_put(operations: bytes, position: int) -> tuple[str, Message, int]:
    """Return the queue's name, the message, and where the next operation begins."""
    _, place, name, expires_ns, backouts, size = _PUT.unpack_from(operations, position)
    start = position + _PUT.size
    body = start + MD_BYTES
    md = operations[start:body]
    descriptor = Descriptor.unpack(md)
    message = Message(
        place=place,
        md=md,
        body=operations[body : body + size],
        msg_id=descriptor.msg_id,
        correl_id=descriptor.correl_id,
        is_persistent=True,
        expires_ns=expires_ns,
        backouts=backouts,
    )
    return name.rstrip(b"\0").decode(), message, body + size
