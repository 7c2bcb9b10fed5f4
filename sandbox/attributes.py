"""Attributes: what MQINQ tells of a queue or of the queue manager, and what MQSET changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from sandbox.conversion import CCSID_UTF8
from sandbox.handles import HANDLES_MAX
from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.protocol import MESSAGE_BYTES_MAX
from sandbox.mqbinding.structs import NAME_BYTES, padded
from sandbox.queue_manager import (
    DEAD_LETTER_QUEUE,
    DESCRIPTION,
    UNCOMMITTED_MAX,
    QueueManager,
)
from sandbox.queues import PRIORITY_MAX, Queue

_COMMAND_LEVEL = 1000
_DESCRIPTION_BYTES = 64

Of = TypeVar("Of")


class Attributes(Generic[Of]):
    """The attributes of a kind of object: integers, and texts with their lengths in bytes."""

    def __init__(
        self,
        integers: Mapping[int, Callable[[Of], int]],
        texts: Mapping[int, tuple[int, Callable[[Of], str]]],
    ) -> None:
        self._integers = integers
        self._texts = texts

    def inquire(self, of: Of, selectors: Sequence[int]) -> tuple[list[int], bytes]:
        """Return the integers, and the texts as fields one after the other, as selected.

        Raises Failed for an attribute that there is not.
        """
        integers, texts = [], []
        for selector in selectors:
            if selector in self._integers:
                integers.append(self._integers[selector](of))
            elif selector in self._texts:
                size, value = self._texts[selector]
                texts.append(padded(value(of).encode(), size))
            else:
                raise Failed(codes.MQRC_SELECTOR_ERROR)
        return integers, b"".join(texts)


OF_QUEUE: Attributes[Queue] = Attributes(
    {
        codes.MQIA_CURRENT_Q_DEPTH: Queue.depth,
        codes.MQIA_MAX_Q_DEPTH: lambda queue: queue.definition.depth_max,
        codes.MQIA_MAX_MSG_LENGTH: lambda queue: queue.definition.message_bytes_max,
        codes.MQIA_OPEN_INPUT_COUNT: lambda queue: queue.inputs,
        codes.MQIA_OPEN_OUTPUT_COUNT: lambda queue: queue.outputs,
        codes.MQIA_INHIBIT_GET: lambda queue: int(queue.get_inhibited),
        codes.MQIA_INHIBIT_PUT: lambda queue: int(queue.put_inhibited),
        codes.MQIA_BACKOUT_THRESHOLD: lambda queue: queue.definition.backout_threshold,
        codes.MQIA_HARDEN_GET_BACKOUT: lambda _: 1,
        codes.MQIA_DEF_PERSISTENCE: lambda queue: int(queue.definition.is_persistent),
        codes.MQIA_DEF_PRIORITY: lambda queue: queue.definition.priority,
        codes.MQIA_DEF_INPUT_OPEN_OPTION: lambda _: codes.MQOO_INPUT_SHARED,
        codes.MQIA_SHAREABILITY: lambda _: 1,
        codes.MQIA_MSG_DELIVERY_SEQUENCE: lambda _: 0,
        codes.MQIA_USAGE: lambda _: 0,
        codes.MQIA_Q_TYPE: lambda _: codes.MQQT_LOCAL,
        codes.MQIA_DEFINITION_TYPE: lambda queue: (
            codes.MQQDT_TEMPORARY_DYNAMIC if queue.definition.is_dynamic else codes.MQQDT_PREDEFINED
        ),
    },
    {
        codes.MQCA_Q_NAME: (NAME_BYTES, lambda queue: queue.definition.name),
        codes.MQCA_BACKOUT_REQ_Q_NAME: (NAME_BYTES, lambda queue: queue.definition.backout_queue),
        codes.MQCA_Q_DESC: (_DESCRIPTION_BYTES, lambda _: DESCRIPTION),
    },
)
OF_MANAGER: Attributes[QueueManager] = Attributes(
    {
        codes.MQIA_CODED_CHAR_SET_ID: lambda _: CCSID_UTF8,
        codes.MQIA_COMMAND_LEVEL: lambda _: _COMMAND_LEVEL,
        codes.MQIA_PLATFORM: lambda _: codes.MQPL_UNIX,
        codes.MQIA_SYNCPOINT: lambda _: 1,
        codes.MQIA_MAX_HANDLES: lambda _: HANDLES_MAX,
        codes.MQIA_MAX_UNCOMMITTED_MSGS: lambda _: UNCOMMITTED_MAX,
        codes.MQIA_MAX_MSG_LENGTH: lambda _: MESSAGE_BYTES_MAX,
        codes.MQIA_MAX_PRIORITY: lambda _: PRIORITY_MAX,
    },
    {
        codes.MQCA_Q_MGR_NAME: (NAME_BYTES, lambda manager: manager.settings.name),
        codes.MQCA_Q_MGR_IDENTIFIER: (
            NAME_BYTES,
            lambda manager: f"{manager.settings.name}_sandbox",
        ),
        codes.MQCA_Q_MGR_DESC: (_DESCRIPTION_BYTES, lambda _: DESCRIPTION),
        codes.MQCA_DEAD_LETTER_Q_NAME: (NAME_BYTES, lambda _: DEAD_LETTER_QUEUE),
    },
)


def set_of_queue(queue: Queue, selectors: Sequence[int], values: Sequence[int]) -> None:
    """Inhibit or allow gets and puts; waiting gets end where gets are inhibited. Raises Failed."""
    if len(selectors) != len(values):
        raise Failed(codes.MQRC_SELECTOR_COUNT_ERROR)
    for selector, value in zip(selectors, values, strict=True):
        if value not in (0, 1):
            raise Failed(codes.MQRC_INHIBIT_VALUE_ERROR)
        if selector == codes.MQIA_INHIBIT_PUT:
            queue.put_inhibited = bool(value)
        elif selector == codes.MQIA_INHIBIT_GET:
            queue.inhibit_get(inhibited=bool(value))
        else:
            raise Failed(codes.MQRC_SELECTOR_ERROR)
