"""Whatever the configuration: in bulk, every body, envelope and target is that of its command."""

from __future__ import annotations

import base64
from datetime import date

import orjson
from hypothesis import given

from e2e_data import bulk
from e2e_data.commands import Channel, Kind
from e2e_data.exporters.portions import Addressing, portions
from e2e_data.exporters.vegeta import Vegeta
from e2e_data.ids import Correlation, Ids, Namespace
from e2e_data.platform import Platform, Sending
from e2e_data.pool import Pool
from tests.properties.test_generator import configurations, relaxed, seeds

ADAPTER = Platform()
IDS = Ids(bytes(range(16)), 99)
FIRST_DAY = date(2026, 12, 29)
SENT = {"timestamp": "2026-11-20T12:00:00Z", "reply_to": "REPLY.QUEUE"}


def sent(portion, row):
    """Return a command as it is sent, from the pool's records and ids alone."""
    shard = portion.batch.shard
    command = shard.command(int(portion.indices[row]))
    if command.original is not None:
        command = shard.command(command.original)
    ids = [shard.number, [command.account.number]]
    return Sending(
        command=command,
        command_id=IDS.command_ids(0, shard.number, [command.index])[0],
        customer_id=IDS.customer_ids(0, *ids)[0],
        correlation_id=portion.batch.correlation_ids[row],
        account_id=portion.batch.account_ids[row],
        value_date=date.fromordinal(FIRST_DAY.toordinal() + command.value_day).isoformat(),
    )


@relaxed
@given(config=configurations(), seed=seeds)
def test_bodies_and_envelopes(config, seed):
    """Byte for byte, for every command of any pool, replays and hostile ones among them."""
    pool = Pool.in_memory(config, seed)
    passes = [[[Kind.ACCOUNT, Kind.OPENING_CREDIT], [Kind.FUNDING, Kind.PAYMENT]]]
    for portion in portions(pool, Addressing(IDS, Channel.MQ, FIRST_DAY), passes):
        batch = portion.batch
        sendings = [sent(portion, row) for row in range(len(portion))]
        assert [bulk.sending(batch, row) for row in range(len(batch))] == sendings
        assert bulk.bodies(ADAPTER, batch) == [ADAPTER.http_command(s).body for s in sendings]
        names = [f"message {row}" for row in range(len(batch))]
        assert bulk.envelopes(ADAPTER, batch, message_ids=names, **SENT) == [
            ADAPTER.envelope(one, message_id=name, **SENT)
            for one, name in zip(sendings, names, strict=True)
        ]
        for one, text in zip(sendings, batch.correlation_ids, strict=True):
            read = Correlation.unpack(bytes.fromhex(text))
            assert (read.shard, read.index) == (one.command.shard, one.command.index)
            assert read.expected == one.command.expected


@relaxed
@given(config=configurations(), seed=seeds)
def test_vegetas_targets(config, seed):
    """Each is the request that the adapter would send, and names an account that was created."""
    form, created = Vegeta(ADAPTER, "http://h"), set()
    for portion in portions(
        Pool.in_memory(config, seed), Addressing(IDS, Channel.HTTP, FIRST_DAY), form.passes
    ):
        (_, lines), (_, blocks) = form.lines(portion)
        for row, (line, block) in enumerate(zip(lines, blocks, strict=True)):
            one = sent(portion, row)
            request, target = ADAPTER.http_command(one), orjson.loads(line)
            assert target["url"] == f"http://h{request.path}"
            assert target["header"] == {name: [value] for name, value in request.headers}
            assert base64.b64decode(target["body"]) == request.body
            assert block.endswith(f"\n\n{request.body.decode()}\n")
            if one.account_id is None:
                created.add(one.command.shard << 20 | one.command.account.number)
            owner = IDS.decode([one.customer_id], Namespace.CUSTOMER)
            assert int(owner.shard[0]) << 20 | int(owner.index[0]) in created
