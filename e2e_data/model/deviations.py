"""Deviations: where a book is not what the rules demand, and what a person needs to see why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

import numpy as np

from e2e_data.commands import PERIODS, Outcome
from e2e_data.model.decisions import UNTOLD, Decisions, Line, Observed
from e2e_data.model.demands import Demands
from e2e_data.model.state import Balances, Windows
from e2e_data.tables import Int64s


class What(StrEnum):
    """What deviates in a decision."""

    OUTCOME = "outcome"
    REASON = "reason"
    """It was rejected, which may be right, but for a reason that is not."""
    BALANCE = "balance after"
    """The book tells another balance than its postings make."""
    BELOW_ZERO = "below zero"
    """The balance of an account that must be covered, after a debit."""
    WINDOW = "window"
    """More was spent in a window than its limit."""
    SEQUENCE = "sequence"
    """The number within the account is missing, or not the next one."""
    ORDER = "order"
    """It was decided after that of a command sent when its own was long acknowledged."""
    TIME = "decision time"
    """It is missing, before that of the decision before, or not between sent and completed."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that is wrong with one decision; amounts are minor units of the account."""

    row: int
    """Which of the replayed Decisions it is."""
    command: int
    """The index of its command in the shard."""
    what: What
    got: str
    wanted: str
    detail: str
    """The state that makes it wrong."""

    @property
    def text(self) -> str:
        """All of it in one sentence."""
        return f"{self.what}: {self.got}, where {self.wanted} is right; {self.detail}"


@dataclass(frozen=True, eq=False)
class Grounds:
    """What decisions were judged by."""

    line: Line
    decisions: Decisions
    observed: Observed | None
    balance: Balances
    limited: Int64s
    """Where in the line the rows of `spent` stand; ascending."""
    spent: list[Windows]
    right: Demands

    def position(self, row: int) -> int:
        """Return where a row of the Decisions stands in the line."""
        return int(self._position[row])

    @cached_property
    def _position(self) -> Int64s:
        position = np.full(len(self.decisions.command), -1)
        position[self.line.row] = np.arange(len(self.line.row))
        return position


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """A replayed book."""

    rows: Mapping[What, Int64s]
    """The rows of the Decisions that deviate, ascending."""
    undecidable: Int64s
    """The rows for which both outcomes are right, as far as can be known; ascending."""
    grounds: Grounds

    @property
    def examined(self) -> int:
        """The number of decisions."""
        return len(self.grounds.line.row)

    @property
    def is_clean(self) -> bool:
        """Whether nothing deviates."""
        return not any(len(rows) for rows in self.rows.values())

    def __iter__(self) -> Iterator[Deviation]:
        """Yield all deviations, by what deviates."""
        for what, rows in self.rows.items():
            for row in rows.tolist():
                yield self.deviation(what, row)

    def deviation(self, what: What, row: int) -> Deviation:
        """Return what deviates in a row; made when it is asked for, since only cases are shown."""
        grounds = self.grounds
        got, wanted, detail = _TELLERS[what](grounds, grounds.position(row))
        return Deviation(row, int(grounds.decisions.command[row]), what, got, wanted, detail)


Told = tuple[str, str, str]
"""What was got, what was wanted, and the details."""


def _outcome(grounds: Grounds, at: int) -> Told:
    ruling = grounds.right.ruling(at)
    reason = grounds.decisions.reason[grounds.line.row[at]]
    settled = bool(grounds.line.settled[at])
    got = "settled" if settled else f"rejected ({reason or 'no reason'})"
    if ruling.outcome == Outcome.NONE:
        wanted = "no decision"
    elif ruling.outcome == Outcome.SETTLED:
        wanted = "settled"
    else:
        wanted = f"rejected ({_either(ruling.reasons)})"
    return got, wanted, _state(grounds, at)


def _reason(grounds: Grounds, at: int) -> Told:
    reason = grounds.decisions.reason[grounds.line.row[at]]
    wanted = _either(grounds.right.ruling(at).reasons)
    return repr(reason), wanted, _state(grounds, at)


def _balance(grounds: Grounds, at: int) -> Told:
    told, due = int(grounds.line.after_minor[at]), int(grounds.balance.due[at])
    posted = int(grounds.line.posted_minor[at])
    return str(told), str(due), f"its postings of {posted} leave {told - due} unexplained"


