"""A get: one MQGET, from its options to the message, whether it is there or must be waited for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sandbox.conversion import CCSID_UTF8, FORMAT_STRING, converted, without_headers
from sandbox.handles import Handle
from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.protocol import MESSAGE_BYTES_MAX
from sandbox.mqbinding.structs import NO_ID, Descriptor
from sandbox.queues import Match, Message, Queue

_SYNCPOINTS = codes.MQGMO_SYNCPOINT | codes.MQGMO_NO_SYNCPOINT | codes.MQGMO_SYNCPOINT_IF_PERSISTENT
_BROWSES = codes.MQGMO_BROWSE_FIRST | codes.MQGMO_BROWSE_NEXT | codes.MQGMO_BROWSE_MSG_UNDER_CURSOR
_UNDER_CURSOR = codes.MQGMO_MSG_UNDER_CURSOR | codes.MQGMO_BROWSE_MSG_UNDER_CURSOR
_CURSORS = _BROWSES | codes.MQGMO_MSG_UNDER_CURSOR
_OPTIONS = (
    _SYNCPOINTS
    | _CURSORS
    | codes.MQGMO_WAIT
    | codes.MQGMO_ACCEPT_TRUNCATED_MSG
    | codes.MQGMO_FAIL_IF_QUIESCING
    | codes.MQGMO_CONVERT
    | codes.MQGMO_PROPERTIES_FORCE_MQRFH2
    | codes.MQGMO_NO_PROPERTIES
    | codes.MQGMO_PROPERTIES_COMPATIBILITY
)
_CHANGES = codes.MQGMO_CONVERT | codes.MQGMO_NO_PROPERTIES
_MATCHES = codes.MQMO_MATCH_MSG_ID | codes.MQMO_MATCH_CORREL_ID


class Wanted(NamedTuple):
    """What a program asks for, in the order of the protocol's call."""

    handle: int
    options: int
    wait_ms: int
    match: int
    room: int
    ccsid: int
    msg_id: bytes
    correl_id: bytes


@dataclass(frozen=True, slots=True)
class Got:
    """A message as a program gets it."""

    completion: int
    reason: int
    queue: Queue
    message: Message
    md: bytes
    body: bytes
    """As much of it as fits."""
    length: int
    """Of all of it."""


class Getter(Protocol):
    """Whose get it is."""

    def take(self, queue: Queue, message: Message, *, in_unit: bool) -> None:
        """Note that a message is taken off its queue. Raises Failed where that cannot be."""

    def now_ns(self) -> int:
        """Return nanoseconds since 1970, UTC."""

    def next_number(self) -> int:
        """Return a number higher than all before it."""


