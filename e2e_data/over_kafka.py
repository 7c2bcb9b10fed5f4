"""Over Kafka: what a platform is sent there, and what it tells there of any command.

`OverKafka` is a part of the platform adapter, whose other methods it uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from e2e_data.commands import COMMAND_TYPES, Kind, Outcome

if TYPE_CHECKING:
    from e2e_data.platform import Sending

HEADERS = ("correlation-id", "command-id", "command-type")
"""The headers of a record that carries a command."""
STATUSES = {"SETTLED": Outcome.SETTLED, "REJECTED": Outcome.REJECTED}
TEXT_MAX = 200
"""A reason is cut there, and an event whose texts are longer by far is none."""

Headers = list[tuple[str, str | bytes | None]]
"""In the type that the client takes; what stands there is bytes."""


class KafkaRecord(NamedTuple):
    """A record as the platform wants it."""

    key: bytes
    value: bytes
    headers: Headers


class Event(NamedTuple):
    """What a record tells of a command: how it ended."""

    event_id: str
    """The same each time that the platform tells it; empty where it has none, as a dead letter."""
    correlation_id: str
    command_id: str
    outcome: Outcome
    account_id: str
    reason: str = ""
    flags: tuple[str, ...] = ()


_event = partial(tuple.__new__, Event)  # many thousands a second


def kafka_headers(correlation_id: str, command_id: str, kind: Kind) -> Headers:
    """Return the headers of a command's record."""
    texts = (correlation_id, command_id, COMMAND_TYPES[kind])
    return [(name, text.encode()) for name, text in zip(HEADERS, texts, strict=True)]


class OverKafka:
    """What the default adapter sends and reads over Kafka."""

    def envelope(self, sending: Sending, *, message_id: str, timestamp: str, reply_to: str) -> str:
        """Return the message that carries a command; the adapter has it."""
        raise NotImplementedError

    def kafka_record(
        self, sending: Sending, *, message_id: str, timestamp: str, reply_to: str
    ) -> KafkaRecord:
        """Return the record that carries a command; the rest is as for `envelope`."""
        value = self.envelope(
            sending, message_id=message_id, timestamp=timestamp, reply_to=reply_to
        )
        return KafkaRecord(
            (sending.account_id or sending.customer_id).encode(),
            value.encode(),
            kafka_headers(sending.correlation_id, sending.command_id, sending.command.kind),
        )

    def read_event(self, value: bytes | None) -> Event | None:
        """Read a record of the event topic; None for what is no event."""
        try:
            fields = orjson.loads(value or b"")
            event = _event(
                (
                    fields["eventId"],
                    fields["correlationId"],
                    fields["commandId"],
                    STATUSES[fields["status"]],
                    fields["accountId"],
                    fields.get("reason") or "",
                    tuple(sorted(set(flags))) if (flags := fields.get("flags")) else (),
                )
            )
            return event if _is_whole(event) else None
        except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
            return None

    def read_dead_letter(self, value: bytes | None, headers: Mapping[str, bytes]) -> Event | None:
        """Read a record of the dead-letter topic; None for what tells of no command.

        Whose it is say its headers, or else its envelope, which may be what is wrong with it.
        """
        try:
            named: Mapping[str, Any] = {
                "correlationId": _text(headers[HEADERS[0]]),
                "commandId": _text(headers[HEADERS[1]]),
            }
        except KeyError:
            try:
                named = orjson.loads(value or b"")
            except orjson.JSONDecodeError:
                return None
        try:
            event = Event(
                "",
                named["correlationId"],
                named["commandId"],
                Outcome.DEAD_LETTERED,
                "",
                _text(headers.get("reason", b""))[:TEXT_MAX],
            )
            return event if _is_whole(event) else None
        except (LookupError, TypeError, AttributeError):
            return None


def _is_whole(event: Event) -> bool:
    """Tell whether ids and texts are of a length that is somebody's. Raises TypeError for no text."""
    event_id, correlation_id, command_id, _, account_id, reason, flags = event
    # One call: there are a hundred thousand events in a second.
    texts = "".join((event_id, correlation_id, command_id, account_id, reason, *flags))
    return len(texts) <= TEXT_MAX * 3


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")
