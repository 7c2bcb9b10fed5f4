"""Replaying a book: a wrong outcome or reason is named once, with what would have been right."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from e2e_data.commands import Kind, Label, Outcome
from e2e_data.model.decisions import Observed
from e2e_data.model.deviations import Deviation, What
from e2e_data.model.replay import replay
from e2e_data.model.rules import Rules
from tests.replayed_books import (
    HOUR,
    MINUTE,
    NOON,
    POOR,
    YES,
    Columns,
    Pool,
    balance_based,
    limit_based,
    run,
    texts,
)


def test_a_right_book_is_clean():
    """Funds to the last unit, limits to the last unit, in whatever order the rows come."""
    pool = balance_based().pay(1001, POOR).pay(1000).pay(1, POOR).fund(1).pay(1)
    replayed = run(pool)
    assert replayed.is_clean
    assert replayed.examined == 7
    assert list(replayed.undecidable) == []
    turned = pool.decisions(order=[6, 1, 3, 5, 0, 4, 2])
    assert list(replay(Columns(pool), turned, Rules())) == []
    limited = limit_based().pay(60).pay(41, MINUTE).pay(40).pay(1, MINUTE)
    assert list(run(limited.pay(51, HOUR, at=60).pay(50, at=61))) == []


def test_what_was_rejected_with_funds_is_named_once():
    """A rejection in spite of funds is one deviation, and what follows from it is right."""
    pool = balance_based().pay(1000, POOR).pay(1000).pay(1, POOR)
    assert list(run(pool)) == [
        Deviation(
            row=2,
            command=2,
            what=What.OUTCOME,
            got="rejected (INSUFFICIENT_FUNDS)",
            wanted="settled",
            detail="a debit of 1000 with a balance of 1000",
        )
    ]


def test_an_overdraft_is_a_wrong_outcome_and_below_zero_once():
    """A credit and rejections while the balance is below zero are right; so is what it then pays."""
    pool = balance_based().pay(1001).pay(1, POOR).fund(1).pay(1, POOR).fund(1).pay(1)
    assert texts(pool) == [
        "outcome: settled, where rejected (INSUFFICIENT_FUNDS) is right; "
        "a debit of 1001 with a balance of 1000",
        "below zero: -1, where 0 or more is right; after a debit of 1001",
    ]


def test_a_limit_passed_by_one_is_a_wrong_outcome_and_a_window_above_its_limit():
    """The next payment in the same window is rejected rightly, for what was spent."""
    pool = limit_based().pay(60).pay(41).pay(1, MINUTE)
    assert texts(pool) == [
        "outcome: settled, where rejected (LIMIT_EXCEEDED_MINUTE) is right; a debit of 41 with a "
        "balance of 940, 60 of 100 spent in its MINUTE, 60 of 150 spent in its HOUR, "
        "60 of 200 spent in its DAY, 60 of 250 spent in its WEEK, 60 of 300 spent in its MONTH",
        f"window: 101, where 100 or less is right; spent in its MINUTE from {NOON}",
    ]


def test_a_wrong_reason_is_named_with_the_right_one():
    """Of limits exceeded together the shortest period's is right; a reason must be given."""
    pool = limit_based().pay(301, HOUR).pay(301, (Outcome.REJECTED, "")).pay(301, MINUTE)
    found = run(pool)
    assert [(d.row, d.got, d.wanted) for d in found] == [
        (2, "'LIMIT_EXCEEDED_HOUR'", "LIMIT_EXCEEDED_MINUTE"),
        (3, "''", "LIMIT_EXCEEDED_MINUTE"),
    ]
    assert {d.what for d in found} == {What.REASON}


def test_any_reason_is_right_where_an_adapter_says_so():
    """Then only the outcome is judged, and that is what is wanted."""

    class AnyReason(Rules):
        hostile_reasons: Mapping[Label, str] = {}

        def right_reasons(self, objections):
            return frozenset()

    pool = limit_based().pay(301, (Outcome.REJECTED, "odd")).pay(301)
    pool.pay(5, POOR, label=Label.UNKNOWN_CURRENCY)
    assert [(d.what, d.row, d.wanted) for d in run(pool, rules=AnyReason())] == [
        (What.OUTCOME, 3, "rejected (any reason)"),
        (What.WINDOW, 3, "100 or less"),
    ]


