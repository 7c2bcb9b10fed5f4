"""What is told of a decision, as events and as replies: each once, unless a defect has it otherwise."""

from __future__ import annotations

from dataclasses import replace

from sandbox import defects as named
from sandbox import kafka_events, mq_replies
from sandbox.book import Entry
from sandbox.defects import Defects
from sandbox.mq_replies import Sender
from sandbox.platform import Decided


def events_of(decided: Decided, defects: Defects) -> tuple[bytes, ...]:
    """Return the events to be published on a decision."""
    command_id = decided.entry.command.command_id
    event = kafka_events.event(decided)
    if defects.strikes(named.LOSE_EVENT, command_id):
        return ()
    if defects.strikes(named.REPEAT_EVENT, command_id):
        return event, event
    if defects.strikes(named.NEW_EVENT_ID, command_id):
        first = kafka_events.event_id(command_id).encode()
        return event, event.replace(first, kafka_events.event_id(f"{command_id} again").encode())
    return (event,)


class FinalReplies:
    """Makes the replies that commands are decided."""

    def __init__(self, defects: Defects) -> None:
        self._defects = defects
        self._before: Sender | None = None
        """Who was replied to last."""

    def of(self, sender: Sender, entry: Entry) -> tuple[tuple[Sender, bytes], ...]:
        """Return what is to be put, and for whom."""
        defects, command_id = self._defects, entry.command.command_id
        body = mq_replies.final(entry, sender.correlation_id)
        other, self._before = self._before, sender
        if defects.strikes(named.LOSE_REPLY, command_id):
            return ()
        if defects.strikes(named.CORRUPT_REPLY, command_id):
            return ((sender, body[: len(body) // 2]),)
        if other is not None and defects.strikes(named.MISDIRECT_REPLY, command_id):
            md = sender.md._replace(correl_id=other.md.correl_id)
            return ((replace(sender, md=md), body),)
        return ((sender, body),)
