"""The outcomes a correct platform may give to each payment, whatever the timing.

The premise: no command is sent for an account before its creation was observed complete, and no
funding or payment before its opening credit was observed settled. Creations, opening credits and
funding can then only settle. This module is written from the rules, not from the generator: it
sees columns, and would judge a pool from elsewhere just the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Outcome

EITHER = Outcome.SETTLED | Outcome.REJECTED


@dataclass(frozen=True, slots=True)
class Book:
    """What the oracle has to know of some accounts; amounts in minor units of each account.

    Columns over accounts have the shape (accounts,), those over funding (funding,) and those over
    payments (payments,); `*_account` are indices of accounts, in any order.
    """

    limit_based: NDArray[np.bool_]
    minute_limit_minor: NDArray[np.int64]
    opening_balance_minor: NDArray[np.int64]
    funding_account: NDArray[np.int32]
    funding_minor: NDArray[np.int64]
    payment_account: NDArray[np.int32]
    payment_minor: NDArray[np.int64]


def expected_of_payments(book: Book) -> NDArray[np.uint8]:
    """Return for each payment the set of right outcomes, as Outcome flags; shape (payments,).

    Limit-based: rejected above the MINUTE limit; settled if all of the account's payments that
    could be accepted sum to no more than it. Balance-based: rejected above the opening balance
    plus all funding; settled if all of the account's payments sum to no more than the opening
    balance. Otherwise either.
    """
    limited = book.limit_based
    funded_minor = book.opening_balance_minor + _sums(
        len(limited), book.funding_account, book.funding_minor
    )
    reachable_minor = np.where(limited, book.minute_limit_minor, funded_minor)
    hopeless = book.payment_minor > reachable_minor[book.payment_account]

    # What cannot be accepted uses up no limit. A balance-based account's sum counts every payment:
    # one that cannot be accepted is above the opening balance alone, so nothing is lost by that.
    counted_minor = np.where(hopeless & limited[book.payment_account], 0, book.payment_minor)
    spent_minor = _sums(len(limited), book.payment_account, counted_minor)
    sure_minor = np.where(limited, book.minute_limit_minor, book.opening_balance_minor)
    affordable = (spent_minor <= sure_minor)[book.payment_account]

    expected = np.where(affordable, np.uint8(Outcome.SETTLED), np.uint8(EITHER))
    return np.where(hopeless, np.uint8(Outcome.REJECTED), expected)


def _sums(
    accounts: int, account: NDArray[np.int32], amount_minor: NDArray[np.int64]
) -> NDArray[np.int64]:
    # bincount would add in floating point, which is not exact for large amounts.
    total = np.zeros(accounts, dtype=np.int64)
    np.add.at(total, account, amount_minor)
    return total
