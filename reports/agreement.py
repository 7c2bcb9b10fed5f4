"""Invariant 7: whatever the platform told of a command, and wherever, is what its book says."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from e2e_data.commands import Kind, Outcome
from e2e_data.money import MINOR_DIGITS
from reports.amounts import amount_faults, gather_amounts
from reports.causes import (
    ACCOUNT_DIFFERS,
    AMOUNT_DIFFERS,
    LOST_AFTER,
    MISDIRECTED,
    REASON_DIFFERS,
    TAKEN_BACK,
    TWO_EVENTS,
    UNREADABLE,
    missing,
)
from reports.checks import Grounds, Invariant
from reports.classes import Judged, expected_own_minor
from reports.columns import Bools
from reports.event_log import Sort, digest


class ToldAsBooked(Invariant):
    """Invariant 7."""

    number = "7"
    title = "what was told of a command is what the book says, and no outcome was taken back"

    def __init__(self, grounds: Grounds) -> None:
        super().__init__(grounds)
        self._unread = 0

    def examine(self, judged: Judged) -> None:
        """Compare what was observed of each command with the book."""
        evidence, booked = judged.evidence, judged.evidence.booked
        assert booked is not None
        told = evidence.seen.outcomes
        self.examined += int((told != 0).sum())
        self._unread += int((evidence.incomplete & (told == 0) & (judged.final != 0)).sum())
        self.gather(TAKEN_BACK).add(
            judged,
            judged.taken_back,
            lambda i: (
                f"it was observed {outcomes_text(told[i])}; "
                f"the book has it {outcomes_text(booked.outcome[i])}"
            ),
        )
        reason = booked.reason[self._original(judged)]
        differs = (told == Outcome.REJECTED) & (judged.final == Outcome.REJECTED)
        differs &= (evidence.seen.told_reason != reason) & ~judged.duplicated
        self.gather(REASON_DIFFERS).add(
            judged,
            differs,
            lambda i: (
                f"it was told {evidence.seen.told_reason[i]!r}, and the book says {reason[i]!r}"
            ),
        )
        told_otherwise = events_told_otherwise(judged)
        self._accounts(judged, told_otherwise.account)
        self._amounts_told(judged, told_otherwise)
        self._telling(judged)
        if booked.by_events:
            self._amounts(judged)

    def _amounts(self, judged: Judged) -> None:
        """Compare the amounts and accounts that events tell with the pool's."""
        evidence, booked = judged.evidence, judged.evidence.booked
        assert booked is not None
        gather_amounts(
            self,
            judged,
            lambda i: (
                f"its event tells of {booked.own_minor[i]} minor units of "
                f"{booked.own_currency[i]} on {booked.account_id[i]}, not of "
                f"{expected_own_minor(evidence)[i]}"
            ),
        )

    def _telling(self, judged: Judged) -> None:
        """Look at how outcomes were told: once, to whom they concern, so that it can be read."""
        evidence, seen = judged.evidence, judged.evidence.seen
        self.gather(MISDIRECTED).add(
            judged, seen.misdirected, lambda _: "a reply about it came to another command"
        )
        self.gather(UNREADABLE).add(
            judged, seen.unreadable, lambda _: "a reply that came to it cannot be read"
        )
        self.gather(TWO_EVENTS).add(
            judged,
            evidence.events_on > 1,
            lambda i: f"{evidence.events_on[i]} events with different ids tell of it",
        )
        what = "reply" if evidence.events is None else "event"
        who = "the book"
        if evidence.by_events:
            what, who = "event", "who asked"
        causes = np.select(
            [seen.misdirected, seen.unreadable],
            [np.str_(MISDIRECTED), np.str_(UNREADABLE)],
            default=np.str_(""),
        )
        for cause in ("", MISDIRECTED, UNREADABLE):
            self.gather(LOST_AFTER, cause).add(
                judged,
                judged.lost_after & (causes == cause),
                lambda i: f"{who} has it {outcomes_text(judged.final[i])}, and no {what} said so",
            )

    def _original(self, judged: Judged) -> np.ndarray:
        """Return, for each command, the one whose id it was sent by: of a replay, its original."""
        original = np.arange(len(judged.final))
        replays = judged.evidence.replays
        original[replays.rows] = replays.originals
        return original

    def _amounts_told(self, judged: Judged, told: ToldOtherwise) -> None:
        """Compare the amounts of events that were read with the pool's."""
        minor = expected_own_minor(judged.evidence)
        booked_wrongly = amount_faults(judged)
        for cause in np.unique(booked_wrongly[told.amount]).tolist():
            self.gather(AMOUNT_DIFFERS, cause).add(
                judged,
                told.amount & (booked_wrongly == cause),
                lambda i: (
                    f"an event told of {told.amounts[i]:g}, not of {abs(minor[i])} minor units"
                ),
            )

    def _accounts(self, judged: Judged, told_otherwise: Bools) -> None:
        """Compare the ids that accounts were told to have, and events told, with those in the book."""
        accounts = judged.evidence.accounts
        assert accounts is not None
        bound = np.array(judged.evidence.bound, dtype=np.object_)
        differs = np.zeros(len(judged.final), np.bool_)
        once = (accounts.rows == 1) & (bound != "") & ~missing(judged)
        differs[: len(bound)] = once & (bound != accounts.account_id)
        self.gather(ACCOUNT_DIFFERS).add(
            judged,
            differs,
            lambda i: f"it was told to be {bound[i]}, and the book says {accounts.account_id[i]}",
        )
        account = judged.evidence.account
        self.gather(ACCOUNT_DIFFERS).add(
            judged,
            (told_otherwise | judged.evidence.seen.other_account) & ~differs,
            lambda i: (
                f"an event or a reply told of another account than {accounts.account_id[account[i]]}, "
                "which the book has it on"
            ),
        )

    def remark(self) -> str:
        """Say what was told to a process that died before it wrote it down."""
        if not self._unread:
            return ""
        names = ", ".join(self.grounds.crashed)
        return f"what {names} may have been told of {self._unread} commands went with its journal"


