"""A put: a descriptor checked, and completed with what the queue manager adds."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

from sandbox.conversion import CCSID_UTF8
from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.structs import (
    MD_CONTEXT,
    MD_GROUP,
    MD_START,
    MD_VERSION,
    NAME_BYTES,
    NO_GROUP,
    NO_ID,
    padded,
    text,
)
from sandbox.queues import PRIORITY_MAX, Definition, Message, Queue, place_of

_OPTIONS = (
    codes.MQPMO_SYNCPOINT
    | codes.MQPMO_NO_SYNCPOINT
    | codes.MQPMO_DEFAULT_CONTEXT
    | codes.MQPMO_NEW_MSG_ID
    | codes.MQPMO_NEW_CORREL_ID
    | codes.MQPMO_FAIL_IF_QUIESCING
    | codes.MQPMO_NO_CONTEXT
    | codes.MQPMO_ASYNC_RESPONSE
    | codes.MQPMO_SYNC_RESPONSE
)
_BOTH = codes.MQPMO_SYNCPOINT | codes.MQPMO_NO_SYNCPOINT
_TENTH_NS = 100_000_000
_HUNDREDTH_NS = 10_000_000
_SECOND_NS = 1_000_000_000


def check_options(options: int) -> None:
    """Raise Failed for put options that contradict each other, or are not supported."""
    if options & ~_OPTIONS or options & _BOTH == _BOTH:
        raise Failed(codes.MQRC_OPTIONS_ERROR)


class Context:
    """Who puts: the part of a descriptor that a queue manager fills in."""

    def __init__(self, user: bytes, application: bytes) -> None:
        self._user = padded(user, 12)
        self._application = padded(application, 28)

    def field(self, now_ns: int) -> bytes:
        """Return it as of a time, in nanoseconds since 1970, UTC."""
        second, rest_ns = divmod(now_ns, _SECOND_NS)
        moment = time.strftime("%Y%m%d%H%M%S", time.gmtime(second)).encode()
        return MD_CONTEXT.pack(
            self._user,
            b"",
            b" " * 32,
            codes.MQAT_UNIX,
            self._application,
            moment[:8],
            moment[8:] + b"%02d" % (rest_ns // _HUNDREDTH_NS),
            b" " * 4,
        )


class Stamps:
    """What makes messages of one queue manager distinct: ids, and numbers of arrival."""

    def __init__(self, manager: bytes, born_ns: int, arrivals: int) -> None:
        self._prefix = b"AMQ " + padded(manager, 12)
        # Counted from the time of birth, so that ids differ over restarts.
        self._ids = count(born_ns)
        self._arrivals = count(arrivals)

    def new_id(self) -> bytes:
        """Return a message id or correlation id that was not there before."""
        return self._prefix + next(self._ids).to_bytes(8)

    def place(self, priority: int) -> int:
        """Return the place of the message that arrives next."""
        return place_of(priority, next(self._arrivals))


class Manager(Protocol):
    """What a put needs of the queue manager."""

    name: bytes
    stamps: Stamps
    clock_ns: Callable[[], int]


def completed(
    md: bytes, body: bytes, options: int, queue: Queue, manager: Manager, context: Context
) -> tuple[Message, int]:
    """Make the message of a put from the descriptor that a program filled in.

    Returns it and a warning's reason, or MQRC_NONE; raises Failed for a descriptor that cannot be.
    """
    # fmt: off
    (struc_id, version, report, msg_type, expiry, feedback, encoding, ccsid, format_, asked,
     persistence, msg_id, correl_id, _, reply_to_q, reply_to_q_mgr) = MD_START.unpack_from(md)
    # fmt: on
    definition, stamps, now_ns = queue.definition, manager.stamps, manager.clock_ns()
    reply_to_q, reply_to_q_mgr = text(reply_to_q), text(reply_to_q_mgr)
    _check(struc_id, version, msg_type, expiry, reply_to_q)
    is_persistent = _is_persistent(persistence, definition)
    priority, reason = _priority(asked, definition.priority)
    if msg_id == NO_ID or options & codes.MQPMO_NEW_MSG_ID:
        msg_id = stamps.new_id()
    if options & codes.MQPMO_NEW_CORREL_ID:
        correl_id = stamps.new_id()
    if reply_to_q and not reply_to_q_mgr:
        reply_to_q_mgr = manager.name
    # fmt: off
    start = MD_START.pack(
        struc_id, MD_VERSION, report, msg_type, expiry, feedback, encoding, ccsid or CCSID_UTF8,
        padded(text(format_), 8), priority, is_persistent, msg_id, correl_id, 0,
        padded(reply_to_q, NAME_BYTES), padded(reply_to_q_mgr, NAME_BYTES),
    )
    # fmt: on
    message = Message(
        place=stamps.place(priority),
        md=start + context.field(now_ns) + (md[MD_GROUP:] if version == MD_VERSION else NO_GROUP),
        body=body,
        msg_id=msg_id,
        correl_id=correl_id,
        is_persistent=is_persistent,
        expires_ns=0 if expiry == codes.MQEI_UNLIMITED else now_ns + expiry * _TENTH_NS,
    )
    return message, reason


def _check(struc_id: bytes, version: int, msg_type: int, expiry: int, reply_to_q: bytes) -> None:
    if struc_id != b"MD  " or version not in (1, MD_VERSION):
        raise Failed(codes.MQRC_MD_ERROR)
    if expiry <= 0 and expiry != codes.MQEI_UNLIMITED:
        raise Failed(codes.MQRC_EXPIRY_ERROR)
    if msg_type == codes.MQMT_REQUEST and not reply_to_q:
        raise Failed(codes.MQRC_MISSING_REPLY_TO_Q)


def _is_persistent(asked: int, definition: Definition) -> bool:
    if asked == codes.MQPER_PERSISTENCE_AS_Q_DEF:
        return definition.is_persistent
    if asked not in (codes.MQPER_NOT_PERSISTENT, codes.MQPER_PERSISTENT):
        raise Failed(codes.MQRC_PERSISTENCE_ERROR)
    if asked == codes.MQPER_PERSISTENT and definition.is_dynamic:
        raise Failed(codes.MQRC_PERSISTENT_NOT_ALLOWED)
    return asked == codes.MQPER_PERSISTENT


def _priority(asked: int, default: int) -> tuple[int, int]:
    """Return the priority, and a warning's reason or MQRC_NONE."""
    if asked == codes.MQPRI_PRIORITY_AS_Q_DEF:
        return default, codes.MQRC_NONE
    if asked < 0:
        raise Failed(codes.MQRC_PRIORITY_ERROR)
    if asked > PRIORITY_MAX:
        return PRIORITY_MAX, codes.MQRC_PRIORITY_EXCEEDS_MAXIMUM
    return asked, codes.MQRC_NONE
