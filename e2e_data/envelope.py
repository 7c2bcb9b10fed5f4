"""The envelope that carries a command in a message of IBM MQ or Kafka."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import numpy as np

from e2e_data.characters import strings, uuids

REPLY_QUEUE = "REPLY.QUEUE"
EVENTS_TOPIC = "payments.events"
"""Where messages ask to be answered: over IBM MQ, and over Kafka."""

ENVELOPE = (
    '{"messageId":"%s","commandId":"%s","correlationId":"%s","timestamp":"%s","commandType":"%s",'
    '"payload":%s,"replyTo":%s}'
)
"""Filled by the operator %; `payload` and `replyTo` are JSON already."""


def message_ids(count: int) -> list[str]:
    """Draw UUIDs of version 4, one for each message that is put or produced."""
    raw = np.frombuffer(secrets.token_bytes(16 * count), dtype=np.uint8).reshape(-1, 16).copy()
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    return strings(uuids(raw))


def timestamp(at: datetime) -> str:
    """Write a moment as envelopes have it, in UTC to the second: "2026-11-20T12:00:00Z"."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
