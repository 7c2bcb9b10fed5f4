"""The mix of channels: exact shares, spread evenly, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_data.commands import Channel
from locustfiles.mix import Mix

HTTP, MQ, KAFKA = Channel.HTTP, Channel.MQ, Channel.KAFKA
MIXES = st.dictionaries(st.sampled_from(list(Channel)), st.integers(1, 40), min_size=1).map(Mix.of)


@pytest.mark.parametrize(
    ("shares", "weights"),
    [
        ({HTTP: 60, MQ: 30, KAFKA: 10}, ((HTTP, 6), (MQ, 3), (KAFKA, 1))),
        ({KAFKA: 0.1, HTTP: 0.3}, ((HTTP, 3), (KAFKA, 1))),
        ({HTTP: 100, MQ: 0}, ((HTTP, 1),)),
        ({MQ: 12.5, HTTP: 87.5}, ((HTTP, 7), (MQ, 1))),
    ],
)
def test_shares_are_whole_numbers_in_the_end(shares, weights):
    """Shares of any sum are reduced, exactly; a channel without any is left out."""
    assert Mix.of(shares).weights == weights


@pytest.mark.parametrize(
    ("shares", "what"),
    [
        ({HTTP: -1, MQ: 2}, "a share is 0 or more"),
        ({HTTP: 0}, "give one channel a share above 0"),
        ({HTTP: 1, MQ: 10_000}, "finer than 1 in 10,000"),
    ],
)
def test_what_is_no_mix_is_refused(shares, what):
    """The message says what would be right."""
    with pytest.raises(ValueError, match=what):
        Mix.of(shares)


def test_arrivals_take_turns():
    """The one furthest behind its share is next: as even as whole turns can be."""
    turns = Mix.of({HTTP: 60, MQ: 30, KAFKA: 10}).turns
    assert {channel.name: every.mine for channel, every in turns.items()} == {
        "HTTP": (0, 2, 3, 5, 7, 9),
        "MQ": (1, 4, 8),
        "KAFKA": (6,),
    }


@given(MIXES)
def test_every_arrival_is_of_one_channel(mix):
    """Of `total` in a row each channel has its weight, and none is left or taken twice."""
    taken = sorted(number for every in mix.turns.values() for number in every.mine)
    assert taken == list(range(mix.total))
    assert {channel: len(every.mine) for channel, every in mix.turns.items()} == dict(mix.weights)


@given(MIXES, st.integers(0, 2**20 - 1), st.integers(0, 1000), st.integers(1, 2000))
def test_any_run_of_numbers_has_the_shares(mix, seed, start, count):
    """However short: each channel's number differs from its share by few, wherever the run begins."""
    found = mix.channels_of(np.arange(start, start + count), seed)
    for channel, weight in mix.weights:
        assert abs(int((found == channel).sum()) - count * weight / mix.total) < 5


@given(MIXES, st.integers(0, 2**20 - 1))
def test_what_comes_in_turns_is_spread_over_all_channels(mix, seed):
    """Kinds that alternate are not parted by channel: each second number has the shares, too."""
    found = mix.channels_of(np.arange(0, 4000, 2), seed)
    for channel, weight in mix.weights:
        assert abs(int((found == channel).sum()) - 2000 * weight / mix.total) < 20


def test_channels_are_the_same_on_every_machine():
    """Known values: a fleet's processes must agree, now and in a resumed run."""
    found = Mix.of({HTTP: 60, MQ: 30, KAFKA: 10}).channels_of(np.arange(16), 3)
    assert found.tolist() == KNOWN


KNOWN = [0, 0, 1, 0, 2, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1]


@given(MIXES, st.integers(0, 200))
def test_users_are_divided_by_the_weights(mix, users):
    """All are seated; each channel has one before any has a second; the rest are by weight."""
    quotas = mix.quotas(users)
    assert sum(quotas.values()) == users
    if users >= len(mix.weights):
        assert min(quotas.values()) >= 1
        spare = users - len(mix.weights)
        for channel, weight in mix.weights:
            assert abs(quotas[channel] - 1 - spare * weight / mix.total) < 1
    else:
        seated = [weight for channel, weight in mix.weights if quotas[channel]]
        others = [weight for channel, weight in mix.weights if not quotas[channel]]
        assert not seated or min(seated) >= max(others)
