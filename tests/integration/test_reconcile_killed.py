"""Runs that were killed, judged: what was surely not sent, what perhaps, and what is known all the same."""

from __future__ import annotations

import pytest

from e2e_data.commands import Channel, Kind
from e2e_data.exits import Exit
from reports.journal import Journal
from reports.judgement import Class, Status
from tests.fates import Fate
from tests.judgements import findings, statuses
from tests.plain_runs import FUNDING, POOL, run
from tests.times import MS
from tests.tiny_pools import keys_of


def test_a_killed_worker_leaves_three_kinds_of_commands(tmp_path):
    """Surely not sent, perhaps sent and journaled add up to the pool; nothing is called unexpected."""
    cut = [key for key in keys_of(POOL, Kind.PAYMENT) if key[0] == 1][-2:]
    history = run(tmp_path, dict.fromkeys(cut, Fate.UNGRANTED), crashed=True, drained=False)
    judgement = history.judge()
    last = POOL.shard_counts(1)
    assert judgement.surely_not_sent == 2
    assert judgement.perhaps_sent == last.funding + last.payment - 2
    assert judgement.journaled == len(POOL) - last.funding - last.payment
    assert judgement.surely_not_sent + judgement.perhaps_sent + judgement.journaled == 36
    assert findings(judgement) == {}
    # What the book and the grants say needs no journal; only the drain is not known.
    assert statuses(judgement).pop("1") == "unknown"
    assert {status for no, status in statuses(judgement).items() if no != "1"} == {"holds"}
    assert judgement.exit is Exit.NOT_RIGHT
    found = history.classes()
    assert [found[key] for key in cut] == [Class.NOT_SENT] * 2
    doubtful = {found[1, i] for i in range(4, len(POOL.shard(1))) if (1, i) not in cut}
    assert doubtful == {Class.RECOVERED}
    dead = next(rule for rule in judgement.fitness if rule.title.endswith("died"))
    sent, lost = judgement.journaled, judgement.perhaps_sent
    told = f"died: w1; latency covers {sent} of {sent + lost} commands"
    assert (dead.status, dead.note) == (Status.VIOLATED, told)


def test_a_killed_worker_without_a_book_leaves_unknown_commands(tmp_path):
    """Without a book, what was perhaps sent is unknown, not unsent."""
    history = run(tmp_path, crashed=True, drained=False, has_book=False)
    found = history.classes()
    assert {found[1, index] for index in range(4, len(POOL.shard(1)))} == {Class.UNKNOWN}


@pytest.mark.parametrize("has_book", [True, False])
def test_sent_without_any_further_fact_is_unknown_or_recovered(tmp_path, has_book):
    """The answer was in the chunk that was lost: the command is not counted as never sent."""
    history = run(tmp_path, crashed=True, drained=False, has_book=has_book)
    key = next(key for key in FUNDING if key[0] == 1)
    journal = Journal(history.directory.journal, "w9")
    journal.sent((0, *key), 0, 2, Channel.HTTP, at_ns=9 * MS, intended_ns=9 * MS, free_ns=0)
    journal.flush()
    assert history.classes()[key] is (Class.RECOVERED if has_book else Class.UNKNOWN)


def test_a_run_killed_before_its_first_chunk_can_be_judged(tmp_path):
    """Grants and nothing else: everything granted was perhaps sent, and the verdict is UNKNOWN."""
    history = run(tmp_path, drained=False, has_book=False, state="running", timeline=False)
    for path in history.directory.journal.glob("*.parquet"):
        path.unlink()
    lines = history.directory.grants.read_bytes().splitlines(keepends=True)
    grants = [line for line in lines if b"closed" not in line]
    history.directory.grants.write_bytes(b"".join(grants) + b'{"epoch":1,"wor')
    judgement = history.judge()
    assert judgement.perhaps_sent == len(POOL)
    assert judgement.exit is Exit.NOT_RIGHT
    assert judgement.verdict == ("NOT SHOWN TO BE RIGHT: evidence is missing - the run was cut off")
