"""Trace context: what a platform is told of a command's trace, over each channel, whatever the adapter."""

from __future__ import annotations

import re

import pytest

from e2e_data.bulk import keeps
from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.config import load
from e2e_data.ids import Correlation, Ids
from e2e_data.layers import layered
from e2e_data.platform import HttpRequest, Platform, Sending
from e2e_data.pool import Pool
from e2e_data.trace_context import beneath, is_picked, trace_and_span, traced, traceparent

IDS = Ids(bytes(range(16)), 99)
COMMAND = Pool.in_memory(load("smoke", {}), 7).shard(0).command(0)


def correlation_id(index: int, intended_us: int = 1) -> str:
    return (
        Correlation(
            *(IDS.tag, 0, 5, index, 0, Kind.PAYMENT, Channel.HTTP, Outcome.SETTLED, 2, intended_us)
        )
        .pack()
        .hex()
    )


ID = correlation_id(7)
MORE = {"message_id": "m", "timestamp": "t", "reply_to": "q"}


class Other(Platform):
    """An adapter with requests and a state of its own."""

    def __init__(self):
        self.base = "/v2"

    def http_command(self, sending):
        return HttpRequest("PUT", self.base, (("X-Own", "1"),), b"{}")


def sending() -> Sending:
    return Sending(COMMAND, "c" * 36, "d" * 36, ID, "account", "2026-11-20")


def test_the_header_is_the_correlation_id():
    """16 bytes of a trace, 8 of a span: cut in two, it is the context that W3C's Trace Context asks for."""
    told = traceparent(ID, 1)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", told)
    assert "".join(told.split("-")[1:3]) == ID
    trace, span = trace_and_span(ID)
    assert told == f"00-{trace:032x}-{span:016x}-01"


def test_each_attempt_has_a_trace_of_its_own():
    """Commands and attempts are in the part that names the trace."""
    assert len({trace_and_span(correlation_id(index))[0] for index in range(1000)}) == 1000


@pytest.mark.parametrize("share", [0.01, 0.25, 0.9])
def test_a_share_of_all_attempts_is_recorded(share):
    """Near enough to what was asked for, and marked as such in the header."""
    ids = [correlation_id(index, 17 * index) for index in range(20_000)]
    picked = sum(is_picked(one, share) for one in ids) / len(ids)
    assert picked == pytest.approx(share, rel=0.15)
    assert {is_picked(one, share) for one in ids if traceparent(one, share).endswith("-01")} == {
        True
    }


def test_none_and_all_are_shares_as_well():
    """0 picks nothing, and 1 everything."""
    ids = [correlation_id(index) for index in range(100)]
    assert not any(is_picked(one, 0) for one in ids)
    assert all(is_picked(one, 1) for one in ids)


@pytest.mark.parametrize("adapter", [Platform, Other])
def test_requests_and_records_carry_it_and_are_the_adapters_otherwise(adapter):
    """One header more; a message of IBM MQ has its correlation id, and stays as it is."""
    plain, with_trace = adapter(), traced(adapter(), 1)
    one, two = plain.http_command(sending()), with_trace.http_command(sending())
    assert two.headers == (*one.headers, ("traceparent", traceparent(ID, 1)))
    assert (two.method, two.path, two.body) == (one.method, one.path, one.body)
    three, four = (each.kafka_record(sending(), **MORE) for each in (plain, with_trace))
    assert four.headers == [*three.headers, ("traceparent", traceparent(ID, 1).encode())]
    assert (four.key, four.value) == (three.key, three.value)
    assert with_trace.mq_message(sending(), **MORE) == plain.mq_message(sending(), **MORE)


def test_what_is_made_ahead_asks_whose_requests_they_are():
    """Those of the adapter below, and the header is known from the correlation id alone."""
    plain = Platform()
    assert beneath(traced(plain, 0.25)) == (plain, 0.25)
    assert beneath(plain) == (plain, None)
    above = layered(Other, traced(plain, 0.25))
    assert beneath(above) == (above, None), "what is above it must not be left out"


def test_what_else_is_made_of_it_one_by_one_has_the_header():
    """A request of a traced adapter is not taken for the default one's."""
    assert not keeps(traced(Platform(), 1), "http_command")
    assert not keeps(traced(Platform(), 1), "kafka_record")
    assert keeps(traced(Platform(), 1), "body", "payload", "envelope")
