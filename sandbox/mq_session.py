"""A session: one program's connection to the queue manager, its handles and its unit of work."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sandbox import attributes, gets, puts
from sandbox.gets import Get, Wanted
from sandbox.handles import Handle, Handles
from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.structs import text
from sandbox.queue_manager import UNCOMMITTED_MAX, QueueManager
from sandbox.queues import Message, Queue

log = logging.getLogger("sandbox.mq")

_DELETES = codes.MQCO_DELETE | codes.MQCO_DELETE_PURGE


class Session:
    """What one program may call. Methods raise Failed, with the MQI's reason.

    It begins where the queue manager lets the program in, and ends with `disconnect`, or with
    `abandon` where the program is gone. `take`, `now_ns` and `next_number` are for its gets.
    """

    def __init__(
        self,
        manager: QueueManager,
        *,
        name: bytes = b"",
        channel: bytes | None = None,
        user: bytes = b"",
        password: bytes = b"",
        application: bytes = b"",
    ) -> None:
        """Connect; without a channel, as a part of the queue manager's own process."""
        if channel is not None:
            manager.check(name, channel, user, password)
        manager.sessions += 1
        self.manager = manager
        self._context = puts.Context(user, application)
        self._handles = Handles()
        self._puts: list[tuple[Queue, Message]] = []
        self._gets: list[tuple[Queue, Message]] = []
        self._taken: tuple[Queue, Message] | None = None
        self.now_ns = manager.clock_ns
        self.next_number = manager.next_number

    # -- objects ------------------------------------------------------------------------------------

    def open(
        self, object_type: int, options: int, name: bytes, manager: bytes, dynamic: bytes
    ) -> tuple[int, Queue | None]:
        """Open a queue, or the queue manager; returns the handle, and the queue."""
        self._check_quiescing(options, codes.MQOO_FAIL_IF_QUIESCING)
        self._handles.check_room(options)
        if object_type == codes.MQOT_Q_MGR:
            return self._handles.add(Handle(None, options)), None
        if object_type != codes.MQOT_Q:
            raise Failed(codes.MQRC_OBJECT_TYPE_ERROR)
        queue, is_new = self.manager.queue_for(text(name), text(manager), text(dynamic))
        return self._handles.add(Handle(queue, options, owns_queue=is_new)), queue

    def close(self, number: int, options: int) -> None:
        """Close an object; a queue that was made for its handle is gone with it."""
        handle = self._handles.at(number)
        queue = handle.queue
        if options & _DELETES and not handle.owns_queue:
            raise Failed(codes.MQRC_OPTION_NOT_VALID_FOR_TYPE)
        if queue is not None and options & codes.MQCO_DELETE and queue.depth():
            raise Failed(codes.MQRC_Q_NOT_EMPTY)
        self._handles.remove(number)
        if queue is not None and handle.owns_queue:
            self.manager.delete(queue)

    def inquire(self, number: int, selectors: Sequence[int]) -> tuple[list[int], bytes]:
        """Return the integers and the texts that attributes have."""
        handle = self._handles.opened_for(number, codes.MQRC_NOT_OPEN_FOR_INQUIRE)
        if handle.queue is None:
            return attributes.OF_MANAGER.inquire(self.manager, selectors)
        return attributes.OF_QUEUE.inquire(handle.queue, selectors)

    def set(self, number: int, selectors: Sequence[int], values: Sequence[int]) -> None:
        """Set attributes of a queue."""
        _, queue = self._handles.queue_for(number, codes.MQRC_NOT_OPEN_FOR_SET)
        attributes.set_of_queue(queue, selectors, values)

    # -- messages -----------------------------------------------------------------------------------

    def put(self, number: int, options: int, md: bytes, body: bytes) -> tuple[Queue, Message, int]:
        """Put a message; returns the queue, the message, and a warning's reason or MQRC_NONE."""
        _, queue = self._handles.queue_for(number, codes.MQRC_NOT_OPEN_FOR_OUTPUT)
        return self._put(queue, options, md, body)

    def put1(
        self, object_type: int, name: bytes, manager: bytes, options: int, md: bytes, body: bytes
    ) -> tuple[Queue, Message, int]:
        """Put a message on a queue that is not open; returns the same."""
        if object_type != codes.MQOT_Q:
            raise Failed(codes.MQRC_OBJECT_TYPE_ERROR)
        return self._put(self.manager.own_queue(text(name), text(manager)), options, md, body)

    def get(self, wanted: Wanted) -> Get:
        """Return the get of a message, to be asked for it."""
        gets.check(wanted)
        self._check_quiescing(wanted.options, codes.MQGMO_FAIL_IF_QUIESCING)
        handle, queue = self._handles.queue_for(wanted.handle, gets.otherwise(wanted.options))
        if queue.get_inhibited:
            raise Failed(codes.MQRC_GET_INHIBITED)
        return Get(self, handle, queue, wanted)

    def take(self, queue: Queue, message: Message, *, in_unit: bool) -> None:
        """Note that a message is taken off its queue by a get of this session."""
        if in_unit:
            self._check_unit()
            self._gets.append((queue, message))
        else:
            self.manager.write(gone=[message])
        self._taken = queue, message

    def put_back(self) -> None:
        """Undo the get that was the last call, since its message never reached the program."""
        if self._taken is None:
            return
        queue, message = self._taken
        self._taken = None
        if self._gets and self._gets[-1][1] is message:
            self._gets.pop()
        else:
            self.manager.write(puts=[(queue, message)])
        queue.restore(message)

    # -- units of work ------------------------------------------------------------------------------

    def commit(self) -> None:
        """Make the unit's puts available and its gets final, or fail and have changed nothing."""
        if not self._puts and not self._gets:
            return
        self.manager.write(puts=self._puts, gone=[message for _, message in self._gets])
        added, self._puts, self._gets, self._taken = self._puts, [], [], None
        for queue, message in added:
            queue.admit(message)

    def back(self) -> None:
        """Undo the unit's puts, and make its gets' messages available again, as backed out."""
        put, got = self._puts, self._gets
        self._puts, self._gets, self._taken = [], [], None
        for queue, message in put:
            queue.release(message)
        for _, message in got:
            message.backouts += 1
        try:
            self.manager.write(backed_out=[message for _, message in got])
        except Failed:
            log.warning("a restart would forget that %d messages were backed out", len(got))
        for queue, message in sorted(got, key=lambda each: each[1].place):
            queue.restore(message)

    def disconnect(self) -> None:
        """End the session in good order: what is uncommitted is committed, or backed out."""
        try:
            self.commit()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """End the session of a program that is gone: what is uncommitted is backed out."""
        self.back()
        for number in self._handles.numbers():
            self.close(number, codes.MQCO_NONE)
        self.manager.sessions -= 1

    def _put(
        self, queue: Queue, options: int, md: bytes, body: bytes
    ) -> tuple[Queue, Message, int]:
        puts.check_options(options)
        self._check_quiescing(options, codes.MQPMO_FAIL_IF_QUIESCING)
        in_unit = options & codes.MQPMO_SYNCPOINT
        if in_unit:
            self._check_unit()
        message, reason = puts.completed(md, body, options, queue, self.manager, self._context)
        queue.reserve(message)
        if in_unit:
            self._puts.append((queue, message))
            return queue, message, reason
        try:
            self.manager.write(puts=[(queue, message)])
        except Failed:
            queue.release(message)
            raise
        queue.admit(message)
        return queue, message, reason

    def _check_unit(self) -> None:
        if len(self._puts) + len(self._gets) >= UNCOMMITTED_MAX:
            raise Failed(codes.MQRC_SYNCPOINT_LIMIT_REACHED)

    def _check_quiescing(self, options: int, heeds: int) -> None:
        if self.manager.is_quiescing and options & heeds:
            raise Failed(codes.MQRC_Q_MGR_QUIESCING)
