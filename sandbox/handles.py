"""Handles: the objects that a session has open, and what they were opened for."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.queues import Queue

HANDLES_MAX = 256
"""For each session."""

_FIRST = 2
_INPUTS = codes.MQOO_INPUT_AS_Q_DEF | codes.MQOO_INPUT_SHARED | codes.MQOO_INPUT_EXCLUSIVE
_NEEDS = {
    codes.MQRC_NOT_OPEN_FOR_INPUT: _INPUTS,
    codes.MQRC_NOT_OPEN_FOR_OUTPUT: codes.MQOO_OUTPUT,
    codes.MQRC_NOT_OPEN_FOR_BROWSE: codes.MQOO_BROWSE,
    codes.MQRC_NOT_OPEN_FOR_INQUIRE: codes.MQOO_INQUIRE,
    codes.MQRC_NOT_OPEN_FOR_SET: codes.MQOO_SET,
}
_USES = _INPUTS | codes.MQOO_OUTPUT | codes.MQOO_BROWSE | codes.MQOO_INQUIRE | codes.MQOO_SET


@dataclass(slots=True)
class Handle:
    """An open object: a queue, or the queue manager where `queue` is None."""

    queue: Queue | None
    options: int
    owns_queue: bool = False
    """Whether the queue was made for this handle, and goes with it."""
    cursor: int = -1
    """The place of the message that was browsed last."""


class Handles:
    """The handles of one session. Methods raise Failed."""

    def __init__(self) -> None:
        self._open: dict[int, Handle] = {}
        self._last = _FIRST - 1

    def numbers(self) -> list[int]:
        """Return what is open."""
        return list(self._open)

    def check_room(self, options: int) -> None:
        """Raise Failed where another object cannot be opened, or not with these options."""
        if not options & _USES:
            raise Failed(codes.MQRC_OPTIONS_ERROR)
        if len(self._open) >= HANDLES_MAX:
            raise Failed(codes.MQRC_HANDLE_NOT_AVAILABLE)

    def add(self, handle: Handle) -> int:
        """Open an object and return its number."""
        queue, options = handle.queue, handle.options
        if queue is not None:
            if options & _INPUTS:
                if queue.is_exclusive or (queue.inputs and options & codes.MQOO_INPUT_EXCLUSIVE):
                    raise Failed(codes.MQRC_OBJECT_IN_USE)
                queue.inputs += 1
                queue.is_exclusive = bool(options & codes.MQOO_INPUT_EXCLUSIVE)
            if options & codes.MQOO_OUTPUT:
                queue.outputs += 1
        self._last += 1
        self._open[self._last] = handle
        return self._last

    def remove(self, number: int) -> Handle:
        """Close an object and return what it was."""
        handle = self.at(number)
        del self._open[number]
        queue = handle.queue
        if queue is not None:
            if handle.options & _INPUTS:
                queue.inputs -= 1
                queue.is_exclusive = False
            if handle.options & codes.MQOO_OUTPUT:
                queue.outputs -= 1
        return handle

    def at(self, number: int) -> Handle:
        """Return an open object."""
        handle = self._open.get(number)
        if handle is None:
            raise Failed(codes.MQRC_HOBJ_ERROR)
        return handle

    def opened_for(self, number: int, otherwise: int) -> Handle:
        """Return an object that is open for a use; else fail with `otherwise`, which names the use."""
        handle = self.at(number)
        if not handle.options & _NEEDS[otherwise]:
            raise Failed(otherwise)
        if handle.queue is not None and handle.queue.is_deleted:
            raise Failed(codes.MQRC_Q_DELETED)
        return handle

    def queue_for(self, number: int, otherwise: int) -> tuple[Handle, Queue]:
        """Return the same, of what must be a queue."""
        handle = self.opened_for(number, otherwise)
        if handle.queue is None:
            raise Failed(codes.MQRC_HOBJ_ERROR)
        return handle, handle.queue
