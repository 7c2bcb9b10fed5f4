"""The protocol between the stand-ins for IBM's client library and the sandbox's queue manager.

It is ours, not IBM's. Each frame is a length and as many bytes. A client sends a call, waits for its
answer, and sends the next; but it may give a call up with CANCEL, which has no answer, and go on.
Numbers and structures are little-endian.

    call      length u32 | number u32 | verb u32 | what the verb takes
    answer    length u32 | number u32 | completion i32 | reason i32 | what the verb gives

`number` is the call's, by which its answer is known: the answer of a call that was given up may
still come, and is passed over. Where a call fails (completion 2), nothing follows the reason.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

VERSION = 1

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
"""The longest message, as of a queue manager that nobody configured otherwise."""
FRAME_BYTES_MAX = MESSAGE_BYTES_MAX + 1024
GREETING_BYTES_MAX = 4096
"""The longest frame before a client has connected."""


class Verb(IntEnum):
    """What a client may ask for, with what follows in the call, and in the answer after the arrow."""

    CONNECT = 1
    """HELLO, user, password -> WELCOME"""
    DISCONNECT = 2
    """nothing -> nothing; what is uncommitted is committed, as MQDISC does"""
    OPEN = 3
    """OPENING -> OPENED"""
    CLOSE = 4
    """CLOSING -> nothing"""
    PUT = 5
    """PUTTING, an MQMD, the message -> the MQMD, PUT_TO"""
    PUT1 = 6
    """OPENING, options of the put, an MQMD, the message -> the MQMD, PUT_TO"""
    GET = 7
    """GETTING -> GOT, the MQMD, as much of the message as fits"""
    COMMIT = 8
    """nothing -> nothing"""
    BACK = 9
    """nothing -> nothing"""
    INQUIRE = 10
    """INQUIRING, selectors -> the count of integers, the integers, the texts"""
    SET = 11
    """INQUIRING, selectors, an integer for each -> nothing"""
    CANCEL = 12
    """the number of the call that is given up; no answer"""


LENGTH = Struct("<I")
CALL = Struct("<III")
ANSWER = Struct("<IIii")

HELLO = Struct("<I48s20s28s12sHH")
"""Version, queue manager, channel, application, its user; the lengths of user and password."""
WELCOME = Struct("<48sI")
"""The queue manager's name, and the longest message that it takes."""
OPENING = Struct("<iI48s48s48s")
"""Object type, options, its name, its queue manager's, and the name for a dynamic queue."""
OPENED = Struct("<i48s48s")
"""The handle; the queue's name, and its queue manager's."""
CLOSING = Struct("<iI")
"""The handle, options."""
PUTTING = Struct("<iI")
"""The handle, options."""
PUT_TO = Struct("<48s48s")
"""The queue's name, and its queue manager's."""
GETTING = Struct("<iIiIii24s24s")
"""Handle, options, wait in ms, match options, room in bytes, CCSID, MsgId, CorrelId."""
GOT = Struct("<I48s16s")
"""The message's whole length, the queue's name, the message's token."""
INQUIRING = Struct("<iI")
"""The handle, and the count of selectors."""
NUMBER = Struct("<I")


def frame(head: Struct, number: int, *rest: int, body: bytes) -> bytes:
    """Return a frame of CALL or ANSWER with what follows."""
    return head.pack(head.size - LENGTH.size + len(body), number, *rest) + body
