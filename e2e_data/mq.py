"""Messages of IBM MQ: what a command is put as, and what a reply says."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any

import orjson

from e2e_data.commands import Outcome

FORMAT_STRING = b"MQSTR"
FORMAT_RFH2 = b"MQHRF2"
CCSID_UTF8 = 1208

_LITTLE, _BIG = Struct("<4s4xiii8s"), Struct(">4s4xiii8s")
_REVERSED_INTEGERS = 0x2
"""The nibble of an encoding that says how integers stand, and its value for little-endian."""
_STATUSES = {
    "ACCEPTED": Outcome.NONE,
    "SETTLED": Outcome.SETTLED,
    "REJECTED": Outcome.REJECTED,
}


@dataclass(frozen=True, slots=True)
class MqMessage:
    """A message that carries a command; its body is text in UTF-8 unless it says otherwise."""

    body: bytes
    correl_id: bytes
    """24 bytes."""
    format: bytes = FORMAT_STRING
    ccsid: int = CCSID_UTF8


@dataclass(frozen=True, slots=True)
class MqReply:
    """A message from the reply queue; `body` is without RFH2 headers."""

    body: bytes
    correl_id: bytes
    """24 bytes: of the command, whether its CorrelId or its MsgId was copied."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reply says: that a command was accepted, and its final outcome where it has one."""

    command_id: str
    correlation_id: str = ""
    """As the reply's body repeats it, 48 hexadecimal characters; empty where it does not."""
    outcome: Outcome = Outcome.NONE
    account_id: str | None = None
    reason: str = ""
    flags: tuple[str, ...] = ()


def without_headers(body: bytes, format_: bytes, encoding: int) -> bytes:
    """Take RFH2 headers off, which carry properties; a header that is none stays.

    `format_` and `encoding` are the descriptor's, and say what the body begins with.
    """
    while format_.rstrip() == FORMAT_RFH2:
        head = _LITTLE if encoding & 0xF == _REVERSED_INTEGERS else _BIG
        if len(body) < head.size:
            break
        struc_id, length, encoding_after, _, format_after = head.unpack_from(body)
        if struc_id != b"RFH " or not head.size <= length <= len(body):
            break
        body, format_, encoding = body[length:], format_after, encoding_after
    return body


def read_reply(body: bytes) -> Reply | None:
    """Read a reply of the default wire format; None where it is none."""
    fields = _object(body)
    outcome = _STATUSES.get(str(fields.get("status")))
    command_id = fields.get("commandId")
    if outcome is None or not isinstance(command_id, str):
        return None
    account_id, flags = fields.get("accountId"), fields.get("flags")
    return Reply(
        command_id=command_id,
        correlation_id=str(fields.get("correlationId") or ""),
        outcome=outcome,
        account_id=account_id if isinstance(account_id, str) and account_id else None,
        reason=str(fields.get("reason") or ""),
        flags=tuple(str(flag) for flag in flags) if isinstance(flags, list) else (),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}
