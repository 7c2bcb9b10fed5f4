"""The contract is true: answers, outcomes and statements are read as its tables say."""

from __future__ import annotations

import json
import re

import pytest

from e2e_data.book_rows import StatementEnd
from e2e_data.platform import Acknowledged, HttpAnswer
from tests.contract import (
    ACCOUNT_LINES,
    ADAPTER,
    COMMAND_LINES,
    CONTRACT,
    OUTCOMES,
    STATUSES,
    code,
    table,
)


def answer(status, body):
    """Return a documented answer; a body in words stands for any that is none of ours."""
    told = code(body) if body.startswith("`") else "anything"
    return HttpAnswer(int(status), {}, told.encode())


@pytest.mark.parametrize(("status", "body", "read_as"), STATUSES)
def test_an_answer_is_read_as_documented(status, body, read_as):
    """Accepted with the account's id where there is one; otherwise the class and the reason."""
    read = ADAPTER.read_acknowledgement(answer(status, body))
    words = read.status.name.lower()
    if read.account_id:
        words += f", account `{read.account_id}`"
    if read.reason:
        words += f": {read.reason}"
    assert words == read_as


def test_every_reading_of_an_answer_is_explained():
    """The four meanings of an answer are each in the table, and in a sentence below it."""
    words = {status.name.lower() for status in Acknowledged}
    assert words == {re.match(r"\w+", read_as)[0] for *_, read_as in STATUSES}
    assert all(f"*{word.capitalize()}*:" in CONTRACT for word in words)


@pytest.mark.parametrize(("status", "body", "read_as"), OUTCOMES)
def test_an_outcome_is_read_as_documented(status, body, read_as):
    """Settled, rejected with its reason, or no outcome yet."""
    read = ADAPTER.read_status(answer(status, body))
    if read is None:
        words = "no outcome yet"
    else:
        words = read.outcome.label + (f": {read.reason}" if read.reason else "")
        words += f", flags {', '.join(read.flags)}" if read.flags else ""
    assert words == read_as


def test_the_outcomes_address_is_the_adapters():
    """The path is shown with a place for the command id."""
    request_ = ADAPTER.http_status("{commandId}")
    assert f"`{request_.method} {request_.path}`" in CONTRACT


def test_account_rows_are_read_as_documented():
    """Customer, currency and balance in minor units of each line, and the last line's figures."""
    *rows, end = (ADAPTER.read_account_row(line) for line in ACCOUNT_LINES)
    assert end == StatementEnd(json.loads(ACCOUNT_LINES[-1])["asOf"], len(rows))
    shown = table("account row")
    assert [int(cells[0]) for cells in shown] == list(range(1, len(rows) + 1))
    for row, (_, customer, currency, balance) in zip(rows, shown, strict=True):
        assert row.customer_id == customer.strip("`")
        assert (row.currency, row.balance_minor) == (currency, int(balance))


def test_command_rows_are_read_as_documented():
    """Outcome, reason, order, legs and balance of each line, and the last line's figures."""
    *rows, end = (ADAPTER.read_command_row(line) for line in COMMAND_LINES)
    assert end == StatementEnd(json.loads(COMMAND_LINES[-1])["asOf"], len(rows))
    read = [
        [
            str(place),
            row.outcome.label,
            row.reason,
            str(row.account_seq),
            ", ".join(f"{leg.amount_minor} {leg.currency}" for leg in row.postings),
            "not read" if row.balance_after_minor is None else str(row.balance_after_minor),
        ]
        for place, row in enumerate(rows, 1)
    ]
    assert read == table("command row")
    times = [json.loads(line)["decidedAt"] or 0 for line in COMMAND_LINES[:-1]]
    assert [row.decided_ns for row in rows] == times
