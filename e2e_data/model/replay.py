"""Replaying a book: every decision of the platform, in its own order, against the rules.

A decision is judged by the state before it, which the book's own decisions made (`state`). So it
takes no loop, and one wrong decision is one deviation. Where the state is known within a range,
whatever is right somewhere in it passes; where both outcomes are, the decision is undecidable.
"""

from __future__ import annotations

import numpy as np

from e2e_data.model.decisions import UNTOLD, Commands, Decisions, Line, Observed, in_order
from e2e_data.model.demands import demands_of
from e2e_data.model.deviations import Grounds, Replayed, What
from e2e_data.model.rules import Rules
from e2e_data.model.segments import Flags
from e2e_data.model.state import balances, windows
from e2e_data.tables import Int64s


def replay(
    commands: Commands,
    decisions: Decisions,
    rules: Rules,
    observed: Observed | None = None,
    *,
    shared: bool = False,
) -> Replayed:
    """Return where the book's decisions about a shard's commands are not what the rules demand.

    `observed` has a row for each of `decisions`; without it, times are only compared with each
    other. With `shared`, others use the accounts as well: missing numbers are theirs, and what they
    did is not known.
    """
    line = in_order(commands, decisions, rules)
    limit_based = commands.limit_based[line.account]
    asks_limits, asks_funds = (
        np.where(limit_based, *pair)
        for pair in zip(rules.limit_based, rules.balance_based, strict=True)
    )
    limited = np.flatnonzero(asks_limits)
    balance = balances(line, shared=shared)
    spent = windows(line, commands, rules, limited, shared=shared)
    right = demands_of(line, rules, asks_funds, balance, limited, spent)

    judged = ~line.again
    rejected = judged & ~line.settled & right.may_reject
    breached = np.zeros(len(line.row), dtype=np.bool_)
    breached[limited] = np.any([window.breached for window in spent], axis=0)
    lowered = (line.posted_minor < 0) & line.segments.last & ~balance.lost
    found = {
        What.OUTCOME: judged & np.where(line.settled, ~right.may_settle, ~right.may_reject),
        What.REASON: right.wrong_reasons(rejected, decisions.reason[line.row]),
        What.BALANCE: balance.misled,
        What.BELOW_ZERO: asks_funds & lowered & (balance.after_high < 0),
        What.WINDOW: breached,
        What.SEQUENCE: _misnumbered(line, rules, shared=shared),
        What.ORDER: _overtaken(line, observed),
        What.TIME: _mistimed(line, rules, observed),
    }
    return Replayed(
        rows={what: np.sort(line.row[marks]) for what, marks in found.items()},
        undecidable=np.sort(line.row[judged & right.may_settle & right.may_reject]),
        grounds=Grounds(line, decisions, observed, balance, limited, spent, right),
    )


def _misnumbered(line: Line, rules: Rules, *, shared: bool) -> Flags:
    """Tell which decisions have a number that is missing, doubled, or comes too soon.

    Numbers that are off by as much as the one before, or are right again, are not told anew: so a
    number that was left out is told once, as is one that stands in the place of another.
    """
    if not rules.gives_order:
        return np.zeros(len(line.row), dtype=np.bool_)
    unnumbered = ~line.nowhere & (line.seq <= 0)
    first = line.segments.first
    rank = np.arange(len(first)) - first + 1
    begins = rank == 1
    if shared:
        wrong = ~begins & (line.seq < line.seq_due)
    else:
        off = line.seq - rank
        wrong = (off != 0) & (begins | (off != np.roll(off, 1)))
    misnumbered: Flags = unnumbered | (line.ordered & wrong)
    return misnumbered


def _mistimed(line: Line, rules: Rules, observed: Observed | None) -> Flags:
    """Tell which decisions come without a time, or with one that cannot be.

    It is before that of the decision before, before the command was sent, or after its outcome
    had been observed.
    """
    at_ns, segments = line.decided_ns, line.segments
    timed = at_ns > 0
    known = timed & segments.alone
    follows = segments.first != np.arange(len(at_ns))
    wrong: Flags = follows & known & np.roll(known, 1) & (at_ns < np.roll(at_ns, 1))
    if rules.gives_times:
        wrong |= ~timed
    if observed is not None:
        give_ns = observed.uncertainty_ns[line.row] + observed.platform_off_ns
        sent_ns, completed_ns = observed.sent_ns[line.row], observed.completed_ns[line.row]
        wrong |= timed & (sent_ns != UNTOLD) & (at_ns + give_ns < sent_ns)
        wrong |= timed & (completed_ns != UNTOLD) & (at_ns - give_ns > completed_ns)
    return wrong


def _overtaken(line: Line, observed: Observed | None) -> Flags:
    """Tell which decisions came after that of a command sent when theirs was long acknowledged."""
    size = len(line.row)
    if observed is None:
        return np.zeros(size, dtype=np.bool_)
    give_ns = observed.uncertainty_ns[line.row]
    sent_ns, acknowledged_ns = observed.sent_ns[line.row], observed.acknowledged_ns[line.row]
    sent_ns = np.where(sent_ns == UNTOLD, UNTOLD, sent_ns - give_ns)
    # Ranks are small: with the segment in front of them, one running maximum serves all accounts.
    by_sent = np.argsort(sent_ns, kind="stable")
    rank = np.empty(size, dtype=np.int64)
    rank[by_sent] = np.arange(1, size + 1)
    sent_until = np.searchsorted(sent_ns[by_sent], acknowledged_ns + give_ns, side="right")
    latest = _latest_before(line, rank)
    overtaken: Flags = (acknowledged_ns != UNTOLD) & (latest > sent_until)
    return overtaken


def _latest_before(line: Line, rank: Int64s) -> Int64s:
    """Return the highest rank in the account before the tie of each decision; 0 for none."""
    segments, size = line.segments, len(rank) + 1
    highest = np.maximum.accumulate(segments.first * size + rank) if len(rank) else rank
    before = segments.tie > segments.first
    return np.where(before, highest[segments.tie - 1] - segments.first * size, 0)
