"""Invariants 5, 6b and 8: the book replayed through the reference model, decision by decision."""

from __future__ import annotations

import numpy as np

from e2e_data.model.deviations import What
from reports.causes import (
    DUPLICATED,
    HOSTILE_SETTLED,
    LOST,
    UNEXPECTED,
    WRONG_REASON,
    any_of_account,
    hostile_settled,
    replay_causes,
    under_own_id,
)
from reports.checks import Grounds, Invariant
from reports.classes import Judged
from reports.columns import Bools
from reports.findings import Text
from reports.model import BEYOND_LIMIT, OVERDRAWN, Modelled, modelled

WRONG_TIME = "decided at an impossible time"
OUT_OF_ORDER = "decided out of order"
OUT_OF_SEQUENCE = "out of sequence"
AGAINST_RULES = "outcome against the rules"


class _Replayed(Invariant):
    """A check that asks the replay."""

    needs_order = True
    needs_times = True

    def __init__(self, grounds: Grounds) -> None:
        super().__init__(grounds)
        self._untold = 0

    def examine(self, judged: Judged) -> None:
        """Find decisions that deviate from what the reference model would have made."""
        model = modelled(judged, self.grounds.terms)
        self.examined += model.replayed.examined
        self._untold += model.untold(times=self.needs_times)
        self.replayed(judged, model)

    def replayed(self, judged: Judged, model: Modelled) -> None:
        """Look for faults in a replayed shard."""
        raise NotImplementedError

    def lacking(self) -> str:
        """Say how many decisions cannot be placed, though the adapter says that they can."""
        if not self._untold:
            return ""
        if self.grounds.by_events:
            return f"{self._untold} decisions are of accounts whose events are not all there, or in no order"
        what = "number, or no time" if self.needs_times else "number"
        return f"{self._untold} decisions of the book have no {what}"

    def remark(self) -> str:
        """Say what the adapter cannot provide."""
        rules = self.grounds.platform.rules
        if self.needs_order and not rules.gives_order:
            return "the platform gives no order: only what is wrong in any order was found"
        if self.needs_times and not rules.gives_times:
            return "the platform gives no times: what was spent in a window is not known"
        return ""

    def _add(self, judged: Judged, model: Modelled, name: str, what: What, chosen: Bools) -> None:
        """Gather commands that deviate, apart by what else is wrong with the same command."""
        self._gather(judged, name, chosen, lambda i: model.text(what, i))

    def _gather(self, judged: Judged, name: str, chosen: Bools, text: Text) -> None:
        bases = replay_causes(judged)
        for cause in np.unique(bases[chosen]).tolist():
            self.gather(name, cause).add(judged, chosen & (bases == cause), text)


class WithinBounds(_Replayed):
    """Invariant 5."""

    number = "5"
    title = "no balance-based account was below zero, and no window above its limit, at any time"

    def replayed(self, judged: Judged, model: Modelled) -> None:
        """Find debits that took an account below zero, or a window above its limit."""
        for name, what in ((OVERDRAWN, What.BELOW_ZERO), (BEYOND_LIMIT, What.WINDOW)):
            self._add(judged, model, name, what, model.fault == name)


class OutcomeOfReplay(_Replayed):
    """Invariant 6b."""

    number = "6b"
    title = "every outcome and reason is the one that the rules demand in the platform's own order"

    def __init__(self, grounds: Grounds) -> None:
        super().__init__(grounds)
        self._undecidable = 0

    def replayed(self, judged: Judged, model: Modelled) -> None:
        """Find outcomes, reasons and decision times that are not the replay's."""
        self._undecidable += len(model.replayed.undecidable)
        wrong = model.deviating(What.OUTCOME)
        bounds = np.isin(model.fault, (OVERDRAWN, BEYOND_LIMIT))
        bases = replay_causes(judged)
        causes = np.where(bases == "", np.where(bounds, model.fault, ""), bases)
        names = np.where(bounds, AGAINST_RULES, model.fault)
        for name in np.unique(names[wrong]).tolist():
            for cause in np.unique(causes[wrong & (names == name)]).tolist():
                chosen = wrong & (names == name) & (causes == cause)
                self.gather(name, cause).add(judged, chosen, lambda i: model.text(What.OUTCOME, i))
        # Those of hostile commands are known without a replay: invariant 6a has them.
        reasons = model.deviating(What.REASON) & ~judged.evidence.inert
        self._add(judged, model, WRONG_REASON, What.REASON, reasons)
        self._add(judged, model, WRONG_TIME, What.TIME, model.deviating(What.TIME))

    def remark(self) -> str:
        """Say for how many decisions both outcomes are right, as far as can be known."""
        told = super().remark()
        if not self._undecidable:
            return told
        share = 100 * self._undecidable / self.examined
        open_to = f"either outcome is right for {self._undecidable} decisions ({share:.1f} %)"
        return f"{told}; {open_to}" if told else open_to


class InOrder(_Replayed):
    """Invariant 8."""

    number = "8"
    title = "commands sent after the one before was acknowledged were decided in that order"
    needs_times = False

    def not_asked(self) -> str:
        """Say that an adapter without an order promises none."""
        if super().not_asked():
            return super().not_asked()
        gives_order = self.grounds.platform.rules.gives_order
        return "" if gives_order else "the platform's adapter declares no order of decisions"

    def replayed(self, judged: Judged, model: Modelled) -> None:
        """Find decisions that came after that of a command sent later, and gaps in the numbers."""
        self._add(judged, model, OUT_OF_ORDER, What.ORDER, model.deviating(What.ORDER))
        gaps = model.deviating(What.SEQUENCE)
        account = judged.evidence.account
        by_account = np.select(
            [
                any_of_account(judged, commands)[account]
                for commands in (
                    judged.duplicated,
                    under_own_id(judged),
                    hostile_settled(judged),
                    judged.lost,
                )
            ],
            [np.str_(name) for name in (DUPLICATED, UNEXPECTED, HOSTILE_SETTLED, LOST)],
            default=np.str_(""),
        )
        for cause in np.unique(by_account[gaps]).tolist():
            self.gather(OUT_OF_SEQUENCE, cause).add(
                judged,
                gaps & (by_account == cause),
                lambda i: model.text(What.SEQUENCE, i),
            )
