"""Drafts of records: filled, they are what the adapter's own method gives, to the byte."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from e2e_data.batch import Batch
from e2e_data.bulk import sending
from e2e_data.commands import Channel, Kind
from e2e_data.config import load
from e2e_data.ids import Correlation, Ids
from e2e_data.platform import Platform
from e2e_data.pool import Pool
from e2e_data.record_drafts import record_drafts
from e2e_data.trace_context import traced

POOL = Pool.in_memory(load("smoke", {"accounts_per_shard": 10, "hostile_percentage": 40}), 7)
NOW = "2026-11-20T12:00:00Z"


@pytest.mark.parametrize("platform", [Platform(), traced(Platform(), 0.5)], ids=["plain", "traced"])
def test_a_filled_draft_is_what_the_adapter_gives(platform):
    """Key, value and headers, of every kind and hostile ones; the correlation id says all."""
    ids, shard = Ids.fresh(), POOL.shard(0)
    indices = np.arange(len(shard))
    accounts = shard.account_number[indices].astype(np.int64)
    account_ids = [
        None if kind == Kind.ACCOUNT else f"{number:08d}-0000-4000-8000-000000000000"
        for kind, number in zip(shard.kind.tolist(), accounts.tolist(), strict=True)
    ]
    batch = Batch(
        shard=shard,
        indices=indices,
        command_ids=ids.command_ids(0, 0, indices),
        customer_ids=ids.customer_ids(0, 0, accounts),
        account_ids=account_ids,
        first_day=date(2026, 11, 20),
    )
    attempts = np.full(len(shard), 3)
    how = {"lap": 0, "phase": 2, "attempts": attempts, "reply_to": "payments.events"}
    drafts = record_drafts(platform, batch, ids, **how)
    assert len({draft.message_id for draft in drafts}) == len(shard), (
        "each has a message id of its own"
    )
    for row, draft in enumerate(drafts):
        record = draft.filled(7_000_000 + row, NOW.encode())
        one = sending(batch, row)
        correlation = Correlation.unpack(bytes.fromhex(record.headers[0][1].decode()))
        assert (correlation.index, correlation.attempt, correlation.phase) == (row, 3, 2)
        assert (correlation.channel, correlation.intended_us) == (Channel.KAFKA, 7_000_000 + row)
        message_id = record.value[len(b'{"messageId":"') :][:36].decode()
        whole = platform.kafka_record(
            replace(one, correlation_id=correlation.pack().hex()),
            message_id=message_id,
            timestamp=NOW,
            reply_to="payments.events",
        )
        assert record == whole


def test_an_adapter_of_its_own_makes_its_own_records():
    """Whoever overrides the record or the envelope is asked for each."""

    class Mine(Platform):
        def envelope(self, sending, **how):
            return json.dumps({"mine": sending.command_id})

    assert record_drafts(Mine(), None, None, lap=0, phase=0, attempts=None, reply_to="") is None
