"""The request log: what clients had a broker do, so that one that was killed can be as it was.

librdkafka's mock cluster keeps its records in memory alone. Each request that changes it is written
down before it gets it, in the order in which it gets them; a new one that gets them again, in that order,
has the same records under the same offsets, and groups are where they were. What was written and not
answered any more counts as done: its client sends it again, and has it there twice. The file grows with
all that is produced.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from sandbox.kafka_frames import NUMBER, asks_versions, framed, with_number
from sandbox.records import HEAD_BYTES, opened, record, records, write_all

_MAGIC = b"paystorm sandbox Kafka requests 1\n"
_PATIENCE_S = 60


class RequestLog:
    """The log in one file, which one broker uses at a time.

    Raises OSError where the file cannot be had, BlockingIOError where another broker has it, and
    ValueError where it is something else.
    """

    def __init__(self, path: Path) -> None:
        self._file = opened(path)
        content = path.read_bytes()
        if content and not content.startswith(_MAGIC):
            os.close(self._file)
            raise ValueError(f"{path} is not a broker's log")
        self.requests = list(records(content, len(_MAGIC), path))
        """What was done before this broker was there."""
        whole = sum(HEAD_BYTES + len(one) for one in self.requests)
        # What a crash cut off must not stand before what is written next.
        os.ftruncate(self._file, len(_MAGIC) + whole if content else 0)
        if not content:
            write_all(self._file, _MAGIC)

    def write(self, request: bytes) -> None:
        """Write down a request. Raises OSError if that cannot be."""
        write_all(self._file, record(request))

    def close(self) -> None:
        """Let another broker have the file."""
        os.close(self._file)

    def do_again(self, host: str, port: int) -> None:
        """Have a new broker do all that was done before; return when it has. Raises OSError."""
        last = len(self.requests)
        with socket.create_connection((host, port), _PATIENCE_S) as broker:
            for number, request in enumerate(self.requests):
                broker.sendall(framed(with_number(request, number)))
            # A connection's requests are answered in their order, and this one always is.
            broker.sendall(framed(asks_versions(last)))
            with broker.makefile("rb") as answers:
                while True:
                    size = NUMBER.unpack(_exactly(answers.read(4), 4))[0]
                    if NUMBER.unpack_from(_exactly(answers.read(size), size))[0] == last:
                        break
        self.requests.clear()


def _exactly(read: bytes, size: int) -> bytes:
    if len(read) < size:
        raise ConnectionResetError("the broker ended")
    return read
