"""The contract is true: its tables are the configuration's, its examples go through the code."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from e2e_data import boundary, config, config_checks, ids, money, oracle, order, payments
from e2e_data.book_rows import StatementEnd
from e2e_data.commands import (
    COMMAND_TYPES,
    PERIODS,
    Account,
    AccountType,
    Beneficiary,
    Channel,
    Command,
    Kind,
    Label,
    Outcome,
)
from e2e_data.config_parts import band_edge
from e2e_data.ids import Correlation, Ids, Namespace
from e2e_data.model.rules import Rules
from e2e_data.platform import Acknowledged, HttpAnswer, Platform, Sending
from locustfiles import bindings
from locustfiles.completions import PollingSource
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan
from locustfiles.replays import WHY_NOT_COMPLETE
from reports import book, causes
from reports.classes import PRECEDENCE
from reports.invariants import INVARIANTS
from reports.judgement import Status
from reports.latencies import LATENCIES
from sandbox.defects import Defects
from sandbox.http_front import app_for
from sandbox.ledger import Ledger
from sandbox.platform import Platform as SandboxPlatform

CONTRACT = (Path(__file__).resolve().parents[2] / "docs" / "contract.md").read_text("utf-8")
PLAIN = " ".join(CONTRACT.split())
ADAPTER = Platform()
POOL = config.load("smoke")


# -- reading the document -------------------------------------------------------------------------


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


# -- what is sent -----------------------------------------------------------------------------------


def test_currencies_quotes_and_digits_are_the_defaults():
    """The five currencies with their minor digits, quotes and the rate made of two of them."""
    shown = columns("currency")
    del shown["currency"]
    assert tuple(shown) == POOL.currencies
    for currency, (digits, quote) in shown.items():
        assert int(digits) == money.MINOR_DIGITS[currency]
        assert Decimal(quote) == POOL.usd_quotes[currency]
    assert f"USD to EUR is {POOL.rates['USD/EUR']}." in PLAIN
    assert f"to {money.RATE_DIGITS} significant digits" in PLAIN


def test_account_types_are_the_defaults():
    """The share of each account type."""
    shown = dict(table("account field"))["`accountType`"]
    shares = {name: int(share) for share, name in re.findall(r"(\d+) % ([A-Z_]+)", shown)}
    weights = POOL.account_types.weights
    assert shares == {kind.name: weights[kind] for kind in AccountType}


def test_transit_numbers_and_value_dates_are_the_defaults():
    """The ranges that are given in words."""
    shown = dict(table("account field"))["`transitNumber`"]
    assert shown.endswith(f"`001` to `{POOL.transit_numbers:03d}`")
    assert f"0 to {POOL.value_days} days (`value_days`)" in PLAIN
    least, most = POOL.funding_percent
    assert f"each of {least} to {most} % of B" in PLAIN
    assert f"`fx_percentage` % of the payments ({POOL.fx_percentage} unless set)" in PLAIN


def test_opening_balances_are_the_defaults():
    """Two ranges, and the share of accounts in the lower one."""
    stated = re.search(
        r"from ([\d,]+) to ([\d,]+) currency units for (\d+) % of the accounts, "
        r"and from ([\d,]+) to ([\d,]+) for the others",
        PLAIN,
    )
    assert stated is not None
    low, middle, share, again, high = map(number, stated.groups())
    balance = POOL.opening_balance
    assert (low, middle, share, again, high) == (
        balance.low_units,
        balance.break_units,
        balance.below_break_percent,
        balance.break_units,
        balance.high_units,
    )


def test_limits_are_the_defaults():
    """Each period's share of the opening balance, and its floor."""
    shown = columns("period")
    del shown["period"]
    assert tuple(shown) == PERIODS
    rules = [(rule.percent, rule.floor_units) for rule in POOL.limits.rules]
    assert [tuple(map(number, cells)) for cells in shown.values()] == rules


