"""Lanes: whatever the mix, each arrival and each command is of one channel, and none is left."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_data import config
from e2e_data.commands import Channel, Kind
from e2e_data.config_parts import HostileFlavours
from e2e_data.ids import Ids
from e2e_data.pool import Pool
from locustfiles.arrivals import Arrivals
from locustfiles.fleet.messages import Slice
from locustfiles.hand import HELD_MAX, Hand
from locustfiles.mix import Mix
from locustfiles.pacing import Even
from locustfiles.profiles import constant
from tests.helpers_fleet import Office

TENTH_NS = 100_000_000
TEN_PER_S = Even(constant(Fraction(10)))
MIXES = st.dictionaries(st.sampled_from(list(Channel)), st.integers(1, 9), min_size=1).map(Mix.of)
SHARES = st.integers(1, 4).flatmap(
    lambda of: st.tuples(st.just(of), st.sets(st.integers(0, of - 1)).map(sorted).map(tuple))
)
PAYING = (Kind.FUNDING, Kind.PAYMENT)
FLAVOURS = HostileFlavours(
    **dict.fromkeys(HostileFlavours.model_fields, 0) | {"racing_replay": 50, "replay": 50}
)
POOL = Pool.in_memory(
    config.load(
        "smoke",
        {
            "accounts": 6,
            "accounts_per_shard": 2,
            "hostile_percentage": 30,
            "hostile_flavours": FLAVOURS,
        },
    ),
    3,
)


def taken(arrivals: Arrivals, until_ns: int) -> list[int]:
    """Take all arrivals that are due before a time."""
    found = []
    while (arrival := arrivals.take(until_ns)) is not None:
        found.append(arrival.number)
    return found


@given(MIXES, st.lists(st.tuples(st.integers(1, 40), SHARES), min_size=1, max_size=6))
def test_lanes_share_out_the_arrivals_of_a_process(mix, stretches):
    """Whichever are the process's, each is of one lane, in the mix's turns, and counted as due there."""
    slices, at_ns = [], 0
    for length, (of, mine) in stretches:
        slices.append(Slice(at_ns, at_ns + length * TENTH_NS, of, mine))
        at_ns += length * TENTH_NS
    whole = Arrivals(TEN_PER_S, 0, shared=True)
    whole.extend(slices)
    numbers = taken(whole, at_ns)
    turn_of = {number: channel for channel, every in mix.turns.items() for number in every.mine}
    for channel, every in mix.turns.items():
        lane = Arrivals(TEN_PER_S, 0, shared=True, lane=every)
        lane.extend(slices)
        mine = taken(lane, at_ns)
        assert mine == [
            number for place, number in enumerate(numbers) if turn_of[place % mix.total] is channel
        ]
        assert lane.due(at_ns) == len(mine)


@settings(max_examples=40, deadline=None)
@given(MIXES, st.booleans(), st.lists(st.integers(0, 2), max_size=200), st.data())
def test_each_command_has_its_channel_and_is_drawn_once(mix, by_account, order, data):
    """In whatever order the channels draw: every command once, over the same channel every time."""
    first = draw_all(mix, by_account=by_account, order=order)
    again = draw_all(mix, by_account=by_account, order=data.draw(st.permutations(order)))
    everything = sum(POOL.count_of(kind) for kind in PAYING)
    assert len(first) == everything
    assert first == again
    if by_account:
        accounts = {}
        for (shard, _index, account), channel in first.items():
            assert accounts.setdefault((shard, account), channel) is channel


def draw_all(mix: Mix, *, by_account: bool, order: list[int]) -> dict:
    """Draw all commands, the channels by turns as `order` has it; return each one's channel."""
    sizes = [
        sum(POOL.shard_counts(shard)[kind] for kind in PAYING) for shard in range(POOL.shard_count)
    ]
    office = Office(sizes)
    agent = office.worker("me", room=HELD_MAX)
    hand = Hand(agent.holder, POOL, Ids(bytes(16), 1), lambda: office.ask(agent))
    hand.begin(PAYING, mix, by_account=by_account)
    found: dict = {}
    channels = mix.channels
    raced = {}
    turns = [channels[number % len(channels)] for number in order]
    while True:
        turns = turns or list(channels)
        drawn = False
        for channel in turns:
            card = hand.draw(channel)
            if card is None:
                continue
            drawn = True
            assert card.channel is channel
            key = (card.shard.number, card.index, card.account)
            assert key not in found, "drawn twice"
            found[key] = channel
            if card.is_replay:
                raced[key] = (card.shard.number, card.original)
            card.done()
        if not drawn and turns == list(channels):
            break
        turns = []
    by_place = {(shard, index): channel for (shard, index, _), channel in found.items()}
    for (shard, index, _), original in raced.items():
        if original in by_place:
            assert by_place[shard, index] is by_place[original], (
                "a replay left its original's channel"
            )
    return found
