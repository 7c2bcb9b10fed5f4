"""Exports: what each format's files say of a pool's commands, and in which order."""

from __future__ import annotations

import base64
import csv
import json
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice

import orjson
import pytest

from e2e_data import bulk, money
from e2e_data.commands import COMMAND_TYPES, Channel, Kind, Label
from e2e_data.config import load
from e2e_data.envelope import timestamp
from e2e_data.exporters.export import export
from e2e_data.exporters.messages import Kafka, Mq
from e2e_data.exporters.portions import ROWS, SHARDS_AT_HAND, Addressing, portions
from e2e_data.exporters.tables import Tables
from e2e_data.exporters.vegeta import PHASES, Vegeta
from e2e_data.ids import REPLAY_ATTEMPT, Correlation, Ids, Namespace, static_account_id
from e2e_data.lookup import read_scheme
from e2e_data.platform import HttpRequest, Platform
from e2e_data.pool import Pool
from e2e_data.problems import Problems

DAY = date(2026, 11, 20)
MADE = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
IDS = Ids(bytes(range(16)), 2**63 + 5)
HOST = "http://platform.example:8080"
POOL = Pool.in_memory(
    load(
        "smoke",
        {
            "accounts": 30,
            "accounts_per_shard": 8,
            "fx_percentage": 40,
            "hostile_percentage": 40,
            "regions": ["north", "south"],
        },
    ),
    3,
)
EACH_ALONE = [[[kind] for kind in Kind]]


class Elsewhere(Platform):
    """A platform with another way to carry commands over HTTP."""

    def http_command(self, sending):
        body = self.body(sending).encode()
        headers = (("X-Key", sending.command_id), ("Accept", "a"), ("Accept", "b"))
        return HttpRequest("PUT", f"/v2/{sending.command_id}?a=%20", headers, body)


class Renamed(Platform):
    """A platform with another payload and envelope."""

    def payload(self, sending):
        return super().payload(sending).replace('"amount"', '"value"')

    def envelope(self, sending, **sent):
        return super().envelope(sending, **sent).replace('"payload"', '"content"')


class OfTwoLines(Platform):
    """A platform whose payloads have line breaks."""

    def payload(self, sending):
        return super().payload(sending).replace(",", ",\n", 1)


def exported(form, path, pool=POOL):
    """Export a pool; return the files' texts by name."""
    export(pool, form, path / "out", first_day=DAY, ids=IDS)
    return {file.name: file.read_text() for file in sorted((path / "out").iterdir())}


def sendings(channel, kind):
    """Return all commands of a kind as they are sent, in the order of the pool's portions."""
    addressing = Addressing(IDS, channel, DAY)
    return [
        bulk.sending(portion.batch, row)
        for portion in portions(POOL, addressing, [[[kind]]])
        for row in range(len(portion))
    ]


# -- what all formats share -------------------------------------------------------------------------


def test_every_command_is_exported_once():
    """Whatever the passes are, and each with its own ids but a replay, which has its original's."""
    for passes in (EACH_ALONE, [[[Kind.ACCOUNT, Kind.OPENING_CREDIT]], [[Kind(2), Kind(3)]]]):
        told = Counter()
        for portion in portions(POOL, Addressing(IDS, Channel.HTTP, DAY), passes):
            shard, batch = portion.batch.shard, portion.batch
            told.update((shard.number, index) for index in portion.indices.tolist())
            found = IDS.decode(batch.command_ids)
            assert (found.index == batch.indices).all()
            owners = IDS.decode(batch.customer_ids, Namespace.CUSTOMER)
            assert (owners.index == shard.account_number[batch.indices]).all()
            for index, sent in zip(portion.indices.tolist(), batch.indices.tolist(), strict=True):
                original = shard.command(index).original
                assert sent == (index if original is None else original)
        assert told == Counter(
            (shard.number, index) for shard in POOL.shards() for index in range(len(shard))
        )


