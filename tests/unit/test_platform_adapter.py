"""The default adapter: the bytes of every command, and how every answer is read."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_data.book_rows import BookAccount, BookCommand, Posting, StatementEnd
from e2e_data.commands import PERIODS, Kind, Outcome
from e2e_data.money import MINOR_DIGITS, to_wire
from e2e_data.platform import (
    Acknowledged,
    Acknowledgement,
    Completion,
    HttpAnswer,
    HttpRequest,
    Platform,
    Sending,
    load_platform,
)
from e2e_data.problems import Problems
from tests.tiny_pools import keys_of, tiny_pool

ADAPTER = Platform()
POOL = tiny_pool()[0]


def sending(key, account_id="00000000-0000-4000-8000-000000000001"):
    command = POOL.shard(key[0]).command(key[1])
    account = None if command.kind is Kind.ACCOUNT else account_id
    return Sending(command, "the-command", "the-customer", "c0" * 24, account, "2026-11-21")


def parsed(request):
    return json.loads(request.body, parse_float=Decimal, parse_int=Decimal)


def money(minor, currency):
    return {"amount": Decimal(to_wire(minor, currency)), "currencyCode": currency}


@pytest.mark.parametrize("key", keys_of(POOL, Kind.ACCOUNT), ids=str)
def test_an_accounts_creation_has_the_domains_fields(key):
    """Customer, currency, transit, type and the five limits; no account id: the platform gives it."""
    request = ADAPTER.http_command(sending(key))
    account = POOL.shard(key[0]).account(key[1])
    assert (request.method, request.path) == ("POST", "/api/accounts")
    assert parsed(request) == {
        "customerId": "the-customer",
        "currencyCode": account.currency,
        "transitNumber": account.transit_number,
        "accountType": account.account_type.name,
        "limitBased": account.limit_based,
        "limits": {
            period: money(limit, account.currency)
            for period, limit in zip(PERIODS, account.limits_minor, strict=True)
        },
    }


@pytest.mark.parametrize("kind", [Kind.OPENING_CREDIT, Kind.FUNDING])
def test_a_transaction_has_the_domains_fields(kind):
    """An opening credit and a funding are credits of the account, in its currency."""
    for key in keys_of(POOL, kind):
        request = ADAPTER.http_command(sending(key))
        command = POOL.shard(key[0]).command(key[1])
        assert (request.method, request.path) == ("POST", "/api/transactions")
        assert parsed(request) == {
            "accountId": "00000000-0000-4000-8000-000000000001",
            "transactionType": "CREDIT",
            "amount": money(command.amount_minor, command.account.currency),
            "description": command.description,
        }


def test_a_payment_has_the_domains_fields():
    """Both legs in their own currencies, value date, beneficiary and description."""
    keys = keys_of(POOL, Kind.PAYMENT)
    foreign = 0
    for key in keys:
        request = ADAPTER.http_command(sending(key))
        command = POOL.shard(key[0]).command(key[1])
        to = command.beneficiary
        foreign += command.credit_currency != command.account.currency
        assert (request.method, request.path) == ("POST", "/api/payments")
        assert parsed(request) == {
            "customerId": "the-customer",
            "debitAccountId": "00000000-0000-4000-8000-000000000001",
            "debitAmount": money(command.amount_minor, command.account.currency),
            "creditAmount": money(command.credit_minor, command.credit_currency),
            "valueDate": "2026-11-21",
            "beneficiary": {
                "name": to.name,
                "accountNumber": to.account_number,
                "transitNumber": to.transit_number,
                "bankName": to.bank_name,
            },
            "description": command.description,
        }
    assert 0 < foreign < len(keys)


def test_a_request_carries_its_ids_and_compact_json():
    """The command id is the idempotency key; the body has no blank between its parts."""
    request = ADAPTER.http_command(sending(keys_of(POOL, Kind.OPENING_CREDIT)[0]))
    assert dict(request.headers) == {
        "Content-Type": "application/json",
        "Idempotency-Key": "the-command",
        "X-Correlation-Id": "c0" * 24,
    }
    assert request.body.startswith(b'{"accountId":"0')
    assert b'"description":"Opening credit"}' in request.body
    assert b": " not in request.body


@pytest.mark.parametrize("text", ['quo"te', "back\\slash", "line\nfeed", "Zoë \N{SNOWMAN}"])
def test_any_description_is_json(text):
    """Names and descriptions come from a vocabulary in any language: they are escaped."""
    one = sending(keys_of(POOL, Kind.PAYMENT)[0])
    command = dataclasses.replace(one.command, description=text)
    body = ADAPTER.payload(dataclasses.replace(one, command=command))
    assert json.loads(body)["description"] == text


def answer(status, body=b"", headers=None):
    return HttpAnswer(status, headers or {}, body)


@pytest.mark.parametrize(
    ("status", "body", "read"),
    [
        (202, b'{"commandId":"c","status":"ACCEPTED"}', Acknowledgement(Acknowledged.ACCEPTED)),
        (
            202,
            b'{"commandId":"c","status":"ACCEPTED","accountId":"A1"}',
            Acknowledgement(Acknowledged.ACCEPTED, "A1"),
        ),
        (202, b'{"status":"ACCEPTED","accountId":7}', Acknowledgement(Acknowledged.ACCEPTED)),
        (202, b'{"status":"ACCEPTED","accountId":""}', Acknowledgement(Acknowledged.ACCEPTED)),
        (202, b"", Acknowledgement(Acknowledged.UNKNOWN, reason="HTTP 202")),
        (202, b'["ACCEPTED"]', Acknowledgement(Acknowledged.UNKNOWN, reason="HTTP 202")),
        (202, b'{"status":"MAYBE"}', Acknowledgement(Acknowledged.UNKNOWN, reason="HTTP 202")),
        (200, b'{"status":"ACCEPTED"}', Acknowledgement(Acknowledged.UNKNOWN, reason="HTTP 200")),
        (
            400,
            b'{"error":"malformed","reason":"no JSON"}',
            Acknowledgement(Acknowledged.INVALID, reason="no JSON"),
        ),
        (422, b'{"error":"invalid"}', Acknowledgement(Acknowledged.INVALID, reason="invalid")),
        (422, b"<html>", Acknowledgement(Acknowledged.INVALID, reason="HTTP 422")),
        (413, b"", Acknowledgement(Acknowledged.REFUSED, reason="HTTP 413")),
        (429, b"", Acknowledgement(Acknowledged.REFUSED, reason="HTTP 429")),
        (429, b'{"status":"ACCEPTED"}', Acknowledgement(Acknowledged.REFUSED, reason="HTTP 429")),
        (500, b"oops", Acknowledgement(Acknowledged.UNKNOWN, reason="HTTP 500")),
        (503, b'{"status":"ACCEPTED"}', Acknowledgement(Acknowledged.UNKNOWN, reason="HTTP 503")),
        (404, b"", Acknowledgement(Acknowledged.UNKNOWN, reason="HTTP 404")),
    ],
)
def test_answers_are_read_by_the_contract(status, body, read):
    """202 accepts, 400 and 422 are invalid, 413 and 429 refuse; everything else leaves it unknown."""
    assert ADAPTER.read_acknowledgement(answer(status, body)) == read


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_answer_can_be_read(status, body):
    """Whatever comes back is one of the four, and accepted only where it says so."""
    read = ADAPTER.read_acknowledgement(answer(status, body))
    assert read.status in set(Acknowledged) - {Acknowledged.ACCEPTED}
    assert ADAPTER.read_status(answer(status, body)) is None


@pytest.mark.parametrize(
    ("status", "body", "read"),
    [
        (200, b'{"status":"SETTLED","reason":null}', Completion(Outcome.SETTLED)),
        (
            200,
            b'{"status":"REJECTED","reason":"LIMIT"}',
            Completion(Outcome.REJECTED, "LIMIT"),
        ),
        (200, b'{"status":"PENDING"}', None),
        (200, b'{"status":["SETTLED"]}', None),
        (200, b"{}", None),
        (200, b"nonsense", None),
        (404, b'{"status":"SETTLED"}', None),
        (500, b'{"status":"SETTLED"}', None),
    ],
)
def test_a_status_is_final_or_nothing(status, body, read):
    """Only a 200 with SETTLED or REJECTED ends a command; all else is asked again."""
    assert ADAPTER.http_status("c") == HttpRequest("GET", "/api/commands/c")
    assert ADAPTER.read_status(answer(status, body)) == read


@pytest.mark.parametrize(
    ("flags", "read"),
    [
        ('["VELOCITY","ROUND"]', ("ROUND", "VELOCITY")),
        ('["ROUND","ROUND"]', ("ROUND",)),
        ("[]", ()),
        ("null", ()),
        ('"ROUND"', ()),
        ('{"ROUND":true}', ()),
        ('[1,null,"",["ROUND"],"ROUND"]', ("ROUND",)),
    ],
)
def test_flags_are_a_list_of_texts_or_nothing(flags, read):
    """Whatever else stands where flags would is no flag, and takes no outcome away."""
    body = b'{"status":"SETTLED","flags":%s}' % flags.encode()
    assert ADAPTER.read_status(HttpAnswer(200, {}, body)) == Completion(Outcome.SETTLED, "", read)


amounts = st.integers(-(2**62), 2**62)


@given(amounts, st.sampled_from(sorted(MINOR_DIGITS)))
def test_balances_are_read_to_the_last_digit(minor, currency):
    """No digit of a statement is rounded, however large the number: nothing goes through a float."""
    line = (
        f'{{"accountId":"A","customerId":"C","currencyCode":"{currency}",'
        f'"balance":{to_wire(minor, currency)}}}'
    )
    row = ADAPTER.read_account_row(line.encode())
    assert row == BookAccount("A", "C", currency, minor)


@given(amounts, amounts, amounts)
def test_postings_are_read_to_the_last_digit(own, other, after):
    """Each leg in its currency; the balance in that of the account's own leg."""
    line = (
        '{"commandId":"c","accountId":"A","type":"t","status":"SETTLED","reason":null,'
        f'"receivedAt":1,"decidedAt":2,"accountSeq":3,"postings":['
        f'{{"account":"A","amount":{to_wire(own, "KWD")},"currency":"KWD"}},'
        f'{{"account":"B","amount":{to_wire(other, "JPY")},"currency":"JPY"}}],'
        f'"balanceAfter":{to_wire(after, "KWD")}}}'
    )
    legs = (Posting("A", own, "KWD"), Posting("B", other, "JPY"))
    assert ADAPTER.read_command_row(line.encode()) == BookCommand(
        "c", "A", Outcome.SETTLED, "", 2, 3, legs, after
    )


