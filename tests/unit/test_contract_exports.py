"""The contract is true: account ids of files, hostile payments, envelopes, and what is exported."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from uuid import UUID

import pytest

from e2e_data import hostile
from e2e_data.commands import Channel, Kind, Label
from e2e_data.envelope import EVENTS_TOPIC, REPLY_QUEUE
from e2e_data.export_cli import FORMATS, Choices
from e2e_data.exporters.portions import REPLAY_ATTEMPT
from e2e_data.ids import ACCOUNT_NAMESPACE, Correlation, static_account_id
from e2e_data.platform import Platform
from tests import contract
from tests.unit.test_hostile import PAYMENT, Bank, sending

LABELS = {label.text: label for label in Label}


def hostile_rows():
    """Return (label, what is sent, what the sandbox says) of the table of hostile payments."""
    return [
        (LABELS[name], sent, said)
        for names, sent, said in contract.table("hostile payment")
        for name in names.split(", ")
    ]


def test_the_namespace_of_account_ids_is_the_codes():
    """With its example, for the customer that the document has before."""
    stated = re.search(r"in the namespace `([0-9a-f-]{36})`", contract.PLAIN)
    assert UUID(stated[1]) == ACCOUNT_NAMESPACE
    customer = re.search(r"and `([0-9a-f-]{36})` is the customer of account", contract.PLAIN)[1]
    example = re.search(r"For the customer above it is `([0-9a-f-]{36})`", contract.PLAIN)[1]
    assert example == static_account_id(customer)


def test_every_hostile_label_is_in_the_table():
    """And no other."""
    assert [label for label, *_ in hostile_rows()] == [label for label in Label if label.is_hostile]


@pytest.mark.parametrize(("label", "sent", "said"), hostile_rows(), ids=lambda cell: str(cell)[:20])
def test_a_hostile_payment_is_what_the_table_says(label, sent, said):
    """Only the fields that it names are other than they were, and the sandbox answers as told."""
    bank = Bank()
    account_id = bank.open_for(0)
    told = (sending(PAYMENT, way, account_id) for way in (Label.NONE, label))
    plain, one = (Platform().http_command(each) for each in told)
    status, _ = bank.send(sending(PAYMENT, label, account_id))
    rows = bank.statement("commands")[0][2:]
    answered = str(status) + "".join(f", then {row['status']}: {row['reason']}" for row in rows)
    if label.is_replay:
        assert one.body == plain.body
        assert said == "as to the original"
        return
    assert answered == said
    if label is Label.MALFORMED:
        assert sent == "the first half of the body"
        assert one.body == plain.body[: len(plain.body) // 2]
        return
    before, after = (json.loads(each.body, parse_float=Decimal) for each in (plain, one))
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed == set(re.findall(r"`(\w+)`", sent.partition(" is the UUID ")[0])) & set(before)


def test_the_tables_figures_are_the_codes():
    """The unknown currency, and how long an oversized description is."""
    sent = {label: text for label, text, _ in hostile_rows()}
    assert f"`{hostile.UNKNOWN_CURRENCY}`" in sent[Label.UNKNOWN_CURRENCY]
    assert f"{hostile.OVERSIZED_CHARACTERS:,} characters" in sent[Label.OVERSIZED]


def test_the_envelope_is_the_adapters_byte_for_byte():
    """With the documented payment as its payload, and ids that name that payment."""
    (shown,) = contract.fences("envelope")
    fields = json.loads(shown)
    correlation = Correlation.unpack(bytes.fromhex(fields["correlationId"]))
    place = contract.run_ids().decode([fields["commandId"]])
    assert (correlation.shard, correlation.index) == (place.shard[0], place.index[0])
    assert (correlation.channel, correlation.kind) == (Channel.MQ, Kind.PAYMENT)
    assert (correlation.attempt, correlation.phase, correlation.intended_us) == (0, Kind.PAYMENT, 0)
    one = dataclasses.replace(
        contract.sending_of(contract.PAYMENT), correlation_id=fields["correlationId"]
    )
    assert shown == Platform().envelope(
        one,
        message_id=fields["messageId"],
        timestamp=fields["timestamp"],
        reply_to=fields["replyTo"],
    )
    assert UUID(fields["messageId"]).version == 4


def test_where_messages_ask_to_be_answered_is_the_codes():
    """A queue for IBM MQ, a topic for Kafka; and a replay's attempt."""
    assert f"is `{REPLY_QUEUE}` for IBM MQ and `{EVENTS_TOPIC}` for Kafka" in contract.PLAIN
    assert f"of attempt 0 (a replay's: {REPLAY_ATTEMPT})" in contract.PLAIN


def test_every_format_is_documented_with_its_files():
    """No file is missing, none is invented; ids.json is in each."""
    chosen = Choices(Platform(), "http://h", None, datetime(2026, 11, 20, tzinfo=UTC))
    rows = contract.table("format", "files")
    assert [contract.code(name) for name, *_ in rows] == list(FORMATS)
    for name, files, script in rows:
        form = FORMATS[contract.code(name)](chosen)
        shown = [word for word in re.findall(r"`([^`]+)`", files) if not word.startswith(".")]
        endings = re.findall(r"`(\.\w+)`", files) or [""]
        assert sorted(chain.from_iterable([w + e for e in endings] for w in shown)) == sorted(
            form.headings()
        )
        assert script.strip("`").split(" ")[0] == (form.scripts[0] if form.scripts else "")
