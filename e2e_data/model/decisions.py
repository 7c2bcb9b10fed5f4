"""A book's decisions about a shard's commands: as they come, and in the platform's own order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Kind, Label, Outcome
from e2e_data.model.rules import Rules
from e2e_data.model.segments import Flags, Segments
from e2e_data.tables import Int64s

UNTOLD = np.iinfo(np.int64).min
"""Stands for a time or an amount that nobody gave."""

LARGEST = 2**61
"""Amounts up to it can be added and taken away without overflow."""
_FIRST_HOSTILE = min(label for label in Label if label.is_hostile)


class Commands(Protocol):
    """The pool's commands, one row each, and its accounts, one row each: as a Shard has them."""

    @property
    def kind(self) -> NDArray[np.integer[Any]]:
        """A Kind."""

    @property
    def account_number(self) -> NDArray[np.integer[Any]]:
        """The index of its account."""

    @property
    def amount_minor(self) -> NDArray[np.integer[Any]]:
        """What the account is credited or debited."""

    @property
    def label(self) -> NDArray[np.integer[Any]]:
        """A Label."""

    @property
    def limit_based(self) -> NDArray[np.bool_]:
        """Whether an account is limit-based; else it is balance-based."""

    @property
    def limits_minor(self) -> NDArray[np.integer[Any]]:
        """Its limits, shape (accounts, periods)."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """What the book has about some of the commands, in any order; columns of shape (decisions,).

    A row that is not decided, with any other outcome than SETTLED or REJECTED, is passed over.
    """

    command: Int64s
    """The index of the command; the same one in several rows was decided as often."""
    outcome: NDArray[np.integer[Any]]
    reason: NDArray[np.object_]
    """Why it was rejected."""
    account_seq: Int64s
    """The number of the decision within its account, from 1; 0 where the book has none."""
    decided_ns: Int64s
    """Since 1970, UTC; 0 where the book has none."""
    balance_after_minor: Int64s
    """The account's balance after the decision; UNTOLD where the book has none."""
    posted_minor: Int64s | None = None
    """What was posted to the account; by default the pool's amounts of what is settled."""


@dataclass(frozen=True, slots=True)
class Observed:
    """The tester's evidence beside Decisions; UTC nanoseconds since 1970, or UNTOLD."""

    sent_ns: Int64s
    acknowledged_ns: Int64s
    completed_ns: Int64s
    uncertainty_ns: Int64s
    """By how much each time may be off another observer's."""
    platform_off_ns: int = 0
    """By how much more the platform's clock may be off."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """Decisions in order: by account, and therein as the platform decided. Shape (decided,)."""

    row: Int64s
    """Which of the Decisions stands here."""
    account: Int64s
    segments: Segments
    """By account; decisions of an account without an order are one tie."""
    kind: Int64s
    label: Int64s
    """What concerns no account, or one whose creation was rejected, is UNKNOWN_ACCOUNT."""
    asked_minor: Int64s
    """The pool's amount."""
    settled: Flags
    again: Flags
    """The command was decided before."""
    ordered: Flags
    """The account has an order."""
    nowhere: Flags
    """The decision concerns no account that there is; each is a segment of its own."""
    seq: Int64s
    seq_due: Int64s
    """One more than the number of the account's decision before."""
    posted_minor: Int64s
    after_minor: Int64s
    decided_ns: Int64s

    @property
    def is_hostile(self) -> Flags:
        """Commands that must have no effect."""
        hostile: Flags = self.label >= _FIRST_HOSTILE
        return hostile

    @property
    def is_debit(self) -> Flags:
        """Payments that depend on the state of their account."""
        debit: Flags = (self.kind == Kind.PAYMENT) & ~self.is_hostile
        return debit

    @property
    def jumps(self) -> Flags:
        """Decisions before which numbers are missing: others may have been made in between."""
        jumps: Flags = self.ordered & (self.seq > self.seq_due)
        return jumps


def in_order(commands: Commands, decisions: Decisions, rules: Rules) -> Line:
    """Put decisions in the platform's own order."""
    outcome = decisions.outcome.astype(np.int64)
    row = np.flatnonzero((outcome == Outcome.SETTLED) | (outcome == Outcome.REJECTED))
    command = decisions.command[row]
    kind, label = (c[command].astype(np.int64) for c in (commands.kind, commands.label))
    account = commands.account_number[command].astype(np.int64)
    asked_minor = commands.amount_minor[command].astype(np.int64)
    settled = outcome[row] == Outcome.SETTLED
    seq = decisions.account_seq[row]

    hostile = label >= _FIRST_HOSTILE
    closed = _closed(kind == Kind.ACCOUNT, settled, account, len(commands.limit_based))[account]
    nowhere = closed | (label == Label.UNKNOWN_ACCOUNT)
    label[closed & (kind != Kind.ACCOUNT) & ~hostile] = Label.UNKNOWN_ACCOUNT
    posted_minor = _posted(decisions, row, np.where(hostile, 0, _signed(kind, asked_minor)))
    posted_minor = np.where(nowhere, 0, posted_minor)
    unnumbered = np.zeros(len(commands.limit_based), dtype=np.bool_)
    unnumbered[account[~nowhere & (seq <= 0)]] = True
    ordered = ~nowhere & ~unnumbered[account] & rules.gives_order

    place = np.where(nowhere, len(unnumbered) + np.arange(len(row)), account)
    key = np.where(ordered, seq, 0)
    # Of what has no order credits come first: then only what is certain goes below zero.
    order = np.lexsort((-posted_minor, key, place))
    segments = Segments.of(place[order], tie=key[order])
    seq = seq[order]
    before = np.where(segments.first == np.arange(len(row)), 0, np.roll(seq, 1))
    return Line(
        row=row[order],
        account=account[order],
        segments=segments,
        kind=kind[order],
        label=label[order],
        asked_minor=asked_minor[order],
        settled=settled[order],
        again=_again(command[order]),
        ordered=ordered[order],
        nowhere=nowhere[order],
        seq=seq,
        seq_due=before + 1,
        posted_minor=posted_minor[order],
        after_minor=decisions.balance_after_minor[row][order],
        decided_ns=decisions.decided_ns[row][order],
    )


def _signed(kind: Int64s, minor: Int64s) -> Int64s:
    return np.where(kind == Kind.PAYMENT, -minor, minor)


def _posted(decisions: Decisions, row: Int64s, pool_minor: Int64s) -> Int64s:
    if decisions.posted_minor is None:
        return np.where(decisions.outcome[row] == Outcome.SETTLED, pool_minor, 0)
    return _bounded(decisions.posted_minor[row])


def _bounded(minor: Int64s) -> Int64s:
    """Return amounts whose sums do not overflow: a book may hold anything, and one amount more."""
    if np.abs(minor.astype(np.float64)).sum() < LARGEST:
        return minor
    most = LARGEST // len(minor)
    return np.clip(minor, -most, most)


def _closed(creates: Flags, settled: Flags, account: Int64s, size: int) -> Flags:
    """Tell which accounts there never were, because their creation was rejected."""
    opened, closed = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
    opened[account[creates & settled]] = True
    closed[account[creates & ~settled]] = True
    return closed & ~opened


def _again(command: Int64s) -> Flags:
    again = np.ones(len(command), dtype=np.bool_)
    again[np.unique(command, return_index=True)[1]] = False
    return again
