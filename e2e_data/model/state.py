"""What is known of each account before each of its decisions, from what the book itself did.

The state before a decision is made by the decisions before it as they were, right or wrong: so a
wrong one is seen once, and what follows from it is right again; and all of it is running sums.
Where the order of decisions is not known, or decisions are missing, the state is known within a
range only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from e2e_data.commands import PERIODS
from e2e_data.model.decisions import LARGEST, UNTOLD, Commands, Line
from e2e_data.model.rules import Rules
from e2e_data.model.segments import Flags, Segments
from e2e_data.tables import Int64s


@dataclass(frozen=True, slots=True, eq=False)
class Balances:
    """The balances before and after decisions, in minor units; columns of shape (decided,)."""

    low: Int64s
    high: Int64s
    lost: Flags
    """Nothing is known of the balance before it."""
    after_high: Int64s
    """The most that the balance can be after it."""
    due: Int64s
    """What the balance after it is by the postings and what was told before."""
    misled: Flags
    """The book tells another balance after it than its postings make, and for the first time."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """What was spent before decisions in the windows of one period; columns of shape (limited,)."""

    start_ns: Int64s
    """When the decision's window began; UNTOLD where its time is not known."""
    low: Int64s
    high: Int64s
    lost: Flags
    """The most that was spent is not known."""
    most: Int64s
    """The most that may be spent."""
    breached: Flags
    """With it, more than that is certainly spent."""


def balances(line: Line, *, shared: bool) -> Balances:
    """Return the balances by the book's postings, and by what it tells of balances.

    A told balance that is off is taken as it is told from then on, until the postings are right
    again; whether a decision was made by the one or the other is not known.
    """
    segments, posted = line.segments, line.posted_minor
    before = segments.before(posted)
    is_told = (line.after_minor != UNTOLD) & segments.alone & ~line.nowhere
    told = np.clip(np.where(is_told, line.after_minor, 0), -LARGEST, LARGEST)
    off = np.where(is_told, told - before - posted, 0)

    last = segments.marked_before(is_told)
    jumps = np.cumsum(line.jumps)
    since = np.where(last >= 0, jumps[last], (jumps - line.jumps)[segments.first])
    jumped = jumps > since
    # What missing decisions did shows in the next balance that is told: from there it goes on.
    anew = is_told & jumped
    latest = segments.marked_before(anew)
    base = np.where(anew, off, np.where(latest >= 0, off[latest], 0))
    off_before = np.where((last >= 0) & ~anew, off[last], base)
    off_now = np.where(is_told, off, off_before)

    least = np.minimum(np.minimum(off_before, off_now), base)
    most = np.maximum(np.maximum(off_before, off_now), base)
    reachable = before + segments.beside(np.maximum(posted, 0)) + posted
    return Balances(
        low=before + segments.beside(np.minimum(posted, 0)) + least,
        high=reachable - posted + most,
        lost=(jumped & ~is_told) | (shared & ~line.ordered),
        after_high=np.where(segments.last, segments.through(posted), reachable) + most,
        due=before + posted + off_before,
        misled=is_told & (off != base) & (off != off_before),
    )


def windows(
    line: Line, commands: Commands, rules: Rules, limited: Int64s, *, shared: bool
) -> list[Windows]:
    """Return for each of PERIODS what the book's own debits spent before the `limited` decisions.

    These are all the decisions of some accounts, in their order.
    """
    by_pool = np.where(line.settled & line.is_debit, line.asked_minor, 0)
    by_book = np.maximum(-line.posted_minor, 0)
    least = np.minimum(by_pool, by_book)[limited]
    most = np.maximum(by_pool, by_book)
    # A debit without a time may be in any window.
    untimed = line.segments.total(most * (line.decided_ns <= 0)) > 0
    lost = (untimed | (line.decided_ns <= 0) | (shared & ~line.ordered))[limited]
    most, jumps = most[limited], line.jumps[limited]
    first, tie = line.segments.first[limited], line.segments.tie[limited]
    decided_ns = line.decided_ns[limited]
    timed = decided_ns > 0
    limits = rules.most_minor(commands.limits_minor[line.account[limited]].astype(np.int64))

    def of(period: str, limit: Int64s) -> Windows:
        start_ns = np.full(len(timed), UNTOLD)
        start_ns[timed] = rules.window_start_ns(period, decided_ns[timed])
        # Stable, and hardly any work where times do not run backwards.
        order = np.lexsort((start_ns, first))
        inside = Segments.of(first[order], start_ns[order], tie=tie[order])
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        beyond = inside.last & (inside.through(least[order]) > limit[order])
        return Windows(
            start_ns=start_ns,
            low=np.where(timed, inside.before(least[order])[back], 0),
            high=(inside.before(most[order]) + inside.beside(most[order]))[back],
            lost=lost | (inside.through(jumps[order]) > 0)[back],
            most=limit,
            breached=beyond[back] & timed & (least > 0),
        )

    return [of(period, limits[:, place]) for place, period in enumerate(PERIODS)]
