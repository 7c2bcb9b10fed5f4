"""The journal's facts, counted: every row once, under what it is about; a command's end once."""

from __future__ import annotations

from collections import Counter

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_data import config
from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.ids import REPLAY_ATTEMPT, RETRY_ATTEMPT
from e2e_data.pool import Pool
from locustfiles.fleet.facts import AGAIN, About, FactCounts, read_counts
from reports.journal import ROW, Fact, Journal

POOL = Pool.in_memory(config.load("smoke", {"accounts": 12, "accounts_per_shard": 3}), 5)
PLACES = [
    (shard, i) for shard in range(POOL.shard_count) for i in range(sum(POOL.shard_counts(shard)))
]
ROWS = st.lists(
    st.tuples(
        *(st.sampled_from(Fact), st.sampled_from(PLACES), st.integers(0, 255)),
        *(st.sampled_from(Channel), st.integers(0, 255)),
    )
)


def array(rows) -> np.ndarray:
    made = np.zeros(len(rows), dtype=ROW)
    for at, (fact, (shard, index), phase, channel, code) in enumerate(rows):
        fields = {"fact": fact, "shard": shard, "index": index}
        fields |= {"phase": phase, "channel": channel, "code": code}
        for name, value in fields.items():
            made[at][name] = value
    return made


@settings(deadline=None)
@given(st.lists(ROWS))
def test_counts_are_those_of_the_rows(chunks):
    """Whatever comes in whatever chunks, each row is counted once, with the kind of its command.

    But for completions: a row of them tells of one observation, of which a command may have several.
    """
    counts = FactCounts(POOL.shard_counts)
    expected: Counter[About] = Counter()
    for rows in chunks:
        counts.take(array(rows))
        for fact, (shard, index), phase, channel, code in rows:
            kind = POOL.shard(shard).command(index).kind
            if fact is not Fact.COMPLETED:
                expected[About(fact, phase, channel, kind, code)] += 1
    assert read_counts(msgpack.loads(msgpack.dumps(counts.packed()))) == expected


def test_a_journal_tells_of_what_is_in_its_files(tmp_path):
    """What could not be written was not counted, and is counted once when it is."""
    counts = FactCounts(POOL.shard_counts)
    journal = Journal(tmp_path / "none yet", "w", counts.take)
    journal.add(Fact.BLOCKED, (0, 0, 0), 0, 1, Channel.HTTP, at_ns=1)
    with pytest.raises(OSError, match="none yet"):
        journal.flush()
    assert counts.packed() == []
    (tmp_path / "none yet").mkdir()
    journal.flush()
    assert counts.packed() == [[Fact.BLOCKED, 1, Channel.HTTP, Kind.ACCOUNT, 0, 1]]


@pytest.mark.parametrize(
    ("attempt", "code"),
    [(0, 0), (REPLAY_ATTEMPT, 0), (1, AGAIN), (RETRY_ATTEMPT, AGAIN)],
)
def test_what_is_sent_again_is_told_apart(attempt, code):
    """By a retry, or after a worker was lost; a replay is a command of its own."""
    counts = FactCounts(POOL.shard_counts)
    rows = array([(Fact.SENT, (0, 0), 1, Channel.MQ, 0)])
    rows["attempt"] = attempt
    counts.take(rows)
    assert counts.packed() == [[Fact.SENT, 1, Channel.MQ, Kind.ACCOUNT, code, 1]]


def test_commands_completed_are_counted_by_who_sent_them():
    """Beside what the journal has, and cumulative as that is."""
    counts = FactCounts(POOL.shard_counts)
    counts.take(array([(Fact.SENT, (0, 0), 1, Channel.MQ, 0)]))
    for _ in range(2):
        counts.completed(1, Channel.MQ, Kind.ACCOUNT, Outcome.SETTLED)
    assert read_counts(msgpack.loads(msgpack.dumps(counts.packed()))) == {
        About(Fact.SENT, 1, Channel.MQ, Kind.ACCOUNT, 0): 1,
        About(Fact.COMPLETED, 1, Channel.MQ, Kind.ACCOUNT, Outcome.SETTLED): 2,
    }


@pytest.mark.parametrize(
    "raw",
    [
        [[1, 0, 0, 0, 0]],
        [[99, 0, 0, 0, 0, 1]],
        [[1, 256, 0, 0, 0, 1]],
        [[1, 0, 3, 0, 0, 1]],
        [[1, 0, 0, 4, 0, 1]],
        [[1, 0, 0, 0, -1, 1]],
        [[1, 0, 0, 0, 0, "many"]],
        [["sent", 0, 0, 0, 0, 1]],
        [[1, "phase", 0, 0, 0, 1]],
    ],
)
def test_what_is_no_count_is_refused(raw):
    """Numbers from the network become labels, so each must be one that there is."""
    with pytest.raises((ValueError, TypeError)):
        read_counts(raw)
