"""The order of a shard's funding credits and payments: random, but for what knobs place in it.

Random words are sort keys: equal words stand together, a smaller one comes earlier.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e_data.boundary import Boundary
from e2e_data.commands import Label
from e2e_data.tables import Int64s, shuffled

Words = NDArray[np.uint64]
Flags = NDArray[np.bool_]

BOUNDARY_EIGHTHS = 6
"""Boundary payments of balance-based accounts come after so many eighths of the others."""
DORMANT_EIGHTHS = 7
"""Dormant accounts pay after so many eighths of the others did."""
_32 = np.uint64(32)
_LOW_32 = np.uint64(0xFFFFFFFF)


def funding_order(words: Words, early: Flags) -> Int64s:
    """Return the order of funding credits; those that are `early` come before half of the others."""
    if early.any():
        words = _with_room(words)
        others = np.sort(words[~early])
        if len(others):
            words[early] = _between(words[early], np.uint64(0), others[len(others) // 2] >> _32)
    return shuffled(words)


def payment_order(
    words: Words, account: Int64s, label: NDArray[np.uint8], boundary: Boundary | None
) -> Int64s:
    """Return the order of payments that are sorted by account.

    A velocity account's stand together, as do those of a limit-based boundary account's cycle.
    Those of balance-based boundary accounts and of dormant accounts come late, the former in the
    order that they have.
    """
    burst = np.flatnonzero(label == Label.VELOCITY)
    dormant = label == Label.DORMANT
    if not (len(burst) or dormant.any() or boundary):
        return shuffled(words)
    words = _with_room(words)
    _, first, nth = np.unique(account[burst], return_index=True, return_inverse=True)
    words[burst] = words[burst[first]][nth]
    if boundary:
        words = _with_boundaries(words, account, boundary, dormant)
    return shuffled(_late(words, dormant, ~dormant, DORMANT_EIGHTHS))


def _with_boundaries(words: Words, account: Int64s, boundary: Boundary, dormant: Flags) -> Words:
    limited = boundary.limit_based
    words[boundary.row[limited]] = words[boundary.first[limited]]
    late = np.zeros(len(words), dtype=np.bool_)
    rows = boundary.row[~limited]
    late[rows] = True
    words = _late(words, late, ~(late | dormant), BOUNDARY_EIGHTHS)
    words[rows] = words[rows[np.lexsort((words[rows], account[rows]))]]
    return words


def _with_room(words: Words) -> Words:
    """Return the words in the same order, all but a few smallest and the upper half unused."""
    return (words >> np.uint64(1)) + (np.uint64(1) << _32)


def _late(words: Words, late: Flags, others: Flags, eighths: int) -> Words:
    """Move the `late` words behind so many eighths of `others`, at random among those left."""
    there = np.sort(words[others]) >> _32
    if len(there):
        last_before = there[-(-len(there) * eighths // 8) - 1]
        words[late] = _between(words[late], last_before + np.uint64(1), there[-1] + np.uint64(2))
    return words


def _between(words: Words, start: np.uint64, end: np.uint64) -> Words:
    """Squeeze words, so that their upper halves are from `start` to below `end`."""
    upper = start + ((words >> _32) * (end - start) >> _32)
    return upper << _32 | words & _LOW_32
