"""Wrong amounts, told apart by what must have gone wrong: each settled command has one at most."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Kind, Outcome
from reports.checks import Invariant
from reports.classes import LEGS, Judged, astray, expected_other_minor, expected_own_minor

NO_POSTINGS = "settled without postings"
LEG_MISSING = "one leg missing"
ASTRAY = "posted to another account"
ROUNDING = "rounded wrongly"
EXCHANGE = "wrong exchange rate"
WRONG_AMOUNT = "wrong amount"

AMOUNT_FAULTS = (NO_POSTINGS, LEG_MISSING, ASTRAY, ROUNDING, EXCHANGE, WRONG_AMOUNT)


@lru_cache(maxsize=1)
def amount_faults(judged: Judged) -> NDArray[np.str_]:
    """Return what is wrong with each command's postings; empty where nothing is.

    A credit in another currency that is off by one minor unit was rounded wrongly; by more, it was
    exchanged at another rate.
    """
    booked, shard = judged.evidence.booked, judged.evidence.shard
    assert booked is not None
    currencies = np.array(shard.config.currencies, dtype=np.object_)
    settled = booked.outcome & Outcome.SETTLED != 0
    off = booked.other_minor - expected_other_minor(judged.evidence)
    exchanged = (
        (shard.kind == Kind.PAYMENT)
        & (shard.credit_currency != shard.currency[judged.evidence.account])
        & (booked.own_minor == expected_own_minor(judged.evidence))
        & (booked.other_currency == currencies[shard.credit_currency])
    )
    return np.select(
        [
            ~judged.wrong_amount,
            settled & (booked.legs == 0),
            settled & (booked.legs == LEGS - 1) & (not booked.by_events),
            astray(judged.evidence),
            exchanged & (np.abs(off) == 1),
            exchanged,
        ],
        [np.str_(name) for name in ("", NO_POSTINGS, LEG_MISSING, ASTRAY, ROUNDING, EXCHANGE)],
        default=np.str_(WRONG_AMOUNT),
    )


def gather_amounts(check: Invariant, judged: Judged, say: Callable[[int], str]) -> None:
    """Have a check gather the shard's faulty amounts by their kind; `say` tells of a command's."""
    amounts = amount_faults(judged)
    for name in AMOUNT_FAULTS:
        check.gather(name).add(judged, amounts == name, say)
