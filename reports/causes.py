"""What explains what: the names of faults, and the arithmetic that ties a wrong balance to one.

A fault has consequences: a payment that was applied twice puts a balance off. The judge names the
cause, and lists the rest as its consequences, only where the amounts bear it out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Outcome
from reports.amounts import AMOUNT_FAULTS, ASTRAY, amount_faults
from reports.classes import Judged, expected_own_minor
from reports.columns import NEVER, Bools, Ints

DUPLICATED = "applied more than once"
WRONG_OUTCOME = "wrong outcome"
WRONG_REASON = "wrong reason"
HOSTILE_SETTLED = "hostile command settled"
HOSTILE_ACCEPTED = "hostile command accepted"
BREAKDOWN = "breakdown on a hostile command"
REPLAY_DIFFERS = "replay with another outcome"
WRONG_CURRENCY = "account in the wrong currency"
TWO_OUTCOMES = "two outcomes"
TAKEN_BACK = "outcome taken back"
APPLIED_ANYWAY = "applied, though answered without effect"
REASON_DIFFERS = "told another reason than the book's"
ACCOUNT_DIFFERS = "told another account than the book's"
AMOUNT_DIFFERS = "told another amount than the pool's"
LOST = "lost in the platform"
LOST_BEFORE = "lost before the platform"
LOST_AFTER = "lost after the platform"
MISDIRECTED = "misdirected reply"
UNREADABLE = "unreadable reply"
TWO_EVENTS = "two events for one outcome"
UNEXPECTED = "unexpected"
NEVER_SENT = "decided, but never sent"
STEP = "balance step without postings"
LOST_UPDATE = "lost update"
OFF = "balance off"
MISSING = "account missing in the book"


def never_sent(judged: Judged) -> Bools:
    """Tell which commands of the book were granted, but by a complete journal never left."""
    evidence, booked = judged.evidence, judged.evidence.booked
    assert booked is not None
    observed = evidence.seen.outcomes != 0
    left = evidence.united(evidence.sent | evidence.in_doubt | observed)
    never: Bools = (booked.rows > 0) & ~judged.unexpected & ~left
    return never


def under_own_id(judged: Judged) -> Bools:
    """Tell which replays the book has under the id of their own row, which nothing was sent by."""
    booked = judged.evidence.booked
    if booked is None:
        return np.zeros(len(judged.final), np.bool_)
    there: Bools = judged.evidence.is_replay & (booked.rows > 0)
    return there


def hostile_settled(judged: Judged) -> Bools:
    """Tell which hostile commands took effect."""
    evidence = judged.evidence
    settled: Bools = evidence.inert & ~evidence.is_replay & (judged.final == Outcome.SETTLED)
    return settled


def applied_anyway(judged: Judged) -> Bools:
    """Tell which commands took effect, though every answer to them said that they have none."""
    applied: Bools = judged.no_effect & (judged.final != 0)
    return applied


# Several checks ask the same of a shard before the next one comes: the last answer is kept.
@lru_cache(maxsize=1)
def base_faults(judged: Judged) -> NDArray[np.str_]:
    """Return what is wrong with each command by itself, whatever the rules demand of its outcome.

    Where several things are, the first of these is the cause, and what follows from it is listed as
    its consequence.
    """
    amounts = np.full(len(judged.final), np.str_(""))
    if judged.evidence.booked is not None:
        amounts = amount_faults(judged)
    return np.select(
        [
            judged.duplicated,
            amounts != "",
            hostile_settled(judged),
            under_own_id(judged),
            judged.taken_back,
            applied_anyway(judged),
        ],
        [
            np.str_(DUPLICATED),
            amounts,
            *map(np.str_, (HOSTILE_SETTLED, UNEXPECTED, TAKEN_BACK, APPLIED_ANYWAY)),
        ],
        default=np.str_(""),
    )


@lru_cache(maxsize=1)
def replay_causes(judged: Judged) -> NDArray[np.str_]:
    """Return the fault that explains why a command's decision deviates in the replay of the book.

    It is one of the command's own, or one of its account's that counted money twice.
    """
    account = judged.evidence.account
    return np.select(
        [
            base_faults(judged) != "",
            any_of_account(judged, judged.duplicated)[account],
            any_of_account(judged, under_own_id(judged))[account],
        ],
        [base_faults(judged), np.str_(DUPLICATED), np.str_(UNEXPECTED)],
        default=np.str_(""),
    )


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


class Steps(NamedTuple):
    """How balances moved from decision to decision, one row per command."""

    unexplained: Bools
    """Not as the command's own legs make it."""
    step_minor: Ints
    beyond_minor: Ints
    """What its legs do not explain; 0 where all is explained."""
    fault: NDArray[np.str_]
    """The name of what is unexplained."""


