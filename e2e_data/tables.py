"""Sampling with integers only, so that a shard is the same on every machine.

Floating-point functions differ between processors in the last bit, and so would a pool's hash.
Here the raw words of the Philox generator, which are specified bit for bit, are turned into
values by multiplication, comparison and table look-up in integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Draws = NDArray[np.uint64]
"""Uniform 32-bit numbers, each in a 64-bit word so that products do not overflow."""

SEED_MAX = 2**64 - 1
KNOT_BITS = 10
"""A quantile table has 2 ** KNOT_BITS intervals; the other bits of a draw interpolate in one."""
_FRACTION_BITS = 32 - KNOT_BITS
_LOW_32 = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


class Stream(IntEnum):
    """What random numbers are for; each purpose has a sequence of its own.

    New purposes are appended: then what was there before keeps its values.
    """

    LIMIT_BASED = 0
    CURRENCY = 1
    TRANSIT = 2
    ACCOUNT_TYPE = 3
    BALANCE_SIDE = 4
    BALANCE = 5
    FUNDING_COUNT = 6
    PAYMENT_COUNT = 7
    FUNDING_ORDER = 8
    PAYMENT_ORDER = 9
    FUNDING_AMOUNT = 10
    FUNDING_DESCRIPTION = 11
    PAYMENT_BAND = 12
    PAYMENT_AMOUNT = 13
    FX = 14
    FX_CURRENCY = 15
    BENEFICIARY_NAME = 16
    BENEFICIARY_ACCOUNT = 17
    BENEFICIARY_TRANSIT = 18
    BENEFICIARY_BANK = 19
    PAYMENT_DESCRIPTION = 20
    VALUE_DAY = 21
    REGION = 22
    HOT_ACCOUNTS = 23
    HOT_PAYMENT = 24
    HOT_PICK = 25
    BOUNDARY = 26
    PATTERN_ACCOUNTS = 27
    PATTERN = 28
    HOSTILE = 29
    FLAVOUR = 30
    REPLAY = 31
    BENEFICIARY_REGION = 32


def words(seed: int, shard: int, stream: Stream, count: int) -> NDArray[np.uint64]:
    """Return `count` uniform 64-bit words, a pure function of the arguments.

    `seed` is at most SEED_MAX; `shard` below 2 ** 32.
    """
    key = np.array([seed, shard | int(stream) << 32], dtype=np.uint64)
    return np.random.Philox(key=key).random_raw(count)


def draws(seed: int, shard: int, stream: Stream, count: int) -> Draws:
    """Return `count` uniform 32-bit numbers: the low, then the high half of each word."""
    raw = words(seed, shard, stream, (count + 1) // 2)
    return raw.astype("<u8", copy=False).view("<u4")[:count].astype(np.uint64)


def bounded(drawn: Draws, count: int | Int64s) -> Int64s:
    """Return integers from 0 up to, but without, `count`, as uniform as 32 bits allow.

    `count` (1 to 2 ** 62) is one number or one for each draw. This is (draw * count) >> 32, with
    the product formed in two parts where it would not fit into 64 bits.
    """
    wide = np.asarray(count, dtype=np.uint64)
    if wide.size and int(wide.max()) >> 32:
        whole = drawn * (wide >> _32) + (drawn * (wide & _LOW_32) >> _32)
    else:
        whole = drawn * wide >> _32
    signed: Int64s = whole.view(np.int64)
    return signed


def weighted(drawn: Draws, weights: Sequence[int]) -> Int64s:
    """Return indices into `weights`, each with a chance of its weight in their sum."""
    thresholds = np.cumsum(np.asarray(weights, dtype=np.int64))
    return np.searchsorted(thresholds, bounded(drawn, int(thresholds[-1])), side="right")


def shuffled(raw: NDArray[np.uint64]) -> Int64s:
    """Return a random permutation of range(len(raw)), for fewer than 2 ** 20 random words.

    The index takes the place of each word's low bits. So no two keys are equal, and the order
    does not depend on how a processor's sorting routine treats equals.
    """
    low = np.uint64(2**20 - 1)
    keys = raw & ~low | np.arange(len(raw), dtype=np.uint64)
    return (np.sort(keys) & low).view(np.int64)


@cache
def log_uniform_knots(low: int, high: int) -> Int64s:
    """Return the quantiles of the log-uniform distribution on [low, high), as integers.

    Shape (2 ** KNOT_BITS + 1,); computed in decimal arithmetic, which is exact everywhere.
    """
    context = Context(prec=50)
    count = 2**KNOT_BITS
    ratio = context.ln(context.divide(Decimal(high), Decimal(low)))
    knots = [low]
    for index in range(1, count):
        power = context.exp(context.divide(context.multiply(ratio, Decimal(index)), Decimal(count)))
        knots.append(int(context.multiply(Decimal(low), power)))
    return np.array([*knots, high], dtype=np.int64)


def interpolated(drawn: Draws, knots: Int64s, tables: Int64s) -> Int64s:
    """Return the value at each draw's quantile, from row `tables[i]` of `knots` for draw i.

    `knots` has the shape (tables, 2 ** KNOT_BITS + 1); values never reach a table's last knot.
    """
    interval = (drawn >> np.uint64(_FRACTION_BITS)).view(np.int64)
    fraction = (drawn & np.uint64(2**_FRACTION_BITS - 1)).view(np.int64)
    start = knots[tables, interval]
    width = knots[tables, interval + 1] - start
    # (width * fraction) >> bits, in two parts because the product may not fit into 64 bits.
    whole = (width >> _FRACTION_BITS) * fraction
    rest = (width & 2**_FRACTION_BITS - 1) * fraction >> _FRACTION_BITS
    values: Int64s = start + whole + rest
    return values