def test_a_correlation_id_names_the_attempt():
    """Command, channel and expected set; a replay is another attempt at its original."""
    attempts = Counter()
    for portion in portions(POOL, Addressing(IDS, Channel.KAFKA, DAY), EACH_ALONE):
        batch = portion.batch
        for row, text in enumerate(batch.correlation_ids):
            read = Correlation.unpack(bytes.fromhex(text))
            command = batch.shard.command(int(batch.indices[row]))
            is_replay = portion.indices[row] != batch.indices[row]
            attempts[read.attempt] += 1
            assert read == Correlation(
                tag=IDS.tag,
                lap=0,
                shard=command.shard,
                index=command.index,
                attempt=REPLAY_ATTEMPT if is_replay else 0,
                kind=command.kind,
                channel=Channel.KAFKA,
                expected=command.expected,
                phase=command.kind,
                intended_us=0,
            )
    assert set(attempts) == {0, REPLAY_ATTEMPT}


def test_shards_take_turns():
    """So the load is spread over the accounts of many shards, of which few are in memory."""
    config = load("small", {"accounts": 200, "accounts_per_shard": 8, "payments": (150, 150)})
    pool = Pool.in_memory(config, 1)
    told = portions(pool, Addressing(IDS, Channel.HTTP, DAY), [[[Kind.PAYMENT]]])
    first = list(islice(told, 2 * SHARDS_AT_HAND))
    assert [portion.batch.shard.number for portion in first] == [*range(SHARDS_AT_HAND)] * 2
    assert {len(portion) for portion in first} == {ROWS, 150 * 8 - ROWS}
    assert next(told).batch.shard.number == SHARDS_AT_HAND


def test_the_ids_are_beside_the_files(tmp_path):
    """As run.json has them, so that any id is explained; without a scheme they are new each time."""
    exported(Tables(), tmp_path)
    scheme = read_scheme(tmp_path / "out" / "ids.json")
    assert scheme.ids == IDS
    assert scheme.first_day == DAY
    for name in ("one", "two"):
        export(POOL, Tables(), tmp_path / name, first_day=DAY)
    one, two = (read_scheme(tmp_path / name / "ids.json") for name in ("one", "two"))
    assert one.key != two.key
    assert one.nonce != two.nonce


def test_progress_is_told_in_commands(tmp_path):
    """From none to nearly all, never backwards."""
    told = []
    export(POOL, Tables(), tmp_path / "out", first_day=DAY, progress=told.append)
    assert told[0] == 0
    assert told == sorted(told)
    assert len(POOL) - ROWS <= told[-1] < len(POOL)


# -- Vegeta -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", [Platform, Elsewhere, Renamed])
def test_vegetas_targets_are_the_adapters_requests(adapter, tmp_path):
    """Method, address, headers and body of each, whether they were written in bulk or not."""
    files = exported(Vegeta(adapter(), HOST), tmp_path)
    assert set(files) == {
        *(f"{phase}.{ending}" for phase in PHASES.values() for ending in ("json", "txt")),
        "run-vegeta.sh",
        "ids.json",
    }
    for kind, phase in PHASES.items():
        lines = files[f"{phase}.json"].splitlines()
        for line, one in zip(lines, sendings(Channel.HTTP, kind), strict=True):
            target, request = orjson.loads(line), adapter().http_command(one)
            assert set(target) == {"method", "url", "header", "body"}
            assert (target["method"], target["url"]) == (request.method, HOST + request.path)
            headers = [(name, v) for name, values in target["header"].items() for v in values]
            assert headers == list(request.headers)
            assert base64.b64decode(target["body"], validate=True) == request.body