def test_a_row_without_decision_is_pending():
    """Null where nothing is known: no outcome, no time, no balance."""
    row = ADAPTER.read_command_row(
        b'{"commandId":"c","accountId":null,"status":"PENDING","reason":null,"decidedAt":null,'
        b'"accountSeq":null,"postings":[],"balanceAfter":null}'
    )
    assert row == BookCommand("c", "", Outcome.NONE, "", 0, 0, (), None)


def test_a_clearing_account_has_no_customer():
    """The platform's own accounts have null for the customer."""
    row = ADAPTER.read_account_row(
        b'{"accountId":"clearing-USD","customerId":null,"currencyCode":"USD","balance":-1.00}'
    )
    assert row == BookAccount("clearing-USD", "", "USD", -100)


def test_the_last_line_ends_a_statement():
    """Sequence number and row count, for both statements."""
    end = b'{"asOf":12,"rows":3}'
    assert ADAPTER.read_account_row(end) == StatementEnd(12, 3)
    assert ADAPTER.read_command_row(end) == StatementEnd(12, 3)


GOOD_ROW = {
    "commandId": "c", "accountId": "A", "status": "SETTLED", "reason": None, "decidedAt": 1,
    "accountSeq": 1, "postings": [], "balanceAfter": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"accountId":"A","currencyCode":"USD","balance":1.005}',
        b'{"accountId":"A","currencyCode":"USD","balance":1e999999999}',
        b'{"accountId":"A","currencyCode":"USD","balance":NaN}',
        b'{"accountId":"A","currencyCode":"XXX","balance":1}',
        b'{"accountId":"A","currencyCode":["USD"],"balance":1}',
        b'{"accountId":"A","currencyCode":"USD"}',
        b'{"accountId":"A","currencyCode":"USD","balance":{}}',
        *(
            json.dumps({**GOOD_ROW, **change}).encode()
            for change in (
                {"status": "DONE"},
                {"status": None},
                {"decidedAt": "soon"},
                {"decidedAt": float("inf")},
                {"accountSeq": {"a": 1}},
                {"postings": None},
                {"postings": 7},
                {"postings": ["x"]},
                {"postings": [{"account": "A", "amount": 1}]},
                {"postings": [{"account": "A", "amount": "x", "currency": "USD"}]},
            )
        ),
    ],
)
def test_a_hostile_row_is_a_value_error(line):
    """Whatever a statement contains, it is read or refused: both readers raise ValueError only."""
    with pytest.raises(ValueError, match=r".") as raised:
        ADAPTER.read_account_row(line)
    assert len(str(raised.value)) < 400
    with pytest.raises(ValueError, match=r"."):
        ADAPTER.read_command_row(line)


