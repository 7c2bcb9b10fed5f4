"""How a platform in process tells of its decisions: by its real events or replies, read by the real parts.

What the sandbox's fronts would put is kept with its time, and then read as a run reads it; what that
writes down becomes the journal's facts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.ids import Correlation
from e2e_data.platform import Acknowledged, Acknowledgement
from locustfiles.channels.kafka_events import EventSource
from locustfiles.channels.kafka_reader import Batch
from locustfiles.channels.mq_replies import Awaited, Replies
from locustfiles.channels.mq_session import Got
from locustfiles.channels.mq_structs import Descriptor
from reports.event_log import EventLog
from reports.journal import Fact
from sandbox.mq_replies import Sender
from sandbox.mqbinding import structs
from sandbox.telling import FinalReplies, events_of


class Teller:
    """What was told of which command: facts by place, (at_ns, fact, code, reason)."""

    channel: Channel

    def __init__(self, history):
        self.history = history
        self.facts = defaultdict(list)

    def correlation(self, key, phase):
        """Return the correlation id that a command is sent with."""
        shard, index = key
        kind = Kind(int(self.history.pool.shard(shard).kind[index]))
        return Correlation(
            self.history.ids.tag, 0, shard, index, 0, kind, self.channel, Outcome.SETTLED, phase, 0
        )

    def write(self, at_ns, place, fact, code=0, reason=""):
        self.facts[place[1:]].append((at_ns, fact, code, reason))


@dataclass
class Record:
    """A record of the event topic."""

    body: bytes
    at: int

    def value(self):
        return self.body

    def topic(self):
        return "payments.events"

    def partition(self):
        return 0

    def offset(self):
        return self.at


class Events(Teller):
    """Over the event topic."""

    channel = Channel.HTTP

    def __init__(self, history):
        super().__init__(history)
        self._records = 0
        directory = history.directory.events
        directory.mkdir()
        self._log = EventLog(directory, "one")
        self._source = EventSource(
            *(history.platform, history.ids, history.pool, None, lambda ns: ns),
            *(self._observed, self._log, history.faults.append),
        )

    def expect(self, one):
        """Wait for nothing: events come by themselves."""

    def decided(self, decided, at_ns):
        for body in events_of(decided, self.history.defects):
            record = Record(body, self._records)
            self._records += 1
            self._source.take(Batch(at_ns, [record], {("payments.events", 0): self._records}))

    def _observed(self, several):
        for seen in several:
            told = seen.completion
            self.write(seen.at_ns, seen.place, Fact.COMPLETED, told.outcome, told.reason)

    def close(self):
        """Write down what was read, as a run does."""
        self._log.flush()
        told = self._source.stop(lambda: None)
        ends = {"payments.events": {"0": self._records}}
        directory = self.history.directory.events
        for name, content in (
            ("start", {"offsets": {"payments.events": {"0": 0}}}),
            ("one", told),
            ("end", {"ends": ends, "committed": ends}),
        ):
            (directory / f"{name}.json").write_text(json.dumps(content))


class OverMq(Teller):
    """By replies to whoever sent a command; it keeps the ledger of what they say."""

    channel = Channel.MQ
    pending = frozenset()

    def __init__(self, history):
        super().__init__(history)
        self._finals = FinalReplies(history.defects)
        self._replies = Replies(history.platform, history.ids, self, lambda _: None)
        self._senders = {}
        self._at_ns = 0

    def expect(self, one):
        """Wait for the final reply to a command that was accepted."""
        correlation = self.correlation(one.key, one.phase)
        raw, command_id = correlation.pack(), self.history.command_id(one.key)
        awaited = Awaited((0, *one.key), 0, command_id, is_on_wire=False)
        awaited.answer = Acknowledgement(Acknowledged.ACCEPTED)
        self._replies.expect(raw, awaited)
        md = structs.Descriptor(correl_id=raw)
        self._senders[command_id] = Sender(b"REPLY.QUEUE", b"", raw.hex(), md)

    def decided(self, decided, at_ns):
        self._at_ns = at_ns
        sender = self._senders[decided.entry.command.command_id]
        for to, body in self._finals.of(sender, decided.entry):
            md = Descriptor(0x222, 1208, b"MQSTR", 0, bytes(24), to.md.correl_id, 0, b"")
            self._replies.take(Got(body, md))

    def completed(self, place, completion):
        self.write(self._at_ns, place, Fact.COMPLETED, completion.outcome, completion.reason)

    def unreadable(self, place, attempt):
        self.write(self._at_ns, place, Fact.UNREADABLE)

    def misdirected(self, place):
        self.write(self._at_ns, place, Fact.MISDIRECTED)

    def other_account(self, place, attempt):
        self.write(self._at_ns, place, Fact.OTHER_ACCOUNT)

    def close(self):
        """Leave nothing behind."""


TELLERS = {"events": Events, "replies": OverMq}