@lru_cache(maxsize=1)
def steps(judged: Judged, *, gaps: bool) -> Steps:
    """Return where an account's balance after a command is not what its postings make of it.

    With `gaps`, others use the account too: only steps from one decision to the next are looked at.
    A step that undoes exactly what the decision before it posted has overwritten that: both had
    read the same balance.
    """
    evidence, booked = judged.evidence, judged.evidence.booked
    assert booked is not None
    step, before = (np.zeros(len(judged.final), dtype=np.int64) for _ in range(2))
    wrong = np.zeros(len(step), np.bool_)
    decided = np.flatnonzero(booked.account_seq > 0)
    decided = decided[np.lexsort((booked.account_seq[decided], evidence.account[decided]))]
    # The number of decisions that are not ours before each of ours, but for a constant per account.
    others = booked.account_seq[decided] - np.arange(len(decided))
    told = booked.balance_after_minor[decided] != NEVER
    order, others = decided[told], others[told]
    account, landed = evidence.account[order], booked.landed_minor[order]
    after = booked.balance_after_minor[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = account[1:] != account[:-1]
    step[order] = after - np.where(begins, 0, np.roll(after, 1))
    before[order] = np.where(begins, 0, np.roll(landed, 1))
    wrong[order] = step[order] != landed
    if gaps:
        wrong[order] &= ~begins & (others == np.roll(others, 1))
    unexplained = wrong & ~judged.duplicated
    beyond = np.where(unexplained, step - booked.landed_minor, 0)
    lost = unexplained & (before != 0) & (beyond == -before)
    return Steps(unexplained, step, beyond, np.where(lost, LOST_UPDATE, STEP))


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
    # What other commands posted to the account is none of its own commands' doing.
    by_own = off - evidence.strays_minor
    posted = per_account(evidence.account, np.where(settled, booked.landed_minor - own, 0), size)
    gone = per_account(evidence.account, np.where(judged.lost, pool_minor, 0), size)
    moved = steps(judged, gaps=gaps)
    stepped = per_account(evidence.account, moved.beyond_minor, size)
    amounts = amount_faults(judged)
    faults = {
        DUPLICATED: judged.duplicated,
        **{name: amounts == name for name in AMOUNT_FAULTS},
        HOSTILE_SETTLED: hostile_settled(judged),
        UNEXPECTED: under_own_id(judged),
    }
    chosen: list[tuple[str, Bools]] = [
        (MISSING, missing(judged)),
        (WRONG_CURRENCY, in_wrong_currency(judged)),
        (DUPLICATED, accounts.rows > 1),
        (ASTRAY, evidence.has_strays & (by_own == posted)),
        *(
            (name, any_of_account(judged, commands) & (by_own == posted))
            for name, commands in faults.items()
        ),
        (LOST, any_of_account(judged, judged.lost) & (by_own == posted + gone)),
        *(
            (
                name,
                any_of_account(judged, moved.unexplained & (moved.fault == name))
                & (off == posted + stepped),
            )
            for name in (STEP, LOST_UPDATE)
        ),
    ]
    return off, np.select(
        [accounts_ for _, accounts_ in chosen],
        [np.str_(name) for name, _ in chosen],
        default=np.str_(""),
    )


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
