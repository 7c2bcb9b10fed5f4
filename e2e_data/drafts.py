"""Drafts: the HTTP requests of many commands, made at once but for what each attempt adds.

A correlation id tells when its command was intended to be sent, which is known last of all. So a
draft has a gap for it, and to fill the gap is all that is left to do when the command's time comes.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np

from e2e_data.batch import Batch
from e2e_data.bulk import bodies, keeps
from e2e_data.commands import Channel, Kind
from e2e_data.ids import CHECK_BYTES, TIME_BYTES, Correlations, Ids
from e2e_data.platform import PATHS, Platform, http_headers
from e2e_data.tables import Int64s


class Draft(NamedTuple):
    """A request: its first line, and what follows the headers that all requests have, with a gap."""

    line: bytes
    before: bytes
    """From the first of its own headers to the correlation id."""
    after: bytes
    """From the end of the correlation id to the end of the body."""
    head: bytes
    """The beginning of the correlation id."""

    def filled(self, intended_us: int) -> bytes:
        """Return what follows the fixed headers, for an attempt intended at so many microseconds."""
        known = self.head + intended_us.to_bytes(TIME_BYTES, "big")
        whole = known + zlib.crc32(known).to_bytes(CHECK_BYTES, "big")
        return b"".join((self.before, whole.hex().encode(), self.after))


def http_drafts(
    platform: Platform, batch: Batch, ids: Ids, *, lap: int, phase: int, attempts: Int64s
) -> list[Draft] | None:
    """Return what `platform.http_command` gives for each command; None for an adapter of its own.

    What it gives is called for then, one by one, when each is sent.
    """
    if not keeps(platform, "http_command"):
        return None
    begun = heads(batch, ids, lap=lap, phase=phase, attempts=attempts, channel=Channel.HTTP)
    return [
        Draft(
            _LINES[kind],
            _BEFORE % command_id.encode(),
            b"\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
            head,
        )
        for kind, command_id, body, head in zip(
            batch.kinds.tolist(), batch.command_ids, bodies(platform, batch), begun, strict=True
        )
    ]


def heads(
    batch: Batch, ids: Ids, *, lap: int, phase: int, attempts: Int64s, channel: Channel
) -> list[bytes]:
    """Return what each correlation id begins with."""
    return Correlations(
        tag=ids.tag,
        lap=lap,
        shard=batch.shard.number,
        index=batch.indices,
        attempt=attempts.astype(np.uint8),
        kind=batch.kinds,
        channel=channel,
        expected=batch.shard.expected[batch.indices],
        phase=np.full(len(batch), phase, np.uint8),
    ).heads()


_LINES = tuple(f"POST {PATHS[kind]} HTTP/1.1\r\n".encode() for kind in Kind)
# The correlation id comes last, and so is the gap.
_BEFORE = "\r\n".join(f"{name}: {value}" for name, value in http_headers("%b", "")).encode()