@given(st.binary(max_size=100))
def test_any_line_is_read_or_refused(line):
    """No bytes make a reader fail in another way."""
    for reader in (ADAPTER.read_account_row, ADAPTER.read_command_row):
        try:
            reader(line)
        except ValueError:
            continue


def test_a_platform_is_recognised_by_its_statement():
    """The probe's answer is this platform's where its first line is a row, or the end."""
    assert ADAPTER.http_probe() == HttpRequest("GET", "/api/statements/accounts")
    assert ADAPTER.is_recognised(answer(200, b'{"asOf":0,"rows":0}\n'))
    row = b'{"accountId":"A","customerId":"C","currencyCode":"USD","balance":1.00}\n{"accou'
    assert ADAPTER.is_recognised(answer(200, row))
    assert not ADAPTER.is_recognised(answer(404, b'{"asOf":0,"rows":0}\n'))
    assert not ADAPTER.is_recognised(answer(200, b"<html>"))


def test_no_name_is_the_default_adapter():
    """Without --platform the contract's own adapter speaks."""
    assert type(load_platform(None)) is type(load_platform("")) is Platform


def test_a_class_of_a_file_is_loaded(tmp_path):
    """FILE:CLASS is an instance of that class."""
    (tmp_path / "my.py").write_text(
        "from e2e_data.platform import Platform\nclass Mine(Platform):\n    idempotent = False\n"
    )
    found = load_platform(f"{tmp_path / 'my.py'}:Mine")
    assert type(found).__name__ == "Mine"
    assert not found.idempotent


@pytest.mark.parametrize(
    ("content", "spec", "said"),
    [
        ("", "my.py", "give FILE:CLASS"),
        ("", "none.py:Mine", "give FILE:CLASS"),
        ("", ":Mine", "give FILE:CLASS"),
        ("1/0", "my.py:Mine", "does not load: ZeroDivisionError"),
        ("def", "my.py:Mine", "does not load: SyntaxError"),
        ("", "my.py:Mine", "has no class Mine that extends Platform"),
        ("class Mine: pass", "my.py:Mine", "has no class Mine that extends Platform"),
        ("Mine = 3", "my.py:Mine", "has no class Mine that extends Platform"),
    ],
)
def test_an_adapter_that_cannot_be_loaded_is_a_problem(tmp_path, monkeypatch, content, spec, said):
    """What is wrong with --platform is said in a sentence with the value."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(content)
    with pytest.raises(Problems) as raised:
        load_platform(spec)
    (problem,) = raised.value.problems
    assert problem.startswith(f"--platform {spec}: ")
    assert said in problem
