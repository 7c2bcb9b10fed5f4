"""Verbs: the functions of IBM's module `ibmmq.ibmmqc`, with its names, arguments and results.

Structures come and go as packed bytes, of the sizes that `ibmmq` packs. The last two results of each
function are completion and reason; where a call fails, the structures come back as they were.
"""

from __future__ import annotations

import atexit
import getpass
import socket
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import PurePath
from struct import Struct

from sandbox.mqbinding import channels, structs
from sandbox.mqbinding.channels import Channel, Credentials
from sandbox.mqbinding.codes import (
    MQCC_FAILED,
    MQHC_UNUSABLE_HCONN,
    MQHO_UNUSABLE_HOBJ,
    MQMO_MATCH_CORREL_ID,
    MQMO_MATCH_MSG_ID,
    MQRC_BUFFER_LENGTH_ERROR,
    MQRC_CALL_IN_PROGRESS,
    MQRC_GMO_ERROR,
    MQRC_HCONN_ERROR,
    MQRC_HOST_NOT_AVAILABLE,
    MQRC_MSG_TOO_BIG_FOR_Q,
    MQRC_OD_ERROR,
    MQRC_PMO_ERROR,
)
from sandbox.mqbinding.connection import Answer, Connection
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.protocol import (
    CLOSING,
    GETTING,
    GOT,
    HELLO,
    INQUIRING,
    MESSAGE_BYTES_MAX,
    OPENED,
    OPENING,
    PUTTING,
    VERSION,
    Verb,
)
from sandbox.mqbinding.structs import GMO_RESOLVED, GMO_TOKEN, MD_BYTES, PMO_RESOLVED

_CONNECT_S = 10
_PLAIN_CNO = b"CNO " + bytes(268)
_OD = Struct("<4s4xi48s48s48s")
_GMO = Struct("<4siIi")
_MD_WANTED = Struct("<28xi16x24s24s")
"""CCSID, MsgId and CorrelId of an MQMD."""
_INTS = Struct("<I")
_MATCH_IDS = MQMO_MATCH_MSG_ID | MQMO_MATCH_CORREL_ID

_connections: dict[int, Connection] = {}
_handles = count(0x10001)


@atexit.register
def _end() -> None:
    """Close what is left, so that nothing waits for an answer while the interpreter goes.

    A program that ends without MQDISC has its unit of work backed out.
    """
    while _connections:
        _connections.popitem()[1].close()


def MQCONN(name: str | bytes) -> tuple[int, int, int]:
    """Connect as the environment says; returns (connection, completion, reason)."""
    return MQCONNX(name.encode() if isinstance(name, str) else name, _PLAIN_CNO)


def MQCONNX(
    name: bytes,
    cno: bytes,
    cd: bytes | None = None,
    csp: bytes | None = None,
    sco: bytes | None = None,
    bno: bytes | None = None,
) -> tuple[int, int, int]:
    """Connect; returns (connection, completion, reason).

    `sco` is for TLS, and a channel with TLS is refused; `bno` is for a choice of queue managers.
    """
    try:
        channel = channels.channel_for(structs.text(name), cno, cd)
        connection = Connection(_dial(channel), shared=channels.shares_handle(cno))
    except Failed as failed:
        return MQHC_UNUSABLE_HCONN, MQCC_FAILED, failed.reason
    hello = _hello(name, channel, channels.credentials_in(cno, csp))
    completion, reason, _ = connection.call(Verb.CONNECT, hello)
    if completion == MQCC_FAILED:
        connection.close()
        return MQHC_UNUSABLE_HCONN, completion, reason
    handle = next(_handles)
    _connections[handle] = connection
    return handle, completion, reason


def MQDISC(hconn: int) -> tuple[int, int]:
    """Disconnect, and commit what is uncommitted; returns (completion, reason)."""
    completion, reason, _ = _call(hconn, Verb.DISCONNECT)
    if reason != MQRC_CALL_IN_PROGRESS and hconn in _connections:
        _connections.pop(hconn).close()
    return completion, reason


def MQOPEN(hconn: int, od: bytes, options: int) -> tuple[int, bytes, int, int]:
    """Open a queue or the queue manager; returns (object, MQOD, completion, reason)."""
    opening = _opening(od, options)
    if opening is None:
        return MQHO_UNUSABLE_HOBJ, od, MQCC_FAILED, MQRC_OD_ERROR
    completion, reason, body = _call(hconn, Verb.OPEN, opening)
    if completion == MQCC_FAILED:
        return MQHO_UNUSABLE_HOBJ, od, completion, reason
    handle, name, manager = OPENED.unpack(body)
    od = structs.replaced(od, structs.OD_NAME, name)
    return handle, structs.replaced(od, structs.OD_RESOLVED, name + manager), completion, reason


def MQCLOSE(hconn: int, hobj: int, options: int) -> tuple[int, int]:
    """Close an object; returns (completion, reason)."""
    completion, reason, _ = _call(hconn, Verb.CLOSE, CLOSING.pack(hobj, options))
    return completion, reason


def MQPUT(
    hconn: int, hobj: int, md: bytes, pmo: bytes, message: bytes
) -> tuple[bytes, bytes, int, int]:
    """Put a message; returns (MQMD, MQPMO, completion, reason)."""
    putting = PUTTING.pack(hobj, structs.options(pmo))
    return _put(hconn, md, pmo, Verb.PUT, putting, md, message)


def MQPUT1(
    hconn: int, od: bytes, md: bytes, pmo: bytes, message: bytes
) -> tuple[bytes, bytes, int, int]:
    """Put one message on a queue that is not open; returns (MQMD, MQPMO, completion, reason)."""
    opening = _opening(od, structs.options(pmo))
    if opening is None:
        return md, pmo, MQCC_FAILED, MQRC_OD_ERROR
    return _put(hconn, md, pmo, Verb.PUT1, opening, md, message)


