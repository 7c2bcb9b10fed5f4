"""Payments that meet a limit or the balance exactly, by hand."""

import numpy as np
import pytest

from e2e_data.boundary import boundary_payments
from e2e_data.commands import Label


def payments(limit_based, count, reachable, *, beyond_limit=True):
    """Return (amount, whether it is beyond) for each of an account's payments."""
    found = boundary_payments(
        np.arange(10, 10 + count),
        np.zeros(count, dtype=np.int64),
        np.array([limit_based]),
        np.array([reachable if limit_based else 7]),
        np.array([7 if limit_based else reachable]),
        beyond_limit=beyond_limit,
    )
    assert found.row.tolist() == list(range(10, 10 + count))
    amounts = found.amount_minor.tolist()
    return [
        f"{amount}!" if label == Label.BEYOND else amount
        for amount, label in zip(amounts, found.label.tolist(), strict=True)
    ], found


@pytest.mark.parametrize(
    ("count", "right"),
    [
        (0, []),
        (1, [100]),
        (2, [100, "1!"]),
        (3, [33, 33, 34]),
        (4, [33, 33, 34, "1!"]),
        (5, [33, 33, 34, "1!", "101!"]),
        (6, [33, 33, 34, "1!", "101!", 100]),
        (8, [33, 33, 34, "1!", "101!", 33, 33, 34]),
    ],
)
def test_limit_based(count, right):
    """Cycles of five meet a limit of 100 exactly; the last meets it with what payments there are."""
    assert payments(True, count, 100)[0] == right


def test_limit_based_without_limit_violations():
    """No payment alone is above the limit: a cycle has four."""
    assert payments(True, 5, 100, beyond_limit=False)[0] == [33, 33, 34, "1!", 100]


@pytest.mark.parametrize(
    ("count", "right"),
    [(1, [100]), (2, [100, "1!"]), (4, [34, 33, 33, "1!"]), (7, [17, 17, 17, 17, 16, 16, "1!"])],
)
def test_balance_based(count, right):
    """All but the last payment add up to what is credited, and the last is one minor unit."""
    assert payments(False, count, 100)[0] == right


def test_a_balance_of_few_minor_units():
    """No part is nothing: where there are more payments than minor units, the others are beyond."""
    assert payments(False, 6, 3)[0] == [1, 1, 1, "1!", "1!", "1!"]


def test_cycles_are_told():
    """Each payment of a cycle knows the row of the cycle's first."""
    assert payments(True, 7, 100)[1].first.tolist() == [10] * 5 + [15] * 2


def test_accounts_do_not_mix():
    """Each account has cycles of its own, whatever others stand between."""
    found = boundary_payments(
        np.array([0, 1, 5, 6, 7]),
        np.array([0, 0, 2, 2, 2]),
        np.array([True, True, True]),
        np.array([30, 0, 60]),
        np.array([0, 0, 0]),
        beyond_limit=True,
    )
    assert found.amount_minor.tolist() == [30, 1, 20, 20, 20]
    assert found.first.tolist() == [0, 0, 5, 5, 5]
