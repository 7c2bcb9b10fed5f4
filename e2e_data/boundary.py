"""Payments of boundary accounts: sums that meet a limit or the balance exactly, then one beyond.

Limit-based: cycles that stand together in the order, so that one minute holds each. Three parts
meet the MINUTE limit, one minor unit goes beyond it; one payment of the limit and a minor unit is
beyond it in any case. A last, shorter cycle meets the limit with what payments there are.

Balance-based: all payments but the last add up to all that the account is ever credited, and the
last is one minor unit. They come late, one after the other, and the account's funding early.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Label
from e2e_data.tables import Int64s

PARTS = 3
"""A cycle's payments that meet the limit."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """The payments of boundary accounts; columns over them, of one length."""

    row: Int64s
    """Where they stand among a shard's payments, which are sorted by account."""
    limit_based: NDArray[np.bool_]
    amount_minor: Int64s
    label: NDArray[np.uint8]
    """BOUNDARY or BEYOND."""
    first: Int64s
    """The row of the first payment in the same cycle."""


def boundary_payments(
    row: Int64s,
    account: Int64s,
    limit_based: NDArray[np.bool_],
    minute_minor: Int64s,
    funded_minor: Int64s,
    *,
    beyond_limit: bool,
) -> Boundary:
    """Return the boundary payments at `row`s, where `account` are their accounts, ascending.

    The other columns are over accounts; `funded_minor` is the opening balance and all funding.
    Without `beyond_limit` no payment alone is above the limit.
    """
    counts = np.bincount(account, minlength=len(limit_based))
    start = (np.cumsum(counts) - counts)[account]
    place = np.arange(len(row)) - start
    limited = limit_based[account]

    length = PARTS + 1 + beyond_limit
    cycle = place // length * length
    in_cycle = np.minimum(counts[account] - cycle, length)
    cycle_parts = np.where(in_cycle < PARTS, 1, PARTS)
    reachable = np.where(limited, minute_minor[account], funded_minor[account])
    parts = np.where(limited, cycle_parts, np.clip(counts[account] - 1, 1, reachable))
    nth = np.where(limited, place - cycle, place)

    each, rest = np.divmod(reachable, parts)
    # The last part of a cycle takes what is left; many parts share it instead.
    last = np.where(limited, (nth == parts - 1) * rest, nth < rest)
    beyond = np.where(nth > parts, np.where(limited, reachable + 1, 1), 1)
    return Boundary(
        row=row,
        limit_based=limited,
        amount_minor=np.where(nth < parts, each + last, beyond),
        label=np.where(nth < parts, np.uint8(Label.BOUNDARY), np.uint8(Label.BEYOND)),
        first=row[start + cycle],
    )
