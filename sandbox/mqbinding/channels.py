"""Channels: where a program wants to be connected, as the MQI's structures and environment say."""

from __future__ import annotations

import ctypes
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from urllib.parse import unquote, urlsplit

from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.structs import integer, text

DEFAULT_PORT = 1414

_ADDRESS = re.compile(r"([^\s(),]+)(?:\(([0-9]{1,5})\))?")
_POINTER = Struct("<Q")

_CNO_OPTIONS = 8
_CNO_CCDT_URL = (200, 212)
_CNO_APPL_NAME = slice(224, 252)
_CD_CHANNEL = slice(0, 20)
_CD_CONNECTION = slice(1024, 1288)
_CD_CIPHER = slice(1688, 1720)
_CSP_TYPE = 8
_CSP_USER = (16, 28)
_CSP_PASSWORD = (40, 52)
"""Where a text's pointer and length are."""
_CSP_AUTH_USER_ID_AND_PWD = 1


@dataclass(frozen=True, slots=True)
class Channel:
    """A client channel: its name and the addresses to try, in their order."""

    name: bytes
    addresses: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a program says of itself."""

    user: bytes = b""
    password: bytes = b""
    application: bytes = b""


def channel_for(
    queue_manager: bytes, cno: bytes, cd: bytes | None, environment: Mapping[str, str] = os.environ
) -> Channel:
    """Find the channel, in IBM's order: MQCD, CCDT, then the environment's MQSERVER and MQCCDTURL.

    Raises Failed: 2059 where nothing names a channel, 2058 where a table has none for the queue
    manager, 2393 where it asks for TLS, which the sandbox does not speak, 2538 for an address that
    is none.
    """
    if cd is not None:
        if text(cd[_CD_CIPHER]):
            raise Failed(codes.MQRC_SSL_INITIALIZATION_ERROR)
        return Channel(text(cd[_CD_CHANNEL]), addresses(text(cd[_CD_CONNECTION]).decode("latin-1")))
    table = _pointed_to(cno, *_CNO_CCDT_URL).decode() if len(cno) > max(_CNO_CCDT_URL) else ""
    if not table and "MQSERVER" in environment:
        name, _, rest = environment["MQSERVER"].partition("/")
        return Channel(name.encode(), addresses(rest.partition("/")[2]))
    table = table or environment.get("MQCCDTURL", "")
    if table:
        return _from_table(table, queue_manager)
    raise Failed(codes.MQRC_Q_MGR_NOT_AVAILABLE)


def addresses(connection_name: str) -> tuple[tuple[str, int], ...]:
    """Read "host(port),host(port)"; a port that is not named is 1414. Raises Failed."""
    found = []
    for part in connection_name.split(","):
        match = _ADDRESS.fullmatch(part.strip())
        if match is None:
            raise Failed(codes.MQRC_HOST_NOT_AVAILABLE)
        found.append((match[1], int(match[2] or DEFAULT_PORT)))
    return tuple(found)


def credentials_in(cno: bytes, csp: bytes | None) -> Credentials:
    """Read user and password from the security parameters, and the application's name."""
    application = text(cno[_CNO_APPL_NAME])
    if csp is None or integer(csp, _CSP_TYPE) != _CSP_AUTH_USER_ID_AND_PWD:
        return Credentials(application=application)
    return Credentials(_pointed_to(csp, *_CSP_USER), _pointed_to(csp, *_CSP_PASSWORD), application)


def shares_handle(cno: bytes) -> bool:
    """Say whether a second call on the connection waits for the first."""
    return bool(integer(cno, _CNO_OPTIONS) & codes.MQCNO_HANDLE_SHARE_BLOCK)


def _pointed_to(struct: bytes, pointer: int, length: int) -> bytes:
    """Return the text that a structure points to; its owner keeps it alive during the call."""
    address = _POINTER.unpack_from(struct, pointer)[0]
    return ctypes.string_at(address, integer(struct, length)) if address else b""


def _from_table(url: str, queue_manager: bytes) -> Channel:
    """Find a queue manager's channel in a table of channels in JSON. Raises Failed."""
    parts = urlsplit(url)
    path = unquote(parts.path) if parts.scheme == "file" else url
    try:
        table = json.loads(Path(path).read_text())["channel"]
    except (OSError, ValueError, KeyError, TypeError):
        raise Failed(codes.MQRC_Q_MGR_NAME_ERROR) from None
    wanted = queue_manager.decode("latin-1").lstrip("*")
    for entry in table:
        client = entry.get("clientConnection", {})
        if wanted in ("", client.get("queueManager", "")):
            if entry.get("transmissionSecurity", {}).get("cipherSpecification"):
                raise Failed(codes.MQRC_SSL_INITIALIZATION_ERROR)
            hosts = tuple(
                (str(one["host"]), int(one.get("port", DEFAULT_PORT)))
                for one in client.get("connection", ())
            )
            return Channel(entry["name"].encode(), hosts)
    raise Failed(codes.MQRC_Q_MGR_NAME_ERROR)
