"""Replies: which command each one is about, and what it says of it.

reply for a command that waits            acknowledges it; completes it where its status is final
reply for one whose user waits no more    completes it, late
another final reply                       written down again: an outcome is never taken back; repeated
reply about another command than its id   misdirected: written down of the command that it is about
reply to another run                      foreign: it was on the queue before, or somebody shares it
reply whose id is nobody's                orphan
no reply at all                           unreadable: written down of the command that its id is of
message on the backout queue              the command was dead-lettered
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Protocol

from gevent import getcurrent
from gevent.event import Event
from greenlet import greenlet

from e2e_data.commands import Kind, Outcome
from e2e_data.ids import REPLAY_ATTEMPT, Correlation, Ids
from e2e_data.mq import MqReply, Reply, without_headers
from e2e_data.platform import Acknowledged, Acknowledgement, Completion, Platform
from locustfiles.channels.deadlines import NEVER_NS
from locustfiles.channels.mq_session import Got

Place = tuple[int, int, int]
"""(lap, shard, index) of a command."""
Key = tuple[int, int, int]
"""(lap, shard, number) of an account; the number is the index of the command that creates it."""


class Ledger(Protocol):
    """Where it is written down what became of commands; a run's tracker."""

    @property
    def pending(self) -> Container[Place]:
        """The commands that were sent and have no final outcome."""
        ...

    def acknowledged(self, place: Place, answer: Acknowledgement, attempt: int = 0) -> int:
        """Record an answer to an attempt that is on the wire; return the time."""
        ...

    def completed(self, place: Place, completion: Completion) -> None:
        """Record a final outcome."""
        ...

    def bound(self, account: Key, account_id: str) -> None:
        """Take in the id of an account, from a reply that acknowledges nothing."""
        ...

    def dead_lettered(self, place: Place, attempt: int | None, reason: str) -> int:
        """Record that a command was put aside; `attempt` where one is on the wire. Return the time."""
        ...

    def unreadable(self, place: Place, attempt: int) -> None:
        """Record that a reply came to an attempt, and that nobody can read it."""
        ...

    def misdirected(self, place: Place) -> None:
        """Record that a reply about a command came to another one."""
        ...

    def other_account(self, place: Place, attempt: int) -> None:
        """Record that a reply to an attempt names another account than it was sent for."""
        ...


@dataclass(slots=True)
class Counts:
    """How many replies there were of each kind that nobody waited for."""

    late: int = 0
    repeated: int = 0
    misdirected: int = 0
    other_account: int = 0
    foreign: int = 0
    orphans: int = 0
    unreadable: int = 0
    dead_lettered: int = 0
    """Commands that were found on the backout queue."""


class OverdueError(Exception):
    """What its user is waiting for takes longer than it may."""


@dataclass(slots=True, weakref_slot=True, eq=False)
class Awaited:
    """A command whose reply is to come."""

    place: Place
    attempt: int
    command_id: str
    creates: Key | None = None
    """The account that it creates, whose id is in its reply; None for other commands."""
    account_id: str | None = None
    """The account that it was sent for, which its reply may name; None for any."""
    answered: Event = field(default_factory=Event)
    """Set when a user who waits has what it waits for."""
    at_ns: int = 0
    """When that was recorded."""
    answer: Acknowledgement | None = None
    """None where the command was dead-lettered instead."""
    length: int = 0
    is_on_wire: bool = True
    """Whether a user waits."""
    due_ns: int = NEVER_NS
    """When the user's time is over, by the clock of the deadlines."""
    user: greenlet = field(default_factory=getcurrent)

    def expire(self) -> None:
        """Have the user go on with an OverdueError, wherever it waits."""
        self.user.throw(OverdueError)

    def give_up(self) -> None:
        """Take in that its user waits no more: the reply will be late."""
        self.is_on_wire, self.due_ns = False, NEVER_NS


