"""The contract is true: the sandbox plays its examples, and answers as they say."""

from __future__ import annotations

import json

from sandbox.defects import Defects
from sandbox.http_front import app_for
from sandbox.ledger import Ledger
from sandbox.platform import Platform as SandboxPlatform
from tests.asgi import asked
from tests.contract import (
    ACCOUNT_LINES,
    ADAPTER,
    COMMAND_LINES,
    CONTRACT,
    OPENING,
    OUTCOMES,
    PAYMENT,
    REQUESTS,
    STATUSES,
    code,
    parsed,
)


class Sandbox:
    """The sandbox's ASGI application; its clock and its one account id are the document's."""

    def __init__(self):
        self.now_ns = 0
        account_id = parsed(OPENING[3])["accountId"]
        ledger = Ledger(lambda: self.now_ns, lambda _: account_id)
        self.platform = SandboxPlatform(ledger, Defects({}), lambda _: None)
        self.app = app_for(self.platform)

    def call(self, method, path, headers=(), body=""):
        """Return (status, body) of a request."""
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
        return asked(self.app, method, path, encoded, body.encode())


def renamed(request_, command_id, **changes):
    """Return a documented request as another command's, with other fields."""
    method, path, headers, text = request_
    named = {**dict(headers), "Idempotency-Key": command_id}
    # Python writes 6000.0 for Decimal: a whole number is as good on the wire.
    body = json.dumps({**parsed(text), **changes}, default=float)
    return method, path, tuple(named.items()), body


def played():
    """Play the documented commands at the documented times; return the sandbox and its answers."""
    rows = [parsed(line) for line in COMMAND_LINES[:-1]]
    above = {"amount": 6000, "currencyCode": "USD"}
    told = [
        *REQUESTS,
        renamed(PAYMENT, rows[3]["commandId"], debitAmount=above, creditAmount=above),
        renamed(OPENING, rows[4]["commandId"], description="Salary"),
    ]
    sandbox, answers = Sandbox(), {}
    for row, request_ in zip(rows, told, strict=True):
        assert dict(request_[2])["Idempotency-Key"] == row["commandId"]
        sandbox.now_ns = row["receivedAt"]
        answers[row["commandId"]] = sandbox.call(*request_)
        if row["decidedAt"] is not None:
            sandbox.now_ns = row["decidedAt"]
            sandbox.platform.decide(row["commandId"])
    return sandbox, answers


def test_the_sandbox_accepts_every_documented_request():
    """Each is a 202 from a platform that shares no code with us; the documented answers are its own."""
    _, answers = played()
    assert {status for status, _ in answers.values()} == {202}
    shown = [(int(status), code(body)) for status, body, _ in STATUSES[:2]]
    mine = [(status, body.decode()) for status, body in answers.values()]
    assert shown == [mine[0], mine[2]]


def test_the_sandbox_gives_the_documented_outcomes():
    """Pending, settled and rejected: what is asked for by command id answers as shown."""
    sandbox, _ = played()
    for status, body, _ in OUTCOMES[:3]:
        request_ = ADAPTER.http_status(json.loads(code(body))["commandId"])
        assert sandbox.call(request_.method, request_.path) == (int(status), code(body).encode())


def test_the_sandbox_gives_the_documented_statements():
    """Both statements, to the byte, after the documented commands."""
    sandbox, _ = played()
    for request_, lines in (
        (ADAPTER.accounts_statement, ACCOUNT_LINES),
        (ADAPTER.commands_statement, COMMAND_LINES),
    ):
        assert f"`{request_.method} {request_.path}`" in CONTRACT
        assert sandbox.call(request_.method, request_.path) == (200, b"\n".join(lines) + b"\n")