def test_payment_bands_are_the_defaults():
    """Each band's range in percent of the HOUR limit, and its share of the payments."""
    shown = columns("amount in HOUR limits")
    del shown["amount in HOUR limits"]
    bands = [(b.from_percent, b.to_percent, b.weight_percent) for b in POOL.payment_bands]
    assert [(*span(edges), number(share)) for edges, (share,) in shown.items()] == bands


def test_the_edges_of_bands_belong_where_the_document_says():
    """10 and 50 % to the band above, 100 and 150 % to the band below."""
    assert "exactly 10 or 50 % belongs to the upper band, one of exactly 100 or 150 %" in PLAIN
    first_beyond = {percent: band_edge(1000, percent) for percent in (10, 50, 100, 150)}
    assert first_beyond == {10: 100, 50: 500, 100: 1001, 150: 1501}


def test_the_share_of_certain_rejects_follows_from_the_tables():
    """About 42 % of a limit-based account's payments are above a fifth of its HOUR limit."""
    hour, minute = POOL.limits.hour, POOL.limits.minute
    assert hour.percent == 5 * minute.percent
    assert hour.floor_units == 5 * minute.floor_units
    above = sum(
        Fraction(band.weight_percent)
        * min(1, Fraction(max(0, band.to_percent - 20), band.to_percent - band.from_percent))
        for band in POOL.payment_bands
    )
    assert "about 42 % of the payments of limit-based accounts must be rejected" in PLAIN
    assert abs(above - 42) < 1


def test_presets_are_the_configurations():
    """Every preset with its figures, and no other."""
    rows = table("preset")
    shown = {
        code(name): {
            "accounts": number(accounts),
            "payments": span(payments),
            "funding": span(funding),
            "limit_based_percentage": number(limit_based),
        }
        for name, accounts, payments, funding, limit_based in rows
    }
    assert shown == config.PRESETS
    stress = config.load("stress")
    each = 2 + Fraction(sum(stress.payments) + sum(stress.funding), 2)
    assert f"about {float(stress.accounts * each) / 1e6:.1f} million commands" in PLAIN


def test_the_example_of_a_configuration_file_is_one(tmp_path):
    """It loads, sets nothing to what it is anyway, and every tenth account is special by it."""
    (text,) = (text for text in fences("toml") if "hostile_percentage" in text)
    file = tmp_path / "pool.toml"
    file.write_text(text, encoding="utf-8")
    loaded = config.load(file=file)
    plain = config.load("medium")
    named = set(re.findall(r"^([a-z_]+) = ", text, re.M))
    named |= set(re.findall(r"^\[([a-z_]+)\]", text, re.M))
    changed = {
        name
        for name in config.PoolConfig.model_fields
        if getattr(loaded, name) != getattr(plain, name)
    }
    fields = {*type(loaded.patterns).model_fields, *type(loaded.hostile_flavours).model_fields}
    assert named - fields - {"preset"} == changed
    special = (loaded.hot_account_share, loaded.boundary_percentage, loaded.pattern_percentage)
    assert sum(special) == 10
    assert loaded.hostile_percentage == Decimal(1) / 200 * 100
    assert set(loaded.patterns.weights) - {40, 0} == {20}
    assert set(loaded.hostile_flavours.weights) - {20, 0} == {10}


def test_labels_are_the_codes():
    """Every label is in the table, in its order, with what the oracle says of it."""
    rows = table("label")
    assert [name for name, _, _ in rows] == [label.text for label in Label]
    words = {
        "as in section 6": Outcome.SETTLED,
        "rejected": Outcome.REJECTED,
        "not understood": Outcome.INVALID | Outcome.DEAD_LETTERED,
        "as its original, once": Outcome.SETTLED,
    }
    for label, (_, _, right) in zip(Label, rows, strict=True):
        first, found = oracle.expected_of_payments(
            oracle.Book(
                limit_based=np.array([True]),
                minute_limit_minor=np.array([100]),
                opening_balance_minor=np.array([0]),
                funding_account=np.zeros(0, np.int32),
                funding_minor=np.zeros(0, np.int64),
                payment_account=np.zeros(2, np.int32),
                payment_minor=np.array([50, 50]),
                payment_label=np.array([Label.NONE, label], np.uint8),
                payment_original=np.array([-1, 0 if label.is_replay else -1]),
            )
        )
        assert (first, found) == (Outcome.SETTLED, words[right])
        assert label.is_replay == (right == "as its original, once")
        assert label.is_hostile == (right != "as in section 6")


