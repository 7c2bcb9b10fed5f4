"""Books of one account, row by row, and what replaying them says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from e2e_data.commands import Kind, Outcome
from e2e_data.model.decisions import UNTOLD, Decisions
from e2e_data.model.replay import replay
from e2e_data.model.rules import Rules

SECOND_NS = 10**9
NOON_NS = 1_795_176_000 * SECOND_NS
"""Friday 2026-11-20 12:00:00 UTC."""
NOON = "2026-11-20T12:00:00.000000000Z"
LIMITS = (100, 150, 200, 250, 300)

YES = (Outcome.SETTLED, "")
POOR = (Outcome.REJECTED, "INSUFFICIENT_FUNDS")
MINUTE = (Outcome.REJECTED, "LIMIT_EXCEEDED_MINUTE")
HOUR = (Outcome.REJECTED, "LIMIT_EXCEEDED_HOUR")


@dataclass
class Pool:
    """Commands of account 0, in order, and the book about them; account 1 has nothing."""

    limited: bool = False
    kind: list = field(default_factory=list)
    amount: list = field(default_factory=list)
    labels: list = field(default_factory=list)
    rows: list = field(default_factory=list)
    balance: int = 0

    def add(self, kind, minor, said=YES, *, at=None, seq=None, after=..., posted=None, label=0):
        """Add a command and its row; what is left out is right, a second after the one before."""
        number = len(self.rows) + 1
        outcome, reason = said
        sign = -1 if kind is Kind.PAYMENT else 1
        if posted is None:
            posted = sign * minor if outcome is Outcome.SETTLED and not label else 0
        self.balance += posted
        if after is ...:
            after = self.balance if posted else UNTOLD
        self.kind.append(kind)
        self.amount.append(minor)
        self.labels.append(label)
        seq = number if seq is None else seq
        at = number if at is None else at
        at_ns = 0 if at is False else NOON_NS + round(at * SECOND_NS)
        self.rows.append([number - 1, outcome, reason, seq, at_ns, after, posted])
        return self

    def open(self, minor=1000):
        return self.add(Kind.ACCOUNT, 0).add(Kind.OPENING_CREDIT, minor)

    def pay(self, minor, said=YES, **more):
        return self.add(Kind.PAYMENT, minor, said, **more)

    def fund(self, minor, said=YES, **more):
        return self.add(Kind.FUNDING, minor, said, **more)

    # The columns of a shard.

    @property
    def account_number(self):
        return np.zeros(len(self.kind), dtype=np.int32)

    @property
    def amount_minor(self):
        return np.array(self.amount, dtype=np.int64)

    @property
    def label(self):
        return np.array(self.labels, dtype=np.uint8)

    @property
    def limit_based(self):
        return np.array([self.limited, not self.limited])

    @property
    def limits_minor(self):
        return np.array([LIMITS, LIMITS], dtype=np.int64)

    def decisions(self, order=None):
        rows = self.rows if order is None else [self.rows[at] for at in order]
        columns = list(zip(*rows, strict=True)) if rows else [[]] * 7
        kinds = (np.int64, np.uint8, object, *[np.int64] * 4)
        return Decisions(
            *(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True))
        )


class Columns:
    """A Pool whose `kind` is a column too."""

    def __init__(self, pool):
        self.pool = pool
        self.kind = np.array(pool.kind, dtype=np.uint8)

    def __getattr__(self, name):
        return getattr(self.pool, name)


def run(pool, rules=None, observed=None, *, shared=False):
    return replay(Columns(pool), pool.decisions(), rules or Rules(), observed, shared=shared)


def texts(pool, **more):
    return [deviation.text for deviation in run(pool, **more)]


def balance_based(minor=1000):
    return Pool(limited=False).open(minor)


def limit_based():
    return Pool(limited=True).open()
