"""Bodies in bulk: byte for byte those of single commands, from the same templates."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_data import batch as batches
from e2e_data import bulk, wire
from e2e_data.batch import Batch
from e2e_data.commands import Kind
from e2e_data.money import MINOR_DIGITS, to_wire
from e2e_data.platform import Platform
from tests.tiny_pools import tiny_pool

SHARD = tiny_pool()[0].shard(0)
EVERY = np.arange(len(SHARD))


def batch(indices, **changes):
    """Return commands of the shard with ids that tell them apart."""
    kinds = SHARD.kind[indices].tolist()
    made = Batch(
        shard=SHARD,
        indices=np.asarray(indices),
        command_ids=[f"command-{index}" for index in indices],
        customer_ids=[f"customer-{SHARD.account_number[index]}" for index in indices],
        account_ids=[
            None if kind == Kind.ACCOUNT else f"account-{SHARD.account_number[index]}"
            for kind, index in zip(kinds, indices, strict=True)
        ],
        first_day=date(2026, 12, 30),
    )
    return replace(made, **changes)


def one_by_one(made):
    """Return the payload of each command of a batch, by the adapter's own method."""
    return [Platform().payload(bulk.sending(made, row)) for row in range(len(made))]


@pytest.mark.parametrize("kind", Kind)
def test_bodies_of_a_kind_are_those_of_its_commands(kind):
    """In bulk or one by one: the same text, and JSON with the same fields."""
    made = batch(np.array(SHARD.range_of(kind)))
    bodies = wire.bodies(made).to_pylist()
    assert bodies == one_by_one(made)
    assert len({tuple(json.loads(body)) for body in bodies}) == 1


def test_kinds_may_be_mixed_in_any_order():
    """Each body stands where its command does."""
    shuffled = np.random.default_rng(1).permutation(EVERY)
    assert wire.bodies(batch(shuffled)).to_pylist() == one_by_one(batch(shuffled))
    forwards, backwards = (wire.bodies(batch(EVERY[::step])).to_pylist() for step in (1, -1))
    assert backwards == forwards[::-1]


def test_no_commands_have_no_bodies():
    """An empty batch is fine."""
    assert wire.bodies(batch(EVERY[:0])).to_pylist() == []


def test_value_dates_count_from_the_first_day():
    """Over the end of a month and a year."""
    bodies = map(json.loads, wire.bodies(batch(np.array(SHARD.range_of(Kind.PAYMENT)))).to_pylist())
    offsets = [(date.fromisoformat(b["valueDate"]) - date(2026, 12, 30)).days for b in bodies]
    assert offsets == SHARD.value_day.tolist()
    with pytest.raises(OverflowError):
        batches.value_dates(date(9999, 12, 31), 1)


@pytest.mark.parametrize("text", ['quo"te', "back\\slash", "line\nfeed", "Zoë \N{SNOWMAN}", "\x7f"])
def test_a_platforms_account_ids_are_escaped(text):
    """They come over the network, and may hold anything."""
    rows = EVERY[2 * SHARD.counts.account :]
    made = batch(rows, account_ids=[text] * len(rows))
    bodies = wire.bodies(made).to_pylist()
    assert bodies == one_by_one(made)
    for body in map(json.loads, bodies):
        assert text in (body.get("accountId"), body.get("debitAccountId"))


amounts = st.tuples(st.integers(0, 2**62), st.sampled_from(sorted(MINOR_DIGITS)))


@given(st.lists(amounts, min_size=1))
def test_amounts_in_bulk_are_exact(told):
    """To the last digit, for currencies of any number of minor digits, however large they are."""
    codes = tuple(sorted(MINOR_DIGITS))
    minor = np.array([amount for amount, _ in told], dtype=np.int64)
    currency = np.array([codes.index(code) for _, code in told])
    assert batches.amounts(codes, minor, currency).to_pylist() == [to_wire(*one) for one in told]
