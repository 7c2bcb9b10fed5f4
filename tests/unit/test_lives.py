"""The lives of attempts: what the journal's rows say of each, and under which ids."""

from __future__ import annotations

import numpy as np
import pytest

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.config import load
from e2e_data.ids import REPLAY_ATTEMPT, RETRY_ATTEMPT, Correlation, Ids
from e2e_data.platform import Acknowledged
from e2e_data.pool import Pool
from e2e_data.replays import replays_of
from e2e_data.trace_context import is_picked
from locustfiles.lives import OPEN_MAX, OPEN_NS, Lives, Named
from reports.journal import ROW, Fact

POOL = Pool.in_memory(load("smoke", {}), 7)
SHARD = POOL.shard(0)
IDS = Ids(bytes(range(16)), 99)
PAYMENT = SHARD.range_of(Kind.PAYMENT).start


class Story:
    """Rows of a journal, told one after the other."""

    def __init__(self, share: float = 1.0, shard=SHARD) -> None:
        self.lives = Lives(IDS, share)
        self.named = {0: Named.of(shard)}
        self.rows = []

    def row(self, fact, at_ns, code=0, *, index=PAYMENT, attempt=0, intended_ns=0):
        row = np.zeros(1, ROW)
        row["fact"], row["at_ns"], row["code"], row["index"] = fact, at_ns, code, index
        row["attempt"], row["phase"], row["channel"] = attempt, 2, Channel.KAFKA
        row["intended_ns"] = intended_ns
        self.rows.append(row)
        return self

    def sent(self, at_ns, **how):
        return self.row(Fact.SENT, at_ns, **how)

    def told(self):
        """Take in what was told since the last time."""
        rows, self.rows = self.rows, []
        rows = np.concatenate(rows) if rows else np.empty(0, ROW)
        return list(self.lives.take(rows, self.named))


def test_a_life_goes_from_sending_to_the_outcome():
    """Over chunks of the journal, with its ids, its times and what it was about."""
    story = Story().sent(10, intended_ns=5_000)
    assert story.told() == []
    story.row(Fact.ACKNOWLEDGED, 20, Acknowledged.ACCEPTED).row(Fact.COMPLETED, 30, Outcome.SETTLED)
    (life,) = story.told()
    assert (life.sent_ns, life.acknowledged_ns, life.ended_ns) == (10, 20, 30)
    assert (life.kind, life.channel, life.phase) == (Kind.PAYMENT, Channel.KAFKA, 2)
    assert life.command_id == IDS.command_ids(0, 0, [PAYMENT])[0]
    assert life.end == "settled"
    assert list(story.lives.end()) == []


def test_its_correlation_id_is_the_one_that_was_sent():
    """Whoever unpacks it finds the attempt, and when it was intended, to the microsecond."""
    (life,) = (
        Story().sent(10, intended_ns=5_999, attempt=3).row(Fact.NOT_SENT, 12, attempt=3).told()
    )
    found = Correlation.unpack(bytes.fromhex(life.correlation_id))
    assert (found.tag, found.shard, found.index, found.attempt) == (IDS.tag, 0, PAYMENT, 3)
    assert (found.kind, found.channel, found.phase) == (Kind.PAYMENT, Channel.KAFKA, 2)
    assert (found.expected, found.intended_us) == (Outcome(int(SHARD.expected[PAYMENT])), 5)


def test_a_replay_goes_by_its_originals_ids():
    """As it does on the wire, where only the attempt's number tells them apart."""
    shard = Pool.in_memory(load("small", {"hostile_percentage": 40}), 7).shard(0)
    replays = replays_of(shard)
    own, original = int(replays.rows[0]), int(replays.originals[0])
    story = Story(shard=shard).sent(1, index=own, attempt=REPLAY_ATTEMPT)
    (life,) = story.row(Fact.NOT_SENT, 2, index=own, attempt=REPLAY_ATTEMPT).told()
    assert life.command_id == IDS.command_ids(0, 0, [original])[0]
    assert Correlation.unpack(bytes.fromhex(life.correlation_id)).index == original
    assert life.number == 1


@pytest.mark.parametrize(
    ("fact", "code", "end", "fine"),
    [
        (Fact.ACKNOWLEDGED, Acknowledged.INVALID, "invalid", False),
        (Fact.ACKNOWLEDGED, Acknowledged.REFUSED, "refused", True),
        (Fact.NOT_SENT, 0, "not sent", False),
        (Fact.COMPLETED, Outcome.DEAD_LETTERED, "dead-lettered", False),
    ],
)
def test_what_ends_a_life_at_once(fact, code, end, fine):
    """Nothing more comes of the attempt; fine is what a right platform may do."""
    (life,) = Story().sent(1).row(fact, 9, code).told()
    assert (life.end, life.ended_ns, life.fine) == (end, 9, fine)


@pytest.mark.parametrize(
    ("fact", "code", "end", "fine"),
    [
        (Fact.ACKNOWLEDGED, Acknowledged.ACCEPTED, "accepted", True),
        (Fact.ACKNOWLEDGED, Acknowledged.UNKNOWN, "unknown", False),
        (Fact.UNANSWERED, 0, "unanswered", False),
    ],
)
def test_what_may_take_effect_is_followed(fact, code, end, fine):
    """Until the outcome; without one it ends as it stands, at the last that was heard of it."""
    story = Story().sent(1).row(fact, 9, code)
    assert story.told() == []
    (life,) = story.lives.end()
    assert (life.end, life.ended_ns, life.fine) == (end, 9, fine)


def test_another_attempt_ends_the_one_before():
    """Each has a life of its own, and what comes late for the first says nothing of the second."""
    story = Story().sent(1).row(Fact.UNANSWERED, 5).sent(7, attempt=RETRY_ATTEMPT)
    (first,) = story.told()
    assert (first.number, first.end, first.ended_ns) == (1, "unanswered", 5)
    story.row(Fact.NOT_SENT, 8).row(Fact.COMPLETED, 9, Outcome.SETTLED, attempt=RETRY_ATTEMPT)
    (second,) = story.told()
    assert (second.number, second.end, second.sent_ns) == (2, "settled", 7)


def test_nothing_is_followed_for_ever():
    """In a fleet somebody else may have seen the outcome: the oldest end as they stand."""
    story = Story().sent(1, index=PAYMENT).sent(OPEN_NS + 2, index=PAYMENT + 1)
    (life,) = story.told()
    assert (life.sent_ns, life.ended_ns, life.end) == (1, 1, "pending")


def test_no_more_are_followed_than_there_is_room_for(monkeypatch):
    """Memory does not grow with what a platform leaves undecided."""
    assert OPEN_MAX <= 100_000
    monkeypatch.setattr("locustfiles.lives.OPEN_MAX", 2)
    story = Story()
    for number in range(3):
        story.sent(number + 1, index=number)
    assert [life.sent_ns for life in story.told()] == [1]


def test_a_share_is_picked_and_the_rest_costs_nothing():
    """By the correlation id's check sum, so that everybody picks the same."""
    story = Story(share=0.5)
    for index in range(len(SHARD)):
        story.sent(1, index=index)
    story.told()
    lives = list(story.lives.end())
    assert 0 < len(lives) < len(SHARD)
    assert all(is_picked(life.correlation_id, 0.5) for life in lives)


def test_facts_about_what_was_not_sent_here_are_nobodys():
    """Another process sent it, or its row was not looked at."""
    assert Story().row(Fact.COMPLETED, 9, Outcome.SETTLED).told() == []