def test_figures_of_labels_are_the_codes():
    """Amounts and places that the table gives are those of the generator."""
    rows = {name: text for name, text, _ in table("label")}
    least, most = (f"{units:,}" for units in config_checks.REPORTABLE_UNITS)
    assert rows["reportable"] == f"of {least} to {most} currency units"
    assert rows["round"] == f"of a multiple of {payments.ROUND_UNITS} currency units"
    assert order.DORMANT_EIGHTHS == 7
    assert "after seven eighths of the other accounts' payments" in rows["dormant"]
    assert "so that one minute holds each: three parts" in PLAIN
    assert boundary.PARTS == 3


def test_settings_that_are_named_exist():
    """A name in code style that looks like a setting is one: of the pool, the plan, the adapter or its rules."""
    known = {*config.PoolConfig.model_fields, *Plan.model_fields, *Phase.model_fields}
    known |= {*vars(Platform), *vars(Rules)}
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)(?: = \w+)?`", CONTRACT))
    assert {"limit_based_percentage", "enable_limit_violations", "settle_s"} <= named
    assert named <= known


def test_command_types_are_the_codes():
    """Each command type on the wire is named, and no other."""
    named = re.findall(r"`((?:Create|Initiate)[A-Z]\w+)`", CONTRACT)
    assert set(named) == set(COMMAND_TYPES.values())


def test_times_are_the_plans_defaults():
    """Settle time, deadline, time-out, polling intervals and tries at the statements."""
    for setting, model in (
        ("settle_s", Phase),
        ("completion_deadline_s", Plan),
        ("timeout_s", Plan),
    ):
        assert f"`{setting}` ({model.model_fields[setting].default} s)" in PLAIN
    polling = inspect.signature(PollingSource.__init__).parameters
    first_ms = polling["first_wait_ns"].default // 10**6
    longest_ms = polling["longest_wait_ns"].default // 10**6
    assert f"first {first_ms} ms after the answer" in PLAIN
    assert f"double up to {longest_ms:,} ms" in PLAIN
    assert f"until their `asOf` agree, {book.TRIES} times at most" in PLAIN


def test_reasons_for_blocking_are_the_codes():
    """What each kind needs before it is sent, and what is said where that is missing."""
    *stages, unbound, (repeats, _, why) = table("to send")
    assert (repeats, why) == (Label.REPLAY.text, WHY_NOT_COMPLETE)
    shown = {name: why for names, _, why in stages for name in names.split(", ")}
    needs = {kind: stage for kind, stage in bindings.NEEDS.items() if stage}
    assert shown == {
        kind.label: bindings.WHY_BLOCKED[bindings.Stage(stage - 1)] for kind, stage in needs.items()
    }
    assert unbound[2] == bindings.WHY_UNBOUND


# -- ids --------------------------------------------------------------------------------------------


def test_a_command_ids_parts_fill_a_uuid():
    """The parts are as wide as the code has them, and together with version and variant 128 bits."""
    widths = {
        part: int(bits)
        for part, (bits,) in columns("part of a command id").items()
        if bits.isdecimal()
    }
    assert list(widths.values()) == [
        64,
        max(Namespace).value.bit_length() + 1,
        (ids.LAPS - 1).bit_length(),
        (ids.SHARDS - 1).bit_length(),
        (ids.INDICES - 1).bit_length(),
    ]
    assert sum(widths.values()) == 128 - 4 - 2
    assert "namespace (0 command, 1 customer)" in widths
    assert (Namespace.COMMAND, Namespace.CUSTOMER) == (0, 1)


def test_the_documented_ids_decode_to_what_is_said_of_them():
    """With the stated key and nonce each id gives its shard, lap and index; another run's is foreign."""
    stated = re.search(
        r"`([0-9a-f-]{36})` is command (\d+) of shard (\d+) in lap (\d+), "
        r"and `([0-9a-f-]{36})` is the customer of account (\d+) of shard (\d+) in lap (\d+)",
        PLAIN,
    )
    assert stated is not None
    for namespace, (text, *place) in zip(
        Namespace, (stated.groups()[:4], stated.groups()[4:]), strict=True
    ):
        found = run_ids().decode([text], namespace)
        index, shard, lap = map(int, place)
        assert found.known.all()
        assert (found.index[0], found.shard[0], found.lap[0]) == (index, shard, lap)
        assert not run_ids().decode([text], Namespace(1 - namespace)).known.any()
        other = Ids(run_ids().key, run_ids().nonce + 1)
        assert not other.decode([text], namespace).known.any()


def test_every_command_id_in_the_document_is_of_its_run():
    """Each id of a command or customer in the examples decodes; only the account's is the platform's."""
    found = set(
        re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", CONTRACT)
    )
    commands = {text for text in found if run_ids().decode([text]).known[0]}
    customers = found - commands
    assert len(commands) == 5
    assert run_ids().decode(sorted(customers), Namespace.CUSTOMER).known.tolist() == [True]


def test_the_correlation_table_adds_up_to_the_payments_id():
    """The byte ranges follow one another, fill 24 bytes, and are the header of the payment."""
    rows = table("bytes", "size")
    at = 0
    for where, size, _, example in rows:
        low, high = span(where) if "\N{EN DASH}" in where else (int(where), int(where))
        assert (low, high - low + 1, len(code(example))) == (at, int(size), 2 * int(size))
        at = high + 1
    assert at == ids.CORRELATION_BYTES == 24
    assert "".join(code(example) for *_, example in rows) == dict(PAYMENT[2])["X-Correlation-Id"]


def test_the_correlation_tables_fields_are_packed_as_it_says():
    """Each row's example is the bytes of the fields that it names; codes are the enumerations'."""
    parts = [int(code(example), 16) for *_, example in table("bytes", "size")]
    tag, lap, place, attempt, packed, phase, intended_us, _ = parts
    correlation = Correlation(
        tag=tag,
        lap=lap,
        shard=place >> 20,
        index=place & (2**20 - 1),
        attempt=attempt,
        kind=Kind(packed >> 6),
        channel=Channel(packed >> 4 & 3),
        expected=Outcome(packed & 15),
        phase=phase,
        intended_us=intended_us,
    )
    assert correlation.pack().hex() == dict(PAYMENT[2])["X-Correlation-Id"]
    assert tag == run_ids().tag
    kinds = ", ".join(f"{kind} {kind.label}" for kind in Kind)
    assert f"kind (2 bits: {kinds}), channel (2 bits: {Channel.HTTP} HTTP)" in PLAIN
    either = Outcome.SETTLED | Outcome.REJECTED
    sets = f"{Outcome.SETTLED:d} settled, {Outcome.REJECTED:d} rejected, {either:d} either"
    assert f"expected set (4 bits: {sets})" in PLAIN


@pytest.mark.parametrize("request_", REQUESTS, ids=[path for _, path, _, _ in REQUESTS])
def test_a_requests_two_ids_name_the_same_command(request_):
    """Command id and correlation id decode to one shard and index, and the kind is the body's."""
    headers = dict(request_[2])
    correlation = Correlation.unpack(bytes.fromhex(headers["X-Correlation-Id"]))
    decoded = run_ids().decode([headers["Idempotency-Key"]])
    assert correlation is not None
    assert decoded.known[0]
    assert (correlation.shard, correlation.index) == (decoded.shard[0], decoded.index[0])
    assert correlation.tag == run_ids().tag
    assert correlation.kind is sending_of(request_).command.kind


# -- requests ---------------------------------------------------------------------------------------


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


# -- the sandbox plays the examples -----------------------------------------------------------------


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
        incoming = {"type": "http.request", "body": body.encode(), "more_body": False}
        outgoing = []

        async def receive():
            return incoming

        async def send(message):
            outgoing.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        }
        asyncio.run(self.app(scope, receive, send))
        return outgoing[0]["status"], b"".join(part.get("body", b"") for part in outgoing)


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


# -- answers ----------------------------------------------------------------------------------------


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


# -- what is right ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "limit_or_balance", "funding", "payments", "sets"), table("worked example")
)
def test_the_oracles_sets_are_as_in_the_worked_examples(
    account, limit_or_balance, funding, payments, sets
):
    """The oracle gives each documented payment the documented set."""
    amounts = [money.from_wire(text, "USD") for text in payments.split("; ")]
    decisive = money.from_wire(limit_or_balance, "USD")
    limited = {"limit-based": True, "balance-based": False}[account]
    # What is not decisive for the account is zero, so that an oracle that asks for it is wrong.
    found = oracle.expected_of_payments(
        oracle.Book(
            limit_based=np.array([limited]),
            minute_limit_minor=np.array([decisive if limited else 0]),
            opening_balance_minor=np.array([0 if limited else decisive]),
            funding_account=np.zeros(1, np.int32),
            funding_minor=np.array([money.from_wire(funding, "USD")]),
            payment_account=np.zeros(len(amounts), np.int32),
            payment_minor=np.array(amounts),
            payment_label=np.zeros(len(amounts), np.uint8),
            payment_original=np.full(len(amounts), -1),
        )
    )
    assert [Outcome(int(flags)).label for flags in found] == sets.split("; ")


def test_the_classes_are_listed_in_their_order_of_precedence():
    """The first that fits is a command's class, in the document as in the judge."""
    rows = table("class")
    assert [name for name, _ in rows] == [str(name) for name in PRECEDENCE]
    assert all(meaning for _, meaning in rows)


def test_the_findings_of_hostile_payments_and_replays_are_the_judges():
    """Each is named as the judge names it; the reasons and breakdowns are the adapter's."""
    assert [name for name, *_ in table("finding")] == [
        *(causes.HOSTILE_SETTLED, causes.HOSTILE_ACCEPTED, causes.BREAKDOWN),
        *(causes.WRONG_REASON, causes.REPLAY_DIFFERS, causes.UNEXPECTED),
    ]
    reasons = ", ".join(f"`{reason}`" for reason in ADAPTER.rules.hostile_reasons.values())
    assert f"{reasons} (`hostile_reasons` of the adapter's `rules`)" in PLAIN
    assert {f"HTTP {code}" for code in re.findall(r"answered (\d+) \(the ad", PLAIN)} == {
        *ADAPTER.breakdowns
    }
    assert f"its high bit ({ids.REPLAY_ATTEMPT}) marks a replay" in PLAIN


def test_the_invariants_are_the_judges():
    """Number, title, and what each of them cannot do without."""
    words = {True: "yes", False: "no"}
    checks = [
        [check.number, check.title, words[check.needs_book], words[check.needs_drain]]
        for check in INVARIANTS
    ]
    assert [cells[:4] for cells in table("no.")] == checks


def test_a_checks_answers_are_documented():
    """Holds, violated, unknown and not asked are each explained."""
    assert all(f"**{status}**" in CONTRACT for status in Status)


def test_the_latencies_are_the_judges():
    """Each latency with its beginning and its end."""
    shown = {name: (f"{begin}_ns", f"{end}_ns") for name, begin, end, _ in table("latency")}
    assert shown == LATENCIES


def test_what_is_missing_is_said_to_be():
    """The last section names what is planned."""
    missing = PLAIN.partition("## Not in this version")[2]
    for word in ("debits", "Not told apart"):
        assert word in missing


def test_the_document_is_short():
    """A contract that nobody reads binds nobody."""
    assert CONTRACT.count("\n") < 520
