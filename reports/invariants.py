"""The invariants (docs/contract.md) as small checks that look at one shard after the other."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Outcome
from e2e_data.money import to_wire
from e2e_data.platform import Acknowledged
from reports.agreement import ToldAsBooked, outcomes_text
from reports.amounts import ASTRAY, gather_amounts
from reports.causes import (
    APPLIED_ANYWAY,
    DUPLICATED,
    LOST,
    LOST_BEFORE,
    LOST_UPDATE,
    MISSING,
    NEVER_SENT,
    OFF,
    REPLAY_DIFFERS,
    STEP,
    TAKEN_BACK,
    TWO_OUTCOMES,
    UNEXPECTED,
    WRONG_CURRENCY,
    WRONG_OUTCOME,
    any_of_account,
    applied_anyway,
    balances_off,
    in_wrong_currency,
    missing,
    never_sent,
    per_account,
    steps,
)
from reports.checks import Grounds, Invariant
from reports.classes import Judged, expected_other_minor, expected_own_minor
from reports.columns import NEVER, Bools, Ints
from reports.findings import Text
from reports.outcomes import OutcomeInSet
from reports.replayed import InOrder, OutcomeOfReplay, WithinBounds


class OneFinalOutcome(Invariant):
    """Invariant 1."""

    number = "1"
    title = "every acknowledged command has exactly one final outcome"
    needs_book = False
    needs_drain = True

    def examine(self, judged: Judged) -> None:
        """Find commands that were acknowledged and then lost, and outcomes taken back."""
        self.examined += int(judged.accepted.sum())
        seen, booked = judged.evidence.seen, judged.evidence.booked
        where = "it is not in the book" if booked is not None else "no outcome was observed"
        where = "no event tells of it" if judged.evidence.by_events else where
        for name, lost in (
            (LOST, judged.lost & ~judged.stored),
            (LOST_BEFORE, judged.lost & judged.stored),
        ):
            self.gather(name).add(judged, lost, lambda i: f"{_acknowledged(judged, i)}; {where}")
        undecided = judged.accepted & (judged.final == 0) & ~judged.lost & self.grounds.drained
        undecided &= ~judged.untold
        self.gather("never decided").add(judged, undecided, lambda _: "the book has it undecided")
        # With a book, that is invariant 7's.
        self.gather(TWO_OUTCOMES, "" if booked is None else TAKEN_BACK).add(
            judged,
            judged.taken_back,
            lambda i: f"it was observed {outcomes_text(seen.outcomes[i])}",
        )

    def leaves_open(self, judged: Judged) -> Bools:
        """Without an outcome anywhere, nobody knows whether it was acknowledged."""
        unheard: Bools = judged.evidence.incomplete & ~judged.no_effect & (judged.final == 0)
        return unheard


def _acknowledged(judged: Judged, index: int) -> str:
    seen = judged.evidence.seen
    if seen.acknowledged[index] == Acknowledged.ACCEPTED:
        who = "a broker" if judged.stored[index] else "the platform"
        return f"acknowledged by {who} at {seen.acknowledged_ns[index] / 1e9:.3f} s"
    if seen.outcomes[index]:
        return f"observed {outcomes_text(seen.outcomes[index])} at {seen.completed_ns[index] / 1e9:.3f} s"
    return "acknowledged when it was repeated"


class AppliedOnce(Invariant):
    """Invariant 2."""

    number = "2"
    title = "no command took effect more than once, and postings explain every balance"
    beyond_events = "postings"

    def examine(self, judged: Judged) -> None:
        """Find commands with several sets of postings, and steps of a balance that have none."""
        booked = judged.evidence.booked
        assert booked is not None
        self.examined += int((booked.rows > 0).sum())
        self.gather(DUPLICATED).add(
            judged,
            judged.duplicated,
            lambda i: _times(judged, i),
        )
        self._steps(judged)

    def _steps(self, judged: Judged) -> None:
        evidence, booked = judged.evidence, judged.evidence.booked
        assert booked is not None
        account, size = evidence.account, evidence.shard.counts.account
        moved = steps(judged, gaps=self.grounds.foreign > 0)
        beyond = per_account(account, moved.beyond_minor, size)
        gone = per_account(account, np.where(judged.lost, expected_own_minor(evidence), 0), size)
        # What has several rows is booked in several places, of which we know the last: a step
        # elsewhere is explained where all rows of the account together explain its balance.
        told = (booked.account_seq > 0) & (booked.balance_after_minor != NEVER)
        all_moved = np.where(told, moved.step_minor - booked.landed_minor, 0)
        twice = any_of_account(judged, judged.duplicated)
        causes = np.select(
            [
                (gone != 0) & (beyond == gone),
                evidence.has_strays,
                twice & (per_account(account, all_moved, size) == 0),
            ],
            [np.str_(name) for name in (LOST, ASTRAY, DUPLICATED)],
            default=np.str_(""),
        )[account]
        for name in (STEP, LOST_UPDATE):
            for cause in np.unique(causes).tolist():
                self.gather(name, cause).add(
                    judged,
                    moved.unexplained & (causes == cause) & (moved.fault == name),
                    lambda i: (
                        f"the balance moved by {moved.step_minor[i]} minor units, "
                        f"its legs by {booked.landed_minor[i]}"
                    ),
                    weight=np.abs(moved.beyond_minor),
                )


def _times(judged: Judged, index: int) -> str:
    """Say how often the book has a command, or the account that it creates."""
    booked, accounts = judged.evidence.booked, judged.evidence.accounts
    assert booked is not None
    assert accounts is not None
    if index < len(accounts.rows) and accounts.rows[index] > 1:
        return f"the book has {accounts.rows[index]} accounts of its customer"
    return f"the book has {booked.rows[index]} rows and {booked.legs[index]} legs for it"


class NothingUnexpected(Invariant):
    """Invariant 3."""

    number = "3"
    title = "nothing was decided that was never granted for sending"

    def __init__(self, grounds: Grounds) -> None:
        super().__init__(grounds)
        self._placed = 0

    def examine(self, judged: Judged) -> None:
        """Find commands of ours that are in the book outside every grant."""
        evidence, booked = judged.evidence, judged.evidence.booked
        assert booked is not None
        self.examined += int((booked.rows > 0).sum())
        self._placed += booked.found
        self.gather(UNEXPECTED).add(
            judged,
            judged.unexpected,
            lambda _: "the book has it, but no worker was ever allowed to send it",
        )
        self.gather(NEVER_SENT).add(
            judged,
            never_sent(judged),
            lambda i: (
                f"the book has it, but by a complete journal it was never sent"
                f"{evidence.seen.reason[i] and f' ({evidence.seen.reason[i]})'}"
            ),
        )

    def conclude(self) -> str:
        """Count the ids that were made with this run's key, for commands that it does not have."""
        beyond = self.grounds.own_rows - self._placed
        return (
            f"{beyond} commands of the book have ids of this run, beyond its pool" if beyond else ""
        )


