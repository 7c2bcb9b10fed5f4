"""Request bodies: what is understood, and what is refused in which words."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from sandbox import wire
from sandbox.fields import Refusal
from sandbox.money import MAX_MINOR, Money, to_minor, to_wire

ID = "5c9b1f0e-0000-8000-8000-00000000000a"
USD_5 = {"amount": 5, "currencyCode": "USD"}
ACCOUNT = {
    "customerId": ID.upper(),
    "currencyCode": "USD",
    "transitNumber": "001",
    "accountType": "CHECKING",
    "limitBased": True,
    "limits": dict.fromkeys(("MINUTE", "HOUR", "DAY", "WEEK", "MONTH"), USD_5),
}
TRANSACTION = {
    "accountId": ID,
    "transactionType": "CREDIT",
    "amount": USD_5,
    "description": "Opening credit",
}
PAYMENT = {
    "customerId": ID,
    "debitAccountId": ID,
    "debitAmount": USD_5,
    "creditAmount": {"amount": 700, "currencyCode": "JPY"},
    "valueDate": "2026-11-20",
    "beneficiary": {
        "name": "Zoë",
        "accountNumber": "ACC123456789",
        "transitNumber": "123",
        "bankName": "A Bank",
    },
    "description": "Rent",
}
READERS = {
    "account": (wire.create_account, ACCOUNT),
    "transaction": (wire.transaction, TRANSACTION),
    "payment": (wire.payment, PAYMENT),
}


def read(kind: str, **changes: object):
    reader, body = READERS[kind]
    merged = {**body, **changes}
    text = json.dumps({name: value for name, value in merged.items() if value is not ...})
    return reader(ID, wire.json_object(text.encode()))


def test_each_body_is_understood():
    """The domain's three bodies become commands in minor units, ids in lower case."""
    account, payment = read("account"), read("payment")
    assert (account.customer_id, account.limits) == (ID, (Money(500, "USD"),) * 5)
    assert read("transaction").amount == Money(500, "USD")
    assert (payment.debit, payment.credit) == (Money(500, "USD"), Money(700, "JPY"))


def test_limits_may_be_left_out_unless_they_bind():
    """A balance-based account needs none; a limit-based one needs all five."""
    assert read("account", limitBased=False, limits=...).limits == ()
    with pytest.raises(Refusal, match=r"^limits is missing$"):
        read("account", limits=...)
    with pytest.raises(Refusal, match=r"^limits\.MINUTE is missing$"):
        read("account", limits={})


def test_fields_nobody_asked_for_are_ignored():
    """A newer client may send more."""
    assert read("transaction", colour="green") == read("transaction")


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("transaction", "description", "Opening credit!"),
        ("payment", "description", "Rent!"),
        ("payment", "valueDate", "2026-11-21"),
        ("payment", "customerId", ID.replace("a", "b")),
        ("account", "accountType", "SAVINGS"),
    ],
)
def test_other_words_make_another_command(kind, name, value):
    """Fields that the ledger has no use for still tell a replay from a conflict."""
    assert read(kind, **{name: value}) != read(kind)


@pytest.mark.parametrize("kind", READERS)
def test_every_field_is_required(kind):
    """A body that lacks a field is refused, by the field's name."""
    for name in READERS[kind][1]:
        with pytest.raises(Refusal, match=f"^{name} is missing$") as refused:
            read(kind, **{name: ...})
        assert (refused.value.status, refused.value.error) == (422, "invalid")


@pytest.mark.parametrize(
    ("kind", "name", "value", "reason"),
    [
        ("account", "customerId", "me", "customerId must be a UUID, but is 'me'"),
        ("account", "customerId", f"{ID}\n", "customerId must be a UUID"),
        ("account", "currencyCode", "usd", "currencyCode must be a currency code of three"),
        ("account", "transitNumber", "1", "transitNumber must be three digits, but is '1'"),
        ("account", "transitNumber", "\u0660\u0660\u0661", "transitNumber must be three digits"),
        ("account", "accountType", "GOLD", "accountType must be one of CHECKING, SAVINGS,"),
        ("account", "accountType", [], r"accountType must be one of .* but is \[\]"),
        ("account", "limitBased", 1, "limitBased must be true or false, but is 1"),
        ("account", "limits", [], r"limits must be an object, but is \[\]"),
        ("transaction", "transactionType", "GIFT", "must be one of CREDIT, DEBIT, but is 'GIFT'"),
        ("transaction", "description", "", "description must be a text that is not empty"),
        ("transaction", "description", "x" * 501, "description must have at most 500 characters"),
        ("transaction", "amount", 5, "amount must be an object, but is 5"),
        ("payment", "valueDate", "2026-02-30", "valueDate must be a date of the calendar"),
        ("payment", "valueDate", "20261120", "valueDate must be a date YYYY-MM-DD"),
        ("payment", "beneficiary", None, "beneficiary must be an object, but is None"),
    ],
)
def test_refusals_name_the_field_its_value_and_what_would_be_right(kind, name, value, reason):
    """Each field against its form is a 422 that a person can act on."""
    with pytest.raises(Refusal, match=reason):
        read(kind, **{name: value})


