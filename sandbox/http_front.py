"""The HTTP front: commands in, their state and the statements out; every answer is JSON.

The endpoints are plain ASGI callables: this server shares a core with others in a demo, and the
load generator beside it must not wait for conveniences.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox import statements, wire
from sandbox.commands import CreateAccount
from sandbox.fields import Refusal, shown
from sandbox.ledger import Conflict
from sandbox.openapi import DESCRIPTION
from sandbox.platform import Platform
from sandbox.strain import Strain

MAX_BODY_BYTES = 256 * 1024
MAX_CORRELATION_CHARS = 200

_JSON = b"application/json"
_RETRY_LATER = [(b"retry-after", b"1")]
_NDJSON = b"application/x-ndjson"


def app_for(platform: Platform, strain: Strain | None = None) -> Starlette:
    """Build the ASGI application in front of `platform`, which is under `strain`."""
    ledger, strain = platform.ledger, strain or Strain()
    app = Starlette(
        routes=[
            Route("/api/payments", Submission(platform, strain, wire.payment), methods=["POST"]),
            Route("/api/commands/{command_id}", CommandState(platform), methods=["GET"]),
            Route(
                "/api/transactions",
                Submission(platform, strain, wire.transaction),
                methods=["POST"],
            ),
            Route(
                "/api/accounts", Submission(platform, strain, wire.create_account), methods=["POST"]
            ),
            Route(
                "/api/statements/accounts",
                Statement(lambda: statements.of_accounts(ledger.accounts())),
                methods=["GET"],
            ),
            Route(
                "/api/statements/commands",
                Statement(lambda: statements.of_commands(ledger.entries())),
                methods=["GET"],
            ),
            Route("/sandbox/strain", Straining(strain), methods=["PUT"]),
            Route("/healthz", Fixed({"status": "ok"}), methods=["GET"]),
            Route("/openapi.json", Fixed(DESCRIPTION), methods=["GET"]),
        ],
        exception_handlers={HTTPException: _on_http_exception, Exception: _on_exception},
    )
    # A path with a slash too many is unknown here, not somewhere else.
    app.router.redirect_slashes = False
    return app


class Submission:
    """POST of one command type: understood and accepted (202), or refused with a reason."""

    def __init__(self, platform: Platform, strain: Strain, read: wire.Reader) -> None:
        self._platform = platform
        self._strain = strain
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request; a client that hangs up before the end of its body gets nothing."""
        try:
            body = await _body(receive)
            if body is not None:
                await self._strain.bear()
                accepted = self._accept(scope, body)
                await self._platform.durable()
                await _answer(send, 202, accepted)
        except Refusal as refusal:
            headers = _RETRY_LATER if refusal.status in (429, 503) else []
            await _answer(send, refusal.status, _error(refusal.error, refusal.reason), headers)
        except Conflict as conflict:
            await _answer(send, 422, _error("conflict", str(conflict)))

    def _accept(self, scope: Scope, body: bytes) -> bytes:
        command_id = wire.command_id(_header(scope, b"idempotency-key"))
        command = self._read(command_id, wire.json_object(body))
        correlation_id = _header(scope, b"x-correlation-id") or ""
        entry = self._platform.accept(command, correlation_id[:MAX_CORRELATION_CHARS])
        if isinstance(command, CreateAccount):
            return (
                f'{{"commandId":"{command_id}","status":"ACCEPTED",'
                f'"accountId":"{entry.account_id}"}}'
            ).encode()
        return f'{{"commandId":"{command_id}","status":"ACCEPTED"}}'.encode()


class CommandState:
    """GET of one command: PENDING, SETTLED or REJECTED, or 404 if it was never received."""

    def __init__(self, platform: Platform) -> None:
        self._find = platform.ledger.find
        self._told = platform.told
        self._flags_of = platform.flags_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer the request."""
        command_id = scope["path_params"]["command_id"]
        entry = self._find(command_id.lower())
        if entry is None:
            await _answer(send, 404, _error("not-found", f"no command {shown(command_id)}"))
        else:
            flags = self._flags_of(entry.command.command_id)
            await _answer(send, 200, statements.status_line(self._told(entry), flags).encode())


class Statement:
    """GET of a statement: NDJSON, streamed from the snapshot that `chunks` begins with."""

    def __init__(self, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer the request; commands go on being accepted and decided between the chunks."""
        headers = [(b"content-type", _NDJSON)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in self._chunks():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})


class Straining:
    """PUT of what the platform is under from now on; `{}` for nothing."""

    def __init__(self, strain: Strain) -> None:
        self._strain = strain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer the request."""
        try:
            body = await _body(receive)
            if body is not None:
                self._strain.change(wire.json_object(body))
                await _answer(send, 200, json.dumps(asdict(self._strain)).encode())
        except Refusal as refusal:
            await _answer(send, refusal.status, _error(refusal.error, refusal.reason))


class Fixed:
    """GET of a document that never changes."""

    def __init__(self, document: object) -> None:
        self._body = json.dumps(document, separators=(",", ":")).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer the request."""
        await _answer(send, 200, self._body)


async def _body(receive: Receive) -> bytes | None:
    """Read the whole body, or None if the client hung up. Raises Refusal 413 beyond the bound."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise Refusal(413, "too-large", f"the body must have at most {MAX_BODY_BYTES} bytes")
        parts.append(part)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _header(scope: Scope, name: bytes) -> str | None:
    """Return a header's value; one that is given twice is joined, and so no longer a UUID."""
    values = [value for key, value in scope["headers"] if key == name]
    return b", ".join(values).decode("latin-1") if values else None


async def _answer(
    send: Send, status: int, body: bytes, more: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    headers = [(b"content-type", _JSON), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _error(error: str, reason: str) -> bytes:
    # ASCII: the reason may quote half a surrogate pair, which UTF-8 could not write.
    return json.dumps({"error": error, "reason": reason}, separators=(",", ":")).encode()


_ERRORS = {404: "not-found", 405: "method-not-allowed"}


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = f"{request.method} {shown(request.url.path)}: {error.detail}"
    body = _error(_ERRORS.get(error.status_code, "refused"), reason)
    return Response(body, error.status_code, error.headers, media_type="application/json")


async def _on_exception(request: Request, error: Exception) -> Response:  # noqa: ARG001
    body = _error("internal", "a fault in the sandbox itself; its log says more")
    return Response(body, 500, media_type="application/json")
