"""The HTTP front, called in process: statuses, bodies and what the statements show."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import count
from uuid import UUID

import pytest

from sandbox.commands import Transaction
from sandbox.defects import Defects
from sandbox.http_front import MAX_BODY_BYTES, app_for
from sandbox.ledger import Ledger
from sandbox.money import Money
from sandbox.openapi import DESCRIPTION
from sandbox.platform import Platform
from tests.asgi import asked

NOON_NS = 1_795_176_000 * 10**9
PERIODS = ("MINUTE", "HOUR", "DAY", "WEEK", "MONTH")


def uuid(number: int) -> str:
    return str(UUID(int=number))


def money(amount, currency="USD"):
    return {"amount": amount, "currencyCode": currency}


def account_body(*, limit_based=False, currency="USD"):
    return {
        "customerId": uuid(77),
        "currencyCode": currency,
        "transitNumber": "001",
        "accountType": "CHECKING",
        "limitBased": limit_based,
        "limits": {name: money(100, currency) for name in PERIODS},
    }


def credit_body(account, amount, currency="USD"):
    return {
        "accountId": account,
        "transactionType": "CREDIT",
        "amount": money(amount, currency),
        "description": "Opening credit",
    }


def payment_body(account, debit, credit=None):
    return {
        "customerId": uuid(77),
        "debitAccountId": account,
        "debitAmount": debit,
        "creditAmount": credit or debit,
        "valueDate": "2026-11-20",
        "beneficiary": {
            "name": "Zoë",
            "accountNumber": "ACC123456789",
            "transitNumber": "123",
            "bankName": "A Bank",
        },
        "description": "Rent",
    }


class Client:
    """Calls the application without a socket; commands are decided when told to."""

    def __init__(self) -> None:
        numbers = count(1000)
        self.queue: list[str] = []
        ledger = Ledger(lambda: NOON_NS, lambda _: uuid(next(numbers)))
        self.platform = Platform(ledger, Defects({}), self.queue.append)
        self.app = app_for(self.platform)

    def request(self, method, path, body=b"", key=None, *, cut_off=False):
        headers = [(b"idempotency-key", key.encode())] if key is not None else []
        return asked(self.app, method, path, headers, body, cut_off=cut_off)

    def post(self, path, key, body):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, answer = self.request("POST", path, raw, key)
        return status, json.loads(answer)

    def get(self, path):
        status, answer = self.request("GET", path)
        return status, json.loads(answer)

    def statement(self, name):
        status, answer = self.request("GET", f"/api/statements/{name}")
        assert status == 200
        assert answer.endswith(b"}\n")
        lines = [json.loads(line, parse_float=Decimal) for line in answer.splitlines()]
        return lines[:-1], lines[-1]

    def decide_all(self):
        while self.queue:
            self.platform.decide(self.queue.pop(0))

    def open(self, key, **how):
        status, answer = self.post("/api/accounts", uuid(key), account_body(**how))
        assert status == 202
        self.decide_all()
        return answer["accountId"]


@pytest.fixture
def client():
    return Client()


def test_an_account_is_accepted_with_its_id(client):
    """202 acknowledges; the outcome is asked for by command id."""
    answer = client.post("/api/accounts", uuid(1), account_body())
    assert answer == (
        202,
        {"commandId": uuid(1), "status": "ACCEPTED", "accountId": uuid(1000)},
    )
    path = f"/api/commands/{uuid(1)}"
    pending = {"commandId": uuid(1), "status": "PENDING", "reason": None, "decidedAt": None}
    assert client.get(path) == (200, pending)
    client.decide_all()
    settled = {**pending, "status": "SETTLED", "decidedAt": NOON_NS}
    assert client.get(path.upper().replace("/API/COMMANDS", "/api/commands")) == (200, settled)


def test_a_business_rejection_is_accepted_first(client):
    """What is understood is a 202, whatever becomes of it."""
    account = client.open(1)
    assert client.post("/api/payments", uuid(2), payment_body(account, money(5)))[0] == 202
    client.decide_all()
    _, answer = client.get(f"/api/commands/{uuid(2)}")
    assert (answer["status"], answer["reason"]) == ("REJECTED", "INSUFFICIENT_FUNDS")


def test_statements_show_every_command_and_account_exactly(client):
    """Rows are as the domain has them, with the currency's digits, and end with asOf and rows."""
    account = client.open(1, currency="JPY")
    client.post("/api/transactions", uuid(2), credit_body(account, 5000, "JPY"))
    client.decide_all()
    client.post(
        "/api/payments", uuid(3), payment_body(account, money(700, "JPY"), money(4.5, "USD"))
    )
    client.decide_all()
    client.post("/api/transactions", uuid(4), credit_body(uuid(5), 1))
    accounts, accounts_end = client.statement("accounts")
    commands, commands_end = client.statement("commands")
    assert accounts_end == {"asOf": 7, "rows": 3}
    assert commands_end == {"asOf": 7, "rows": 4}
    assert accounts == [
        {"accountId": account, "customerId": uuid(77), "currencyCode": "JPY", "balance": 4300},
        {
            "accountId": "clearing-JPY",
            "customerId": None,
            "currencyCode": "JPY",
            "balance": -5000,
        },
        {
            "accountId": "clearing-USD",
            "customerId": None,
            "currencyCode": "USD",
            "balance": Decimal("4.50"),
        },
    ]
    assert [row["type"] for row in commands] == [
        "InitiateCreateAccountProcess",
        "CreateTransactionCommand",
        "InitiateSimplePaymentCommand",
        "CreateTransactionCommand",
    ]
    assert commands[0]["postings"] == []
    assert commands[2] == {
        "commandId": uuid(3),
        "accountId": account,
        "type": "InitiateSimplePaymentCommand",
        "status": "SETTLED",
        "reason": None,
        "receivedAt": NOON_NS,
        "decidedAt": NOON_NS,
        "accountSeq": 3,
        "postings": [
            {"account": account, "amount": -700, "currency": "JPY"},
            {"account": "clearing-USD", "amount": Decimal("4.50"), "currency": "USD"},
        ],
        "balanceAfter": 4300,
    }
    assert (commands[3]["status"], commands[3]["accountSeq"]) == ("PENDING", None)