def _below_zero(grounds: Grounds, at: int) -> Told:
    after = int(grounds.balance.after_high[at])
    return str(after), "0 or more", f"after a debit of {-int(grounds.line.posted_minor[at])}"


def _window(grounds: Grounds, at: int) -> Told:
    limited = int(np.searchsorted(grounds.limited, at))
    spent = -int(grounds.line.posted_minor[at])
    breached = [window.breached[limited] for window in grounds.spent]
    period, window = PERIODS[breached.index(True)], grounds.spent[breached.index(True)]
    total, most = int(window.high[limited]) + spent, int(window.most[limited])
    since = _moment(int(window.start_ns[limited]))
    return str(total), f"{most} or less", f"spent in its {period} from {since}"


def _sequence(grounds: Grounds, at: int) -> Told:
    seq, due = int(grounds.line.seq[at]), int(grounds.line.seq_due[at])
    if seq <= 0:
        return "no number", "one", "it has no place in its account's order"
    detail = "two have it" if seq < due else f"{seq - due} missing before it"
    return str(seq), str(due), detail


def _order(grounds: Grounds, at: int) -> Told:
    line, observed = grounds.line, grounds.observed
    assert observed is not None
    earlier = slice(int(line.segments.first[at]), int(line.segments.tie[at]))
    rows = line.row[earlier]
    last = int(rows[np.argmax(observed.sent_ns[rows])])
    acknowledged = _moment(int(observed.acknowledged_ns[line.row[at]]))
    sent = _moment(int(observed.sent_ns[last]))
    command = int(grounds.decisions.command[last])
    return (
        f"decided after command {command}",
        "before it",
        f"that one was sent at {sent}, when this one was acknowledged at {acknowledged}",
    )


def _time(grounds: Grounds, at: int) -> Told:
    line, observed = grounds.line, grounds.observed
    at_ns = int(line.decided_ns[at])
    if at_ns <= 0:
        return "no time", "one", "nothing says in which windows it was decided"
    got = _moment(at_ns)
    if observed is not None:
        row = line.row[at]
        give_ns = int(observed.uncertainty_ns[row]) + observed.platform_off_ns
        sent_ns, completed_ns = int(observed.sent_ns[row]), int(observed.completed_ns[row])
        if sent_ns != UNTOLD and at_ns + give_ns < sent_ns:
            return (
                got,
                f"{_moment(sent_ns)} or later",
                f"when it was sent, give or take {give_ns} ns",
            )
        if completed_ns != UNTOLD and at_ns - give_ns > completed_ns:
            detail = f"when its outcome was observed, give or take {give_ns} ns"
            return got, f"{_moment(completed_ns)} or earlier", detail
    before = _moment(int(line.decided_ns[at - 1]))
    return got, f"{before} or later", "when the decision before it was made"


_TELLERS = {
    What.OUTCOME: _outcome,
    What.REASON: _reason,
    What.BALANCE: _balance,
    What.BELOW_ZERO: _below_zero,
    What.WINDOW: _window,
    What.SEQUENCE: _sequence,
    What.ORDER: _order,
    What.TIME: _time,
}


def _state(grounds: Grounds, at: int) -> str:
    """Say what a decision depended on."""
    line = grounds.line
    if not line.is_debit[at]:
        return "whatever the state of its account"
    balance = grounds.balance
    known = _range(balance.low[at], balance.high[at], balance.lost[at])
    parts = ", ".join([f"a balance of {known}", *_spent(grounds, at)])
    return f"a debit of {int(line.asked_minor[at])} with {parts}"


def _spent(grounds: Grounds, at: int) -> Iterator[str]:
    limited = int(np.searchsorted(grounds.limited, at))
    if limited == len(grounds.limited) or grounds.limited[limited] != at:
        return
    for period, window in zip(PERIODS, grounds.spent, strict=True):
        known = _range(window.low[limited], window.high[limited], window.lost[limited])
        yield f"{known} of {int(window.most[limited])} spent in its {period}"


def _range(low: np.int64, high: np.int64, lost: np.bool_) -> str:
    if lost:
        return "an unknown amount"
    return str(int(low)) if low == high else f"{int(low)} to {int(high)}"


def _either(reasons: frozenset[str]) -> str:
    return " or ".join(sorted(reasons)) or "any reason"


def _moment(at_utc_ns: int) -> str:
    second, rest = divmod(at_utc_ns, 10**9)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
