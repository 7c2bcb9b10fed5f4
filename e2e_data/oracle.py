"""The outcomes a correct platform may give to each payment, whatever the timing.

The premise: no command is sent for an account before its creation was observed complete, and no
funding or payment before its opening credit was observed settled. Creations, opening credits and
funding can then only settle. This module is written from the rules, not from the generator: it
sees columns, and would judge a pool from elsewhere just the same.

Hostile payments have no effect. What names an unknown account or currency is understood and
rejected; what cannot be understood is refused as invalid, or put aside where nobody waits for an
answer; a replay is answered as its original was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Label, Outcome

EITHER = Outcome.SETTLED | Outcome.REJECTED
_NOT_UNDERSTOOD = Outcome.INVALID | Outcome.DEAD_LETTERED
_HOSTILE = {
    Label.UNKNOWN_ACCOUNT: Outcome.REJECTED,
    Label.UNKNOWN_CURRENCY: Outcome.REJECTED,
    Label.NEGATIVE: _NOT_UNDERSTOOD,
    Label.ZERO: _NOT_UNDERSTOOD,
    Label.EXCESS_DECIMALS: _NOT_UNDERSTOOD,
    Label.MISSING_FIELD: _NOT_UNDERSTOOD,
    Label.MALFORMED: _NOT_UNDERSTOOD,
    Label.OVERSIZED: _NOT_UNDERSTOOD,
}
_HOSTILE_SETS = np.array([_HOSTILE.get(label, Outcome.NONE) for label in Label], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Book:
    """What the oracle has to know of some accounts; amounts in minor units of each account.

    Columns over accounts have the shape (accounts,), those over funding (funding,) and those over
    payments (payments,); `*_account` are indices of accounts, in any order.
    """

    limit_based: NDArray[np.bool_]
    minute_limit_minor: NDArray[np.int64]
    opening_balance_minor: NDArray[np.int64]
    funding_account: NDArray[np.integer[Any]]
    funding_minor: NDArray[np.int64]
    payment_account: NDArray[np.integer[Any]]
    payment_minor: NDArray[np.int64]
    payment_label: NDArray[np.uint8]
    payment_original: NDArray[np.integer[Any]]
    """The row, among the payments, that a replay repeats; -1 for all others."""


def expected_of_payments(book: Book) -> NDArray[np.uint8]:
    """Return for each payment the set of right outcomes, as Outcome flags; shape (payments,).

    Limit-based: rejected above the MINUTE limit; settled if all of the account's payments that
    could be accepted sum to no more than it. Balance-based: rejected above the opening balance
    plus all funding; settled if all of the account's payments sum to no more than the opening
    balance. Otherwise either. Hostile payments are in no sum.
    """
    limited = book.limit_based
    hostile = book.payment_label >= Label.UNKNOWN_ACCOUNT
    payment_minor = np.where(hostile, 0, book.payment_minor)
    funded_minor = book.opening_balance_minor + _sums(
        len(limited), book.funding_account, book.funding_minor
    )
    reachable_minor = np.where(limited, book.minute_limit_minor, funded_minor)
    hopeless = payment_minor > reachable_minor[book.payment_account]

    # What cannot be accepted uses up no limit. A balance-based account's sum counts every payment:
    # one that cannot be accepted is above the opening balance alone, so nothing is lost by that.
    counted_minor = np.where(hopeless & limited[book.payment_account], 0, payment_minor)
    spent_minor = _sums(len(limited), book.payment_account, counted_minor)
    sure_minor = np.where(limited, book.minute_limit_minor, book.opening_balance_minor)
    affordable = (spent_minor <= sure_minor)[book.payment_account]

    expected = np.where(affordable, np.uint8(Outcome.SETTLED), np.uint8(EITHER))
    expected[hopeless] = Outcome.REJECTED
    expected[hostile] = _HOSTILE_SETS[book.payment_label[hostile]]
    replays = np.flatnonzero(book.payment_original >= 0)
    expected[replays] = expected[book.payment_original[replays]]
    return expected


def _sums(
    accounts: int, account: NDArray[np.integer[Any]], amount_minor: NDArray[np.int64]
) -> NDArray[np.int64]:
    # bincount would add in floating point, which is not exact for large amounts.
    total = np.zeros(accounts, dtype=np.int64)
    np.add.at(total, account, amount_minor)
    return total
