"""Replaying a book: a decision's time is within what the tester saw, and never runs backwards."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from e2e_data.model.decisions import UNTOLD, Observed
from e2e_data.model.deviations import What
from e2e_data.model.rules import Rules
from tests.replayed_books import (
    HOUR,
    MINUTE,
    NOON_NS,
    POOR,
    SECOND_NS,
    balance_based,
    limit_based,
    run,
    texts,
)


def seen(pool, sent=(), acknowledged=(), completed=(), uncertainty_ns=0):
    """Make the tester's evidence of times in seconds after noon, given by row."""

    def column(times):
        known = dict(times)
        return np.array(
            [
                NOON_NS + round(known[row] * SECOND_NS) if row in known else UNTOLD
                for row in range(len(pool.rows))
            ],
            dtype=np.int64,
        )

    give_ns = np.full(len(pool.rows), uncertainty_ns, dtype=np.int64)
    return Observed(column(sent), column(acknowledged), column(completed), give_ns)


def test_times_do_not_run_backwards_within_an_account():
    """The one that is before the one before it is named; equal times are right."""
    pool = balance_based().pay(1, at=9).pay(1, at=8).pay(1, at=8).pay(1, at=9)
    for observed in (None, seen(pool), seen(pool, {3: 7}, {}, {3: 9})):
        assert texts(pool, observed=observed) == [
            "decision time: 2026-11-20T12:00:08.000000000Z, where 2026-11-20T12:00:09.000000000Z "
            "or later is right; when the decision before it was made"
        ]


def test_numbers_against_the_order_of_time_are_seen():
    """A platform that numbers two decisions the wrong way round has a time that runs backwards."""
    pool = balance_based().pay(1, POOR, seq=4, at=3).pay(1, seq=3, at=4)
    assert What.TIME in {d.what for d in run(pool)}


@pytest.mark.parametrize(
    ("sent", "completed", "give_ns", "wanted"),
    [
        (3, 3, 0, None),
        (3.000_000_001, 4, 0, "2026-11-20T12:00:03.000000001Z or later"),
        (3.000_000_001, 4, 1, None),
        (2, 2.999_999_999, 0, "2026-11-20T12:00:02.999999999Z or earlier"),
        (2, 2.999_999_999, 1, None),
    ],
)
def test_a_decision_lies_between_sent_and_completed(sent, completed, give_ns, wanted):
    """Give or take the uncertainty of the clocks, to the nanosecond."""
    pool = balance_based().pay(1, at=3)
    found = list(run(pool, observed=seen(pool, {2: sent}, {}, {2: completed}, give_ns)))
    assert [(d.what, d.row, d.wanted) for d in found] == (
        [(What.TIME, 2, wanted)] if wanted else []
    )
    assert all("give or take 0 ns" in d.detail for d in found)


def test_a_time_far_out_is_shown_to_the_nanosecond():
    """A book may say that it decided at the end of all 64 bits."""
    pool = balance_based().pay(1, at=3)
    pool.rows[2][4] = 2**63 - 1
    (found,) = run(pool, observed=seen(pool, {}, {}, {2: 3}))
    assert found.got == "2262-04-11T23:47:16.854775807Z"


def test_a_decision_without_a_time_may_be_in_any_window():
    """It is named; its account's windows are not known, but a payment above a limit is."""
    pool = (
        limit_based()
        .pay(60, at=False)
        .pay(60)
        .pay(60, MINUTE)
        .pay(60, HOUR, at=60)
        .pay(101, at=120)
    )
    replayed = run(pool)
    assert [(d.what, d.row) for d in replayed] == [
        (What.OUTCOME, 6),
        (What.WINDOW, 6),
        (What.TIME, 2),
    ]
    assert list(replayed.undecidable) == [2, 3, 5]
    (_, _, missing) = replayed
    assert missing.text.startswith("decision time: no time, where one is right")
    (outcome, _, _) = replayed
    assert "an unknown amount of 100 spent in its MINUTE" in outcome.detail


def test_decisions_without_times_are_not_certainly_in_one_window():
    """Two debits that would exceed a limit together need not have been made together."""

    class NoTimes(Rules):
        gives_times = False

    assert list(run(limit_based().pay(60, at=False).pay(60, at=False), rules=NoTimes())) == []


def test_who_was_acknowledged_first_is_decided_first():
    """A command held back behind one that was sent after its acknowledgement is named."""
    pool = balance_based().pay(1).pay(2).pay(3).pay(4)
    held_back = seen(pool, {2: 2.5, 3: 2.6, 4: 2.7, 5: 1.0}, {5: 2.6})
    assert texts(pool, observed=held_back) == [
        "order: decided after command 4, where before it is right; that one was sent at "
        "2026-11-20T12:00:02.700000000Z, when this one was acknowledged at "
        "2026-11-20T12:00:02.600000000Z"
    ]
    give = seen(pool, {2: 2.5, 3: 2.6, 4: 2.7, 5: 1.0}, {5: 2.6}, uncertainty_ns=50_000_000)
    assert texts(pool, observed=give) == []


def test_order_is_what_comparing_all_pairs_says():
    """On random times each row is named exactly if some earlier one was sent after its answer."""
    random = Random(1)
    for _ in range(200):
        pool = balance_based()
        for _ in range(random.randint(0, 6)):
            pool.pay(1)
        rows = range(len(pool.rows))
        sent = {row: random.randint(-9, 0) for row in rows if random.random() < 0.8}
        answered = {row: random.randint(-9, 9) for row in rows if random.random() < 0.8}
        found = run(pool, observed=seen(pool, sent, answered))
        expected = [
            row
            for row in rows
            if row in answered and any(sent.get(other, -99) > answered[row] for other in range(row))
        ]
        assert found.rows[What.ORDER].tolist() == expected
