"""The contract is true: the parts of ids, and what the ids in its examples decode to."""

from __future__ import annotations

import re

import pytest

from e2e_data import ids
from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.ids import Correlation, Ids, Namespace
from tests.contract import (
    CONTRACT,
    PAYMENT,
    PLAIN,
    REQUESTS,
    code,
    columns,
    run_ids,
    sending_of,
    span,
    table,
)


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
