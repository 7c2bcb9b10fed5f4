"""Invariant 6a: outcomes, reasons and answers against what is right whatever the timing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Kind, Outcome
from e2e_data.platform import Acknowledged
from reports.amounts import AMOUNT_FAULTS, amount_faults
from reports.causes import (
    APPLIED_ANYWAY,
    BREAKDOWN,
    DUPLICATED,
    HOSTILE_ACCEPTED,
    HOSTILE_SETTLED,
    REPLAY_DIFFERS,
    TAKEN_BACK,
    TWO_OUTCOMES,
    UNEXPECTED,
    WRONG_OUTCOME,
    WRONG_REASON,
    any_of_account,
    applied_anyway,
    hostile_settled,
    replay_causes,
    under_own_id,
)
from reports.checks import Invariant
from reports.classes import Judged, right_outcomes
from reports.columns import Bools
from reports.findings import Text
from reports.model import RULE_FAULTS, modelled


class OutcomeInSet(Invariant):
    """Invariant 6a."""

    number = "6a"
    title = "every outcome is in its command's set of correct outcomes"
    needs_book = False

    def examine(self, judged: Judged) -> None:
        """Find outcomes, reasons and answers that no correct platform could have given."""
        evidence = judged.evidence
        invalid = evidence.seen.acknowledged == Acknowledged.INVALID
        self.examined += int(((judged.final != 0) | invalid).sum())
        self._replays(judged)
        own = judged.wrong_outcome & ~evidence.is_replay
        settled = own & hostile_settled(judged)
        self.gather(HOSTILE_SETTLED).add(judged, settled, _text(judged))
        accepted = own & judged.taken & ~settled
        self.gather(HOSTILE_ACCEPTED).add(judged, accepted, _text(judged))
        anyway = own & applied_anyway(judged) & ~settled & ~accepted
        self.gather(APPLIED_ANYWAY).add(judged, anyway, _text(judged))
        follows = self._causes(judged)
        for cause in np.unique(follows).tolist():
            chosen = own & ~settled & ~accepted & ~anyway & (follows == cause)
            self.gather(WRONG_OUTCOME, cause).add(judged, chosen, _text(judged))
        self._hostile(judged)

    def _causes(self, judged: Judged) -> NDArray[np.str_]:
        """Return, for each command, the finding that explains an outcome outside its set."""
        if judged.evidence.booked is None:
            nothing = np.full(len(judged.final), np.str_(""))
            return _consequences(judged, nothing, nothing)
        by_rules = modelled(judged, self.grounds.terms).fault
        follows = _consequences(judged, amount_faults(judged), by_rules)
        why = replay_causes(judged)
        return np.select([by_rules == "", why != ""], [follows, why], by_rules)

    def leaves_open(self, judged: Judged) -> Bools:
        """Without a book, an outcome that only the missing journal had is not known."""
        return judged.untold

    def _replays(self, judged: Judged) -> None:
        """Find replays that were answered otherwise than their originals."""
        rows, originals = judged.evidence.replays.rows, judged.evidence.replays.originals
        original_of = dict(zip(rows.tolist(), originals.tolist(), strict=True))
        turned = np.zeros(len(judged.final), np.bool_)
        turned[rows] = judged.taken_back[originals]
        for cause, chosen in (("", ~turned), (self._taken_back, turned)):
            self.gather(REPLAY_DIFFERS, cause).add(
                judged,
                judged.wrong_outcome & judged.evidence.is_replay & chosen,
                lambda i: f"{_text(judged)(i)}, as of the original (index {original_of[i]})",
            )

    @property
    def _taken_back(self) -> str:
        """The name of the finding on an outcome that was taken back."""
        return TAKEN_BACK if self.grounds.has_book else TWO_OUTCOMES

    def _hostile(self, judged: Judged) -> None:
        """Find rejections for the wrong reason, and answers that show a breakdown."""
        evidence, platform = judged.evidence, self.grounds.platform
        reason = evidence.seen.reason
        if evidence.booked is not None:
            reason = np.where(evidence.booked.rows > 0, evidence.booked.reason, reason)
        rejected = (judged.final == Outcome.REJECTED) & ~judged.wrong_outcome
        right = np.full(len(reason), "", dtype=np.object_)
        for label, only in platform.rules.hostile_reasons.items():
            right[evidence.shard.label == label] = only
        self.gather(WRONG_REASON).add(
            judged,
            rejected & (right != "") & (reason != right),
            lambda i: f"rejected for {reason[i]!r}, where only {right[i]!r} is correct",
        )
        hostile = evidence.inert & ~evidence.is_replay
        broken = hostile & (evidence.seen.acknowledged == Acknowledged.UNKNOWN)
        broken &= np.isin(evidence.seen.reason.astype(str), sorted(platform.breakdowns))
        self.gather(BREAKDOWN).add(judged, broken, lambda i: f"answered {evidence.seen.reason[i]}")


def _text(judged: Judged) -> Text:
    """Return what says of a command of the shard what came of it, and what would have been right."""
    evidence, seen = judged.evidence, judged.evidence.seen
    right = right_outcomes(evidence, judged.final)

    def text(index: int) -> str:
        got = Outcome(int(judged.final[index] | seen.outcomes[index]))
        if seen.acknowledged[index] == Acknowledged.INVALID and not got:
            got = Outcome.INVALID
        why = f" ({seen.reason[index]})" if seen.reason[index] else ""
        if judged.no_effect[index] and got != Outcome.INVALID:
            return f"{got.label}, though the answer said that it has no effect{why}"
        given = got.label if got else "accepted"
        return f"{given}{why}, where only {Outcome(int(right[index])).label} is correct"

    return text


def _consequences(
    judged: Judged, amounts: NDArray[np.str_], by_rules: NDArray[np.str_]
) -> NDArray[np.str_]:
    """Return, for each command, the finding that may have spent or brought the money it needed.

    The sets hold for a platform that is right about the account's other commands.
    """
    shard, account = judged.evidence.shard, judged.evidence.account
    by_funds = judged.final == Outcome.REJECTED
    by_funds |= (judged.final == Outcome.SETTLED) & ~shard.limit_based[account]
    open_to = (shard.kind == Kind.PAYMENT) & by_funds & ~judged.no_effect & ~judged.evidence.inert
    causes = {
        DUPLICATED: judged.duplicated,
        **{name: amounts == name for name in AMOUNT_FAULTS},
        HOSTILE_SETTLED: hostile_settled(judged),
        UNEXPECTED: under_own_id(judged),
        **{name: by_rules == name for name in RULE_FAULTS},
    }
    return np.select(
        [open_to & any_of_account(judged, commands)[account] for commands in causes.values()],
        [np.str_(name) for name in causes],
        default=np.str_(""),
    )
