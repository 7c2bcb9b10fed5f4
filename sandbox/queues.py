"""Queues: messages in the order of priority and arrival, and the programs that wait for them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Protocol

from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.protocol import MESSAGE_BYTES_MAX
from sandbox.mqbinding.structs import INT, MD_BACKOUT_COUNT, MD_EXPIRY, NO_ID

PRIORITY_MAX = 9

Match = tuple[bytes | None, bytes | None]
"""The message id and the correlation id that are wanted; None for any."""
ANY: Match = (None, None)

_PLACE_BITS = 48
_TENTH_NS = 100_000_000
_SPARE = 64
"""How many entries of messages that are gone are borne before a list of them is made anew."""


@dataclass(slots=True, eq=False)
class Message:
    """A message as it stands on a queue; `place` orders it there, for as long as it lives."""

    place: int
    md: bytes
    """Its descriptor; what changes with time, expiry and backout count, is filled in at a get."""
    body: bytes
    msg_id: bytes
    correl_id: bytes
    is_persistent: bool
    expires_ns: int
    """Nanoseconds since 1970, UTC; 0 for never."""
    backouts: int = 0

    def descriptor(self, now_ns: int) -> bytes:
        """Return the descriptor as a get gives it: with the time left, and the backouts so far."""
        if not self.expires_ns and not self.backouts:
            return self.md
        md = bytearray(self.md)
        if self.expires_ns:
            INT.pack_into(md, MD_EXPIRY, max((self.expires_ns - now_ns) // _TENTH_NS, 1))
        INT.pack_into(md, MD_BACKOUT_COUNT, self.backouts)
        return bytes(md)


def place_of(priority: int, arrival: int) -> int:
    """Return what messages are ordered by: the higher priority first, then the earlier arrival."""
    return (PRIORITY_MAX - priority) << _PLACE_BITS | arrival


def arrival_of(place: int) -> int:
    """Return the number of arrival within a place."""
    return place & ((1 << _PLACE_BITS) - 1)


@dataclass(frozen=True, slots=True)
class Definition:
    """How a queue is defined."""

    name: str
    depth_max: int = 50_000
    message_bytes_max: int = MESSAGE_BYTES_MAX
    queue_bytes_max: int = 512 * 1024 * 1024
    backout_threshold: int = 0
    backout_queue: str = ""
    priority: int = 0
    is_persistent: bool = False
    is_dynamic: bool = False


class Waiter(Protocol):
    """A get that waits for a message. It is offered one message, or fails, and then waits no more."""

    match: Match
    number: int

    @property
    def heeds_quiescing(self) -> bool:
        """Whether the wait ends when the queue manager is about to."""

    def offer(self, message: Message) -> bool:
        """Give a message that matches; True if it is taken off the queue."""

    def fail(self, reason: int) -> None:
        """End the waiting with a reason."""


class Waiters:
    """The gets that wait at one queue, found by the ids that they want; the oldest goes first."""

    def __init__(self) -> None:
        self._by_match: dict[Match, dict[int, Waiter]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_match)

    def __iter__(self) -> Iterator[Waiter]:
        for waiters in list(self._by_match.values()):
            yield from list(waiters.values())

    def add(self, waiter: Waiter) -> None:
        """Have a get wait."""
        self._by_match.setdefault(waiter.match, {})[waiter.number] = waiter

    def discard(self, waiter: Waiter) -> None:
        """Have it wait no more; nothing happens where it does not wait."""
        waiters = self._by_match.get(waiter.match)
        if waiters is not None:
            waiters.pop(waiter.number, None)
            if not waiters:
                del self._by_match[waiter.match]

    def pop_for(self, message: Message) -> Waiter | None:
        """Return the oldest get that wants the message; it waits no more."""
        msg_id, correl_id = message.msg_id, message.correl_id
        oldest: Waiter | None = None
        for match in ((None, correl_id), ANY, (msg_id, None), (msg_id, correl_id)):
            waiters = self._by_match.get(match)
            if waiters:
                first = next(iter(waiters.values()))
                if oldest is None or first.number < oldest.number:
                    oldest = first
        if oldest is not None:
            self.discard(oldest)
        return oldest


class Queue:
    """One queue. Messages in a unit of work are not in it, but count where MQ counts them.

    `clock_ns` gives nanoseconds since 1970, UTC; `on_expired` is told of each message that expired.
    Methods that can fail raise Failed.
    """

    def __init__(
        self,
        definition: Definition,
        clock_ns: Callable[[], int],
        on_expired: Callable[[Message], None],
    ) -> None:
        self.definition = definition
        self.name = definition.name.encode()
        self.field = self.name.ljust(48)
        """The name as structures have it."""
        self.waiters = Waiters()
        self.put_inhibited = False
        self.get_inhibited = False
        self.is_deleted = False
        self.inputs = 0
        self.outputs = 0
        """How often it is open for input and for output."""
        self.is_exclusive = False
        self._clock_ns = clock_ns
        self._on_expired = on_expired
        self._messages: dict[int, Message] = {}
        self._order = _Places()
        self._by_id: dict[tuple[int, bytes], list[int]] = {}
        self._expiries: list[tuple[int, int]] = []
        self._reserved = 0
        self._bytes = 0

    # -- room ---------------------------------------------------------------------------------------

    def depth(self) -> int:
        """Count messages as MQ does: with uncommitted puts, without uncommitted gets."""
        self._expire()
        return len(self._messages) + self._reserved

    def reserve(self, message: Message) -> None:
        """Take room for a message that is being put, until it is admitted or `release`d."""
        definition, size = self.definition, len(message.body)
        if self.put_inhibited:
            raise Failed(codes.MQRC_PUT_INHIBITED)
        if size > definition.message_bytes_max:
            raise Failed(codes.MQRC_MSG_TOO_BIG_FOR_Q)
        if len(self._messages) + self._reserved >= definition.depth_max:
            self._expire()
            if len(self._messages) + self._reserved >= definition.depth_max:
                raise Failed(codes.MQRC_Q_FULL)
        if self._bytes + size > definition.queue_bytes_max:
            raise Failed(codes.MQRC_Q_SPACE_NOT_AVAILABLE)
        self._reserved += 1
        self._bytes += size

    def release(self, message: Message) -> None:
        """Give back the room of a message that is not put after all."""
        self._reserved -= 1
        self._bytes -= len(message.body)

    def inhibit_get(self, *, inhibited: bool) -> None:
        """Inhibit or allow gets; inhibiting ends those that wait."""
        self.get_inhibited = inhibited
        if inhibited:
            for waiter in self.waiters:
                waiter.fail(codes.MQRC_GET_INHIBITED)

    # -- messages -----------------------------------------------------------------------------------

    def admit(self, message: Message) -> None:
        """Make a message available that room was reserved for: to who waits for it, or for later."""
        self.release(message)
        self.restore(message)

    def restore(self, message: Message) -> None:
        """Make a message available again, or one of an earlier life; there is always room for it."""
        if message.expires_ns and message.expires_ns <= self._clock_ns():
            self._on_expired(message)
            return
        if self.is_deleted:
            return
        while (waiter := self.waiters.pop_for(message)) is not None:
            if waiter.offer(message):
                return
        place = message.place
        self._messages[place] = message
        self._order.add(place)
        self._bytes += len(message.body)
        for key in _keys(message):
            insort(self._by_id.setdefault(key, []), place)
        if message.expires_ns:
            heappush(self._expiries, (message.expires_ns, place))
            if len(self._expiries) > 2 * len(self._messages) + _SPARE:
                self._expiries = [entry for entry in self._expiries if entry[1] in self._messages]
                heapify(self._expiries)

    def find(self, match: Match, after: int = -1) -> Message | None:
        """Return the first message that matches, of those whose place is after `after`."""
        if not self._messages:
            return None
        self._expire()
        if match == ANY:
            place = self._order.next(after)
            return None if place is None else self._messages[place]
        msg_id, correl_id = match
        key = (0, msg_id) if msg_id is not None else (1, correl_id or b"")
        places = self._by_id.get(key, [])
        for index in range(bisect_right(places, after), len(places)):
            message = self._messages[places[index]]
            if correl_id is None or message.correl_id == correl_id:
                return message
        return None

    def at(self, place: int) -> Message | None:
        """Return the message at a place, or None if it is there no more."""
        self._expire()
        return self._messages.get(place)

    def remove(self, message: Message) -> None:
        """Take a message off."""
        place = message.place
        del self._messages[place]
        self._order.discard(place)
        self._bytes -= len(message.body)
        for key in _keys(message):
            places = self._by_id[key]
            if len(places) == 1:
                del self._by_id[key]
            else:
                del places[bisect_left(places, place)]

    def _expire(self) -> None:
        """Take off what has expired."""
        expiries = self._expiries
        if not expiries or expiries[0][0] > self._clock_ns():
            return
        now_ns = self._clock_ns()
        while expiries and expiries[0][0] <= now_ns:
            message = self._messages.get(heappop(expiries)[1])
            if message is not None:
                self.remove(message)
                self._on_expired(message)


class _Places:
    """Places in their order. Adding the last and taking the first, the usual cases, cost nothing."""

    def __init__(self) -> None:
        self._sorted: list[int] = []
        self._gone = 0
        """How many at the beginning are gone."""

    def add(self, place: int) -> None:
        if not self._sorted or place > self._sorted[-1]:
            self._sorted.append(place)
        else:
            insort(self._sorted, place, self._gone)

    def discard(self, place: int) -> None:
        index = bisect_left(self._sorted, place, self._gone)
        if index == self._gone:
            self._gone += 1
            if self._gone > _SPARE and 2 * self._gone > len(self._sorted):
                del self._sorted[: self._gone]
                self._gone = 0
        else:
            del self._sorted[index]

    def next(self, after: int) -> int | None:
        """Return the first place after another, or None."""
        index = self._gone if after < 0 else bisect_right(self._sorted, after, self._gone)
        return self._sorted[index] if index < len(self._sorted) else None


def _keys(message: Message) -> tuple[tuple[int, bytes], ...]:
    """Return what a message is found by; no correlation id is none to ask for."""
    if message.correl_id == NO_ID:
        return ((0, message.msg_id),)
    return (0, message.msg_id), (1, message.correl_id)
