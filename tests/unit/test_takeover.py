"""Taking over: what a run directory says of where its run stood."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.platform import Acknowledged, Platform
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from locustfiles.leases import ATTEMPTS_MAX, WATCH, Known
from locustfiles.plans import load_plan
from locustfiles.takeover import Before, last_ns, take_over
from reports.grants import Grant, GrantLog
from reports.journal import Fact, Journal
from reports.lines import LineLog
from reports.rundir import RunDirectory
from reports.timeline import Event, Second, read_timeline


def grant(shard, start, stop, attempt=0, phase=0, epoch=1):
    return Grant(epoch, "w1", 0, shard, phase, start, stop, 5, attempt)


def test_what_is_granted_and_not_done_is_in_doubt():
    """With the next attempt number; what is beyond the grants stays to be granted."""
    before = Before(0, [grant(3, 0, 4), grant(3, 4, 6), grant(5, 0, 2)], resend=True)
    assert before.known({3: [1, 2, 5], 5: []}.get) == {
        3: Known(6, ((0, 1, 1), (3, 5, 1))),
        5: Known(2, ((0, 2, 1),)),
    }


def test_of_several_grants_the_last_attempt_counts():
    """What was sent again before is sent again with a higher number yet."""
    before = Before(0, [grant(3, 0, 4), grant(3, 1, 3, 2)], resend=True)
    assert before.known(lambda _: []) == {3: Known(4, ((0, 1, 1), (1, 3, 3), (3, 4, 1)))}


def test_where_nothing_is_sent_again_doubts_are_watched():
    """By the plan, or when an id has no place for a further attempt."""
    assert Before(0, [grant(3, 0, 2)], resend=False).known(lambda _: []) == {
        3: Known(2, ((0, 2, WATCH),))
    }
    full = Before(0, [grant(3, 0, 2, ATTEMPTS_MAX)], resend=True)
    assert full.known(lambda _: []) == {3: Known(2, ((0, 2, WATCH),))}


def test_other_phases_are_none_of_its_business():
    """Only the phase that was on is taken over."""
    before = Before(1, [grant(3, 0, 2, phase=0)], resend=True)
    assert before.known(lambda _: []) == {}


@pytest.fixture
def run(tmp_path):
    """A run directory in the middle of its second phase, with two journals."""
    directory = RunDirectory.create(tmp_path, "smoke")
    plan = load_plan("smoke", ["pool.accounts=4", "pool.accounts_per_shard=2"])
    pool = Pool.in_memory(plan.pool.config(), 7)
    log = GrantLog(directory.grants)
    log.write_all([grant(shard, 0, 2, epoch=7 + shard) for shard in (0, 1)])
    log.write(grant(0, 0, 2, phase=1, epoch=11))
    log.close()
    journal = Journal(directory.journal, "w1")
    http = (0, Channel.HTTP)
    for shard in (0, 1):
        for index in (0, 1):
            place = (0, shard, index)
            journal.sent(place, 0, *http, at_ns=1, intended_ns=1, free_ns=1)
            journal.add(Fact.COMPLETED, place, 0, *http, at_ns=2, code=Outcome.SETTLED)
    journal.sent((0, 0, 2), 0, 1, Channel.HTTP, at_ns=3, intended_ns=3, free_ns=3)
    invalid = Acknowledged.INVALID
    journal.add(Fact.ACKNOWLEDGED, (0, 0, 2), 0, 1, Channel.HTTP, at_ns=4, code=invalid)
    journal.flush()
    bindings = LineLog(directory.bindings / "w1.jsonl")
    bindings.write({"place": (0, 0, 1), "account_id": "the id"})
    bindings.close()
    timeline = LineLog(directory.timeline)
    timeline.write(Event(100, "phase began", "opening-credits"))
    timeline.write(Second(150, "opening-credits", *[0] * 11, 0.0, 0.0))
    timeline.close()
    return SimpleNamespace(directory=directory, plan=plan, pool=pool)


def test_the_directory_says_where_a_run_stood(run):
    """Phase, time, epoch, what is in doubt, and how far accounts have come: all from files."""
    record = SimpleNamespace(masters=1)
    resumed = take_over(run.directory, record, run.plan, run.pool, Platform())
    assert (resumed.term, resumed.epoch, resumed.phase, resumed.sent_ns) == (2, 11, 1, 50)
    assert resumed.known == {0: Known(2, ((1, 2, 1),))}, "what was answered as invalid is done"
    assert set(resumed.accounts.news_for("anybody", 0, 0)) == {(0, 0, 1, ""), (0, 1, 1, "the id")}
    assert last_ns(run.directory) == 150


def test_before_the_first_grant_a_run_begins_at_its_beginning(tmp_path):
    """A master that was lost before anything was granted left nothing in doubt."""
    directory = RunDirectory.create(tmp_path, "smoke")
    plan = load_plan("smoke")
    pool = Pool.in_memory(plan.pool.config(), 7)
    resumed = take_over(directory, SimpleNamespace(masters=3), plan, pool, Platform())
    assert (resumed.term, resumed.epoch, resumed.phase, resumed.sent_ns) == (4, 0, 0, 0)
    assert resumed.known == {}
    assert last_ns(directory) == 0


def test_a_phase_was_sending_under_each_of_its_masters(run):
    """What lies between two is not counted, nor a pause; what the last gave up is told of once."""
    timeline = LineLog(run.directory.timeline)
    for line in (
        Second(170, "opening-credits", *[0] * 7, 4, *[0] * 3, 0.0, 0.0),
        Event(900, "run resumed", "opening-credits", "master 2", 4),
        Event(1000, "phase began", "opening-credits"),
        Second(1040, "opening-credits", *[0] * 7, 2, *[0] * 3, 0.0, 0.0),
        Event(1050, "phase paused", "opening-credits"),
        Event(1850, "phase resumed", "opening-credits"),
        Second(1900, "opening-credits", *[0] * 7, 5, *[0] * 3, 0.0, 0.0),
    ):
        timeline.write(line)
    timeline.close()
    record = SimpleNamespace(masters=2)
    resumed = take_over(run.directory, record, run.plan, run.pool, Platform())
    assert (resumed.sent_ns, resumed.dropped) == (70 + 50 + 50, 5)
    rows, _ = read_timeline(run.directory.timeline)
    assert [row.dropped for row in rows] == [0, 4, 6, 9]


def test_two_masters_are_kept_apart(run):
    """Whoever writes grants has the log to itself; the other is told whose run it is."""
    log = GrantLog(run.directory.grants)
    with pytest.raises(Problems, match="is a run that is still going on"):
        GrantLog(run.directory.grants)
    log.close()
    GrantLog(run.directory.grants).close()
    assert Kind.ACCOUNT in run.plan.phases["accounts"].sends
