"""Replies: what the platform tells the sender of a command that came in a message."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from struct import Struct

from sandbox.book import Entry
from sandbox.conversion import CCSID_UTF8, FORMAT_STRING
from sandbox.mqbinding import codes
from sandbox.mqbinding.structs import Descriptor, padded, text

_DEAD_LETTER_HEADER = Struct("<4s2i48s48s2i8si28s8s8s")
_FORMAT_DEAD = b"MQDEAD  "


class Replies(StrEnum):
    """Which replies a command gets."""

    BOTH = "both"
    """ACCEPTED at once, and the final status when it is decided."""
    FINAL = "final"
    """The final status alone."""


class ReplyId(StrEnum):
    """What a reply's CorrelId is."""

    CORREL_ID = "correl-id"
    """The request's CorrelId, passed back."""
    MSG_ID = "msg-id"
    """The request's MsgId, copied."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Where a reply goes, and what it is recognised by there."""

    queue: bytes
    manager: bytes
    correlation_id: str
    """As the sender wrote it in the envelope."""
    md: Descriptor
    """Of the reply."""


def sender_of(request: Descriptor, correlation_id: str, reply_id: ReplyId) -> Sender | None:
    """Return where to reply to, or None where the request does not ask for a reply."""
    queue = text(request.reply_to_q)
    if not queue:
        return None
    md = Descriptor(
        msg_type=codes.MQMT_REPLY,
        format=FORMAT_STRING,
        ccsid=CCSID_UTF8,
        priority=request.priority,
        persistence=request.persistence,
        correl_id=request.msg_id if reply_id is ReplyId.MSG_ID else request.correl_id,
    )
    return Sender(queue, text(request.reply_to_q_mgr), correlation_id, md)


def written(sender: Sender) -> str:
    """Write down a sender, as a book keeps it."""
    md = sender.md
    return json.dumps(
        {
            "queue": sender.queue.decode("latin-1"),
            "manager": sender.manager.decode("latin-1"),
            "correlation_id": sender.correlation_id,
            "priority": md.priority,
            "persistence": md.persistence,
            "correl_id": md.correl_id.hex(),
        }
    )


def read_back(text_: str) -> Sender:
    """Read what `written` gave."""
    kept = json.loads(text_)
    md = Descriptor(
        msg_type=codes.MQMT_REPLY,
        format=FORMAT_STRING,
        ccsid=CCSID_UTF8,
        priority=kept["priority"],
        persistence=kept["persistence"],
        correl_id=bytes.fromhex(kept["correl_id"]),
    )
    queue, manager = (kept[name].encode("latin-1") for name in ("queue", "manager"))
    return Sender(queue, manager, kept["correlation_id"], md)


def accepted(entry: Entry, correlation_id: str) -> bytes:
    """Write the reply that a command is accepted."""
    return _body(entry, correlation_id, "ACCEPTED", None, entry.received_ns)


def final(entry: Entry, correlation_id: str) -> bytes:
    """Write the reply that a command is decided, and how."""
    decision = entry.decision
    assert decision is not None, "a final reply is for what was decided"
    return _body(entry, correlation_id, decision.status, decision.reason, decision.decided_ns)


def dead_letter(
    queue: bytes, manager: bytes, md: Descriptor, body: bytes, reason: int
) -> tuple[Descriptor, bytes]:
    """Return a message that no queue takes, with the header that says which was meant, and why.

    `md` is the message's own; what it says of the body the header says from now on.
    """
    header = _DEAD_LETTER_HEADER.pack(
        b"DLH ",
        1,
        reason,
        padded(queue, 48),
        padded(manager, 48),
        md.encoding,
        md.ccsid,
        md.format,
        codes.MQAT_UNIX,
        *(padded(b"", 28), padded(b"", 8), padded(b"", 8)),
    )
    of_header = md._replace(
        format=_FORMAT_DEAD, encoding=codes.MQENC_NATIVE, ccsid=codes.MQCCSI_Q_MGR
    )
    return of_header, header + body


def _body(
    entry: Entry, correlation_id: str, status: str, reason: str | None, happened_ns: int
) -> bytes:
    """Write a reply. Only the correlation id is the sender's text: the others need no escaping."""
    seconds, ns = divmod(happened_ns, 1_000_000_000)
    moment = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns // 1000:06d}Z"
    told = "null" if reason is None else f'"{reason}"'
    return (
        f'{{"correlationId":{json.dumps(correlation_id)},"commandId":"{entry.command.command_id}",'
        f'"status":"{status}","accountId":"{entry.account_id}","reason":{told},'
        f'"occurredAt":"{moment}"}}'
    ).encode()
