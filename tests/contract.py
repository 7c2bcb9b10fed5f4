"""The contract as tests read it: its tables, its examples, and the records these are made from."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import cache
from pathlib import Path

from e2e_data import config, money
from e2e_data.commands import PERIODS, Account, AccountType, Beneficiary, Command, Kind, Outcome
from e2e_data.ids import Ids
from e2e_data.platform import Platform, Sending

CONTRACT = (Path(__file__).resolve().parents[1] / "docs" / "contract.md").read_text("utf-8")
PLAIN = " ".join(CONTRACT.split())
ADAPTER = Platform()
POOL = config.load("smoke")


def tables():
    """Return all tables: a list of rows of cells each, the heading row first."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", CONTRACT, re.M):
        rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in block.splitlines()]
        assert all(len(row) == len(rows[0]) for row in rows), f"a ragged table: {rows[0]}"
        found.append([rows[0], *rows[2:]])
    return found


def table(first, second=None):
    """Return the rows below the heading of the one table that begins with these headings."""
    wanted = [first] if second is None else [first, second]
    (rows,) = (rows for rows in tables() if rows[0][: len(wanted)] == wanted)
    return rows[1:]


def columns(first):
    """Return a table that is written sideways as {heading: cells below it}."""
    (rows,) = (rows for rows in tables() if rows[0][0] == first)
    return {cells[0]: cells[1:] for cells in zip(*rows, strict=True)}


def number(text):
    """Read "1,000" or "50 %"."""
    return int(text.replace(",", "").removesuffix("%"))


def span(text):
    """Read two numbers with an en dash between them."""
    low, high = text.removesuffix("%").split("\N{EN DASH}")
    return number(low), number(high)


def fences(language):
    """Return the contents of the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)\n```$", CONTRACT, re.M | re.S)


def code(text):
    """Return what stands between backticks."""
    found = re.fullmatch(r"`(.*)`", text)
    assert found is not None, text
    return found[1]


def requests():
    """Return the documented requests as (method, path, headers, body)."""
    found = []
    for text in fences("http"):
        head, _, body = text.partition("\n\n")
        first, *headers = head.split("\n")
        method, path, version = first.split(" ")
        assert version == "HTTP/1.1"
        found.append((method, path, tuple(tuple(line.split(": ")) for line in headers), body))
    assert len(found) == 3
    return found


REQUESTS = requests()
CREATION, OPENING, PAYMENT = REQUESTS
ACCOUNT_LINES, COMMAND_LINES = (text.encode().split(b"\n") for text in fences("json"))
STATUSES, OUTCOMES = (rows[1:] for rows in tables() if rows[0] == ["status", "body", "read as"])


@cache
def run_ids():
    """Return the ids of the run that the document states the key and nonce of."""
    stated = re.search(r"key `([0-9a-f]{32})` and the nonce `([0-9a-f]{16})` \(hexadecimal", PLAIN)
    assert stated is not None
    return Ids(bytes.fromhex(stated[1]), int(stated[2], 16))


def minor(amount):
    return money.from_wire(str(amount["amount"]), amount["currencyCode"])


def parsed(body):
    """Parse a body with exact numbers."""
    return json.loads(body, parse_float=Decimal)


def account_of():
    """Return the documented account, as the pool would have it."""
    body = parsed(CREATION[3])
    return Account(
        shard=3,
        number=0,
        currency=body["currencyCode"],
        transit_number=body["transitNumber"],
        account_type=AccountType[body["accountType"]],
        limit_based=body["limitBased"],
        opening_balance_minor=minor(parsed(OPENING[3])["amount"]),
        limits_minor=tuple(minor(body["limits"][period]) for period in PERIODS),
    )


def sending_of(request_):
    """Return the record that the adapter makes a documented request from."""
    _, path, headers, text = request_
    body, named = parsed(text), dict(headers)
    amount = body.get("debitAmount") or body.get("amount")
    credit = body.get("creditAmount")
    to = body.get("beneficiary")
    kind = {
        "/api/accounts": Kind.ACCOUNT,
        "/api/transactions": Kind.OPENING_CREDIT,
        "/api/payments": Kind.PAYMENT,
    }[path]
    command = Command(
        shard=3,
        index=0,
        kind=kind,
        account=account_of(),
        amount_minor=minor(amount) if amount else 0,
        credit_minor=minor(credit) if credit else 0,
        credit_currency=credit["currencyCode"] if credit else account_of().currency,
        description=body.get("description", ""),
        beneficiary=to
        and Beneficiary(to["name"], to["accountNumber"], to["transitNumber"], to["bankName"]),
        value_day=0,
        expected=Outcome.SETTLED,
    )
    return Sending(
        command=command,
        command_id=named["Idempotency-Key"],
        customer_id=parsed(CREATION[3])["customerId"],
        correlation_id=named["X-Correlation-Id"],
        account_id=body.get("accountId") or body.get("debitAccountId"),
        value_date=body.get("valueDate", ""),
    )