def MQGET(
    hconn: int, hobj: int, md: bytes, gmo: bytes, room: int
) -> tuple[bytes, bytes, bytes, int, int, int]:
    """Get a message of which `room` bytes may come.

    Returns (message, MQMD, MQGMO, the message's whole length, completion, reason).
    """
    struc_id, version, options, wait_ms = _GMO.unpack_from(gmo)
    if struc_id != b"GMO ":
        return b"", md, gmo, 0, MQCC_FAILED, MQRC_GMO_ERROR
    if room < 0:
        return b"", md, gmo, 0, MQCC_FAILED, MQRC_BUFFER_LENGTH_ERROR
    match = structs.integer(gmo, structs.GMO_MATCH) if version > 1 else _MATCH_IDS
    wanted = _MD_WANTED.unpack_from(md)
    getting = GETTING.pack(hobj, options, wait_ms, match, room, *wanted)
    completion, reason, body = _call(hconn, Verb.GET, getting)
    if completion == MQCC_FAILED:
        return b"", md, gmo, 0, completion, reason
    length, name, token = GOT.unpack_from(body)
    head = GOT.size + MD_BYTES
    message = body[head:]
    return (
        message,
        body[GOT.size : head],
        _got(gmo, name, token, len(message)),
        length,
        completion,
        reason,
    )


def MQCMIT(hconn: int) -> tuple[int, int]:
    """Commit the unit of work; returns (completion, reason)."""
    completion, reason, _ = _call(hconn, Verb.COMMIT)
    return completion, reason


def MQBACK(hconn: int) -> tuple[int, int]:
    """Back the unit of work out; returns (completion, reason)."""
    completion, reason, _ = _call(hconn, Verb.BACK)
    return completion, reason


def MQINQ(
    hconn: int,
    hobj: int,
    selectors: Sequence[int],
    ints: Sequence[int],
    int_count: int,
    char_count: int,
    char_length: int,
) -> tuple[list[int], bytes, int, int]:
    """Ask for attributes; returns (integers, texts one after the other, completion, reason).

    What is to come follows from the selectors; the other arguments are for the C module.
    """
    completion, reason, body = _call(hconn, Verb.INQUIRE, _selection(hobj, selectors))
    if completion == MQCC_FAILED:
        return [], b"", completion, reason
    (found,) = _INTS.unpack_from(body)
    end = _INTS.size * (1 + found)
    return list(Struct(f"<{found}i").unpack(body[4:end])), body[end:], completion, reason


def MQSET(
    hconn: int,
    hobj: int,
    selectors: Sequence[int],
    ints: Sequence[int],
    chars: bytes,
) -> tuple[int, int]:
    """Set attributes that are integers; returns (completion, reason)."""
    values = Struct(f"<{len(ints)}i").pack(*ints)
    completion, reason, _ = _call(hconn, Verb.SET, _selection(hobj, selectors), values)
    return completion, reason


def _call(hconn: int, verb: Verb, *parts: bytes) -> Answer:
    connection = _connections.get(hconn)
    if connection is None:
        return MQCC_FAILED, MQRC_HCONN_ERROR, b""
    return connection.call(verb, *parts)


def _put(
    hconn: int, md: bytes, pmo: bytes, verb: Verb, *parts: bytes
) -> tuple[bytes, bytes, int, int]:
    if pmo[:4] != b"PMO ":
        return md, pmo, MQCC_FAILED, MQRC_PMO_ERROR
    if len(parts[-1]) > MESSAGE_BYTES_MAX:
        return md, pmo, MQCC_FAILED, MQRC_MSG_TOO_BIG_FOR_Q
    completion, reason, body = _call(hconn, verb, *parts)
    if completion == MQCC_FAILED:
        return md, pmo, completion, reason
    resolved = structs.replaced(pmo, PMO_RESOLVED, body[MD_BYTES:])
    return body[:MD_BYTES], resolved, completion, reason


def _got(gmo: bytes, name: bytes, token: bytes, returned: int) -> bytes:
    """Fill in what a queue manager fills in of an MQGMO of version 3 or later."""
    match = gmo[GMO_RESOLVED.stop : GMO_TOKEN.start]
    filled = gmo[: GMO_RESOLVED.start] + name + match + token + structs.INT.pack(returned)
    return filled + gmo[len(filled) :]


def _opening(od: bytes, options: int) -> bytes | None:
    struc_id, object_type, name, manager, dynamic = _OD.unpack_from(od)
    if struc_id != b"OD  ":
        return None
    return OPENING.pack(object_type, options, name, manager, dynamic)


def _selection(hobj: int, selectors: Sequence[int]) -> bytes:
    return INQUIRING.pack(hobj, len(selectors)) + Struct(f"<{len(selectors)}I").pack(*selectors)


def _dial(channel: Channel) -> socket.socket:
    """Connect to the first address that answers. Raises Failed."""
    for address in channel.addresses:
        try:
            connected = socket.create_connection(address, _CONNECT_S)
        except OSError:
            continue
        connected.settimeout(None)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connected
    raise Failed(MQRC_HOST_NOT_AVAILABLE)


def _hello(name: bytes, channel: Channel, credentials: Credentials) -> bytes:
    user, password = credentials.user, credentials.password
    return (
        HELLO.pack(
            VERSION,
            name,
            channel.name,
            credentials.application or PurePath(sys.argv[0]).name.encode()[:28],
            _own_user(),
            len(user),
            len(password),
        )
        + user
        + password
    )


def _own_user() -> bytes:
    try:
        return getpass.getuser().encode()
    except (KeyError, OSError):
        return b""
