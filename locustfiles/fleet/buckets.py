"""Times in fixed buckets, as arrays of counts: they add up exactly, and only filled ones travel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SUB_BITS = 7
"""Each doubling of the time has so many bits of buckets: they are at most 0.8 % wide."""
BUCKETS = 40 << SUB_BITS

Counts = NDArray[np.int64]


def nothing() -> Counts:
    """Return the counts of no time at all."""
    return np.zeros(BUCKETS, dtype=np.int64)


def counted(times_ns: NDArray[np.int64]) -> Counts:
    """Return how many of some times are in each bucket; what is negative took no time."""
    return np.bincount(bucket_of(np.maximum(times_ns, 0)), minlength=BUCKETS)


def bucket_of(times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bucket of each time; one microsecond is the finest."""
    micros = np.maximum(times_ns // 1000, 0)
    # How many times it has to be halved until SUB_BITS + 1 bits are left.
    halvings = np.maximum(np.frexp(micros.astype(np.float64))[1] - SUB_BITS - 1, 0).astype(np.int64)
    buckets: NDArray[np.int64] = (halvings << SUB_BITS) + (micros >> halvings)
    return np.minimum(buckets, BUCKETS - 1)


def upper_ms(bucket: int) -> float:
    """Return the longest time of a bucket, in milliseconds."""
    halvings = max((bucket >> SUB_BITS) - 1, 0)
    return (((bucket - (halvings << SUB_BITS)) + 1) << halvings) / 1000


def percentile_ms(counts: Counts, percent: float) -> float | None:
    """Return a percentile by nearest rank, at most one bucket above the exact one; None of nothing."""
    total = int(counts.sum())
    if not total:
        return None
    rank = max(int(np.ceil(round(percent * total / 100, 9))), 1)
    return upper_ms(int(np.searchsorted(np.cumsum(counts), rank)))


def packed(counts: Counts) -> tuple[bytes, bytes]:
    """Return the filled buckets and what is in each, as msgpack can carry them."""
    filled = np.flatnonzero(counts)
    return filled.astype("<u2").tobytes(), counts[filled].astype("<u8").tobytes()


def unpacked(indices: Any, counts: Any) -> tuple[NDArray[np.int64], Counts]:
    """Read what `packed` made. Raises ValueError or TypeError for what is none."""
    filled = np.frombuffer(indices, dtype="<u2").astype(np.int64)
    many = np.frombuffer(counts, dtype="<u8").astype(np.int64)
    if len(filled) != len(many) or (len(filled) and filled.max() >= BUCKETS):
        raise ValueError("buckets that are none")
    return filled, many
