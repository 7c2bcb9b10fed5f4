"""Invariant 7: whatever the platform told of a command, and wherever, is what its book says."""

from __future__ import annotations

import numpy as np

from e2e_data.commands import Outcome
from reports.amounts import AMOUNT_FAULTS, amount_faults
from reports.causes import (
    ACCOUNT_DIFFERS,
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
        self._accounts(judged)
        self._telling(judged)
        if booked.by_events:
            self._amounts(judged)

    def _amounts(self, judged: Judged) -> None:
        """Compare the amounts and accounts that events tell with the pool's."""
        evidence, booked = judged.evidence, judged.evidence.booked
        assert booked is not None
        amounts = amount_faults(judged)
        for name in AMOUNT_FAULTS:
            self.gather(name).add(
                judged,
                amounts == name,
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

    def _accounts(self, judged: Judged) -> None:
        """Compare the ids that accounts were told to have with those in the book."""
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

    def remark(self) -> str:
        """Say what was told to a process that died before it wrote it down."""
        if not self._unread:
            return ""
        names = ", ".join(self.grounds.crashed)
        return f"what {names} may have been told of {self._unread} commands went with its journal"


def outcomes_text(outcomes: np.int64) -> str:
    """Name final outcomes, such as "settled and rejected"."""
    return " and ".join((part.name or "").lower() for part in Outcome(int(outcomes)))
