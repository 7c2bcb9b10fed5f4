"""What explains what: the names of faults, and the arithmetic that ties a wrong balance to one.

A fault has consequences: a payment that was applied twice puts a balance off. The judge names the
cause, and lists the rest as its consequences, only where the amounts bear it out.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Outcome
from reports.classes import Judged, expected_own_minor
from reports.seen import NEVER, Bools, Ints

DUPLICATED = "applied more than once"
WRONG_AMOUNT = "wrong amount"
WRONG_OUTCOME = "wrong outcome"
WRONG_CURRENCY = "account in the wrong currency"
TWO_OUTCOMES = "two outcomes"
LOST = "lost in the platform"
UNEXPECTED = "unexpected"
NEVER_SENT = "decided, but never sent"
STEP = "balance step without postings"
OFF = "balance off"
MISSING = "account missing in the book"


def unexpected(judged: Judged) -> Bools:
    """Tell which commands of the book lie outside every grant."""
    booked = judged.evidence.booked
    assert booked is not None
    unexpected: Bools = (booked.rows > 0) & ~judged.evidence.granted
    return unexpected


def never_sent(judged: Judged) -> Bools:
    """Tell which commands of the book were granted, but by a complete journal never left."""
    evidence, booked = judged.evidence, judged.evidence.booked
    assert booked is not None
    observed = evidence.seen.outcomes != 0
    left = evidence.sent | evidence.in_doubt | observed
    never: Bools = (booked.rows > 0) & evidence.granted & ~left
    return never


def missing(judged: Judged) -> Bools:
    """Tell which accounts were created by the book, and are not in it."""
    booked, accounts = judged.evidence.booked, judged.evidence.accounts
    assert booked is not None
    assert accounts is not None
    created = booked.outcome[: len(accounts.rows)] & Outcome.SETTLED != 0
    missing: Bools = created & (accounts.rows == 0)
    return missing


def in_wrong_currency(judged: Judged) -> Bools:
    """Tell which accounts the book keeps in another currency than the pool's."""
    shard, accounts = judged.evidence.shard, judged.evidence.accounts
    assert accounts is not None
    own = np.array(shard.config.currencies, dtype=np.object_)[shard.currency]
    wrong: Bools = (accounts.rows > 0) & (accounts.currency != own)
    return wrong


# Several checks ask the same of a shard before the next one comes: the last answer is kept.
@lru_cache(maxsize=1)
def unexplained_steps(judged: Judged, *, gaps: bool) -> tuple[Bools, Ints]:
    """Return where an account's balance after a command is not what its postings make of it.

    With `gaps`, others use the account too: only steps from one decision to the next are looked at.
    """
    booked = judged.evidence.booked
    assert booked is not None
    step = np.zeros(len(judged.final), dtype=np.int64)
    wrong = np.zeros(len(step), np.bool_)
    decided = np.flatnonzero(booked.account_seq > 0)
    decided = decided[np.lexsort((booked.account_seq[decided], judged.evidence.account[decided]))]
    # The number of decisions that are not ours before each of ours, but for a constant per account.
    others = booked.account_seq[decided] - np.arange(len(decided))
    told = booked.balance_after_minor[decided] != NEVER
    order, others = decided[told], others[told]
    account = judged.evidence.account[order]
    after = booked.balance_after_minor[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = account[1:] != account[:-1]
    step[order] = after - np.where(begins, 0, np.roll(after, 1))
    wrong[order] = step[order] != booked.own_minor[order]
    if gaps:
        wrong[order] &= ~begins & (others == np.roll(others, 1))
    return wrong & ~judged.duplicated, step


@lru_cache(maxsize=1)
def balances_off(judged: Judged, *, gaps: bool) -> tuple[Ints, NDArray[np.str_]]:
    """Return how far each balance is from what the book settled, and the finding that explains it."""
    evidence, booked, accounts = judged.evidence, judged.evidence.booked, judged.evidence.accounts
    assert booked is not None
    assert accounts is not None
    size = len(accounts.rows)
    pool_minor = expected_own_minor(evidence)
    settled = booked.outcome & Outcome.SETTLED != 0
    own = np.where(settled, pool_minor, 0)
    off = accounts.balance_minor - per_account(evidence.account, own, size)
    posted = per_account(evidence.account, np.where(settled, booked.own_minor - own, 0), size)
    gone = per_account(evidence.account, np.where(judged.lost, pool_minor, 0), size)
    unexplained, step = unexplained_steps(judged, gaps=gaps)
    stepped = per_account(evidence.account, np.where(unexplained, step - booked.own_minor, 0), size)
    causes = np.select(
        [
            missing(judged),
            in_wrong_currency(judged),
            accounts.rows > 1,
            any_of_account(judged, judged.duplicated) & (off == posted),
            any_of_account(judged, judged.wrong_amount) & (off == posted),
            any_of_account(judged, judged.lost) & (off == posted + gone),
            any_of_account(judged, unexplained) & (off == posted + stepped),
        ],
        [
            *map(
                np.str_,
                (MISSING, WRONG_CURRENCY, DUPLICATED, DUPLICATED, WRONG_AMOUNT, LOST, STEP),
            )
        ],
        default=np.str_(""),
    )
    return off, causes


def any_of_account(judged: Judged, commands: Bools) -> Bools:
    """Tell which accounts have one of the commands."""
    found = np.zeros(judged.evidence.shard.counts.account, np.bool_)
    found[judged.evidence.account[commands]] = True
    return found


def per_account(account: Ints, values: Ints | Bools, size: int) -> Ints:
    """Sum values over the commands of each account, exactly."""
    sums = np.zeros(size, dtype=np.int64)
    np.add.at(sums, account, values.astype(np.int64))
    return sums
