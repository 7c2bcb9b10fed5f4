"""Over Kafka: what a platform is sent there, and what it tells there of any command.

`OverKafka` is a part of the platform adapter, whose other methods it uses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import orjson

from e2e_data.book_rows import BookEvent
from e2e_data.commands import COMMAND_TYPES, Kind, Outcome
from e2e_data.money import from_wire

if TYPE_CHECKING:
    from e2e_data.platform import Sending

HEADERS = ("correlation-id", "command-id", "command-type")
"""The headers of a record that carries a command."""
STATUSES = {"SETTLED": Outcome.SETTLED, "REJECTED": Outcome.REJECTED}
TEXT_MAX = 200
"""A reason is cut there."""
TEXTS_MAX = 3 * TEXT_MAX
"""An event whose texts are longer by far than any that we know is none."""

_MOMENT = re.compile(r"(.{19})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})")

_NOTHING: tuple[float | None, str] = (None, "")

Header = tuple[str, str | bytes | None]
Headers = list[Header]
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
    amount: float | None = None
    """What the account was credited or debited, in units of its currency; None where it is not told.

    The float next to the decimal number: as exact as a comparison with another one needs.
    """
    currency: str = ""


_event = partial(tuple.__new__, Event)  # many thousands a second


class Events(NamedTuple):
    """What many records tell, in columns: those of `Event`, of one length."""

    event_ids: Sequence[str]
    correlation_ids: Sequence[str]
    command_ids: Sequence[str]
    outcomes: Sequence[Outcome]
    account_ids: Sequence[str]
    reasons: Sequence[str]
    flags: Sequence[tuple[str, ...]]
    amounts: Sequence[float | None]
    currencies: Sequence[str]

    @classmethod
    def of(cls, several: Sequence[Event]) -> Events:
        """Return what was read one by one: one event at least."""
        columns: list[Any] = list(zip(*several, strict=True))
        return cls(*columns)

    def only(self, wanted: Sequence[bool]) -> Events:
        """Return those that are wanted: one at least."""
        columns: Iterable[Any] = (list(compress(column, wanted)) for column in self)
        return self if all(wanted) else Events(*columns)


_Other = float | str | bool | list[Any] | None
"""What may stand where something else is looked for, so that it is told as missing."""


class _Amount(msgspec.Struct, gc=False, rename="camel"):
    """An event's amount; anything may stand there."""

    amount: _Other | dict[str, Any] = None
    currency_code: _Other | dict[str, Any] = None


class _Told(msgspec.Struct, gc=False, rename="camel"):
    """An event: the fields that are read, each of its type."""

    event_id: str
    correlation_id: str
    command_id: str
    status: str
    account_id: str
    reason: str | None = None
    flags: list[str] | None = None
    amount: _Amount | _Other = None


# Only what is read is made: a hundred thousand a second are told.
_told = msgspec.json.Decoder(_Told).decode


def read_events(values: Sequence[bytes | None]) -> Events | None:
    """Return what `OverKafka.read_event` gives for each, in three quarters of its time.

    None where one of them has to be looked at by itself: it may be no event.
    """
    raws = [value or b"" for value in values]
    if not all(map(bytes.isascii, raws)) or max(map(len, raws)) > TEXTS_MAX:
        return None
    try:
        told = list(map(_told, raws))
        outcomes = [STATUSES[one.status] for one in told]
    except (msgspec.DecodeError, LookupError, RecursionError):
        return None
    amounts = [_told_amount(one.amount) for one in told]
    return Events(
        event_ids=[one.event_id for one in told],
        correlation_ids=[one.correlation_id for one in told],
        command_ids=[one.command_id for one in told],
        outcomes=outcomes,
        account_ids=[one.account_id for one in told],
        reasons=[one.reason or "" for one in told],
        flags=[_told_flags(one.flags) for one in told],
        amounts=[amount for amount, _ in amounts],
        currencies=[currency for _, currency in amounts],
    )


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
        raw = value or b""
        try:
            # Of fields that nobody reads the parser does not look at the characters.
            if not raw.isascii():
                raw.decode()
            told = _told(raw)
            event = _event(
                (
                    told.event_id,
                    told.correlation_id,
                    told.command_id,
                    STATUSES[told.status],
                    told.account_id,
                    told.reason or "",
                    _told_flags(told.flags),
                    *_told_amount(told.amount),
                )
            )
        except (msgspec.DecodeError, UnicodeDecodeError, LookupError, RecursionError):
            return None
        # Its texts are no longer than the record that they stand in.
        return event if len(raw) <= TEXTS_MAX or _is_whole(event) else None

    def read_book_event(self, value: bytes) -> BookEvent | None:
        """Read a record of the event topic with all that a book can be made of; None for no event.

        Unlike `read_event` it is called after the run, so exactness comes before speed.
        """
        event = self.read_event(value)
        if event is None:
            return None
        # Numbers with a point stay text, so that no digit is rounded away.
        fields = json.loads(value, parse_float=str)
        amount_minor, currency = _amount(fields.get("amount"))
        decided_ns = _utc_ns(fields.get("occurredAt"))
        return BookEvent(*event[:6], decided_ns, amount_minor, currency)

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


def _told_flags(told: list[str] | None) -> tuple[str, ...]:
    return tuple(sorted(set(told))) if told else ()


def _told_amount(told: object) -> tuple[float | None, str]:
    """Return an event's amount with its currency; nothing where it is no number, or of no currency."""
    if type(told) is _Amount and type(told.amount) is float and type(told.currency_code) is str:
        return told.amount, told.currency_code
    return _NOTHING


def _amount(told: object) -> tuple[int | None, str]:
    """Read an event's amount; None for what is no exact amount of a currency that is known."""
    try:
        named: Mapping[str, Any] = told if isinstance(told, dict) else {}
        currency = str(named["currencyCode"])
        return from_wire(str(named["amount"]), currency), currency
    except (LookupError, ValueError):
        return None, ""


def _utc_ns(told: object) -> int:
    """Read a moment with up to nine digits behind the second, exactly; 0 for what is none."""
    found = _MOMENT.fullmatch(str(told))
    try:
        moment = datetime.fromisoformat(found[1] + found[3]) if found else None
    except ValueError:
        moment = None
    if found is None or moment is None:
        return 0
    return round(moment.timestamp()) * 1_000_000_000 + int((found[2] or "0").ljust(9, "0"))


def _is_whole(event: Event) -> bool:
    """Tell whether ids and texts are of a length that is somebody's. Raises TypeError for no text."""
    event_id, correlation_id, command_id, _, account_id, reason, flags, _, currency = event
    texts = "".join((event_id, correlation_id, command_id, account_id, reason, currency, *flags))
    return len(texts) <= TEXTS_MAX


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")
