"""Calls an ASGI application without a socket."""

from __future__ import annotations

import asyncio

PART_BYTES = 65536
"""A body comes in parts of so much, as from a server."""


def asked(app, method, path, headers=(), body=b"", *, cut_off=False):
    """Return (status, body) of a request; (None, None) where it is cut off and has no answer.

    `headers` are pairs of bytes, names in small letters.
    """
    parts = [body[at : at + PART_BYTES] for at in range(0, len(body), PART_BYTES)] or [b""]
    incoming = [
        {"type": "http.request", "body": part, "more_body": cut_off or part is not parts[-1]}
        for part in parts
    ]
    incoming.append({"type": "http.disconnect"})
    outgoing = []

    async def receive():
        return incoming.pop(0)

    async def send(message):
        outgoing.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": list(headers),
        "query_string": b"",
    }
    asyncio.run(app(scope, receive, send))
    if not outgoing:
        return None, None
    return outgoing[0]["status"], b"".join(message.get("body", b"") for message in outgoing)
