"""Conversion: a message's text from one character set into another, and off with its RFH2 headers."""

from __future__ import annotations

from struct import Struct

from sandbox.mqbinding.structs import Descriptor, text

FORMAT_STRING = b"MQSTR   "
FORMAT_RFH2 = b"MQHRF2  "
CCSID_UTF8 = 1208

# fmt: off
_CODECS = {
    37: "cp037", 437: "cp437", 500: "cp500", 819: "latin-1", 850: "cp850", 858: "cp858",
    923: "iso8859-15", 1140: "cp1140", 1200: "utf-16-be", 1202: "utf-16-le",
    CCSID_UTF8: "utf-8", 1250: "cp1250", 1251: "cp1251", 1252: "cp1252",
}
# fmt: on
_LITTLE, _BIG = Struct("<4siiii8s"), Struct(">4siiii8s")
_REVERSED_INTEGERS = 0x2
"""The nibble of an MQMD's encoding that says how integers stand, and its value for little-endian."""


def converted(body: bytes, ccsid: int, wanted: int) -> bytes | None:
    """Return a text in another character set, or None where that cannot be."""
    source, target = _CODECS.get(ccsid), _CODECS.get(wanted)
    if source is None or target is None:
        return None
    try:
        return body.decode(source).encode(target)
    except (UnicodeError, LookupError):
        return None


def without_headers(md: Descriptor, body: bytes) -> tuple[Descriptor, bytes]:
    """Take RFH2 headers off: the message's properties; a header that is none stays.

    Returns the descriptor of what follows them, and that.
    """
    while text(md.format) == text(FORMAT_RFH2):
        head = _LITTLE if md.encoding & 0xF == _REVERSED_INTEGERS else _BIG
        if len(body) < head.size:
            break
        struc_id, _, length, encoding, ccsid, format_ = head.unpack_from(body)
        if struc_id != b"RFH " or not head.size <= length <= len(body):
            break
        md = md._replace(encoding=encoding, ccsid=ccsid, format=format_)
        body = body[length:]
    return md, body
