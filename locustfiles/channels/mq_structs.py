"""The MQI's structures as both bindings take them, packed beforehand.

The bindings pack and unpack some fifty fields of each call one by one, in Python, which takes several
times as long as all else that a put or get needs here. Of a message's descriptor only a few differ from
one to the next, and stand at fixed places (IBM's C headers; alike in both bindings). So a structure is
packed once by the binding's own class, and copied with what is different.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

CCSID_UTF8 = 1208
FORMAT_STRING = b"MQSTR"
NO_ID = bytes(24)
UNLIMITED = -1

_IDS = 48, 96
"""Where an MQMD's MsgId begins, and where its CorrelId ends."""
_READ = Struct("=24x2i8s4xi24s24si48s")
"""Encoding, CCSID, Format, Persistence, MsgId, CorrelId, BackoutCount and ReplyToQ of an MQMD."""


class Descriptor(NamedTuple):
    """What matters of an MQMD that came with a message; texts without their padding."""

    encoding: int
    ccsid: int
    format: bytes
    persistence: int
    msg_id: bytes
    correl_id: bytes
    backouts: int
    reply_to: bytes


class Structs:
    """Makes the structures of one binding; `mq` is its package."""

    def __init__(self, mq: Any) -> None:
        self._mq = mq
        self._md, self._pmo, self._gmo = (_packed(base) for base in (mq.MD, mq.PMO, mq.GMO))
        # Of an instance each: what one binding packs is not for the other.
        self._md_bytes = lru_cache(maxsize=256)(self._md_bytes)  # type: ignore[method-assign]
        self._pmo_bytes = lru_cache(maxsize=32)(self._pmo_bytes)  # type: ignore[method-assign]
        self._gmo_bytes = lru_cache(maxsize=64)(self._gmo_bytes)  # type: ignore[method-assign]

    def descriptor(self, msg_id: bytes, correl_id: bytes, **fields: Any) -> Any:
        """Return an MQMD with two ids of 24 bytes, and other fields by IBM's names."""
        packed = self._md_bytes(**fields)
        start, end = _IDS
        return self._md(packed[:start] + msg_id + correl_id + packed[end:])

    def put_options(self, options: int) -> Any:
        """Return an MQPMO."""
        return self._pmo(self._pmo_bytes(options))

    def get_options(self, options: int, wait_ms: int, match: int) -> Any:
        """Return an MQGMO."""
        return self._gmo(self._gmo_bytes(options, wait_ms, match), Options=options)

    def _md_bytes(self, **fields: Any) -> bytes:
        return bytes(self._mq.MD(**fields).pack())

    def _pmo_bytes(self, options: int) -> bytes:
        return bytes(self._mq.PMO(Options=options).pack())

    def _gmo_bytes(self, options: int, wait_ms: int, match: int) -> bytes:
        # Below version 2 what is to be matched would be ignored.
        version = self._mq.CMQC.MQGMO_VERSION_2
        made = self._mq.GMO(
            Version=version, Options=options, WaitInterval=wait_ms, MatchOptions=match
        )
        return bytes(made.pack())


def read(md: Any) -> Descriptor:
    """Read a descriptor that a call filled in."""
    encoding, ccsid, form, persistence, msg_id, correl_id, backouts, reply_to = _READ.unpack_from(
        md.packed
    )
    return Descriptor(
        encoding, ccsid, text(form), persistence, msg_id, correl_id, backouts, text(reply_to)
    )


def text(field: bytes) -> bytes:
    """Return what a field says, without the NULs or blanks that fill it up."""
    return field.partition(b"\0")[0].rstrip()


def _packed(base: Any) -> Any:
    """Return a structure's class whose instances are bytes already; the binding takes it for its own."""

    class Packed(base):  # type: ignore[misc]
        # Not by the base, which would set every field.
        def __init__(self, packed: bytes, **read_by_the_binding: int) -> None:
            self.__dict__.update(_READ_BY_THE_BINDING, **read_by_the_binding, packed=packed)

        def pack(self) -> bytes:
            return bytes(self.__dict__["packed"])

        def unpack(self, buff: bytes, *_: Any) -> Any:
            self.__dict__["packed"] = buff
            return self

    return Packed


_READ_BY_THE_BINDING = {"Encoding": 0, "CodedCharSetId": CCSID_UTF8, "Options": 0}
"""Fields that `get` looks at, to put them back where it has to get a longer message once more."""
