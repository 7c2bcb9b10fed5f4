"""Kafka's frames, as far as a doorway has to know them.

Each request and answer begins with its length in four bytes, big-endian as all of the protocol. A
request goes on with its kind and the version of it in two bytes each, and a number of four that its
answer begins with.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from struct import Struct

PRODUCE, METADATA, COMMIT_OFFSETS, FIND_COORDINATOR, VERSIONS = 0, 3, 8, 10, 18

FRAME_MAX_BYTES = 128 * 1024 * 1024
_LENGTH = Struct(">i")
_HEAD = Struct(">hhi")
_SHORT = Struct(">h")
NUMBER = Struct(">i")


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield requests or answers until the connection ends; what is none ends it too."""
    while True:
        try:
            (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
            if not 0 < size <= FRAME_MAX_BYTES:
                return
            frame = await reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        yield frame


def framed(content: bytes) -> bytes:
    """Return a request or an answer with its length."""
    return _LENGTH.pack(len(content)) + content


def kind_of(request: bytes) -> int:
    """Return what is asked; -1 of what is too short to be a request."""
    return _SHORT.unpack_from(request)[0] if len(request) >= _HEAD.size else -1


def with_number(request: bytes, number: int) -> bytes:
    """Return a request under another number."""
    return request[:4] + NUMBER.pack(number) + request[_HEAD.size :]


def asks_versions(number: int) -> bytes:
    """Return a request that changes nothing and that every broker answers."""
    return _HEAD.pack(VERSIONS, 0, number) + _SHORT.pack(-1)
