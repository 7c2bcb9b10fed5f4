"""Drafts of records: what many commands are over Kafka, made at once but for what each attempt adds.

As with requests, the correlation id tells when its command was intended to be sent, which is known
last of all; so is the time of sending. Each has its gap in the draft.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from e2e_data import wire
from e2e_data.batch import Batch
from e2e_data.bulk import bodies, keeps
from e2e_data.commands import COMMAND_TYPES, Channel, Kind
from e2e_data.drafts import heads
from e2e_data.envelope import ENVELOPE, message_ids
from e2e_data.ids import CHECK_BYTES, TIME_BYTES, Ids
from e2e_data.over_kafka import HEADERS, KafkaRecord
from e2e_data.platform import Platform
from e2e_data.tables import Int64s


class RecordDraft(NamedTuple):
    """A record, with two gaps in its value."""

    key: bytes
    before: bytes
    """From the beginning of the value to the correlation id."""
    after: bytes
    """From the end of the timestamp to the end of the value."""
    head: bytes
    """The beginning of the correlation id."""
    command_id: bytes
    command_type: bytes

    def filled(self, intended_us: int, timestamp: bytes) -> KafkaRecord:
        """Return the record of an attempt intended at so many microseconds, sent at `timestamp`."""
        known = self.head + intended_us.to_bytes(TIME_BYTES, "big")
        whole = known + zlib.crc32(known).to_bytes(CHECK_BYTES, "big")
        correlation_id = whole.hex().encode()
        return KafkaRecord(
            self.key,
            b"".join((self.before, correlation_id, _BETWEEN, timestamp, self.after)),
            [
                (_CORRELATION_ID, correlation_id),
                (_COMMAND_ID, self.command_id),
                (_COMMAND_TYPE, self.command_type),
            ],
        )


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
    if not keeps(platform, "kafka_record", "envelope"):
        return None
    begun = heads(batch, ids, lap=lap, phase=phase, attempts=attempts, channel=Channel.KAFKA)
    reply = wire.text(reply_to).encode()
    keys = [
        (account_id or customer_id).encode()
        for account_id, customer_id in zip(batch.account_ids, batch.customer_ids, strict=True)
    ]
    columns = (
        *(keys, batch.command_ids, message_ids(len(batch)), batch.kinds.tolist()),
        *(bodies(platform, batch), map(bytes, begun)),
    )
    drafts = []
    for key, command_id, message_id, kind, body, head in zip(*columns, strict=True):
        name = command_id.encode()
        before = _BEFORE % (message_id.encode(), name)
        after = b"%b%b%b%b%b" % (_AFTER[kind], body, _REPLY_TO, reply, b"}")
        drafts.append(RecordDraft(key, before, after, head, name, _TYPES[kind]))
    return drafts


_CORRELATION_ID, _COMMAND_ID, _COMMAND_TYPE = HEADERS
_TYPES = tuple(COMMAND_TYPES[kind].encode() for kind in Kind)
# The envelope, cut where the gaps are: it is written in one place only.
_PIECES = [piece.encode() for piece in ENVELOPE.split("%s")]
_BEFORE = b"%b".join(_PIECES[:3])
_BETWEEN = _PIECES[3]
_AFTER = tuple(_PIECES[4] + name + _PIECES[5] for name in _TYPES)
_REPLY_TO = _PIECES[6]
