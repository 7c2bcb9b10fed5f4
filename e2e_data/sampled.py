"""A shard's payments as they were drawn: which of their values chance alone decided."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Kind, Label
from e2e_data.draw import Draw
from e2e_data.payments import SHAPED, band_ranges, least_debits
from e2e_data.roles import Roles, roles_of
from e2e_data.shard import Shard
from e2e_data.tables import Int64s

Flags = NDArray[np.bool_]
Rows = slice | Int64s
"""Selects rows: all of them without a copy, or some by their numbers."""

_SHAPED_OR_HOSTILE = np.array([one.is_hostile or one in SHAPED for one in Label])


class Sampled:
    """Columns over the payments of a shard, worked out once for all who look at them.

    References must be sound: indices of accounts and currencies, labels.
    """

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.config = shard.config
        rows = shard.slice_of(Kind.PAYMENT)
        # numpy looks things up faster by its own type of index.
        self.account = shard.account_number[rows].astype(np.int64)
        self.amount_minor = shard.amount_minor[rows]
        self.credit_minor = shard.credit_minor[rows]
        self.credit_currency = shard.credit_currency[rows]
        self.expected = shard.expected[rows]
        self.label = shard.label[rows]
        self.own_currency = shard.currency[self.account]
        self.exchanged: Flags = self.credit_currency != self.own_currency

    def __len__(self) -> int:
        return len(self.account)

    @cached_property
    def draw(self) -> Draw:
        """The random numbers that the shard should be made of."""
        return Draw(self.config, self.shard.seed, self.shard.number)

    @cached_property
    def roles(self) -> Roles:
        """What the seed picked the accounts for."""
        return roles_of(self.draw)

    @cached_property
    def original(self) -> Int64s:
        """The row, among the payments, that a replay repeats; -1 for all others."""
        original = self.shard.original.astype(np.int64)
        return np.where(original < 0, -1, original - self.shard.range_of(Kind.PAYMENT).start)

    @cached_property
    def unit(self) -> Int64s:
        """The minor units in a unit of the account's currency."""
        return 10 ** np.array(self.config.digits, dtype=np.int64)[self.own_currency]

    @cached_property
    def plain(self) -> Flags:
        """Payments that are not hostile."""
        plain: Flags = self.label < Label.UNKNOWN_ACCOUNT
        return plain

    @cached_property
    def ordinary(self) -> Flags:
        """Payments that are not hostile and have no amount of their own."""
        return ~_SHAPED_OR_HOSTILE[self.label] if self.label.any() else self.plain

    @cached_property
    def from_bands(self) -> Flags:
        """Payments with an amount that should lie in a band."""
        return self.ordinary & ~self.capped

    @cached_property
    def capped(self) -> Flags:
        """Payments whose amounts are capped at the account's MINUTE limit."""
        if self.config.enable_limit_violations:
            return np.zeros(len(self), dtype=np.bool_)
        limited: Flags = self.shard.limit_based[self.account]
        return limited

    @cached_property
    def drawn(self) -> Rows:
        """The rows whose amounts are as they were drawn: neither capped nor raised for exchange."""
        drawn = self.from_bands & (self.band >= 0)
        if int(least_debits(self.config).max()) > 1:
            drawn = drawn & ~self.exchanged
        return rows_of(drawn)

    @cached_property
    def ranges(self) -> tuple[Int64s, Int64s]:
        """The bands' first amounts and first amounts beyond, shape (bands, accounts)."""
        starts, ends = zip(*band_ranges(self.config, self.shard.limit_hour_minor), strict=True)
        return np.stack(starts), np.stack(ends)

    @cached_property
    def band(self) -> NDArray[Any]:
        """The band that each amount is in; -1 for an amount that is in none."""
        # Bands ascend, so an amount is inside of one where it passed an odd number of edges.
        passed = np.zeros(len(self), dtype=np.int16)
        for edge, count in _edges(*self.ranges):
            beyond = self.amount_minor >= edge.take(self.account)
            passed += beyond.view(np.int8) * np.int8(count)
        return np.where(passed & 1, passed >> 1, -1)


def _edges(starts: Int64s, ends: Int64s) -> Iterator[tuple[Int64s, int]]:
    """Yield the edges of bands and how many each is: two where one ends and the next begins."""
    yield starts[0], 1
    for end, start in zip(ends[:-1], starts[1:], strict=True):
        if (end == start).all():
            yield start, 2
        else:
            yield end, 1
            yield start, 1
    yield ends[-1], 1


def rows_of(flags: Flags) -> Rows:
    """Return the rows that are flagged."""
    return slice(None) if flags.all() else np.flatnonzero(flags)
