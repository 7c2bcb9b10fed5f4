"""Which payments are hostile, and what a replay repeats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e_data import tables
from e2e_data.commands import Label
from e2e_data.config_parts import MILLION, millionths
from e2e_data.draw import Draw
from e2e_data.tables import Int64s, Stream, bounded

Labels = NDArray[np.uint8]


def with_hostile(draw: Draw, label: Labels) -> Labels:
    """Return the payments' labels, of which the configured share is now hostile."""
    share = millionths(draw.config.hostile_percentage)
    if not share:
        return label
    hostile = draw.below(Stream.HOSTILE, len(label), MILLION) < share
    flavour = tables.weighted(
        draw.draws(Stream.FLAVOUR, len(label)), draw.config.hostile_flavours.weights
    )
    return np.where(hostile, (Label.UNKNOWN_ACCOUNT + flavour).astype(np.uint8), label)


def originals(draw: Draw, label: Labels) -> Int64s:
    """Return for each payment, in the order of sending, the row that it replays; -1 for none.

    A racing replay repeats the payment just before it, a replay one from the first half of what
    comes before it: a payment that is not hostile, and that no other repeats. Where there is none,
    the result is -1.
    """
    original = np.full(len(label), -1, dtype=np.int64)
    racing = np.flatnonzero(label == Label.RACING_REPLAY)
    replays = np.flatnonzero(label == Label.REPLAY)
    if not len(racing) and not len(replays):
        return original
    free = label < Label.UNKNOWN_ACCOUNT
    racing = racing[(racing > 0) & free[racing - 1]]
    original[racing] = racing - 1
    free[racing - 1] = False

    candidates = np.flatnonzero(free)
    reachable = np.searchsorted(candidates, first_half(replays))
    wanted = bounded(draw.draws(Stream.REPLAY, len(replays)), reachable)
    by_wish = np.argsort(wanted, kind="stable")
    turn = np.arange(len(replays))
    # In the order of what they want, each takes the next one that is left.
    taken = turn + np.maximum.accumulate(wanted[by_wish] - turn)
    can = taken < reachable[by_wish]
    original[replays[by_wish[can]]] = candidates[taken[can]]
    return original


def first_half(row: Int64s) -> Int64s:
    """Return how many of the rows before each `row` are their first half, rounded up."""
    return (row + 1) // 2