@pytest.mark.parametrize("adapter", [Platform, Elsewhere])
def test_vegetas_texts_are_the_same_requests_to_be_read(adapter, tmp_path):
    """Request line, headers, a blank line, the body as it is; and a blank line before the next."""
    files = exported(Vegeta(adapter(), HOST), tmp_path)
    for kind, phase in PHASES.items():
        assert files[f"{phase}.txt"] == "".join(
            f"{request.method} {HOST}{request.path}\n"
            + "".join(f"{name}: {value}\n" for name, value in request.headers)
            + f"\n{request.body.decode()}\n\n"
            for request in map(adapter().http_command, sendings(Channel.HTTP, kind))
        )


def test_accounts_are_named_before_they_exist(tmp_path):
    """By a UUID of version 5 of the customer's id; no later target names any other account."""
    files = exported(Vegeta(Platform(), HOST), tmp_path)
    bodies = {
        kind: [orjson.loads(base64.b64decode(orjson.loads(line)["body"])) for line in lines]
        for kind in (Kind.ACCOUNT, Kind.OPENING_CREDIT, Kind.FUNDING)
        for lines in [files[f"{PHASES[kind]}.json"].splitlines()]
    }
    opened = [static_account_id(body["customerId"]) for body in bodies[Kind.ACCOUNT]]
    assert [body["accountId"] for body in bodies[Kind.OPENING_CREDIT]] == opened
    assert {body["accountId"] for body in bodies[Kind.FUNDING]} <= set(opened)


@pytest.mark.parametrize("adapter", [Platform, Elsewhere])
def test_a_regions_commands_go_to_its_address(adapter, tmp_path):
    """In bulk or not, a replay's to its original's region; to --host where a region has none."""
    south = "http://south.example:81"
    files = exported(Vegeta(adapter(), HOST, {"south": south}), tmp_path)
    seen = set()
    for kind, phase in PHASES.items():
        targets = map(orjson.loads, files[f"{phase}.json"].splitlines())
        texts = files[f"{phase}.txt"].split("\n\n")[::2]
        for target, text, one in zip(targets, texts, sendings(Channel.HTTP, kind), strict=False):
            host = {"north": HOST, "south": south}[one.command.account.region]
            assert target["url"] == host + adapter().http_command(one).path
            assert text.split()[1] == target["url"]
            seen.add(host)
    assert seen == {HOST, south}


def test_a_percent_sign_in_an_address_is_kept(tmp_path):
    """Such as that of an IPv6 zone."""
    host = "http://[fe80::1%25eth0]:8080"
    files = exported(Vegeta(Platform(), host), tmp_path)
    assert orjson.loads(files["04-payments.json"].splitlines()[0])["url"] == f"{host}/api/payments"
    assert files["04-payments.txt"].startswith(f"POST {host}/api/payments\n")


# -- messages ---------------------------------------------------------------------------------------

NAMES = {
    Kind.ACCOUNT: "accounts",
    Kind.OPENING_CREDIT: "opening-credits",
    Kind.FUNDING: "funding-txns",
    Kind.PAYMENT: "payments",
}


@pytest.mark.parametrize("adapter", [Platform, Renamed])
def test_messages_are_the_adapters_envelopes(adapter, tmp_path):
    """One a line, each with a message id of its own."""
    files = exported(Mq(adapter(), "REPLY.QUEUE", MADE), tmp_path)
    assert set(files) == {
        *(f"{name}.jsonl" for name in (*NAMES.values(), "all-messages")),
        "load-mq.sh",
        "ids.json",
    }
    drawn = set()
    for kind, name in NAMES.items():
        lines = files[f"{name}.jsonl"].splitlines()
        for line, one in zip(lines, sendings(Channel.MQ, kind), strict=True):
            message_id = line.partition('"messageId":"')[2][:36]
            drawn.add(message_id)
            assert line == adapter().envelope(
                one, message_id=message_id, timestamp=timestamp(MADE), reply_to="REPLY.QUEUE"
            )
    assert len(drawn) == len(POOL)


