"""Drafts of records: what many commands are over Kafka, made at once but for what each attempt adds.

As with requests, the correlation id tells when its command was intended to be sent, which is known
last of all; so is the time of sending. Each has its gap in the draft.
"""

from __future__ import annotations

import zlib
from functools import partial
from itertools import repeat
from typing import NamedTuple

from e2e_data import wire
from e2e_data.batch import Batch
from e2e_data.bulk import bodies, keeps
from e2e_data.characters import as_bytes, hexadecimal, texts
from e2e_data.commands import COMMAND_TYPES, Channel, Kind
from e2e_data.drafts import GAP, heads
from e2e_data.envelope import ENVELOPE, message_ids
from e2e_data.ids import TIME_BYTES, Ids
from e2e_data.over_kafka import HEADERS, Headers, KafkaRecord
from e2e_data.platform import Platform
from e2e_data.tables import Int64s
from e2e_data.trace_context import HEADER, beneath, traceparent


class RecordDraft(NamedTuple):
    """What a record is made of; its long texts are put together once, when it is sent."""

    key: bytes
    message_id: bytes
    command_id: bytes
    kind: int
    body: bytes
    end: bytes
    """What follows the body, to the end of the value."""
    head: bytes
    """The beginning of the correlation id, as it is written."""
    check: int
    """The check sum of that."""
    share: float | None
    """Of all attempts whose spans are recorded, where the platform is told of their traces."""

    def filled(self, intended_us: int, timestamp: bytes) -> KafkaRecord:
        """Return the record of an attempt intended at so many microseconds, sent at `timestamp`."""
        key, message_id, command_id, kind, body, end, head, check, share = self
        time = intended_us.to_bytes(TIME_BYTES, "big")
        correlation_id = head + GAP % (intended_us, zlib.crc32(time, check))
        value = b"".join(
            (
                *(_FIRST, message_id, _SECOND, command_id, _THIRD, correlation_id),
                *(_BETWEEN, timestamp, _AFTER[kind], body, end),
            )
        )
        headers: Headers = [
            (_CORRELATION_ID, correlation_id),
            (_COMMAND_ID, command_id),
            _TYPED[kind],
        ]
        if share is not None:
            headers.append((HEADER, traceparent(correlation_id.decode(), share).encode()))
        return _record((key, value, headers))


# Both are made for each command, so that nothing is looked at which need not be.
_draft = partial(tuple.__new__, RecordDraft)
_record = partial(tuple.__new__, KafkaRecord)


def record_drafts(
    platform: Platform,
    batch: Batch,
    ids: Ids,
    *,
    lap: int,
    phase: int,
    attempts: Int64s,
    reply_to: str,
) -> list[RecordDraft] | None:
    """Return what `platform.kafka_record` gives for each command; None for an adapter of its own."""
    platform, share = beneath(platform)
    if not keeps(platform, "kafka_record", "envelope"):
        return None
    begun = heads(batch, ids, lap=lap, phase=phase, attempts=attempts, channel=Channel.KAFKA)
    reply = wire.text(reply_to).encode()
    keys = [
        account_id or customer_id
        for account_id, customer_id in zip(batch.account_ids, batch.customer_ids, strict=True)
    ]
    texts_of = (keys, message_ids(len(batch)), batch.command_ids)
    columns = (
        *(map(str.encode, column) for column in texts_of),
        batch.kinds.tolist(),
        bodies(platform, batch),
        repeat(b"".join((_REPLY_TO, reply, b"}")), len(batch)),
        as_bytes(texts(hexadecimal(begun))),
        map(zlib.crc32, begun.copy()),
        repeat(share, len(batch)),
    )
    return list(map(_draft, zip(*columns, strict=True)))


_CORRELATION_ID, _COMMAND_ID, _COMMAND_TYPE = HEADERS
_TYPES = tuple(COMMAND_TYPES[kind].encode() for kind in Kind)
# The envelope, cut where the gaps are: it is written in one place only.
_PIECES = [piece.encode() for piece in ENVELOPE.split("%s")]
_FIRST, _SECOND, _THIRD, _BETWEEN = _PIECES[:4]
_AFTER = tuple(_PIECES[4] + name + _PIECES[5] for name in _TYPES)
_REPLY_TO = _PIECES[6]
_TYPED = [(_COMMAND_TYPE, name) for name in _TYPES]