class Get:
    """One MQGET. Ask `now`; where that gives None, `wait`, and `give_up` when the time is over."""

    __slots__ = ("_deliver", "_getter", "_handle", "_wanted", "match", "number", "queue")

    def __init__(self, getter: Getter, handle: Handle, queue: Queue, wanted: Wanted) -> None:
        self.queue = queue
        self.number = getter.next_number()
        msg_id, correl_id = wanted.msg_id, wanted.correl_id
        self.match: Match = (
            None if msg_id == NO_ID or not wanted.match & codes.MQMO_MATCH_MSG_ID else msg_id,
            None
            if correl_id == NO_ID or not wanted.match & codes.MQMO_MATCH_CORREL_ID
            else correl_id,
        )
        self._getter = getter
        self._handle = handle
        self._wanted = wanted
        self._deliver: Callable[[Got | Failed], None] | None = None

    def now(self) -> Got | None:
        """Get the message if it is there."""
        message = self._find()
        if message is None:
            return None
        got, is_taken = self._hand_over(message)
        if is_taken:
            self.queue.remove(message)
        return got

    def wait(self, deliver: Callable[[Got | Failed], None]) -> None:
        """Have the message delivered when it comes, once, unless `give_up` is called before."""
        self._deliver = deliver
        self.queue.waiters.add(self)

    @property
    def heeds_quiescing(self) -> bool:
        """Whether the program wants to be told when the queue manager ends."""
        return bool(self._wanted.options & codes.MQGMO_FAIL_IF_QUIESCING)

    def give_up(self) -> None:
        """Wait no more; nothing happens where it does not wait."""
        self.queue.waiters.discard(self)

    def offer(self, message: Message) -> bool:
        """Take the message that came, or look at it; True if it is taken off the queue."""
        assert self._deliver is not None
        try:
            got, is_taken = self._hand_over(message)
        except Failed as failed:
            self._deliver(failed)
            return False
        self._deliver(got)
        return is_taken

    def fail(self, reason: int) -> None:
        """End the waiting with a reason."""
        assert self._deliver is not None
        self.give_up()
        self._deliver(Failed(reason))

    def _find(self) -> Message | None:
        options, handle = self._wanted.options, self._handle
        if options & _UNDER_CURSOR:
            message = self.queue.at(handle.cursor)
            if message is None:
                raise Failed(codes.MQRC_NO_MSG_UNDER_CURSOR)
            return message
        after = handle.cursor if options & codes.MQGMO_BROWSE_NEXT else -1
        return self.queue.find(self.match, after)

    def _hand_over(self, message: Message) -> tuple[Got, bool]:
        """Return the message as it is got, and whether it is taken off the queue."""
        options = self._wanted.options
        md, body, reason = message.descriptor(self._getter.now_ns()), message.body, codes.MQRC_NONE
        if options & _CHANGES:
            md, body, reason = _changed(md, body, options, self._wanted.ccsid)
        is_taken = not options & _BROWSES
        length, room = len(body), min(self._wanted.room, MESSAGE_BYTES_MAX)
        if length > room:
            body = body[:room]
            reason = codes.MQRC_TRUNCATED_MSG_ACCEPTED
            if not options & codes.MQGMO_ACCEPT_TRUNCATED_MSG:
                reason, is_taken = codes.MQRC_TRUNCATED_MSG_FAILED, False
        if is_taken:
            self._getter.take(self.queue, message, in_unit=_in_unit(options, message))
        elif reason != codes.MQRC_TRUNCATED_MSG_FAILED:
            self._handle.cursor = message.place
        completion = codes.MQCC_WARNING if reason else codes.MQCC_OK
        return Got(completion, reason, self.queue, message, md, body, length), is_taken


def check(wanted: Wanted) -> None:
    """Raise Failed for options that contradict each other, or are not supported."""
    options = wanted.options
    cursors, syncpoints = options & _CURSORS, options & _SYNCPOINTS
    if (
        options & ~_OPTIONS
        or cursors & (cursors - 1)
        or syncpoints & (syncpoints - 1)
        or (options & _BROWSES and syncpoints & ~codes.MQGMO_NO_SYNCPOINT)
    ):
        raise Failed(codes.MQRC_OPTIONS_ERROR)
    if wanted.match & ~_MATCHES:
        raise Failed(codes.MQRC_MATCH_OPTIONS_ERROR)
    if options & codes.MQGMO_WAIT and wanted.wait_ms < codes.MQWI_UNLIMITED:
        raise Failed(codes.MQRC_WAIT_INTERVAL_ERROR)


def otherwise(options: int) -> int:
    """Return the reason that such a get fails with on a queue that is not open for it."""
    return codes.MQRC_NOT_OPEN_FOR_BROWSE if options & _BROWSES else codes.MQRC_NOT_OPEN_FOR_INPUT


def _in_unit(options: int, message: Message) -> bool:
    if options & codes.MQGMO_SYNCPOINT_IF_PERSISTENT:
        return message.is_persistent
    return bool(options & codes.MQGMO_SYNCPOINT)


def _changed(md: bytes, body: bytes, options: int, ccsid: int) -> tuple[bytes, bytes, int]:
    """Return descriptor and body as the options want them, and a warning's reason or MQRC_NONE."""
    descriptor = Descriptor.unpack(md)
    if options & codes.MQGMO_NO_PROPERTIES:
        descriptor, body = without_headers(descriptor, body)
    wanted = CCSID_UTF8 if ccsid == codes.MQCCSI_Q_MGR else ccsid
    reason = codes.MQRC_NONE
    if (
        options & codes.MQGMO_CONVERT
        and descriptor.format == FORMAT_STRING
        and descriptor.ccsid != wanted
    ):
        text = converted(body, descriptor.ccsid, wanted)
        if text is None:
            reason = codes.MQRC_NOT_CONVERTED
        else:
            descriptor, body = descriptor._replace(ccsid=wanted), text
    return descriptor.pack(), body, reason