class ToldOtherwise(NamedTuple):
    """Where events tell something else of commands; a row for each command."""

    account: Bools
    """Another account than the book has."""
    amount: Bools
    """Another amount, or currency, than the pool has."""
    amounts: NDArray[np.float64]
    """What they tell, in units of the currency; NaN for nothing."""


def events_told_otherwise(judged: Judged) -> ToldOtherwise:
    """Compare what the events that were read tell of accounts and amounts.

    An amount is the float next to its decimal number, as is minor units over their power of ten: so
    they are equal exactly when the amounts are.
    """
    evidence, accounts = judged.evidence, judged.evidence.accounts
    assert accounts is not None
    size, shard = len(judged.final), evidence.shard
    found = ToldOtherwise(
        np.zeros(size, np.bool_), np.zeros(size, np.bool_), np.full(size, np.nan, np.float64)
    )
    if evidence.events is None:
        return found
    events = evidence.events.filter(
        pc.and_(
            pc.equal(evidence.events["sort"], int(Sort.OURS)),
            pc.equal(evidence.events["dead_letter"], 0),
        )
    )
    index = events["index"].to_numpy().astype(np.int64)
    judgeable = ~evidence.inert[index]
    # An older run's events have none of this.
    account_told, currency_told = (
        pc.fill_null(events[name], 0).to_numpy() for name in ("account", "currency")
    )
    amount = pc.fill_null(events["amount"], np.nan).to_numpy()
    account = evidence.account[index]

    ids = np.array([digest(one) for one in accounts.account_id], dtype=np.uint32)
    known = (accounts.rows == 1)[account] & (account_told != 0)
    found.account[index[judgeable & known & (ids[account] != account_told)]] = True

    codes = shard.config.currencies
    digits = np.array([10.0 ** MINOR_DIGITS[code] for code in codes])
    names = np.array([digest(code) for code in codes], dtype=np.uint32)
    own = shard.currency[account]
    wrong = (amount != shard.amount_minor[index] / digits[own]) | (currency_told != names[own])
    wrong &= judgeable & ~np.isnan(amount) & (shard.kind[index] != Kind.ACCOUNT)
    found.amount[index[wrong]] = True
    found.amounts[index[wrong]] = amount[wrong]
    return found


def outcomes_text(outcomes: np.int64) -> str:
    """Name final outcomes, such as "settled and rejected"."""
    return " and ".join((part.name or "").lower() for part in Outcome(int(outcomes)))
