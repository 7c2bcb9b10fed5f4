"""Sampling in integers, and the pool's words."""

from math import exp, log

import numpy as np
import pytest

from e2e_data import tables
from e2e_data.tables import KNOT_BITS, Stream
from e2e_data.vocabulary import BANKS, NAMES, locale_fault, vocabulary


def u64(*values):
    return np.array(values, dtype=np.uint64)


def philox(counter, key):
    """Philox4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011)."""
    multipliers, weyl = (
        (0xD2E7470EE14C6C93, 0xCA5A826395121157),
        (
            0x9E3779B97F4A7C15,
            0xBB67AE8584CAA73B,
        ),
    )
    for turn in range(10):
        bumped = [(part + turn * step) % 2**64 for part, step in zip(key, weyl, strict=True)]
        first, second = multipliers[0] * counter[0], multipliers[1] * counter[2]
        counter = (
            second >> 64 ^ counter[1] ^ bumped[0],
            second % 2**64,
            first >> 64 ^ counter[3] ^ bumped[1],
            first % 2**64,
        )
    return counter


def test_words_are_specified():
    """Words are the blocks of Philox4x64-10 with the key (seed, shard and stream), from 1 on."""
    key = (7, 3 + (Stream.BALANCE << 32))
    blocks = philox((1, 0, 0, 0), key) + philox((2, 0, 0, 0), key)
    assert tables.words(7, 3, Stream.BALANCE, 8).tolist() == list(blocks)


def test_draws_are_halves_of_words():
    """Every 64-bit word gives its low and then its high half; a shorter draw is a prefix."""
    whole = tables.words(7, 3, Stream.BALANCE, 2)
    drawn = tables.draws(7, 3, Stream.BALANCE, 3)
    assert drawn.tolist() == [int(whole[0]) % 2**32, int(whole[0]) >> 32, int(whole[1]) % 2**32]


def test_streams_differ():
    """Seed, shard and purpose each give another sequence."""
    keys = [(1, 1, Stream.FX), (2, 1, Stream.FX), (1, 2, Stream.FX), (1, 1, Stream.BALANCE)]
    assert len({tuple(tables.words(*key, 4).tolist()) for key in keys}) == 4


@pytest.mark.parametrize("count", [1, 2, 7, 2**32 - 1, 2**32, 2**32 + 1, 3**35, 2**62])
def test_bounded(count):
    """A draw d gives floor(d * count / 2**32), also where the product needs more than 64 bits."""
    drawn = u64(0, 1, 2**31, 2**32 - 2, 2**32 - 1)
    right = [int(draw) * count >> 32 for draw in drawn]
    assert tables.bounded(drawn, count).tolist() == right
    each = np.full(len(drawn), count, dtype=np.int64)
    assert tables.bounded(drawn, each).tolist() == right


def test_weighted():
    """An index comes up by its weight, and never with the weight 0."""
    drawn = u64(*range(0, 2**32, 2**24))
    counts = np.bincount(tables.weighted(drawn, (0, 50, 0, 25, 25)), minlength=5)
    assert counts.tolist() == [0, 128, 0, 64, 64]


def test_shuffled():
    """A permutation of all indices; equal random words do not leave it to the sorting routine."""
    raw = tables.words(1, 2, Stream.FUNDING_ORDER, 1000)
    order = tables.shuffled(raw)
    assert sorted(order.tolist()) == list(range(1000))
    assert order.tolist() != list(range(1000))
    assert tables.shuffled(u64(5, 5, 5, 5)).tolist() == [0, 1, 2, 3]
    assert tables.shuffled(u64()).tolist() == []


@pytest.mark.parametrize(("low", "high"), [(10_000, 100_000), (100_000_00, 1_000_000_00), (1, 3)])
def test_log_uniform_knots(low, high):
    """Knots are the quantiles of the log-uniform distribution, rounded down to minor units."""
    knots = tables.log_uniform_knots(low, high)
    assert (knots[0], knots[-1]) == (low, high)
    assert (np.diff(knots) >= 0).all()
    for index in (1, 100, 512, 1000):
        value = low * exp(log(high / low) * index / 2**KNOT_BITS)
        assert value - 1.001 <= knots[index] <= value + 0.001


def test_interpolated():
    """Values go from a table's first knot up to, but never to, its last."""
    knots = np.stack([tables.log_uniform_knots(100, 1000), tables.log_uniform_knots(1000, 9000)])
    drawn = u64(0, 2**32 - 1, 0, 2**32 - 1)
    values = tables.interpolated(drawn, knots, np.array([0, 0, 1, 1]))
    assert values.tolist() == [100, 999, 1000, 8999]


def test_interpolated_is_exact_for_huge_values():
    """Interpolation does not overflow, however far apart two knots are."""
    knots = tables.log_uniform_knots(1, 2**62)[np.newaxis]
    drawn = u64(2**32 - 1, 2**32 - 12345)
    start, end = int(knots[0, -2]), int(knots[0, -1])
    fractions = [2**22 - 1, 2**22 - 12345]
    right = [start + ((end - start) * fraction >> 22) for fraction in fractions]
    assert tables.interpolated(drawn, knots, np.array([0, 0])).tolist() == right


def test_vocabulary():
    """Words are a function of locale and seed; the global Faker generator has no part in it."""
    from faker import Faker

    first = vocabulary("en_US", 7)
    vocabulary.cache_clear()
    Faker.seed(99)
    again = vocabulary("en_US", 7)
    assert again == first
    assert again.hash == first.hash
    assert (len(first.names), len(first.banks)) == (NAMES, BANKS)
    assert len({first.hash, vocabulary("en_US", 8).hash, vocabulary("de_DE", 7).hash}) == 3


def test_unknown_locale():
    """An unknown locale is refused with those that may have been meant."""
    assert locale_fault("ja_JP") is None
    assert "ja_JP" in (locale_fault("jp_JP") or "")
    with pytest.raises(ValueError, match="no such locale"):
        vocabulary("xx", 1)
