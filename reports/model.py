"""What the reference model says of a shard's book: each decision replayed, in the platform's order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.model.decisions import UNTOLD, Decisions, Observed
from e2e_data.model.deviations import Replayed, What
from e2e_data.model.replay import replay
from e2e_data.model.rules import Rules
from e2e_data.platform import Acknowledged
from reports.classes import Judged
from reports.columns import NEVER, Bools, Ints

assert NEVER == UNTOLD

OVERDRAWN = "overdrawn"
BEYOND_LIMIT = "limit exceeded"
SETTLED_WRONGLY = "settled against the rules"
AT_THE_LIMIT = "rejected at exactly the limit"
REJECTED_WRONGLY = "rejected without cause"

RULE_FAULTS = (OVERDRAWN, BEYOND_LIMIT, SETTLED_WRONGLY, AT_THE_LIMIT, REJECTED_WRONGLY)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a book is replayed by."""

    rules: Rules
    shared: bool
    """Others use the accounts too."""
    epoch_utc_ns: int
    observers_off_ns: int
    """How far the times of different observers may be off against each other."""
    platform_off_ns: int
    """How much further those of the platform may be off."""


@dataclass(frozen=True, eq=False)
class Modelled:
    """A shard's book, replayed; flags have one row per command."""

    judged: Judged
    rules: Rules
    replayed: Replayed

    def deviating(self, what: What) -> Bools:
        """Tell which commands deviate in something that the book does tell."""
        marks = np.zeros(len(self.judged.final), np.bool_)
        marks[[*self._rows[what]]] = True
        return marks

    def text(self, what: What, index: int) -> str:
        """Say how a command deviates."""
        return self.replayed.deviation(what, self._rows[what][index]).text

    @property
    def _decisions(self) -> Decisions:
        return self.replayed.grounds.decisions

    @cached_property
    def _rows(self) -> Mapping[What, dict[int, int]]:
        """What deviates -> the command -> its first row that does."""
        decisions = self._decisions
        told = {What.SEQUENCE: decisions.account_seq > 0, What.TIME: decisions.decided_ns > 0}
        found: dict[What, dict[int, int]] = {}
        for what, every in self.replayed.rows.items():
            rows = every[told[what][every]] if what in told else every
            commands = decisions.command[rows]
            found[what] = dict(zip(commands[::-1].tolist(), rows[::-1].tolist(), strict=True))
        return found

    def untold(self, *, times: bool) -> int:
        """Count the decisions without a number, or a time where `times`, that should have one."""
        line = self.replayed.grounds.line
        lacking = np.zeros(len(line.row), np.bool_)
        if self.rules.gives_order:
            lacking |= ~line.nowhere & (line.seq <= 0)
        if times and self.rules.gives_times:
            lacking |= line.decided_ns <= 0
        return int(lacking.sum())

    @cached_property
    def fault(self) -> NDArray[np.str_]:
        """What each command's outcome is by the replay; empty where it is right."""
        settled = self.judged.final == Outcome.SETTLED
        wrong = self.deviating(What.OUTCOME)
        return np.select(
            [
                self.deviating(What.BELOW_ZERO),
                self.deviating(What.WINDOW),
                wrong & settled,
                wrong & self._met_the_limit,
                wrong,
            ],
            [np.str_(name) for name in RULE_FAULTS],
            default=np.str_(""),
        )

    @cached_property
    def _met_the_limit(self) -> Bools:
        """Tell which commands would have made use of a window up to exactly its limit."""
        met = np.zeros(len(self.judged.final), np.bool_)
        grounds = self.replayed.grounds
        rows = grounds.line.row[grounds.limited]
        asked = grounds.line.asked_minor[grounds.limited]
        for window in grounds.spent:
            fills = (window.low == window.high) & (window.high + asked == window.most)
            met[grounds.decisions.command[rows[fills]]] = True
        return met


# Several checks ask the same of a shard before the next one comes: the last answer is kept.
@lru_cache(maxsize=1)
def modelled(judged: Judged, terms: Terms) -> Modelled:
    """Replay the book of a shard."""
    booked = judged.evidence.booked
    assert booked is not None
    decisions = booked.decisions
    if booked.by_events:
        decisions = _where_known(judged, decisions)
    replayed = replay(
        judged.evidence.shard,
        decisions,
        terms.rules,
        _observed(judged, decisions.command, terms),
        shared=terms.shared or booked.beyond > 0,
    )
    return Modelled(judged, terms.rules, replayed)


def _where_known(judged: Judged, decisions: Decisions) -> Decisions:
    """Take the order from accounts of which an event, or what it should tell, is not there.

    Their state is not known then, and neither is what would have been right.
    """
    evidence, booked = judged.evidence, judged.evidence.booked
    assert booked is not None
    settled = (booked.outcome == Outcome.SETTLED) & (evidence.shard.kind != Kind.ACCOUNT)
    untold = judged.lost | (judged.lost_after & (booked.rows == 0))
    unclear = untold | judged.wrong_amount | (settled & (booked.legs == 0))
    unclear |= booked.outcome == Outcome.SETTLED | Outcome.REJECTED
    holes = np.zeros(evidence.shard.counts.account, np.bool_)
    holes[evidence.account[unclear]] = True
    known = ~holes[evidence.account[decisions.command]]
    return replace(decisions, account_seq=np.where(known, decisions.account_seq, 0))


def _observed(judged: Judged, command: Ints, terms: Terms) -> Observed:
    """Return what the tester saw of decisions, by the clock of the platform."""
    evidence = judged.evidence
    seen = evidence.seen
    # What a broker has, the platform may take after what is sent to it directly.
    accepted = (seen.acknowledged == Acknowledged.ACCEPTED) & (seen.channel != Channel.KAFKA)
    acknowledged_ns = np.where(accepted, seen.acknowledged_ns, seen.completed_ns)
    # A lost journal may have had an earlier attempt.
    hidden = evidence.united(evidence.incomplete)

    def moved(at_ns: Ints, unknown: Bools | None = None) -> Ints:
        first_ns = evidence.earliest(at_ns)
        known = first_ns != NEVER if unknown is None else (first_ns != NEVER) & ~unknown
        utc_ns = np.where(known, np.where(known, first_ns, 0) + terms.epoch_utc_ns, UNTOLD)
        return utc_ns[command]

    return Observed(
        sent_ns=moved(seen.left_ns, hidden),
        acknowledged_ns=moved(acknowledged_ns),
        completed_ns=moved(seen.completed_ns),
        uncertainty_ns=np.full(len(command), terms.observers_off_ns),
        platform_off_ns=terms.platform_off_ns,
    )
