"""Replaying a book: what deviates is named once, as what it is, with what a person needs to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest

from e2e_data.commands import Kind, Label, Outcome
from e2e_data.model.decisions import UNTOLD, Decisions, Observed
from e2e_data.model.deviations import Deviation, What
from e2e_data.model.replay import replay
from e2e_data.model.rules import Rules

SECOND_NS = 10**9
NOON_NS = 1_795_176_000 * SECOND_NS
"""Friday 2026-11-20 12:00:00 UTC."""
NOON = "2026-11-20T12:00:00.000000000Z"
LIMITS = (100, 150, 200, 250, 300)

YES = (Outcome.SETTLED, "")
POOR = (Outcome.REJECTED, "INSUFFICIENT_FUNDS")
MINUTE = (Outcome.REJECTED, "LIMIT_EXCEEDED_MINUTE")
HOUR = (Outcome.REJECTED, "LIMIT_EXCEEDED_HOUR")


@dataclass
class Pool:
    """Commands of account 0, in order, and the book about them; account 1 has nothing."""

    limited: bool = False
    kind: list = field(default_factory=list)
    amount: list = field(default_factory=list)
    labels: list = field(default_factory=list)
    rows: list = field(default_factory=list)
    balance: int = 0

    def add(self, kind, minor, said=YES, *, at=None, seq=None, after=..., posted=None, label=0):
        """Add a command and its row; what is left out is right, a second after the one before."""
        number = len(self.rows) + 1
        outcome, reason = said
        sign = -1 if kind is Kind.PAYMENT else 1
        if posted is None:
            posted = sign * minor if outcome is Outcome.SETTLED and not label else 0
        self.balance += posted
        if after is ...:
            after = self.balance if posted else UNTOLD
        self.kind.append(kind)
        self.amount.append(minor)
        self.labels.append(label)
        seq = number if seq is None else seq
        at = number if at is None else at
        at_ns = 0 if at is False else NOON_NS + round(at * SECOND_NS)
        self.rows.append([number - 1, outcome, reason, seq, at_ns, after, posted])
        return self

    def open(self, minor=1000):
        return self.add(Kind.ACCOUNT, 0).add(Kind.OPENING_CREDIT, minor)

    def pay(self, minor, said=YES, **more):
        return self.add(Kind.PAYMENT, minor, said, **more)

    def fund(self, minor, said=YES, **more):
        return self.add(Kind.FUNDING, minor, said, **more)

    # The columns of a shard.

    @property
    def account_number(self):
        return np.zeros(len(self.kind), dtype=np.int32)

    @property
    def amount_minor(self):
        return np.array(self.amount, dtype=np.int64)

    @property
    def label(self):
        return np.array(self.labels, dtype=np.uint8)

    @property
    def limit_based(self):
        return np.array([self.limited, not self.limited])

    @property
    def limits_minor(self):
        return np.array([LIMITS, LIMITS], dtype=np.int64)

    def decisions(self, order=None):
        rows = self.rows if order is None else [self.rows[at] for at in order]
        columns = list(zip(*rows, strict=True)) if rows else [[]] * 7
        kinds = (np.int64, np.uint8, object, *[np.int64] * 4)
        return Decisions(
            *(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True))
        )


class Columns:
    """A Pool whose `kind` is a column too."""

    def __init__(self, pool):
        self.pool = pool
        self.kind = np.array(pool.kind, dtype=np.uint8)

    def __getattr__(self, name):
        return getattr(self.pool, name)


def run(pool, rules=None, observed=None, *, shared=False):
    return replay(Columns(pool), pool.decisions(), rules or Rules(), observed, shared=shared)


def texts(pool, **more):
    return [deviation.text for deviation in run(pool, **more)]


def balance_based(minor=1000):
    return Pool(limited=False).open(minor)


def limit_based():
    return Pool(limited=True).open()


# -- outcomes and reasons ---------------------------------------------------------------------------


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


# -- balances ---------------------------------------------------------------------------------------


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


# -- order ------------------------------------------------------------------------------------------


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


# -- times ------------------------------------------------------------------------------------------


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
