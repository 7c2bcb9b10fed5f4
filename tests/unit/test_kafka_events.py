"""What events tell, in whatever order and however often they come, and whatever a clock says."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from dataclasses import dataclass

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_data.commands import Outcome
from e2e_data.ids import Ids
from e2e_data.platform import Platform
from locustfiles.bindings import Bindings
from locustfiles.channels.kafka_events import EventSource
from locustfiles.channels.kafka_reader import Batch
from locustfiles.kafka_completions import Observer
from locustfiles.tracker import Tracker
from reports.event_log import PARTITION_BITS, EventLog
from reports.journal import Fact, Journal
from tests.kafka_reading import POOL, creation

COMMANDS = 6
EVENTS = "payments.events"
IDS = Ids.fresh()


@dataclass
class Record:
    """A record as the client gives it."""

    content: bytes
    number: int

    def topic(self):
        return EVENTS

    def partition(self):
        return 0

    def offset(self):
        return self.number

    def value(self):
        return self.content

    def headers(self):
        return None


def event(index, **changed):
    """Return what tells that an account of the pool's first shard was created."""
    headers = dict(creation(IDS, index).headers)
    told = {
        "eventId": str(uuid.UUID(int=index)),
        "correlationId": headers["correlation-id"].decode(),
        "commandId": headers["command-id"].decode(),
        "status": "SETTLED",
        "accountId": f"account-{index}",
    }
    return json.dumps({**told, **changed}).encode()


class Desk:
    """A source of events whose completions go to a tracker, as in a run."""

    def __init__(self, path):
        self.path = path
        self.journal = Journal(path, "journal")
        self.bindings = Bindings(path / "bindings.jsonl")
        self.tracker = Tracker(self.journal, self.bindings, lambda: 7_000)
        observer = Observer(self.tracker, self.bindings, POOL)
        self.log = EventLog(path, "events")
        self.source, self.elsewhere = (
            EventSource(
                *(Platform(), IDS, POOL, None, lambda raw_ns: raw_ns),
                *(observer.observed, self.log, pytest.fail, cluster),
            )
            for cluster in range(2)
        )

    def take(self, *contents, at_ns=5_000, first=0, source=None):
        records = [Record(content, first + n) for n, content in enumerate(contents)]
        (source or self.source).take(Batch(at_ns, records))

    def facts(self):
        """Return (fact, index, outcome, time) of each row of the journal."""
        self.journal.flush()
        rows = pq.read_table(sorted(self.path.glob("journal-*.parquet"))).to_pylist()
        return [(Fact(r["fact"]), r["index"], r["code"], r["at_ns"]) for r in rows]


@settings(max_examples=60)
@given(st.lists(st.integers(0, COMMANDS - 1), min_size=1, max_size=30), st.integers(1, 5))
def test_any_order_and_any_number_of_events_tell_the_same(tmp_path_factory, told, at_once):
    """Events of commands that are told of once, late, again and again, or before others of their account.

    Each command has its one outcome; each record is written down, so that the judge can count.
    """
    desk = Desk(tmp_path_factory.mktemp("events"))
    for start in range(0, len(told), at_once):
        desk.take(*map(event, told[start : start + at_once]), first=start)
    outcomes = {index: code for _, index, code, _ in desk.facts()}
    assert outcomes == dict.fromkeys(told, int(Outcome.SETTLED))
    assert desk.source.counted.ours == len(told)
    desk.log.flush()
    rows = pq.read_table(sorted(desk.path.glob("events-*.parquet"))).to_pylist()
    assert Counter(row["index"] for row in rows) == Counter(told)
    assert len({(row["event_high"], row["event_low"]) for row in rows}) == len(set(told))
    assert sorted(row["offset"] for row in rows) == list(range(len(told)))
    assert desk.bindings.account_id((0, 0, told[0])) == f"account-{told[0]}"
    desk.bindings.close()


def test_the_same_place_on_two_clusters_is_two_places(tmp_path):
    """An event that a second cluster tells, too, was told twice; its outcome is the same one."""
    desk = Desk(tmp_path)
    desk.take(event(0))
    desk.take(event(0), source=desk.elsewhere)
    desk.log.flush()
    (rows,) = (pq.read_table(path).to_pylist() for path in tmp_path.glob("events-*.parquet"))
    assert [row["offset"] for row in rows] == [0, 0]
    assert [row["partition"] for row in rows] == [0, 1 << PARTITION_BITS]
    assert {index for _, index, _, _ in desk.facts()} == {0}
    desk.bindings.close()


@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_a_clock_that_jumps_moves_no_time(tmp_path, monkeypatch, jump_s):
    """When something was seen is told by the monotonic clock: neither our date nor the platform's counts."""
    desk = Desk(tmp_path)
    desk.take(event(0, timestamp="2026-11-20T12:00:00Z"), at_ns=5_000)
    there = time.time()
    monkeypatch.setattr(time, "time", lambda: there + jump_s)
    monkeypatch.setattr(time, "time_ns", lambda: round((there + jump_s) * 1e9))
    desk.take(event(1, timestamp="1999-12-31T23:59:59Z"), at_ns=6_000, first=1)
    assert desk.facts() == [
        (Fact.COMPLETED, 0, Outcome.SETTLED, 5_000),
        (Fact.COMPLETED, 1, Outcome.SETTLED, 6_000),
    ]
    desk.bindings.close()


def test_an_amount_that_is_none_is_not_told(tmp_path):
    """The event tells how its command ended all the same: the judge has the amount from the book, too."""
    desk = Desk(tmp_path)
    told = [
        {"amount": 12, "currencyCode": "USD"},
        {"amount": "12", "currencyCode": "USD"},
        {"amount": 12.5, "currencyCode": None},
        {"amount": {}, "currencyCode": []},
        {},
        "12 USD",
        None,
    ]
    desk.take(*(event(0, amount=amount) for amount in told))
    assert desk.source.counted.ours == len(told)
    desk.log.flush()
    (rows,) = (pq.read_table(path).to_pylist() for path in tmp_path.glob("events-*.parquet"))
    first, *others = (row["amount"] for row in rows)
    assert first == 12.0
    assert all(amount != amount for amount in others), "NaN, which is none"
    desk.bindings.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        event(0, status="DONE"),
        event(0, status=None),
        event(0, eventId=7),
        event(0, correlationId=None),
        event(0, accountId={}),
        event(0, reason=["no"]),
        event(0, flags=7),
        event(0, accountId="x" * 1000),
        event(0, flags="ROUND"),
        event(0, amount={"amount": 10**400, "currencyCode": "USD"}),
        # What nobody reads must be JSON, too.
        event(0)[:-1] + b',"more":"\xff"}',
        event(0)[:-1] + b',"more":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_what_is_no_event_is_counted_and_completes_nothing(tmp_path, content):
    """Each field is of its type and of some length, or the record is malformed; those beside it count."""
    desk = Desk(tmp_path)
    desk.take(content, event(1))
    assert (desk.source.counted.malformed, desk.source.counted.ours) == (1, 1)
    assert [index for _, index, _, _ in desk.facts()] == [1]
    desk.bindings.close()