class Replies:
    """Tells each command's reply to whoever waits for it. All of it is on gevent's thread."""

    def __init__(
        self, platform: Platform, ids: Ids, ledger: Ledger, say: Callable[[str], None]
    ) -> None:
        """`say` gets one sentence when the first reply of a kind comes that should not."""
        self._platform, self._ids, self._ledger, self._say = platform, ids, ledger, say
        self._awaited: dict[bytes, Awaited] = {}
        self.counts = Counts()

    def __len__(self) -> int:
        """Return how many commands have no final reply yet."""
        return len(self._awaited)

    def __contains__(self, correl_id: bytes) -> bool:
        """Tell whether an attempt's final reply is still to come."""
        return correl_id in self._awaited

    def expect(self, correl_id: bytes, awaited: Awaited) -> None:
        """Begin to wait for the reply to an attempt; before it is put."""
        self._awaited[correl_id] = awaited

    def forget(self, correl_id: bytes) -> None:
        """Wait no more: nothing was put."""
        self._awaited.pop(correl_id, None)

    def overdue(self) -> list[bytes]:
        """Return the ids of those that nobody waits for any more, and whose outcome is open."""
        return [key for key, awaited in self._awaited.items() if not awaited.is_on_wire]

    # -- what comes -----------------------------------------------------------------------------

    def take(self, got: Got) -> None:
        """Take in a message from a reply queue."""
        md = got.md
        body = without_headers(got.body, md.format, md.encoding)
        reply = self._platform.read_reply(MqReply(body, md.correl_id))
        awaited = self._awaited.get(md.correl_id)
        if reply is None:
            self._unreadable(md.correl_id, body)
        elif awaited is None:
            self._unexpected(md.correl_id, reply)
        elif not _agrees(md.correl_id, reply, awaited.command_id):
            self._misdirected(reply)
        else:
            self._told(md.correl_id, awaited, reply, len(got.body))

    def put_aside(self, got: Got) -> None:
        """Take in a message from the backout queue; those of other runs are passed over."""
        correlation = Correlation.unpack(got.md.correl_id, self._ids.shards)
        if correlation is None or correlation.tag != self._ids.tag:
            return
        awaited = self._awaited.pop(got.md.correl_id, None)
        if awaited is None:
            # Seen before, and browsed again after a broken connection.
            return
        reason = "on the backout queue"
        attempt = awaited.attempt if awaited.is_on_wire else None
        awaited.at_ns = self._ledger.dead_lettered(awaited.place, attempt, reason)
        awaited.is_on_wire = False
        awaited.answered.set()
        self._count("dead_lettered", f"command {awaited.command_id} stands on the backout queue")

    def _told(self, key: bytes, awaited: Awaited, reply: Reply, length: int) -> None:
        account_id = reply.account_id if awaited.creates is not None else None
        if awaited.account_id is not None and reply.account_id not in (None, awaited.account_id):
            self._count(
                "other_account", f"a reply to {awaited.command_id} names {reply.account_id}"
            )
            self._ledger.other_account(awaited.place, awaited.attempt)
        if awaited.is_on_wire:
            awaited.is_on_wire = False
            awaited.answer = Acknowledgement(Acknowledged.ACCEPTED, account_id)
            awaited.length = length
            awaited.at_ns = self._ledger.acknowledged(
                awaited.place, awaited.answer, awaited.attempt
            )
            awaited.answered.set()
        else:
            if awaited.answer is None:
                self._count("late", f"the reply to command {awaited.command_id} came late")
            if awaited.creates is not None and account_id is not None:
                self._ledger.bound(awaited.creates, account_id)
        if reply.outcome:
            del self._awaited[key]
            self._ledger.completed(awaited.place, _completion(reply))

    def _unexpected(self, key: bytes, reply: Reply) -> None:
        correlation = Correlation.unpack(key, self._ids.shards)
        if correlation is None:
            self._count("orphans", f"correlation id {key.hex()} is nobody's")
            return
        if correlation.tag != self._ids.tag:
            self._count(
                "foreign", "a reply to another run: somebody shares the queue, or it was left"
            )
            return
        place = (correlation.lap, correlation.shard, correlation.index)
        own_id = self._ids.command_ids(place[0], place[1], [place[2]])[0]
        if not _agrees(key, reply, own_id):
            self._misdirected(reply)
            return
        if reply.account_id is not None and correlation.kind is Kind.ACCOUNT:
            self._ledger.bound(place, reply.account_id)
        if place in self._ledger.pending:
            self._count("late", f"the reply to command {own_id} came late")
        elif reply.outcome:
            # One that only acknowledges may be overtaken by the final one, with several readers.
            self._count("repeated", f"command {own_id} was answered once more")
        # A replay's own place is not in its id, and what it repeats has an outcome by itself.
        if reply.outcome and not correlation.attempt & REPLAY_ATTEMPT:
            self._ledger.completed(place, _completion(reply))

    def _unreadable(self, key: bytes, body: bytes) -> None:
        self._count("unreadable", f"{body[:80]!r} is no reply that the adapter can read")
        correlation = Correlation.unpack(key)
        if correlation is not None and correlation.tag == self._ids.tag:
            place = (correlation.lap, correlation.shard, correlation.index)
            self._ledger.unreadable(place, correlation.attempt)

    def _misdirected(self, reply: Reply) -> None:
        self._count(
            "misdirected", f"a reply names command {reply.command_id}, and has another's id"
        )
        about = self._ids.decode([reply.command_id])
        if about.known[0]:
            place = (int(about.lap[0]), int(about.shard[0]), int(about.index[0]))
            self._ledger.misdirected(place)

    def _count(self, kind: str, example: str) -> None:
        count = getattr(self.counts, kind) + 1
        setattr(self.counts, kind, count)
        if count == 1:
            self._say(f"{kind.replace('_', '-')}: {example}")


def _agrees(key: bytes, reply: Reply, command_id: str) -> bool:
    """Tell whether what a reply says inside fits the id that it came under."""
    return reply.command_id == command_id and reply.correlation_id in ("", key.hex())


def _completion(reply: Reply) -> Completion:
    return Completion(Outcome(reply.outcome), reply.reason, reply.flags)