def test_a_reason_that_is_right_in_some_possible_state_is_right():
    """Where what was spent is not known, each limit's reason is possible, and so is any."""

    class AnyOfSeveral(Rules):
        def right_reasons(self, objections):
            return frozenset(objections if len(objections) == 1 else ())

    pool = limit_based().pay(40, HOUR, seq=5)
    assert run(pool, shared=True).is_clean
    pool = limit_based().pay(40, POOR, seq=5)
    assert [d.wanted for d in run(pool, shared=True)] == [
        "LIMIT_EXCEEDED_DAY or LIMIT_EXCEEDED_HOUR or LIMIT_EXCEEDED_MINUTE or "
        "LIMIT_EXCEEDED_MONTH or LIMIT_EXCEEDED_WEEK"
    ]
    assert run(pool, rules=AnyOfSeveral(), shared=True).is_clean


def test_a_credit_is_never_rejected():
    """Opening credits and funding settle; whatever follows is decided without them."""
    pool = Pool().add(Kind.ACCOUNT, 0).add(Kind.OPENING_CREDIT, 10, POOR).fund(5).pay(6, POOR)
    assert [(d.row, d.wanted, d.detail) for d in run(pool)] == [
        (1, "settled", "whatever the state of its account")
    ]


def test_hostile_commands_are_rejected_for_their_reason_or_not_decided():
    """What is not understood has no place in the book; what is, is rejected for one reason."""
    pool = balance_based()
    pool.pay(5, (Outcome.REJECTED, "UNKNOWN_ACCOUNT"), label=Label.UNKNOWN_ACCOUNT, seq=0)
    pool.pay(5, (Outcome.REJECTED, "UNKNOWN_CURRENCY"), label=Label.UNKNOWN_CURRENCY, seq=3)
    pool.pay(5, POOR, label=Label.UNKNOWN_CURRENCY, seq=4)
    pool.pay(5, YES, label=Label.UNKNOWN_CURRENCY, seq=5, posted=-5)
    pool.pay(5, YES, label=Label.NEGATIVE, seq=6, posted=5)
    pool.pay(5, POOR, label=Label.MALFORMED, seq=7)
    assert [(d.what, d.row, d.got, d.wanted) for d in run(pool)] == [
        (What.OUTCOME, 5, "settled", "rejected (UNKNOWN_CURRENCY)"),
        (What.OUTCOME, 6, "settled", "no decision"),
        (What.OUTCOME, 7, "rejected (INSUFFICIENT_FUNDS)", "no decision"),
        (What.REASON, 4, "'INSUFFICIENT_FUNDS'", "UNKNOWN_CURRENCY"),
    ]


def test_an_account_whose_creation_was_rejected_is_not_there():
    """The creation is wrong; everything else for that account is then unknown, and in no order."""
    unknown = (Outcome.REJECTED, "UNKNOWN_ACCOUNT")
    pool = Pool().add(Kind.ACCOUNT, 0, POOR, seq=0)
    pool.add(Kind.OPENING_CREDIT, 10, unknown, seq=0).pay(6, unknown, seq=0).pay(6, seq=0)
    assert [(d.what, d.row, d.wanted) for d in run(pool)] == [
        (What.OUTCOME, 0, "settled"),
        (What.OUTCOME, 3, "rejected (UNKNOWN_ACCOUNT)"),
    ]


def test_an_account_whose_creation_was_decided_twice_is_there_if_it_was_ever_settled():
    """What else was decided for it is in its order."""
    pool = Pool().add(Kind.ACCOUNT, 0, POOR).add(Kind.ACCOUNT, 0).add(Kind.OPENING_CREDIT, 5)
    pool.rows[1][0] = 0
    assert [(d.what, d.row) for d in run(pool.pay(5).pay(1, POOR))] == [(What.OUTCOME, 0)]


def test_a_command_decided_again_is_not_judged_again_but_taken_over():
    """The second set of postings is another check's; the balance goes on with it."""
    pool = balance_based().pay(600).pay(600, posted=-600).pay(1, POOR)
    pool.rows[3][0] = 2
    assert [(d.what, d.row) for d in run(pool)] == [(What.BELOW_ZERO, 3)]


def test_what_is_not_decided_is_passed_over():
    """Pending rows, and rows with both outcomes at once, have no place in the order."""
    pool = balance_based().pay(5, (Outcome.NONE, ""), seq=0, at=False)
    pool.pay(5, (Outcome.SETTLED | Outcome.REJECTED, ""), seq=9)
    replayed = run(pool)
    assert replayed.is_clean
    assert replayed.examined == 2


def test_no_decisions_are_a_clean_book():
    """Nothing was decided, so nothing deviates."""
    replayed = run(Pool())
    assert replayed.is_clean
    assert replayed.examined == 0
    nothing = np.zeros(0, dtype=np.int64)
    assert run(Pool(), observed=Observed(nothing, nothing, nothing, nothing)).is_clean
