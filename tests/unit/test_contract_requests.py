"""The contract is true: its requests are what the adapter sends, to the byte."""

from __future__ import annotations

import re

import numpy as np
import pytest

from e2e_data import money
from tests.contract import (
    ADAPTER,
    CREATION,
    PAYMENT,
    POOL,
    REQUESTS,
    account_of,
    code,
    parsed,
    sending_of,
    table,
)


@pytest.mark.parametrize("request_", REQUESTS, ids=[path for _, path, _, _ in REQUESTS])
def test_a_documented_request_is_the_adapters_byte_for_byte(request_):
    """What the document shows is what is sent for a command with those values."""
    method, path, headers, body = request_
    made = ADAPTER.http_command(sending_of(request_))
    assert (made.method, made.path, made.headers) == (method, path, headers)
    assert made.body.decode() == body


def test_the_examples_keep_the_rules_of_the_tables():
    """Limits follow from the opening credit, the payment from the bands, its credit from the rate."""
    account = account_of()
    digits = money.MINOR_DIGITS[account.currency]
    limits = [rule.limit_minor(account.opening_balance_minor, digits) for rule in POOL.limits.rules]
    assert list(account.limits_minor) == limits
    payment = sending_of(PAYMENT).command
    ratio = money.minor_ratio(POOL.rates["USD/EUR"], "USD", "EUR")
    credit = money.convert(np.array([payment.amount_minor]), ratio)
    assert (payment.credit_currency, payment.credit_minor) == ("EUR", credit[0])
    assert payment.amount_minor < account.limits_minor[0]
    assert re.fullmatch(r"ACC[0-9]{9}", payment.beneficiary.account_number)


def test_the_fields_of_an_account_are_the_documented_ones():
    """The table of fields names those of the request, in its order."""
    assert [code(name) for name, _ in table("account field")] == list(parsed(CREATION[3]))
