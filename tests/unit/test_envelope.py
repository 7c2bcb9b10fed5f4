"""The envelope's own parts: message ids and timestamps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from e2e_data.envelope import message_ids, timestamp


def test_message_ids_are_random_uuids():
    """Of version 4, each another, as many as were asked for."""
    drawn = message_ids(1000)
    assert len(set(drawn)) == 1000
    assert {(UUID(text).version, UUID(text).variant) for text in drawn} == {
        (4, "specified in RFC 4122")
    }
    assert [str(UUID(text)) for text in drawn] == drawn
    bits = 0
    for text in drawn:
        bits |= UUID(text).int
    assert bits.bit_count() == 128 - 3 - 1, "all but version 0100 and variant 10 are drawn"
    assert message_ids(0) == []


def test_a_moment_is_written_in_utc():
    """To the second, wherever the clock is."""
    moment = datetime(2026, 11, 20, 12, 0, 0, 999_999, tzinfo=UTC)
    assert timestamp(moment) == "2026-11-20T12:00:00Z"
    assert timestamp(moment.astimezone(timezone(timedelta(hours=-9)))) == "2026-11-20T12:00:00Z"
