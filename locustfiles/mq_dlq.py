"""The backout queue: what stands there, why, and putting it back where it belongs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Any, NamedTuple

import orjson

from e2e_data.mq import without_headers
from locustfiles.channels.mq_reasons import REASONS
from locustfiles.channels.mq_session import Got, Put, Session
from locustfiles.channels.mq_structs import text

FORMAT_DEAD = b"MQDEAD"
_REVERSED_INTEGERS = 0x2
_LITTLE, _BIG = Struct("<4s4xi48s48sii8s48x"), Struct(">4s4xi48s48sii8s48x")
"""A dead-letter header: StrucId, Reason, DestQName, DestQMgrName, Encoding, CodedCharSetId, Format."""


class Letter(NamedTuple):
    """What a dead-letter header says, and the message behind it."""

    reason: int
    queue: str
    encoding: int
    ccsid: int
    format: bytes
    body: bytes


@dataclass(frozen=True)
class Aside:
    """A message that was put aside."""

    got: Got

    @property
    def msg_id(self) -> str:
        """Its id, by which it can be named: 48 hexadecimal digits."""
        return self.got.md.msg_id.hex()

    @property
    def letter(self) -> Letter | None:
        """The dead-letter header, where there is one; a backout queue's messages have none."""
        md, body = self.got.md, self.got.body
        head = _LITTLE if md.encoding & 0xF == _REVERSED_INTEGERS else _BIG
        if md.format != FORMAT_DEAD or len(body) < head.size or not body.startswith(b"DLH "):
            return None
        _, reason, queue, _, encoding, ccsid, form = head.unpack_from(body)
        return Letter(
            reason, text(queue).decode("latin-1"), encoding, ccsid, text(form), body[head.size :]
        )

    @property
    def body(self) -> bytes:
        """The message itself, without headers."""
        md, letter = self.got.md, self.letter
        if letter is not None:
            return without_headers(letter.body, letter.format, letter.encoding)
        return without_headers(self.got.body, md.format, md.encoding)

    @property
    def fields(self) -> dict[str, Any]:
        """Its envelope, as far as it can be read: poison is seldom whole."""
        try:
            fields = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return fields if isinstance(fields, dict) else {}

    @property
    def command_id(self) -> str:
        """The command that it carries; empty where it does not say."""
        return str(self.fields.get("commandId") or "")

    @property
    def command_type(self) -> str:
        """What kind of command it carries."""
        return str(self.fields.get("commandType") or "")

    @property
    def why(self) -> str:
        """Why it stands here, as far as the message tells: on a backout queue nothing is added to it."""
        if (letter := self.letter) is not None:
            name = REASONS.get(letter.reason, ("", ""))[0]
            return f"{letter.reason} {name}".strip() + f", for {letter.queue}"
        return "no header says why" if self.fields else "not a JSON object"

    def returned(self) -> Put:
        """Return it as it was before it was put aside."""
        md, letter = self.got.md, self.letter
        body, form, encoding, ccsid = self.got.body, md.format, md.encoding, md.ccsid
        if letter is not None:
            body, form, encoding, ccsid = (
                letter.body,
                letter.format,
                letter.encoding,
                letter.ccsid,
            )
        return Put(
            body=body,
            correl_id=md.correl_id,
            msg_id=md.msg_id,
            reply_to=md.reply_to.decode("latin-1"),
            format=form,
            encoding=encoding,
            ccsid=ccsid,
            persistence=md.persistence,
        )


def look(session: Session, queue: str) -> Iterator[Aside]:
    """Yield what stands on a queue, and leave it there. Raises MqError."""
    got = session.browse(queue, first=True, room=None)
    while got is not None:
        yield Aside(got)
        got = session.browse(queue, room=None)


def retry(session: Session, queue: str, target: str, msg_id: bytes) -> bool:
    """Move a message to `target` in one unit of work; False where it is not there any more.

    One with a dead-letter header goes to the queue that the header names. Raises MqError, and the
    message is where it was.
    """
    got = session.get_by_id(queue, msg_id)
    if got is None:
        return False
    aside = Aside(got)
    letter = aside.letter
    try:
        session.put(letter.queue if letter else target, aside.returned(), syncpoint=True)
    except BaseException:
        session.back_out()
        raise
    session.commit()
    return True
