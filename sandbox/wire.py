"""The wire: request bodies read into commands, or refused with a reason.

Refused is only what cannot be understood: 400 for a body that is no JSON object or a command id
that is no UUID, 422 for a field that is missing or against its form. All else is for the ledger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from hashlib import blake2b
from typing import NoReturn

from sandbox.commands import Command, CreateAccount, Payment, Transaction
from sandbox.fields import UUID_TEXT, Fields, Refusal, shown
from sandbox.limits import Period

MAX_DESCRIPTION_CHARS = 500
MAX_NAME_CHARS = 200
ACCOUNT_TYPES = ("CHECKING", "SAVINGS", "CREDIT_CARD", "LINE_OF_CREDIT")
TRANSACTION_TYPES = ("CREDIT", "DEBIT")

TRANSIT_NUMBER = re.compile(r"[0-9]{3}")
ACCOUNT_NUMBER = re.compile(r"ACC[0-9]{9}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant)
"""Numbers with a fraction or exponent become Decimal: never through a float."""


def command_id(text: str | None) -> str:
    """Read the Idempotency-Key header: a UUID, in lower case. Raises Refusal 400."""
    if text is None:
        raise Refusal(400, "malformed", "header Idempotency-Key is missing: it must be a UUID")
    if UUID_TEXT.fullmatch(text) is None:
        raise Refusal(
            400, "malformed", f"header Idempotency-Key must be a UUID, but is {shown(text)}"
        )
    return text.lower()


def json_object(body: bytes) -> Fields:
    """Parse a body that must be one JSON object in UTF-8. Raises Refusal 400."""
    try:
        value = _DECODER.decode(body.decode())
    except RecursionError:
        raise Refusal(400, "malformed", "the body is nested too deeply") from None
    except (ValueError, ArithmeticError) as error:
        # ValueError: no UTF-8, no JSON, too many digits; ArithmeticError: exponent out of range.
        raise Refusal(400, "malformed", f"the body is not JSON: {_short(error)}") from None
    if not isinstance(value, dict):
        raise Refusal(400, "malformed", f"the body must be a JSON object, but is {shown(value)}")
    return Fields(value)


def create_account(command_id: str, fields: Fields) -> CreateAccount:
    """Read the body of POST /api/accounts. Raises Refusal 422."""
    limit_based = fields.boolean("limitBased")
    has_limits = limit_based or fields.has("limits")
    limits = fields.nested("limits") if has_limits else None
    return CreateAccount(
        command_id,
        fields.uuid("customerId"),
        fields.currency("currencyCode"),
        limit_based,
        tuple(limits.money(period.name) for period in Period) if limits else (),
        _digest(
            fields.matching("transitNumber", TRANSIT_NUMBER, "three digits"),
            fields.one_of("accountType", ACCOUNT_TYPES),
        ),
    )


def transaction(command_id: str, fields: Fields) -> Transaction:
    """Read the body of POST /api/transactions. Raises Refusal 422."""
    return Transaction(
        command_id,
        fields.uuid("accountId"),
        fields.one_of("transactionType", TRANSACTION_TYPES) == "CREDIT",
        fields.money("amount"),
        _digest(fields.text("description", MAX_DESCRIPTION_CHARS)),
    )


def payment(command_id: str, fields: Fields) -> Payment:
    """Read the body of POST /api/payments. Raises Refusal 422."""
    beneficiary = fields.nested("beneficiary")
    return Payment(
        command_id,
        fields.uuid("debitAccountId"),
        fields.money("debitAmount"),
        fields.money("creditAmount"),
        _digest(
            fields.uuid("customerId"),
            fields.date("valueDate"),
            beneficiary.text("name", MAX_NAME_CHARS),
            beneficiary.matching("accountNumber", ACCOUNT_NUMBER, "ACC and nine digits"),
            beneficiary.matching("transitNumber", TRANSIT_NUMBER, "three digits"),
            beneficiary.text("bankName", MAX_NAME_CHARS),
            fields.text("description", MAX_DESCRIPTION_CHARS),
        ),
    )


Reader = Callable[[str, Fields], Command]
"""Reads a command from its id and its body's fields. Raises Refusal 422."""


def _digest(*texts: str) -> bytes:
    # surrogatepass: JSON can write half a surrogate pair, which UTF-8 cannot.
    joined = "\0".join(texts).encode("utf-8", "surrogatepass")
    return blake2b(joined, digest_size=16).digest()


def _short(error: Exception) -> str:
    """Say what is wrong in one bounded line: a decoding error's own text quotes the whole body."""
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 at byte {error.start}"
    return str(error)[:120] or type(error).__name__