@pytest.mark.parametrize("size", [0, 1, 249, 250, 251, 600])
def test_a_statement_of_any_length_is_streamed_whole(client, size):
    """Fewer rows than one chunk holds, as many, and more: all arrive, in order of receipt."""
    for number in range(size):
        client.platform.accept(Transaction(uuid(number), uuid(5), True, Money(1, "USD")))
    rows, end = client.statement("commands")
    assert [row["commandId"] for row in rows] == [uuid(number) for number in range(size)]
    assert end == {"asOf": size, "rows": size}


def test_a_replay_gets_the_first_answer_again(client):
    """The same id and content: the same 202 byte for byte, and nothing is applied."""
    body = json.dumps(account_body()).encode()
    first = client.request("POST", "/api/accounts", body, uuid(1))
    client.decide_all()
    assert client.request("POST", "/api/accounts", body, uuid(1)) == first
    client.decide_all()
    assert client.statement("commands")[1] == {"asOf": 2, "rows": 1}


def test_a_replay_with_another_body_is_a_conflict(client):
    """422 conflict, on whatever path it comes, and the first command stands."""
    account = client.open(1)
    for path, body in [
        ("/api/accounts", account_body(currency="EUR")),
        ("/api/transactions", credit_body(account, 5)),
    ]:
        status, answer = client.post(path, uuid(1), body)
        assert (status, answer["error"]) == (422, "conflict")
        assert uuid(1) in answer["reason"]
    assert client.statement("commands")[1]["rows"] == 1


@pytest.mark.parametrize(
    ("key", "body", "status", "error"),
    [
        (None, b"{}", 400, "malformed"),
        ("7", b"{}", 400, "malformed"),
        (uuid(1), b"{", 400, "malformed"),
        (uuid(1), b"{}", 422, "invalid"),
        (uuid(1), b"x" * (MAX_BODY_BYTES + 1), 413, "too-large"),
        (uuid(1), b" " * (MAX_BODY_BYTES - 2) + b"{}", 422, "invalid"),
    ],
)
@pytest.mark.parametrize("path", ["/api/accounts", "/api/transactions", "/api/payments"])
def test_what_cannot_be_understood_has_no_effect(client, path, key, body, status, error):
    """400, 413 and 422 say why, and leave no trace: the id may still be used."""
    answered, answer = client.request("POST", path, body, key)
    assert (answered, json.loads(answer)["error"]) == (status, error)
    assert set(json.loads(answer)) == {"error", "reason"}
    assert client.platform.ledger.as_of == 0


def test_a_request_cut_off_in_its_body_has_no_effect(client):
    """Without the whole body nothing was asked for, and there is nobody to answer."""
    body = json.dumps(account_body()).encode()
    assert client.request("POST", "/api/accounts", body, uuid(1), cut_off=True) == (None, None)
    assert client.platform.ledger.as_of == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/commands/", 404),
        ("GET", "/api/commands/x", 404),
        ("GET", f"/api/commands/{uuid(1)}", 404),
        ("GET", "/api/accounts/", 404),
        ("GET", "/api/accounts", 405),
        ("DELETE", f"/api/commands/{uuid(1)}", 405),
        ("POST", "/healthz", 405),
    ],
)
def test_everything_unknown_is_said_in_json(client, method, path, status):
    """Even an error that the framework finds has the one form of errors."""
    answered, answer = client.request(method, path)
    assert answered == status
    assert set(json.loads(answer)) == {"error", "reason"}


def test_it_says_that_it_is_well(client):
    """For whoever waits for it to start."""
    assert client.get("/healthz") == (200, {"status": "ok"})


def test_the_description_is_truthful(client):
    """OpenAPI names exactly the routes and methods there are, and only schemas that exist."""
    assert client.get("/openapi.json") == (200, DESCRIPTION)
    described = {
        (path, method.upper())
        for path, item in DESCRIPTION["paths"].items()
        for method in item
        if method != "parameters"
    }
    routes = {(r.path, m) for r in client.app.routes for m in r.methods - {"HEAD"}}
    assert described == routes
    named = set(json.dumps(DESCRIPTION).split('"#/components/schemas/')[1:])
    schemas = {text.split('"')[0] for text in named}
    assert schemas <= set(DESCRIPTION["components"]["schemas"])


@pytest.mark.parametrize(
    ("path", "schema", "body"),
    [
        ("/api/accounts", "InitiateCreateAccountProcess", account_body(limit_based=True)),
        ("/api/transactions", "CreateTransactionCommand", credit_body(uuid(1), 1)),
        ("/api/payments", "InitiateSimplePaymentCommand", payment_body(uuid(1), money(1))),
    ],
)
def test_the_description_names_what_is_required(client, path, schema, body):
    """Each field described as required is: without it the body is refused, naming it."""
    for name in DESCRIPTION["components"]["schemas"][schema]["required"]:
        lacking = {field: value for field, value in body.items() if field != name}
        assert client.post(path, uuid(1), lacking) == (
            422,
            {"error": "invalid", "reason": f"{name} is missing"},
        )