def test_all_messages_are_in_the_order_of_sending(tmp_path):
    """All accounts, then all opening credits, then funding and payments, evenly mixed."""
    files = exported(Mq(Platform(), "Q", MADE), tmp_path)
    lines = files["all-messages.jsonl"].splitlines()
    parts = {kind: files[f"{name}.jsonl"].splitlines() for kind, name in NAMES.items()}
    accounts = POOL.count_of(Kind.ACCOUNT)
    assert lines[:accounts] == parts[Kind.ACCOUNT]
    assert lines[accounts : 2 * accounts] == parts[Kind.OPENING_CREDIT]
    rest, funding = lines[2 * accounts :], set(parts[Kind.FUNDING])
    assert [line for line in rest if line in funding] == parts[Kind.FUNDING]
    assert [line for line in rest if line not in funding] == parts[Kind.PAYMENT]
    first_shard = sum(POOL.shard_counts(0)[Kind.FUNDING :])
    half = sum(line in funding for line in rest[: first_shard // 2])
    assert abs(half - POOL.shard_counts(0).funding / 2) <= 1


def test_an_envelope_has_the_domains_fields(tmp_path):
    """In the documented order, with the command's type, and the payload as JSON of its own."""
    pool = Pool.in_memory(load("smoke", {"accounts": 4}), 1)
    files = exported(Mq(Platform(), 'A "QUEUE"', MADE), tmp_path, pool)
    for kind, name in NAMES.items():
        for line in files[f"{name}.jsonl"].splitlines():
            envelope = orjson.loads(line)
            assert list(envelope) == [
                *("messageId", "commandId", "correlationId", "timestamp", "commandType"),
                *("payload", "replyTo"),
            ]
            assert envelope["commandType"] == COMMAND_TYPES[kind]
            assert (envelope["timestamp"], envelope["replyTo"]) == (
                "2026-11-20T12:00:00Z",
                'A "QUEUE"',
            )


def test_kafka_records_have_the_key_before_the_message(tmp_path):
    """The account's id, or the customer's for the account's creation; then a tab."""
    files = exported(Kafka(Platform(), "payments.events", MADE), tmp_path)
    assert set(files) == {
        *(f"{name}.kcat" for name in (*NAMES.values(), "all-messages")),
        "load-kafka.sh",
        "ids.json",
    }
    for kind, name in NAMES.items():
        lines = files[f"{name}.kcat"].splitlines()
        for line, one in zip(lines, sendings(Channel.KAFKA, kind), strict=True):
            key, tab, value = line.partition("\t")
            assert tab
            assert "\t" not in value
            assert key == (one.customer_id if kind is Kind.ACCOUNT else one.account_id)
            assert f'"commandId":"{one.command_id}"' in value
            assert value.endswith('"replyTo":"payments.events"}')


@pytest.mark.parametrize("form", [Mq, Kafka])
def test_a_message_of_several_lines_is_refused(form, tmp_path):
    """A line is a message: an adapter that breaks lines would make two of one."""
    with pytest.raises(Problems, match="line break"):
        export(POOL, form(OfTwoLines(), "Q", MADE), tmp_path / "out", first_day=DAY)
    assert not list(tmp_path.iterdir())


# -- tables -----------------------------------------------------------------------------------------


def tables(path):
    """Export as CSV; return the rows of each kind's table."""
    files = exported(Tables(), path)
    assert set(files) == {*(f"{name}.csv" for name in NAMES.values()), "ids.json"}
    return {
        kind: list(csv.DictReader(files[f"{name}.csv"].splitlines()))
        for kind, name in NAMES.items()
    }


def test_tables_have_every_value_of_the_pool(tmp_path):
    """A row for each command, in its own place, with amounts as exact decimals."""
    shards = {shard.number: shard for shard in POOL.shards()}
    labels = Counter()
    for kind, rows in tables(tmp_path).items():
        assert len(rows) == POOL.count_of(kind)
        for row in rows:
            command = shards[int(row["shard"])].command(int(row["index"]))
            assert command.kind is kind
            labels[row["label"]] += 1
            assert row["label"] == ("" if command.label is Label.NONE else command.label.text)
            assert row["expected"] == command.expected.label
            sent = command
            if command.original is not None:
                assert row["replays_index"] == str(command.original)
                sent = shards[command.shard].command(command.original)
            CHECKS[kind](row, sent)
            assert IDS.decode([row["command_id"]]).index[0] == sent.index
    assert {"", "unknown account", "replay", "racing replay"} <= set(labels)


def exact(minor, currency):
    return money.to_wire(minor, currency)


def check_account(row, command):
    account = command.account
    code = account.currency
    assert row["account_id"] == static_account_id(row["customer_id"])
    assert IDS.decode([row["customer_id"]], Namespace.CUSTOMER).index[0] == account.number
    assert row["currency"] == code
    assert (row["transit_number"], row["region"]) == (account.transit_number, account.region)
    assert row["account_type"] == account.account_type.name
    assert row["limit_based"] == str(account.limit_based).lower()
    assert row["opening_balance"] == exact(account.opening_balance_minor, code)
    names = ("minute", "hour", "day", "week", "month")
    assert [row[f"limit_{name}"] for name in names] == [
        exact(limit, code) for limit in account.limits_minor
    ]


def check_transaction(row, command):
    assert row["amount"] == exact(command.amount_minor, command.account.currency)
    assert (row["currency"], row["description"]) == (command.account.currency, command.description)


def region_of(transit_number):
    return POOL.config.regions[int(transit_number[0]) - 1]


def check_payment(row, command):
    to = command.beneficiary
    assert row["debit_amount"] == exact(command.amount_minor, command.account.currency)
    assert row["debit_currency"] == command.account.currency
    assert row["credit_amount"] == exact(command.credit_minor, command.credit_currency)
    assert row["credit_currency"] == command.credit_currency
    assert (date.fromisoformat(row["value_date"]) - DAY).days == command.value_day
    assert row["beneficiary_name"] == to.name
    assert row["beneficiary_account_number"] == to.account_number
    assert row["beneficiary_transit_number"] == to.transit_number
    assert row["beneficiary_bank_name"] == to.bank_name
    assert row["description"] == command.description
    assert row["beneficiary_region"] == region_of(to.transit_number)
    assert (
        row["to_other_region"] == str(row["beneficiary_region"] != command.account.region).lower()
    )
    assert row["debit_account_id"] == static_account_id(row["customer_id"])


CHECKS = {
    Kind.ACCOUNT: check_account,
    Kind.OPENING_CREDIT: check_transaction,
    Kind.FUNDING: check_transaction,
    Kind.PAYMENT: check_payment,
}


def test_a_tables_amounts_add_up(tmp_path):
    """What the manifest says was opened, per currency."""
    total = Counter()
    for row in tables(tmp_path)[Kind.OPENING_CREDIT]:
        total[row["currency"]] += Decimal(row["amount"])
    opened = POOL.manifest.metrics.amount_minor
    assert total == {
        code: Decimal(exact(by_kind[Kind.OPENING_CREDIT.label], code))
        for code, by_kind in opened.items()
    }


def test_json_and_csv_are_utf8(tmp_path):
    """A vocabulary of another script arrives as it is."""
    pool = Pool.in_memory(load("smoke", {"accounts": 3, "locale": "el_GR"}), 1)
    payment = pool.shard(0).command(pool.shard(0).range_of(Kind.PAYMENT)[0])
    name = payment.beneficiary.name
    assert not name.isascii()
    assert name in exported(Tables(), tmp_path, pool)["payments.csv"]
    (tmp_path / "more").mkdir()
    text = exported(Mq(Platform(), "Q", MADE), tmp_path / "more", pool)["payments.jsonl"]
    assert json.dumps(name, ensure_ascii=False) in text
