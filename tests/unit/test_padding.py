"""Padding: larger messages that mean the same, over every channel, whatever the adapter."""

from __future__ import annotations

import json

import pytest

from e2e_data.bulk import keeps
from e2e_data.commands import Kind
from e2e_data.config import load
from e2e_data.padding import padded
from e2e_data.platform import HttpRequest, Platform, Sending
from e2e_data.pool import Pool
from locustfiles.plan_parts.padding import Padding

SHARD = Pool.in_memory(load("smoke", {}), 7).shard(0)
PAYMENT = SHARD.range_of(Kind.PAYMENT).start


class Other(Platform):
    """An adapter with a path and a state of its own."""

    def __init__(self):
        self.base = "/v2"

    def http_command(self, sending):
        request = super().http_command(sending)
        return HttpRequest("PUT", self.base, request.headers, request.body)


def sending(index: int) -> Sending:
    return Sending(SHARD.command(index), "c" * 36, "d" * 36, "ab" * 24, "account", "2026-11-20")


def sent(platform, index):
    """Return what carries a command over each channel."""
    one = sending(index)
    more = {"message_id": "m", "timestamp": "t", "reply_to": "q"}
    return (
        platform.http_command(one).body,
        platform.mq_message(one, **more).body,
        platform.kafka_record(one, **more).value,
    )


@pytest.mark.parametrize("adapter", [Platform, Other])
def test_each_message_is_as_large_as_asked_and_means_the_same(adapter):
    """White space behind it; and one command of the first shard is the largest."""
    platform = padded(adapter(), each=5000, largest=9000, index=PAYMENT)
    for index, size in ((0, 5000), (PAYMENT, 9000), (PAYMENT + 1, 5000)):
        plain = sent(adapter(), index)
        for large, small in zip(sent(platform, index), plain, strict=True):
            assert len(large) == size
            assert json.loads(large) == json.loads(small)


def test_what_is_larger_already_stays_as_it_is():
    """Nothing is ever cut off."""
    assert sent(padded(Platform(), each=1, largest=2, index=0), PAYMENT) == sent(
        Platform(), PAYMENT
    )


def test_it_is_the_adapter_in_everything_else():
    """Its own methods and state stay; but nothing is made ahead, for which there would be no room."""
    platform = padded(Other(), each=5000, largest=0, index=0)
    request = platform.http_command(sending(0))
    assert (request.method, request.path) == ("PUT", "/v2")
    assert isinstance(platform, Other)
    assert not keeps(padded(Platform(), each=1, largest=0, index=0), "http_command")
    assert not keeps(padded(Platform(), each=1, largest=0, index=0), "kafka_record")


def test_without_padding_it_is_the_same_adapter():
    """Which is what makes thousands of commands a second ahead."""
    platform = Platform()
    assert Padding().of(platform, Pool.in_memory(load("smoke", {}), 7)) is platform


def test_the_largest_is_the_first_payment_of_the_pool():
    """The plan says how large; which one is the same for everybody who sends."""
    platform = Padding(largest_bytes=9000).of(Platform(), Pool.in_memory(load("smoke", {}), 7))
    assert [len(body) for body in sent(platform, PAYMENT)] == [9000] * 3
