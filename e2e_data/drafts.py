"""Drafts: the HTTP requests of many commands, made at once but for what each attempt adds.

A correlation id tells when its command was intended to be sent, which is known last of all. So a
draft has a gap for it, and to fill the gap is all that is left to do when the command's time comes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from e2e_data.batch import Batch
from e2e_data.bulk import keeps, texts
from e2e_data.characters import as_bytes, hexadecimal, woven
from e2e_data.characters import texts as written
from e2e_data.commands import Channel, Kind
from e2e_data.ids import CHECK_BYTES, CORRELATION_BYTES, TIME_BYTES, Correlations, Ids
from e2e_data.platform import PATHS, Platform, http_headers
from e2e_data.tables import Int64s
from e2e_data.trace_context import HEADER, beneath, traceparent

Request = tuple[bytes, bytes]
"""The first line of a request, and all that follows the headers that every request has."""

GAP = b"%%0%dx%%0%dx" % (2 * TIME_BYTES, 2 * CHECK_BYTES)
"""What a correlation id ends with: the intended time in microseconds, and the check sum of all before."""
_HEAD_DIGITS = 2 * (CORRELATION_BYTES - TIME_BYTES - CHECK_BYTES)
"""How many digits of it come before the gap."""
_TRACE = f"\r\n{HEADER}: ".encode()


@dataclass(frozen=True, slots=True)
class Drafts:
    """Requests of commands, a row for each: what a sender adds is the headers that all have."""

    lines: list[bytes]
    """Their first lines."""
    before: list[bytes]
    """From the first of a request's own headers to the gap, where the correlation id ends."""
    after: list[bytes]
    """From the end of the correlation id to the end of the body."""
    checks: list[int]
    """The check sum of the correlation id until the gap."""
    share: float | None = None
    """Of all attempts whose spans are recorded, where the platform is told of their traces."""

    def filled(self, row: int, intended_us: int) -> Request:
        """Return the request of an attempt intended at so many microseconds."""
        time = intended_us.to_bytes(TIME_BYTES, "big")
        before, after = self.before[row], self.after[row]
        gap = GAP % (intended_us, zlib.crc32(time, self.checks[row]))
        if self.share is None:
            return self.lines[row], b"".join((before, gap, after))
        trace = traceparent((before[-_HEAD_DIGITS:] + gap).decode(), self.share).encode()
        return self.lines[row], b"".join((before, gap, _TRACE, trace, after))


def http_drafts(
    platform: Platform, batch: Batch, ids: Ids, *, lap: int, phase: int, attempts: Int64s
) -> Drafts | None:
    """Return what `platform.http_command` gives for each command; None for an adapter of its own.

    What it gives is called for then, one by one, when each is sent.
    """
    platform, share = beneath(platform)
    if not keeps(platform, "http_command"):
        return None
    begun = heads(batch, ids, lap=lap, phase=phase, attempts=attempts, channel=Channel.HTTP)
    bodies = texts(platform, batch)
    before = woven(_BEFORE, pa.array(batch.command_ids, pa.string()), written(hexadecimal(begun)))
    after = woven(_AFTER, pc.binary_length(bodies).cast(pa.string()), bodies)
    return Drafts(
        lines=list(map(_LINES.__getitem__, batch.kinds.tolist())),
        before=as_bytes(before),
        after=as_bytes(after),
        checks=list(map(zlib.crc32, begun.copy())),
        share=share,
    )


def heads(
    batch: Batch, ids: Ids, *, lap: int, phase: int, attempts: Int64s, channel: Channel
) -> NDArray[np.uint8]:
    """Return what each correlation id begins with."""
    lap, shard = ids.parted(lap, batch.shard.number)
    return Correlations(
        tag=ids.tag,
        lap=lap,
        shard=shard,
        index=batch.indices,
        attempt=attempts.astype(np.uint8),
        kind=batch.kinds,
        channel=channel,
        expected=batch.shard.expected[batch.indices],
        phase=np.full(len(batch), phase, np.uint8),
    ).heads()


_LINES = tuple(f"POST {PATHS[kind]} HTTP/1.1\r\n".encode() for kind in Kind)
# The correlation id comes last, and so is the gap.
_BEFORE = "\r\n".join(f"{name}: {value}" for name, value in http_headers("%s", "%s"))
_AFTER = "\r\nContent-Length: %s\r\n\r\n%s"
