"""Commands that a second worker sent again, judged: which attempt counts, and what stays in doubt."""

from __future__ import annotations

import pytest

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.platform import Acknowledged
from e2e_data.sequence import interleave
from reports.evidence import RunEvidence
from reports.grants import Grant, GrantLog
from reports.journal import Fact, Journal
from reports.judgement import Class
from tests.judgements import findings
from tests.plain_runs import FUNDING, POOL, run
from tests.times import MS

AGAIN = FUNDING[0]
"""A command that worker w0 sent, and that w9 may have sent again."""


def sent_again(tmp_path, *facts, lost=True, blocked=False, **options):
    """Return a history in which w0's journal is cut, and w9 sent a command again with these facts.

    One that is `blocked` was not sent again: the account was not known to be there any more.
    """
    history = run(tmp_path, **options)
    grants = GrantLog(history.directory.grants)
    shard, index = AGAIN
    counts = POOL.shard_counts(shard)
    order = interleave([counts.range_of(kind) for kind in (Kind.FUNDING, Kind.PAYMENT)]).tolist()
    at = order.index(index)
    grants.write(Grant(99, "w9", 0, shard, 2, at, at + 1, 0, 1))
    journal = Journal(history.directory.journal, "w9")
    if lost:
        for path in history.directory.journal.glob(f"w{shard}-*"):
            path.unlink()
    late_ns = 40_000 * MS
    if blocked:
        journal.add(Fact.BLOCKED, (0, *AGAIN), 1, 2, Channel.HTTP, at_ns=late_ns, reason="no id")
    else:
        journal.sent(
            (0, *AGAIN), 1, 2, Channel.HTTP, at_ns=late_ns, intended_ns=late_ns, free_ns=late_ns
        )
    for number, (fact, code) in enumerate(facts, 1):
        journal.add(fact, (0, *AGAIN), 1, 2, Channel.HTTP, at_ns=late_ns + number * MS, code=code)
    journal.flush()
    grants.write_closed("w9", journal.chunks)
    grants.close()
    return history


def evidence_of(history):
    shards = RunEvidence(history.directory, POOL).shards()
    return next(one for one in shards if one.shard.number == AGAIN[0])


def test_what_was_sent_again_and_answered_is_no_doubt(tmp_path):
    """The second attempt's answer settles it, although the first worker's journal is gone."""
    history = sent_again(
        tmp_path,
        (Fact.ACKNOWLEDGED, Acknowledged.ACCEPTED),
        (Fact.COMPLETED, Outcome.SETTLED),
    )
    seen = evidence_of(history)
    assert not seen.in_doubt[AGAIN[1]]
    assert history.classes()[AGAIN] is Class.SETTLED
    others = {history.classes()[key] for key in FUNDING if key[0] == AGAIN[0] and key != AGAIN}
    assert others == {Class.RECOVERED}


def test_a_second_attempt_that_was_refused_leaves_the_first_in_doubt(tmp_path):
    """One refusal says nothing of an attempt that nobody was told of."""
    history = sent_again(tmp_path, (Fact.ACKNOWLEDGED, Acknowledged.REFUSED), has_book=False)
    assert history.classes()[AGAIN] is Class.UNKNOWN


@pytest.mark.parametrize("fact", [Fact.NOT_SENT, Fact.UNANSWERED])
def test_a_second_attempt_without_an_answer_leaves_it_open(tmp_path, fact):
    """Whether the connection was refused or cut, the first attempt may have taken effect."""
    history = sent_again(tmp_path, (fact, 0), has_book=False)
    assert history.classes()[AGAIN] is Class.UNKNOWN


@pytest.mark.parametrize("has_book", [True, False])
def test_what_was_not_sent_again_may_have_been_sent_before(tmp_path, has_book):
    """Who blocks it speaks for himself: the book may have it from the worker that was lost."""
    history = sent_again(tmp_path, blocked=True, has_book=has_book)
    assert history.classes()[AGAIN] is (Class.RECOVERED if has_book else Class.UNKNOWN)
    if has_book:
        assert findings(history.judge()) == {}


def test_what_a_lost_worker_itself_blocked_was_not_sent(tmp_path):
    """Its journal says that it did not send it, so nothing is in doubt."""
    history = run(tmp_path, crashed=True, drained=False, has_book=False)
    key = next(key for key in FUNDING if key[0] == 1)
    journal = Journal(history.directory.journal, "w9")
    journal.add(Fact.BLOCKED, (0, *key), 0, 2, Channel.HTTP, at_ns=9 * MS, reason="no id")
    journal.flush()
    assert history.classes()[key] is Class.BLOCKED


def test_times_are_of_one_attempt(tmp_path):
    """Sent and answered belong together: a lost worker's seconds are not the platform's."""
    history = sent_again(tmp_path, (Fact.ACKNOWLEDGED, Acknowledged.ACCEPTED), lost=False)
    seen, index = evidence_of(history).seen, AGAIN[1]
    assert seen.sent_ns[index] < 40_000 * MS, "the first attempt was accepted, and earlier"
    assert seen.acknowledged_ns[index] - seen.sent_ns[index] < 1000 * MS
    alone = sent_again(tmp_path / "alone", (Fact.ACKNOWLEDGED, Acknowledged.ACCEPTED))
    seen = evidence_of(alone).seen
    assert seen.acknowledged_ns[index] - seen.sent_ns[index] == MS


def test_the_answer_that_says_most_counts(tmp_path):
    """An attempt that was accepted outweighs one whose answer was lost, whichever came first."""
    history = sent_again(tmp_path, (Fact.UNANSWERED, 0), lost=False)
    assert history.classes()[AGAIN] is Class.SETTLED
