"""The sets of right outcomes, case by case."""

import numpy as np
import pytest

from e2e_data import oracle
from e2e_data.commands import Outcome

SETTLED, REJECTED = Outcome.SETTLED, Outcome.REJECTED
EITHER = SETTLED | REJECTED


@pytest.mark.parametrize(
    ("limit_based", "payments", "expected"),
    [
        # limit-based: the MINUTE limit is 100
        (True, [100], [SETTLED]),
        (True, [101], [REJECTED]),
        (True, [60, 40], [SETTLED, SETTLED]),
        (True, [60, 41], [EITHER, EITHER]),
        (True, [60, 40, 101], [SETTLED, SETTLED, REJECTED]),
        (True, [60, 41, 101], [EITHER, EITHER, REJECTED]),
        # balance-based: it opens with 1000 and is funded with 300 and 200
        (False, [1000], [SETTLED]),
        (False, [1001], [EITHER]),
        (False, [1500], [EITHER]),
        (False, [1501], [REJECTED]),
        (False, [600, 400], [SETTLED, SETTLED]),
        (False, [600, 401], [EITHER, EITHER]),
        (False, [600, 1501], [EITHER, REJECTED]),
    ],
)
def test_expected(limit_based, payments, expected):
    """The sets of domain.md 8a; a second account, whose amounts are huge, changes nothing."""
    book = oracle.Book(
        limit_based=np.array([limit_based, not limit_based]),
        minute_limit_minor=np.array([100, 100]),
        opening_balance_minor=np.array([1000, 1000]),
        funding_account=np.array([1, 0, 0], dtype=np.int32),
        funding_minor=np.array([10**15, 300, 200]),
        payment_account=np.array([1, *[0] * len(payments)], dtype=np.int32),
        payment_minor=np.array([10**16, *payments]),
    )
    assert oracle.expected_of_payments(book).tolist() == [REJECTED, *expected]
