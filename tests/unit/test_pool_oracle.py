"""The sets of right outcomes, case by case."""

import numpy as np
import pytest

from e2e_data import oracle
from e2e_data.commands import Channel, Label, Outcome, expected_on

SETTLED, REJECTED = Outcome.SETTLED, Outcome.REJECTED
EITHER = SETTLED | REJECTED
NOT_UNDERSTOOD = Outcome.INVALID | Outcome.DEAD_LETTERED


def expected(limit_based, payments, labels=None, originals=None):
    """Return the sets of an account's payments; another account pays first, and changes nothing.

    The MINUTE limit is 100; the account opens with 1000 and is funded with 300 and 200.
    """
    count = len(payments)
    book = oracle.Book(
        limit_based=np.array([limit_based, not limit_based]),
        minute_limit_minor=np.array([100, 100]),
        opening_balance_minor=np.array([1000, 1000]),
        funding_account=np.array([1, 0, 0]),
        funding_minor=np.array([10**15, 300, 200]),
        payment_account=np.array([1, *[0] * count]),
        payment_minor=np.array([10**16, *payments]),
        payment_label=np.array([Label.NONE, *(labels or [Label.NONE] * count)], dtype=np.uint8),
        payment_original=np.array([-1, *(originals or [-1] * count)]),
    )
    first, *others = oracle.expected_of_payments(book).tolist()
    assert first == REJECTED
    return others


@pytest.mark.parametrize(
    ("limit_based", "payments", "sets"),
    [
        # limit-based
        (True, [100], [SETTLED]),
        (True, [101], [REJECTED]),
        (True, [60, 40], [SETTLED, SETTLED]),
        (True, [60, 41], [EITHER, EITHER]),
        (True, [60, 40, 101], [SETTLED, SETTLED, REJECTED]),
        (True, [60, 41, 101], [EITHER, EITHER, REJECTED]),
        # balance-based
        (False, [1000], [SETTLED]),
        (False, [1001], [EITHER]),
        (False, [1500], [EITHER]),
        (False, [1501], [REJECTED]),
        (False, [600, 400], [SETTLED, SETTLED]),
        (False, [600, 401], [EITHER, EITHER]),
        (False, [600, 1501], [EITHER, REJECTED]),
    ],
)
def test_plain_payments(limit_based, payments, sets):
    """The sets of domain.md 8a."""
    assert expected(limit_based, payments) == sets


@pytest.mark.parametrize(
    ("label", "right"),
    [
        (Label.UNKNOWN_ACCOUNT, REJECTED),
        (Label.UNKNOWN_CURRENCY, REJECTED),
        (Label.NEGATIVE, NOT_UNDERSTOOD),
        (Label.ZERO, NOT_UNDERSTOOD),
        (Label.EXCESS_DECIMALS, NOT_UNDERSTOOD),
        (Label.MISSING_FIELD, NOT_UNDERSTOOD),
        (Label.MALFORMED, NOT_UNDERSTOOD),
        (Label.OVERSIZED, NOT_UNDERSTOOD),
    ],
)
@pytest.mark.parametrize("limit_based", [True, False])
def test_hostile_payments(limit_based, label, right):
    """A hostile payment ends by its flavour, whatever its amount, and is in nobody's sum."""
    for amount in (1, 60, 10**9):
        assert expected(limit_based, [60, amount], [Label.NONE, label]) == [SETTLED, right]


@pytest.mark.parametrize("label", [Label.REPLAY, Label.RACING_REPLAY])
@pytest.mark.parametrize(("amount", "right"), [(100, SETTLED), (101, REJECTED)])
def test_replays(label, amount, right):
    """A replay ends as its original does, and is in nobody's sum."""
    assert expected(True, [amount, 0], [Label.NONE, label], [-1, 1]) == [right, right]


def test_every_label_has_a_set():
    """There is no label for which the oracle knows no right outcome."""
    for label in Label:
        (right,) = expected(True, [50], [label])
        assert right or label.is_replay


@pytest.mark.parametrize(
    ("channel", "right"),
    [
        (Channel.HTTP, Outcome.INVALID),
        (Channel.MQ, Outcome.DEAD_LETTERED),
        (Channel.KAFKA, Outcome.DEAD_LETTERED),
    ],
)
def test_what_is_not_understood_depends_on_the_channel(channel, right):
    """It is answered over HTTP and put aside elsewhere; all else ends alike on every channel."""
    assert expected_on(NOT_UNDERSTOOD, channel) is right
    for outcomes in (SETTLED, REJECTED, EITHER):
        assert expected_on(outcomes, channel) is outcomes
