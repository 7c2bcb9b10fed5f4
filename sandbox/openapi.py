"""The OpenAPI 3.1 description of the HTTP front, as served at /openapi.json."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sandbox.book import Reason, Status
from sandbox.commands import CreateAccount, Payment, Transaction
from sandbox.fields import CURRENCY_CODE
from sandbox.flags import FLAGS
from sandbox.limits import Period
from sandbox.strain import Strain
from sandbox.wire import (
    ACCOUNT_NUMBER,
    ACCOUNT_TYPES,
    MAX_DESCRIPTION_CHARS,
    MAX_NAME_CHARS,
    TRANSACTION_TYPES,
    TRANSIT_NUMBER,
)

Schema = dict[str, Any]


def _object(required: Schema, **optional: Schema) -> Schema:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
    }


def _text(max_chars: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": max_chars}


def _pattern(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^{pattern}$"}


def _words(words: object) -> Schema:
    return {"type": "string", "enum": [str(word) for word in words]}  # type: ignore[attr-defined]


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_UUID: Schema = {"type": "string", "format": "uuid"}
_CURRENCY = _pattern(CURRENCY_CODE.pattern)
_TRANSIT = _pattern(TRANSIT_NUMBER.pattern)
_NS: Schema = {"type": "integer", "description": "Nanoseconds since 1970, UTC"}
_NUMBER: Schema = {"type": "number", "description": "Exact, with the currency's minor digits"}

_SCHEMAS: dict[str, Schema] = {
    "Money": _object(
        {
            "amount": {
                "type": "number",
                "exclusiveMinimum": 0,
                "description": "At most as many decimals as the currency has minor digits",
            },
            "currencyCode": _CURRENCY,
        }
    ),
    "Limits": _object({period.name: _ref("Money") for period in Period}),
    CreateAccount.TYPE: _object(
        {
            "customerId": _UUID,
            "currencyCode": _CURRENCY,
            "transitNumber": _TRANSIT,
            "accountType": _words(ACCOUNT_TYPES),
            "limitBased": {"type": "boolean"},
        },
        limits={**_ref("Limits"), "description": "Required when limitBased is true"},
    ),
    Transaction.TYPE: _object(
        {
            "accountId": _UUID,
            "transactionType": _words(TRANSACTION_TYPES),
            "amount": _ref("Money"),
            "description": _text(MAX_DESCRIPTION_CHARS),
        }
    ),
    Payment.TYPE: _object(
        {
            "customerId": _UUID,
            "debitAccountId": _UUID,
            "debitAmount": _ref("Money"),
            "creditAmount": _ref("Money"),
            "valueDate": {"type": "string", "format": "date"},
            "beneficiary": _object(
                {
                    "name": _text(MAX_NAME_CHARS),
                    "accountNumber": _pattern(ACCOUNT_NUMBER.pattern),
                    "transitNumber": _TRANSIT,
                    "bankName": _text(MAX_NAME_CHARS),
                }
            ),
            "description": _text(MAX_DESCRIPTION_CHARS),
        }
    ),
    "Accepted": _object(
        {"commandId": _UUID, "status": {"const": "ACCEPTED"}},
        accountId={**_UUID, "description": "Of a new account only"},
    ),
    "Error": _object({"error": {"type": "string"}, "reason": {"type": "string"}}),
    "CommandState": _object(
        {
            "commandId": _UUID,
            "status": _words(Status),
            "reason": _or_null(_words(Reason)),
            "decidedAt": _or_null(_NS),
        },
        flags={
            "type": "array",
            "items": _words(FLAGS),
            "description": "Of a decided command, where the platform was started to flag",
        },
    ),
    "AccountRow": _object(
        {
            "accountId": {"type": "string", "description": "A UUID, or clearing-<currency>"},
            "customerId": _or_null(_UUID),
            "currencyCode": _CURRENCY,
            "balance": _NUMBER,
        }
    ),
    "CommandRow": _object(
        {
            "commandId": _UUID,
            "accountId": _UUID,
            "type": _words((CreateAccount.TYPE, Transaction.TYPE, Payment.TYPE)),
            "status": _words(Status),
            "reason": _or_null(_words(Reason)),
            "receivedAt": _NS,
            "decidedAt": _or_null(_NS),
            "accountSeq": _or_null({"type": "integer", "minimum": 1}),
            "postings": {
                "type": "array",
                "items": _object(
                    {
                        "account": {"type": "string"},
                        "amount": _NUMBER,
                        "currency": _CURRENCY,
                    }
                ),
            },
            "balanceAfter": _or_null(_NUMBER),
        }
    ),
    "LastLine": _object({"asOf": {"type": "integer"}, "rows": {"type": "integer"}}),
}


def _answer(description: str, schema: Schema, media_type: str = "application/json") -> Schema:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _get(summary: str, answer: Schema) -> Schema:
    return {"get": {"summary": summary, "responses": {"200": answer}}}


def _submission(summary: str, command_type: str) -> Schema:
    key = {"name": "Idempotency-Key", "in": "header", "required": True, "schema": _UUID}
    error = _ref("Error")
    return {
        "post": {
            "summary": summary,
            "description": (
                "The Idempotency-Key is the command id. It takes effect at most once: the same"
                " command again gets the first answer again."
            ),
            "parameters": [key],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _ref(command_type)}},
            },
            "responses": {
                "202": _answer("Accepted; decided later", _ref("Accepted")),
                "400": _answer("No JSON object, or no UUID as Idempotency-Key", error),
                "413": _answer("The body has more than 256 KiB", error),
                "422": _answer("A field is missing or wrong, or the id is taken", error),
            },
        }
    }


def _statement(summary: str, row: str) -> Schema:
    lines = {"anyOf": [_ref(row), _ref("LastLine")]}
    description = "One JSON object a line, from one consistent snapshot; the last is LastLine"
    return _get(summary, _answer(description, lines, "application/x-ndjson"))


def _command_state() -> Schema:
    path = _get("The state of a command", _answer("The command", _ref("CommandState")))
    path["get"]["responses"]["404"] = _answer("Never received", _ref("Error"))
    path["parameters"] = [{"name": "command_id", "in": "path", "required": True, "schema": _UUID}]
    return path


_STRAIN = _object({field.name: {"type": "number"} for field in fields(Strain)})

DESCRIPTION: Schema = {
    "openapi": "3.1.0",
    "info": {
        "title": "paystorm sandbox",
        "version": "1",
        "description": (
            "A stand-in payments platform for tests and demos: it keeps everything in memory."
            " What it cannot understand it refuses with 400 or 422; what breaks a rule of the"
            " business it accepts, and then rejects with a reason."
        ),
    },
    "paths": {
        "/api/accounts": _submission("Open an account", CreateAccount.TYPE),
        "/api/transactions": _submission("Credit or debit an account", Transaction.TYPE),
        "/api/payments": _submission("Pay from an account", Payment.TYPE),
        "/api/commands/{command_id}": _command_state(),
        "/api/statements/accounts": _statement("All accounts and balances", "AccountRow"),
        "/api/statements/commands": _statement("All commands, by receipt", "CommandRow"),
        "/sandbox/strain": {
            "put": {
                "summary": "What the platform is under from now on, none where it is not named",
                "requestBody": {"content": {"application/json": {"schema": _STRAIN}}},
                "responses": {
                    "200": _answer("What it is under", _STRAIN),
                    "422": _answer("Not understood", _ref("Error")),
                },
            }
        },
        "/healthz": _get(
            "Whether it runs", _answer("It does", _object({"status": {"const": "ok"}}))
        ),
        "/openapi.json": _get("This description", _answer("OpenAPI 3.1", {"type": "object"})),
    },
    "components": {"schemas": _SCHEMAS},
}
