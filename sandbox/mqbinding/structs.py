"""Structs: the MQI's structures as packed bytes, the parts of them that matter here.

They are laid out as C does on 64-bit little-endian machines. What a program fills in is padded with
NULs; what a queue manager answers is padded with blanks.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from sandbox.mqbinding import codes

NAME_BYTES = 48
ID_BYTES = 24
NO_ID = bytes(ID_BYTES)
"""MQMI_NONE and MQCI_NONE: no message id, no correlation id."""

_MD = Struct("<4s7i8s2i24s24si48s48s12s32s32si28s8s8s4s24s4i")
MD_BYTES = _MD.size

MD_START = Struct("<4s7i8s2i24s24si48s48s")
"""The part of a descriptor that a program fills in, up to ReplyToQMgr."""
MD_CONTEXT = Struct("<12s32s32si28s8s8s4s")
"""The part that follows, and that the queue manager fills in: who put the message, and when."""

MD_VERSION = 2
MD_EXPIRY = 16
MD_ENCODING = 24
MD_MSG_ID = 48
MD_BACKOUT_COUNT = 96
MD_GROUP = 324
"""Where the part of groups and segments begins; these are passed on and not interpreted."""
NO_GROUP = Struct("<24s4i").pack(b"", 1, 0, 0, -1)
"""That part, for a message that is in no group."""

OD_NAME = slice(12, 60)
OD_RESOLVED = slice(248, 344)
PMO_RESOLVED = slice(32, 128)
GMO_RESOLVED = slice(24, 72)
GMO_MATCH = 72
GMO_TOKEN = slice(80, 96)

INT = Struct("<i")
_OPTIONS = Struct("<I")


class Descriptor(NamedTuple):
    """All of an MQMD, in its order; texts are padded as they were found."""

    struc_id: bytes = b"MD  "
    version: int = MD_VERSION
    report: int = 0
    msg_type: int = codes.MQMT_DATAGRAM
    expiry: int = codes.MQEI_UNLIMITED
    """In tenths of a second."""
    feedback: int = 0
    encoding: int = codes.MQENC_NATIVE
    ccsid: int = codes.MQCCSI_Q_MGR
    format: bytes = b""
    priority: int = codes.MQPRI_PRIORITY_AS_Q_DEF
    persistence: int = codes.MQPER_PERSISTENCE_AS_Q_DEF
    msg_id: bytes = b""
    correl_id: bytes = b""
    backout_count: int = 0
    reply_to_q: bytes = b""
    reply_to_q_mgr: bytes = b""
    user_identifier: bytes = b""
    accounting_token: bytes = b""
    appl_identity_data: bytes = b""
    put_appl_type: int = 0
    put_appl_name: bytes = b""
    put_date: bytes = b""
    put_time: bytes = b""
    appl_origin_data: bytes = b""
    group_id: bytes = b""
    msg_seq_number: int = 1
    offset: int = 0
    msg_flags: int = 0
    original_length: int = -1

    def pack(self) -> bytes:
        """Write it as MD_BYTES bytes."""
        return _MD.pack(*self)

    @classmethod
    def unpack(cls, md: bytes) -> Descriptor:
        """Read it from MD_BYTES bytes."""
        return cls(*_MD.unpack(md))


def text(field: bytes) -> bytes:
    """Return what a field says without its padding: to the first NUL, less trailing blanks."""
    return field.partition(b"\0")[0].rstrip()


def padded(value: bytes, size: int) -> bytes:
    """Return `value` as a field of `size` bytes, padded with blanks, cut where it is longer."""
    return value.ljust(size)[:size]


def integer(struct: bytes, offset: int) -> int:
    """Return the integer at an offset of a structure."""
    return int(INT.unpack_from(struct, offset)[0])


def options(struct: bytes) -> int:
    """Return the options of an MQPMO or MQGMO, which stand at the same place."""
    return int(_OPTIONS.unpack_from(struct, 8)[0])


def replaced(struct: bytes, part: slice, value: bytes) -> bytes:
    """Return a structure with a part of it replaced by as many bytes."""
    return struct[: part.start] + value + struct[part.stop :]