class BookIsExact(Invariant):
    """Invariant 4a."""

    number = "4a"
    title = "the book's balances are the pool's amounts of what it settled, both legs, exactly"
    beyond_events = "balances, nor of both legs"

    def __init__(self, grounds: Grounds) -> None:
        super().__init__(grounds)
        self._clearing: dict[str, int] = defaultdict(int)
        self._explained = True

    def examine(self, judged: Judged) -> None:
        """Compare each settled command's legs and each account's balance with the pool."""
        evidence, booked, accounts = (
            judged.evidence,
            judged.evidence.booked,
            judged.evidence.accounts,
        )
        assert booked is not None
        assert accounts is not None
        self.examined += len(accounts.rows)
        gather_amounts(
            self,
            judged,
            lambda i: (
                f"legs of {booked.own_minor[i]} and {booked.other_minor[i]} minor units, not "
                f"{expected_own_minor(evidence)[i]} and {expected_other_minor(evidence)[i]}"
            ),
        )
        off, causes = balances_off(judged, gaps=self.grounds.foreign > 0)
        _gather_accounts(
            self,
            OFF,
            judged,
            off != 0,
            causes,
            lambda i: f"its balance is off by {_money(judged, i, off[i])}",
            np.abs(off),
        )
        for name, faulty, text in (
            (MISSING, missing(judged), "its creation is settled, but no statement has it"),
            (
                WRONG_CURRENCY,
                in_wrong_currency(judged),
                "the statement has it in another currency",
            ),
        ):
            _gather_accounts(
                self, name, judged, faulty, np.full(len(off), ""), _saying(text), np.abs(off)
            )
        self._add_clearing(judged)

    def _add_clearing(self, judged: Judged) -> None:
        booked = judged.evidence.booked
        assert booked is not None
        other = expected_other_minor(judged.evidence)
        moved = (booked.outcome & Outcome.SETTLED != 0) & (booked.legs > 0)
        for account in np.unique(booked.other_account_id[moved].astype(str)):
            mine = moved & (booked.other_account_id == account)
            self._clearing[account] += int(other[mine].sum())
            strange = judged.duplicated | judged.wrong_amount | judged.evidence.inert
            self._explained &= not strange[mine].any()
        # One that was observed and is gone has moved the clearing account, but nothing says which.
        gone = judged.lost & (judged.evidence.seen.outcomes != 0)
        self._explained &= not gone.any()

    def conclude(self) -> str:
        """Compare the clearing accounts, where all that ever moved them is this run's."""
        if self.grounds.foreign or not self._explained:
            return ""
        wrong = [
            f"{account} stands at {balance} minor units, not {self._clearing[account]}"
            for account in sorted(self._clearing)
            if (balance := self.grounds.platform_accounts.get(account)) is not None
            and balance != self._clearing[account]
        ]
        return "; ".join(wrong)


