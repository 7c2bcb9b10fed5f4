"""Many commands at once: what the adapter gives for each, whatever of it is overridden."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from e2e_data import bulk
from e2e_data.commands import Channel, Label
from e2e_data.config import load
from e2e_data.exporters.portions import Addressing, portions
from e2e_data.ids import Ids
from e2e_data.platform import Platform
from e2e_data.pool import Pool
from e2e_data.problems import Problems

ALL = load("smoke", {"accounts": 20, "accounts_per_shard": 20, "hostile_percentage": 60})
ADDRESSING = Addressing(Ids(bytes(16), 7), Channel.MQ, date(2026, 11, 20))
BATCHES = [
    portion.batch
    for portion in portions(Pool.in_memory(ALL, 3), ADDRESSING, [[[0], [1], [2], [3]]])
]
SENT = {"timestamp": "2026-11-20T12:00:00Z", "reply_to": "REPLY.QUEUE"}


class WithPayload(Platform):
    """A platform with other payloads, written from the command's record."""

    def payload(self, sending):
        command = sending.command
        told = [command.amount_minor, command.description, sending.account_id, sending.value_date]
        return json.dumps({"currencyCode": "USD", "told": told}, separators=(",", ":"))


class WithHostile(Platform):
    """A platform that spoils hostile commands in a way of its own."""

    def hostile_payload(self, sending):
        return f"hostile {sending.command.label.text}"


class WithBody(Platform):
    """A platform whose bodies are wrapped."""

    def body(self, sending):
        return f"<{super().body(sending)}>"


class WithEnvelope(Platform):
    """A platform with another envelope."""

    def envelope(self, sending, *, message_id, timestamp, reply_to):
        return f"{message_id} {timestamp} {reply_to} {sending.correlation_id} {self.body(sending)}"


class Failing(Platform):
    """An adapter with a mistake."""

    def payload(self, sending):
        return sending.no_such_field


@pytest.mark.parametrize("adapter", [Platform, WithPayload, WithHostile, WithBody, WithEnvelope])
def test_in_bulk_is_as_one_by_one(adapter):
    """Bodies, requests and envelopes are the adapter's own, hostile ones among them."""
    platform = adapter()
    labels = set()
    for batch in BATCHES:
        sendings = [bulk.sending(batch, row) for row in range(len(batch))]
        labels |= {one.command.label for one in sendings}
        assert bulk.texts(platform, batch).to_pylist() == [platform.body(one) for one in sendings]
        requests = [platform.http_command(one).body for one in sendings]
        assert bulk.bodies(platform, batch) == requests
        message_ids = [f"message {row}" for row in range(len(batch))]
        assert bulk.envelopes(platform, batch, message_ids=message_ids, **SENT) == [
            platform.envelope(one, message_id=message_id, **SENT)
            for one, message_id in zip(sendings, message_ids, strict=True)
        ]
    # A replay is sent as its original, so its label is nowhere.
    assert labels == {Label.NONE} | {Label(n) for n in range(Label.UNKNOWN_ACCOUNT, Label.REPLAY)}


def test_bodies_need_no_correlation_ids():
    """A sender renders ahead; when each attempt will be made is not known yet."""
    batch = BATCHES[-1]
    bare = replace(batch, correlation_ids=())
    for platform in (Platform(), WithPayload()):
        assert bulk.bodies(platform, bare) == bulk.bodies(platform, batch)


def test_an_adapters_mistake_names_the_command():
    """What fails is the user's own code: the message says on what."""
    batch = replace(BATCHES[0], indices=np.array([4]))
    with pytest.raises(Problems, match=r"failed on command 0:4: AttributeError\(.*no_such_field"):
        bulk.texts(Failing(), batch)
