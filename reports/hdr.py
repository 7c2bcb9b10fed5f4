"""HDR histograms: counts of nanoseconds in buckets, with three significant digits at any magnitude.

The buckets and the encoding are HdrHistogram's (Gil Tene; version 2, compressed), so that its tools
read what is written here. Histograms of equal buckets add up exactly.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

DIGITS = 3
SUB_BITS = 11
"""A bucket of twice the size has 2 ** SUB_BITS parts, of which the upper half is its own."""
HALF = 1 << SUB_BITS - 1
HIGHEST_NS = 24 * 3600 * 1_000_000_000
"""A longer time is counted as this."""

_COOKIE, _COMPRESSED_COOKIE = 0x1C849313, 0x1C849314
_HEAD = struct.Struct(">iiiiqqd")
_LEB = 7
"""Bits of a number in each byte of its encoding."""


def buckets(values_ns: Counts) -> Counts:
    """Return the bucket of each value."""
    inside = np.clip(values_ns, 0, HIGHEST_NS)
    # Exact, since these fit into a float's mantissa: its exponent is the length in bits.
    doublings = np.maximum(np.frexp(inside.astype(np.float64))[1].astype(np.int64) - SUB_BITS, 0)
    found: Counts = (doublings << SUB_BITS - 1) + (inside >> doublings)
    return found


_BUCKETS_MAX = int(buckets(np.array([HIGHEST_NS]))[0]) + 2 * HALF
_BYTES_MAX = _HEAD.size + 10 * _BUCKETS_MAX
"""Of an encoding before it is compressed: a number takes ten bytes at most."""


def highest_ns(bucket: int) -> int:
    """Return the highest value that a bucket holds."""
    doublings = max((bucket >> SUB_BITS - 1) - 1, 0)
    return ((bucket - doublings * HALF + 1) << doublings) - 1


class Histogram:
    """Counts by bucket, up to the last that is not empty, and the exact maximum."""

    def __init__(self, counts: Counts | None = None, max_ns: int = 0) -> None:
        self.counts: Counts = np.zeros(0, np.int64) if counts is None else counts
        self.max_ns = max_ns

    @classmethod
    def of(cls, values_ns: Counts) -> Histogram:
        """Return the histogram of `values_ns`; less than nothing counts as 0."""
        if not len(values_ns):
            return cls()
        counts = np.bincount(buckets(values_ns)).astype(np.int64)
        return cls(counts, int(np.clip(values_ns.max(), 0, HIGHEST_NS)))

    def add(self, other: Histogram) -> None:
        """Add the counts of another histogram, which is not changed."""
        if len(other.counts) > len(self.counts):
            self.counts = np.concatenate(
                [self.counts, np.zeros(len(other.counts) - len(self.counts), np.int64)]
            )
        self.counts[: len(other.counts)] += other.counts
        self.max_ns = max(self.max_ns, other.max_ns)

    @property
    def count(self) -> int:
        """How many values there are."""
        return int(self.counts.sum())

    def at_rank(self, rank: int) -> int:
        """Return the value of rank `rank` (from 1) in ns, as the highest that its bucket holds."""
        return int(self.at_ranks(np.array([rank], np.int64))[0])

    def at_ranks(self, ranks: Counts) -> Counts:
        """Return the values of several ranks (from 1) in ns."""
        found = np.searchsorted(np.cumsum(self.counts), ranks)
        highest = np.array([highest_ns(bucket) for bucket in found.tolist()], np.int64)
        return np.minimum(highest, self.max_ns)

    def encoded(self) -> str:
        """Return the compressed encoding in base64, as it stands in a histogram log."""
        payload = _numbers_encoded(_runs(np.trim_zeros(self.counts, "b")))
        head = _HEAD.pack(_COOKIE, len(payload), 0, DIGITS, 1, HIGHEST_NS, 1.0)
        packed = zlib.compress(head + payload)
        return base64.b64encode(
            struct.pack(">ii", _COMPRESSED_COOKIE, len(packed)) + packed
        ).decode()

    @classmethod
    def decoded(cls, text: str, max_ns: int | None = None) -> Histogram:
        """Read an encoding; without `max_ns` the maximum is the highest of its bucket.

        Raises ValueError where it is none, or of other buckets.
        """
        try:
            raw = base64.b64decode(text, validate=True)
            cookie, length = struct.unpack_from(">ii", raw)
            unpacking = zlib.decompressobj()
            whole = unpacking.decompress(raw[8 : 8 + length], _BYTES_MAX)
            head = _HEAD.unpack_from(whole)
        except (struct.error, zlib.error) as error:
            raise ValueError(f"no histogram ({error})") from error
        if not unpacking.eof:
            raise ValueError("a histogram that is cut off, or larger than there can be")
        if cookie != _COMPRESSED_COOKIE or head[0] != _COOKIE or head[3:5] != (DIGITS, 1):
            raise ValueError("a histogram of another version, precision or unit")
        counts = _counts(_numbers_decoded(whole[_HEAD.size : _HEAD.size + head[1]]))
        if max_ns is None:
            max_ns = highest_ns(len(counts) - 1) if len(counts) else 0
        return cls(counts, max_ns)


def rank_of(size: int, percent: float) -> int | None:
    """Return the rank (from 1) of a percentile among `size` values, by nearest rank.

    None where fewer values lie beyond it than one, so that the maximum would pose as a percentile.
    """
    if size * (100 - percent) < 100 - 1e-7:
        return None
    # 99.9 / 100 * 1000 is a little more than 999: rounded before the ceiling.
    rank = math.ceil(round(percent * size / 100, 9))
    return rank or None


def _runs(counts: Counts) -> Counts:
    """Turn counts into what is written: each count, and -n for n zeros in a row, but 0 for one."""
    filled = np.flatnonzero(counts)
    gaps = np.diff(filled, prepend=-1) - 1
    pairs = np.stack([np.where(gaps > 1, -gaps, 0), counts[filled]], axis=1)
    written = np.stack([gaps > 0, np.ones(len(gaps), np.bool_)], axis=1)
    runs: Counts = pairs[written]
    return runs


def _counts(runs: Counts) -> Counts:
    """Turn what was written back into counts. Raises ValueError where that would be too many."""
    spans = np.where(runs < 0, -runs, 1)
    # Each for itself, too: a sum of what is far too large may come round to something small.
    size = int(spans.sum())
    if size > _BUCKETS_MAX or (spans < 1).any() or (spans > _BUCKETS_MAX).any():
        raise ValueError("a histogram of more buckets than there can be")
    counts = np.zeros(size, np.int64)
    filled = runs >= 0
    counts[(np.cumsum(spans) - spans)[filled]] = runs[filled]
    return counts


def _numbers_encoded(numbers: Counts) -> bytes:
    """Write signed numbers as ZigZag LEB128: seven bits a byte, the lowest first."""
    left = (numbers << 1 ^ numbers >> 63).view(np.uint64)
    lengths = np.ones(len(left), np.int64)
    for extra in range(1, 9):
        lengths += left >> np.uint64(_LEB * extra) != 0
    starts = np.cumsum(lengths) - lengths
    place = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    low = np.repeat(left, lengths) >> (place * _LEB).astype(np.uint64) & np.uint64(0x7F)
    more = place < np.repeat(lengths, lengths) - 1
    return (low.astype(np.uint8) | np.where(more, 0x80, 0).astype(np.uint8)).tobytes()


def _numbers_decoded(payload: bytes) -> Counts:
    """Read what `_numbers_encoded` writes. Raises ValueError where the last number is cut off."""
    read = np.frombuffer(payload, np.uint8)
    if not len(read):
        return np.zeros(0, np.int64)
    ends = np.flatnonzero(read < 0x80)
    if not len(ends) or ends[-1] != len(read) - 1:
        raise ValueError("a histogram that is cut off")
    starts = np.concatenate([[0], ends[:-1] + 1])
    place = np.arange(len(read)) - np.repeat(starts, ends - starts + 1)
    parts = (read & 0x7F).astype(np.uint64) << (place * _LEB).astype(np.uint64)
    words = np.add.reduceat(parts, starts)
    numbers: Counts = (words >> np.uint64(1)).astype(np.int64) ^ -(words & np.uint64(1)).astype(
        np.int64
    )
    return numbers
