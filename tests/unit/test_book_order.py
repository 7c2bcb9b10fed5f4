"""Replaying a book: numbers missing or doubled, and what is right without an order."""

from __future__ import annotations

from e2e_data.commands import Kind, Outcome
from e2e_data.model.deviations import What
from e2e_data.model.rules import Rules
from tests.replayed_books import MINUTE, POOR, Pool, balance_based, limit_based, run, texts


def test_a_number_left_out_is_named_once():
    """From then on all numbers are off by as much: that is the same fault."""
    pool = balance_based().pay(1, seq=5).pay(1, seq=6).pay(1, seq=7)
    assert texts(pool) == ["sequence: 5, where 3 is right; 2 missing before it"]


def test_a_number_in_the_place_of_another_is_named_once():
    """1 2 2 4: the second 2 stands for 3. 1 2 4 4: the first 4 does."""
    assert texts(balance_based().fund(1, seq=2).pay(1, seq=4)) == [
        "sequence: 2, where 3 is right; two have it"
    ]
    assert [d.row for d in run(balance_based().fund(1, seq=4).pay(1, seq=4))] == [2]


def test_what_a_missing_decision_did_is_taken_from_the_next_balance():
    """A row that is gone from the book is one missing number; everything after it is exact again."""
    pool = balance_based().pay(400).pay(600).pay(1, POOR).fund(5).pay(6, POOR).pay(5)
    del pool.rows[2]
    assert texts(pool) == ["sequence: 4, where 3 is right; 1 missing before it"]
    assert list(run(pool).undecidable) == []
    pool.rows[5][1] = Outcome.SETTLED
    assert [(d.what, d.row) for d in run(pool)] == [(What.OUTCOME, 5), (What.SEQUENCE, 2)]


def test_after_a_gap_only_the_balance_that_is_told_then_counts():
    """What was told wrong before it excuses nothing any more."""
    pool = balance_based().pay(1, after=1006).pay(1002, seq=5, after=-3)
    assert [(d.what, d.row) for d in run(pool)] == [
        (What.OUTCOME, 3),
        (What.BALANCE, 2),
        (What.BELOW_ZERO, 3),
        (What.SEQUENCE, 3),
    ]


def test_accounts_that_were_there_before_are_known_from_the_first_balance_told():
    """Their numbers begin anywhere, which is others' doing; until then both outcomes pass."""
    pool = Pool().pay(5, POOR, seq=4).pay(5, seq=5, after=95).pay(95, POOR, seq=6)
    replayed = run(pool, shared=True)
    assert [(d.what, d.row) for d in replayed] == [(What.OUTCOME, 2)]
    assert list(replayed.undecidable) == [0]


def test_numbers_begin_with_one():
    """An account whose first number is another one lacks what was before it."""
    assert texts(Pool().add(Kind.ACCOUNT, 0, seq=2).add(Kind.OPENING_CREDIT, 5, seq=3)) == [
        "sequence: 2, where 1 is right; 1 missing before it"
    ]


def test_a_decision_without_a_number_leaves_its_account_without_order():
    """It is named; what the others got may be right at some place in the order, or at none."""
    pool = balance_based().pay(1000, seq=0).pay(1, POOR).pay(1000).pay(1001)
    replayed = run(pool)
    assert [(d.what, d.row, d.got) for d in replayed] == [
        (What.OUTCOME, 5, "settled"),
        (What.BELOW_ZERO, 5, "-2001"),
        (What.SEQUENCE, 2, "no number"),
    ]


class NoOrder(Rules):
    gives_order = False


def test_without_order_both_outcomes_are_right_where_it_matters():
    """Sums that any order keeps within the limit settle; what no order allows does not."""
    affordable = limit_based().pay(60, seq=0).pay(40, seq=0).pay(101, MINUTE, seq=0)
    replayed = run(affordable, rules=NoOrder())
    assert replayed.is_clean
    assert list(replayed.undecidable) == []
    tight = limit_based().pay(60, seq=0).pay(40, seq=0).pay(30, MINUTE, seq=0)
    assert run(tight, rules=NoOrder()).is_clean
    assert list(run(tight, rules=NoOrder()).undecidable) == [4]
    apart = limit_based().pay(60, seq=0).pay(41, MINUTE, seq=0, at=60)
    assert [d.what for d in run(apart, rules=NoOrder())] == [What.OUTCOME]


def test_without_order_a_window_is_above_its_limit_all_the_same():
    """Sums need no order: of the debits that can have passed the limit the largest is named."""
    pool = limit_based().pay(60, seq=0).pay(50, seq=0)
    assert [(d.what, d.row, d.got) for d in run(pool, rules=NoOrder())] == [(What.WINDOW, 2, "110")]


def test_what_others_did_on_an_account_is_not_held_against_it():
    """Missing numbers are theirs; until a balance is told, and windows turn, both outcomes pass."""
    pool = balance_based(100).pay(90, POOR, seq=5).pay(1, seq=6, after=9).pay(10, POOR, seq=7)
    replayed = run(pool, shared=True)
    assert list(replayed) == []
    assert list(replayed.undecidable) == [2]
    limited = (
        limit_based().pay(40, MINUTE, seq=5).pay(60, at=60, seq=6).pay(41, MINUTE, at=61, seq=7)
    )
    assert list(run(limited, shared=True)) == []
    doubled = balance_based().pay(1, seq=4).pay(1, seq=4)
    assert [d.what for d in run(doubled, shared=True)] == [What.SEQUENCE]
    unordered = balance_based().pay(5000, seq=0).pay(1, POOR, seq=0)
    assert list(run(unordered, rules=NoOrder(), shared=True)) == []
