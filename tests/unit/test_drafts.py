"""Drafts: requests made for many commands at once are, to the byte, what the adapter makes of one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_data import bulk, drafts
from e2e_data import config as pool_config
from e2e_data.batch import Batch
from e2e_data.commands import Channel, Kind
from e2e_data.ids import Correlation, Ids
from e2e_data.platform import HttpRequest, Platform
from e2e_data.pool import Pool
from e2e_data.trace_context import traced
from locustfiles.channels import http

IDS = Ids(bytes(range(16)), 12345)
SHARD = Pool.in_memory(pool_config.load("smoke", {"fx_percentage": 50}), 3).shard(0)
LAP, PHASE = 5, 2


def batch_of(indices) -> Batch:
    index = np.array(indices, np.int64)
    accounts = SHARD.account_number[index].astype(np.int64)
    return Batch(
        shard=SHARD,
        indices=index,
        command_ids=IDS.command_ids(LAP, SHARD.number, index),
        customer_ids=IDS.customer_ids(LAP, SHARD.number, accounts),
        account_ids=[
            None if kind == Kind.ACCOUNT else f"acc-{number}"
            for kind, number in zip(SHARD.kind[index].tolist(), accounts.tolist(), strict=True)
        ],
        first_day=date(2026, 11, 21),
    )


def made(platform, batch, attempts=None):
    attempts = np.zeros(len(batch), np.int64) if attempts is None else attempts
    return drafts.http_drafts(platform, batch, IDS, lap=LAP, phase=PHASE, attempts=attempts)


def alone(
    platform: Platform, batch: Batch, row: int, attempt: int, intended_us: int
) -> HttpRequest:
    """Return the request that the adapter makes of one command."""
    one = bulk.sending(batch, row)
    correlation = Correlation(
        tag=IDS.tag,
        lap=LAP,
        shard=SHARD.number,
        index=one.command.index,
        attempt=attempt,
        kind=one.command.kind,
        channel=Channel.HTTP,
        expected=one.command.expected,
        phase=PHASE,
        intended_us=intended_us,
    )
    return platform.http_command(replace(one, correlation_id=correlation.pack().hex()))


ADAPTERS = [Platform(), *(traced(Platform(), share) for share in (0, 0.5, 1))]


@settings(deadline=None)  # libraries are loaded the first time
@given(
    platform=st.sampled_from(ADAPTERS),
    indices=st.lists(st.integers(0, len(SHARD) - 1), min_size=1, max_size=20),
    attempt=st.integers(0, 255),
    intended_us=st.integers(0, 2**48 - 1),
)
def test_a_filled_draft_is_the_adapters_request(platform, indices, attempt, intended_us):
    """First line, headers, correlation id and body: nothing differs, whatever the command and time.

    So it is where the platform is told of each attempt's trace.
    """
    batch = batch_of(indices)
    drafts = made(platform, batch, np.full(len(batch), attempt))
    for row in range(len(batch)):
        request = alone(platform, batch, row, attempt, intended_us)
        assert drafts.lines[row] == f"{request.method} {request.path} HTTP/1.1\r\n".encode()
        head = http._after_line(request)
        assert drafts.filled(row, intended_us)[1] == head + request.body


def test_every_kind_has_its_draft():
    """Accounts, credits and payments, in the order of the batch."""
    batch = batch_of([SHARD.range_of(kind)[0] for kind in Kind])
    assert made(Platform(), batch).lines == [
        b"POST /api/accounts HTTP/1.1\r\n",
        b"POST /api/transactions HTTP/1.1\r\n",
        b"POST /api/transactions HTTP/1.1\r\n",
        b"POST /api/payments HTTP/1.1\r\n",
    ]


class OwnRequest(Platform):
    """An adapter that writes its own requests."""

    def http_command(self, sending):
        """Send it elsewhere."""
        return replace(super().http_command(sending), path="/mine")


class OwnPayload(Platform):
    """An adapter that writes its own bodies."""

    def payload(self, sending):
        """Write it as a team's platform wants it."""
        return f'{{"id":"{sending.customer_id}"}}'


def test_an_adapters_own_requests_are_its_own():
    """Where an adapter overrides `http_command`, nothing is made behind its back."""
    assert made(OwnRequest(), batch_of([0, 1])) is None
    assert made(traced(OwnRequest(), 1), batch_of([0, 1])) is None


def test_an_adapters_own_bodies_are_sent():
    """Where it overrides `payload` alone, drafts have its bodies."""
    batch = batch_of([0, 1])
    after = made(OwnPayload(), batch).after
    for end, customer_id in zip(after, batch.customer_ids, strict=True):
        assert end.endswith(b'{"id":"%b"}' % customer_id.encode())


@pytest.mark.parametrize("intended_us", [2**48, -1])
def test_a_time_that_does_not_fit_is_refused(intended_us):
    """Rather than sent with another time: nine years after the epoch, or before it."""
    with pytest.raises(OverflowError):
        made(Platform(), batch_of([0])).filled(0, intended_us)