@pytest.mark.parametrize(
    ("amount", "currency", "reason"),
    [
        ("0", "USD", r"amount\.amount must be above 0, but is '0'"),
        ("-1", "USD", "must be above 0"),
        ("-0.0", "USD", "must be above 0"),
        ("-1", "XXX", "must be above 0"),
        ("1.001", "USD", "must have at most 2 decimals in USD"),
        ("1e-9", "USD", "must have at most 2 decimals in USD"),
        ("5.5", "JPY", "must have at most 0 decimals in JPY"),
        ("1.0001", "KWD", "must have at most 3 decimals in KWD"),
        ("1." + "0" * 60 + "1", "USD", "must have at most 2 decimals"),
        ("1e13", "USD", "must be at most 10000000000000.00 USD"),
        ("1e99999999", "USD", "must be at most"),
        ("10000000000001", "USD", "must be at most"),
        ('"5"', "USD", "must be a number, but is '5'"),
        ("true", "USD", "must be a number, but is True"),
        ("null", "USD", "must be a number"),
    ],
)
def test_amounts_that_cannot_be_understood(amount, currency, reason):
    """Zero, negative, too fine, too large or no number: refused, never rounded."""
    if reason.startswith("must be at most"):
        amount = amount.replace("1e13", "10000000000000.01")
    body = f'{{"amount": {{"amount": {amount}, "currencyCode": "{currency}"}}}}'
    with pytest.raises(Refusal, match=reason) as refused:
        wire.json_object(body.encode()).money("amount")
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("number", "currency", "minor", "text"),
    [
        (50000, "USD", 5_000_000, "50000.00"),
        (Decimal("0.01"), "EUR", 1, "0.01"),
        (Decimal("12.3"), "USD", 1230, "12.30"),
        (Decimal("12.3000"), "USD", 1230, "12.30"),
        (Decimal("1E+3"), "JPY", 1000, "1000"),
        (5000, "JPY", 5000, "5000"),
        (Decimal("1.005"), "KWD", 1005, "1.005"),
        (Decimal("10000000000000.00"), "USD", MAX_MINOR, "10000000000000.00"),
    ],
)
def test_amounts_are_exact_both_ways(number, currency, minor, text):
    """A wire number has one value in minor units, and minor units one text."""
    assert to_minor(number, currency) == minor
    assert to_wire(minor, currency) == text
    assert to_wire(-minor, currency) == f"-{text}"


def test_an_unknown_currency_is_for_the_ledger():
    """A well-formed code that nobody knows is understood, and rejected later."""
    assert read("transaction", amount={"amount": 5, "currencyCode": "XXX"}).amount == Money(
        0, "XXX"
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is not JSON: Expecting value"),
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not JSON: it is not UTF-8 at byte 0"),
        (b"[]", r"the body must be a JSON object, but is \[\]"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b"[" * 100_000, "the body is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the body is not JSON"),
        (b'{"a": 1e' + b"9" * 30 + b"}", "the body is not JSON"),
    ],
)
def test_what_is_no_json_object_is_malformed(body, reason):
    """The body itself is a 400, with a short reason."""
    with pytest.raises(Refusal, match=reason) as refused:
        wire.json_object(body)
    assert (refused.value.status, refused.value.error) == (400, "malformed")
    assert len(refused.value.reason) < 200


@pytest.mark.parametrize("text", [None, "", "abc", f"{{{ID}}}", ID.replace("-", ""), f"{ID}, {ID}"])
def test_a_command_id_is_a_uuid(text):
    """A missing or malformed Idempotency-Key is a 400."""
    with pytest.raises(Refusal, match="Idempotency-Key") as refused:
        wire.command_id(text)
    assert refused.value.status == 400


def test_command_ids_are_told_apart_in_lower_case():
    """Upper-case digits are the same id."""
    assert wire.command_id(ID.upper()) == ID
