"""Replaying a book: a wrong balance is named once, and whoever decides by it is not accused."""

from __future__ import annotations

from e2e_data.model.decisions import Decisions
from e2e_data.model.deviations import What
from e2e_data.model.replay import replay
from e2e_data.model.rules import Rules
from tests.replayed_books import MINUTE, POOR, YES, Columns, balance_based, limit_based, run, texts


def test_a_balance_that_is_told_wrong_once_is_named_once():
    """The next balance is by the postings again: that is right, and no second deviation."""
    pool = balance_based().fund(5, after=1012).pay(1)
    assert texts(pool) == [
        "balance after: 1012, where 1005 is right; its postings of 5 leave 7 unexplained"
    ]


def test_a_lost_update_is_named_once_and_decisions_by_either_balance_pass():
    """From then on the told balance goes on; who decides by it, or by the postings, is not accused."""
    pool = balance_based().pay(400, after=1000).pay(600, after=400).pay(400, after=0)
    assert [(d.what, d.row, d.got, d.wanted) for d in run(pool)] == [
        (What.BALANCE, 2, "1000", "600")
    ]
    again = balance_based().pay(400, after=1000).pay(601, POOR).pay(1001, POOR).pay(600, after=400)
    assert [d.what for d in run(again)] == [What.BALANCE]
    assert list(run(again).undecidable) == [3]
    # Below zero by the postings only.
    assert balance_based().pay(400, after=1000).pay(700, after=300).balance == -100


def test_postings_decide_what_was_spent_and_the_pool_what_was_asked():
    """Posted twice, a debit counts once or twice in its windows: both are possible, none is accused."""
    pool = limit_based().pay(60, posted=-120).pay(40).pay(1, MINUTE)
    replayed = run(pool)
    assert list(replayed) == []
    assert list(replayed.undecidable) == [3]
    assert [d.what for d in run(limit_based().pay(60, posted=-120).pay(41))] == [
        What.OUTCOME,
        What.WINDOW,
    ]


def test_posted_short_a_debit_counts_by_what_was_asked_or_posted():
    """The same where less was posted than was asked for."""
    for rest in (YES, MINUTE):
        replayed = run(limit_based().pay(60, posted=-30).pay(70, rest))
        assert list(replayed) == []
        assert list(replayed.undecidable) == [3]
    assert [d.what for d in run(limit_based().pay(60, posted=-30).pay(40, MINUTE))] == [
        What.OUTCOME
    ]


def test_money_that_came_from_nowhere_is_named_and_may_be_spent():
    """A decision by the balance that it tells itself is not accused of its outcome as well."""
    pool = balance_based().pay(1007, after=0).pay(1, POOR)
    assert [(d.what, d.row, d.got, d.wanted) for d in run(pool)] == [(What.BALANCE, 2, "0", "-7")]


def test_without_postings_the_pools_amounts_are_taken():
    """A book that has no postings is replayed by what its settled commands asked for."""
    pool = balance_based().pay(1000).pay(1)
    columns = {name: getattr(pool.decisions(), name) for name in Decisions.__slots__}
    columns["posted_minor"] = None
    found = replay(Columns(pool), Decisions(**columns), Rules())
    assert [d.what for d in found] == [What.OUTCOME, What.BELOW_ZERO]


def test_amounts_beyond_all_reason_do_not_overflow():
    """What a book says may be anything; it is wrong, and nothing turns round."""
    most = 2**63 - 1
    pool = balance_based()
    for _ in range(3):
        pool.pay(1, posted=-most, after=-most)
    found = run(pool)
    assert [d.row for d in found if d.what is What.BELOW_ZERO] == [2, 3, 4]
    assert 2 in found.rows[What.BALANCE]
