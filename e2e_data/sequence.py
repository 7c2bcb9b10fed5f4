"""The order in which a phase sends the commands of a shard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WEIGHT_MAX = 1_000_000


def interleave(ranges: Sequence[range], weights: Sequence[int] = ()) -> NDArray[np.int64]:
    """Merge index ranges evenly: position in the phase -> index of the command in its shard.

    Item j of a range of n is put at the fraction (2j + 1) / 2n of the way, so that kinds of any size
    are spread over the whole phase. With `weights`, up to WEIGHT_MAX, these stand for the sizes: so
    many of each kind come in the same time, until one of them has no more. Ties go to the earlier
    range. The result is a pure function of ranges and weights: sender and judge compute the same.
    """
    if not ranges:
        return np.empty(0, dtype=np.int64)
    indices = [np.arange(r.start, r.stop, dtype=np.int64) for r in ranges]
    shares = weights or [max(len(r), 1) for r in ranges]
    keys = [
        ((2 * np.arange(len(r), dtype=np.int64) + 1) << 31) // share
        for r, share in zip(ranges, shares, strict=True)
    ]
    order = np.argsort(np.concatenate(keys), kind="stable")
    merged: NDArray[np.int64] = np.concatenate(indices)[order]
    return merged