class BalanceWithinEvidence(Invariant):
    """Invariant 4b."""

    number = "4b"
    title = "every balance lies within what was seen settled, give or take what is unknown"
    beyond_events = "balances"

    def examine(self, judged: Judged) -> None:
        """Find accounts whose balance the observed outcomes and the unknown commands cannot make."""
        evidence, accounts = judged.evidence, judged.evidence.accounts
        assert accounts is not None
        self.examined += len(accounts.rows)
        own = expected_own_minor(evidence)
        outcomes = evidence.observed
        known = np.where(outcomes == Outcome.SETTLED, own, 0)
        final = (outcomes == Outcome.SETTLED) | (outcomes == Outcome.REJECTED)
        left = evidence.united(evidence.sent | evidence.in_doubt)
        unknown = left & ~final & ~judged.no_effect
        size = len(accounts.rows)
        middle = per_account(evidence.account, known, size)
        low = middle + per_account(evidence.account, np.where(unknown, np.minimum(own, 0), 0), size)
        high = middle + per_account(
            evidence.account, np.where(unknown, np.maximum(own, 0), 0), size
        )
        balance = accounts.balance_minor
        _gather_accounts(
            self,
            "balance beyond the evidence",
            judged,
            (balance < low) | (balance > high),
            self._causes(judged),
            lambda i: (
                f"its balance of {_money(judged, i, balance[i])} is not between "
                f"{_money(judged, i, low[i])} and {_money(judged, i, high[i])}"
            ),
            np.maximum(low - balance, balance - high),
        )

    def _causes(self, judged: Judged) -> NDArray[np.str_]:
        """Return, for each account, the finding that explains a balance beyond the evidence."""
        evidence = judged.evidence
        off, causes = balances_off(judged, gaps=self.grounds.foreign > 0)
        return np.select(
            [
                causes != "",
                off != 0,
                any_of_account(judged, judged.unexpected),
                any_of_account(judged, never_sent(judged)),
                any_of_account(judged, judged.lost),
                any_of_account(judged, judged.taken_back),
                any_of_account(judged, applied_anyway(judged)),
                any_of_account(judged, judged.wrong_outcome & evidence.is_replay),
                any_of_account(judged, judged.wrong_outcome),
            ],
            [
                causes,
                *map(np.str_, (OFF, UNEXPECTED, NEVER_SENT, LOST, TAKEN_BACK)),
                *map(np.str_, (APPLIED_ANYWAY, REPLAY_DIFFERS, WRONG_OUTCOME)),
            ],
            default=np.str_(""),
        )


def _saying(text: str) -> Text:
    return lambda _: text


def _gather_accounts(
    check: Invariant,
    name: str,
    judged: Judged,
    faulty: Bools,
    causes: NDArray[np.str_],
    text: Text,
    weight: Ints,
) -> None:
    """Gather faulty accounts, each by the command that created it, apart by what explains them."""
    size = len(judged.final)
    weights = np.zeros(size, dtype=np.int64)
    weights[: len(weight)] = weight
    for cause in np.unique(causes[faulty]).tolist():
        commands = np.zeros(size, np.bool_)
        commands[: len(faulty)] = faulty & (causes == cause)
        check.gather(name, cause).add(judged, commands, text, weights)


def _money(judged: Judged, account: int, minor: np.int64) -> str:
    currency = judged.evidence.shard.account(account).currency
    return f"{to_wire(int(minor), currency)} {currency}"


INVARIANTS: tuple[type[Invariant], ...] = (
    OneFinalOutcome,
    AppliedOnce,
    NothingUnexpected,
    BookIsExact,
    BalanceWithinEvidence,
    WithinBounds,
    OutcomeInSet,
    OutcomeOfReplay,
    ToldAsBooked,
    InOrder,
)
