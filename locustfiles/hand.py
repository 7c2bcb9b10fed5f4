"""A worker's hand: the next command to send from the leases that it holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat, zip_longest

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Channel, Kind
from e2e_data.ids import REPLAY_ATTEMPT, Ids
from e2e_data.pool import Pool
from e2e_data.replays import replays_of
from e2e_data.sequence import interleave
from e2e_data.shard import Shard
from locustfiles.card import Card, Deal, card_of
from locustfiles.fleet.holder import Held, Holder
from locustfiles.leases import WATCH
from locustfiles.mix import Mix

HELD_MAX = 16
"""Shards held at once: enough to spread the load over many accounts, in bounded memory."""
DEALT = 1024
"""Cards made at a time: one costs a third of what it does among 64, and all take milliseconds."""
LAP = 0
"""Laps are in the shards' numbers: `Ids.parted` takes them apart."""

# A table, because a sender makes thousands of commands a second and enum look-ups are slow.
_KINDS = tuple(Kind)
_CHANNELS = tuple(Channel)


@dataclass(slots=True)
class _Dealt:
    """A lease's shard with the order that its phase is sent in, and cards made ahead."""

    shard: Shard
    order: NDArray[np.int64]
    named: NDArray[np.int64]
    """The index of the command under whose ids each is sent: its own, but for replays."""
    awaited: NDArray[np.bool_]
    races: dict[int, int]
    """The position of the replay that races the command of a position."""
    channels: NDArray[np.uint8]
    """The channel of each position: it is the position's lane."""
    most: int
    """So many cards are made the next time."""
    cards: dict[int, Card] = field(default_factory=dict)

    def after(self, last: tuple[int, int], lane: int, most: int) -> list[tuple[int, int]]:
        """Return the positions of a lane behind the last one, with its attempt.

        They need not be granted: a card can be made of any, and is drawn only when it may be sent.
        """
        position, attempt = last
        behind = np.flatnonzero(self.channels[position + 1 :] == lane)[:most] + position + 1
        return [(one, attempt) for one in behind.tolist()]


class Hand:
    """Takes commands from leases of one phase, turning round-robin over the shards it holds."""

    def __init__(
        self, holder: Holder, pool: Pool, ids: Ids, hungry: Callable[[], None] = lambda: None
    ) -> None:
        """Draw from what `holder` has; `hungry` is called when it should ask for more."""
        self._holder = holder
        self._pool = pool
        self._ids = ids
        self._hungry = hungry
        self._sends: Sequence[Kind] = ()
        self._weights: Sequence[int] = ()
        self._mix = Mix.of({Channel.HTTP: 1})
        self._by_account = False
        self._dealt: dict[int, _Dealt] = {}
        self._shards: dict[int, Shard] = {}
        self._at = 0

    def begin(
        self,
        sends: Sequence[Kind],
        mix: Mix,
        weights: Sequence[int] = (),
        *,
        by_account: bool = False,
    ) -> None:
        """Begin a phase that sends the kinds `sends`, by their weights, over a mix of channels.

        `by_account` all of an account's commands go over one channel.
        """
        self._sends, self._weights = sends, weights
        self._mix, self._by_account = mix, by_account
        if self._dealt:
            # The next phase is about the same shards for the most part, and making one takes time.
            self._shards = {dealt.shard.number: dealt.shard for dealt in self._dealt.values()}
        self._dealt = {}

    def stock(self) -> None:
        """Make the shards that one process alone will be given first."""
        for number in range(min(self._pool.shard_count, HELD_MAX)):
            shard = self._shards[number] = self._pool.shard(number)
            shard.command(0)

    def stock_next(self) -> None:
        """Make one of the shards that will be given next, where they are given in their order.

        One at a time: it takes some tens of milliseconds, and all that are held end together. There is
        time until a quarter of one of them was drawn.
        """
        dealt = ((lease, self._dealt.get(lease.epoch)) for lease in self._holder.held())
        if not any(shard and 4 * lease.drawn >= len(shard.order) for lease, shard in dealt):
            return
        highest = max((lease.shard for lease in self._holder.leases), default=-1)
        behind = range(highest + 1, min(highest + 1 + HELD_MAX, self._pool.shard_count))
        self._shards = {at: shard for at, shard in self._shards.items() if at in behind}
        number = next((number for number in behind if number not in self._shards), None)
        if number is not None:
            shard = self._shards[number] = self._pool.shard(number)
            shard.command(0)

    def draw(self, channel: Channel) -> Card | None:
        """Return the next command that may be sent over a channel; None where there is none now."""
        return next(iter(self.draw_some(channel, 1)), None)

    def draw_some(self, channel: Channel, most: int) -> list[Card]:
        """Return the next commands that may be sent over a channel, `most` at most."""
        drawn = self._draw(channel, most)
        if not drawn:
            self._hungry()
            drawn = self._draw(channel, most)
        return drawn

    def may_come(self, channel: Channel) -> bool:
        """Tell whether more commands for a channel may come, of the leases that are held."""
        return any(lease.may_come(channel) for lease in self._holder.held())

    @property
    def ready(self) -> bool:
        """Whether there is anything to draw."""
        return any(any(lease.queues.values()) for lease in self._holder.held())

    def card(self, lease: Held, position: int, attempt: int) -> Card:
        """Return the card of one position of a lease."""
        dealt = self._dealt.get(lease.epoch) or self._of(lease)
        if attempt == WATCH:
            return self._deal(lease, dealt, [(position, attempt)])[0]
        return self._cards(lease, dealt, int(dealt.channels[position]), [(position, attempt)])[0]

    def _cards(
        self, lease: Held, dealt: _Dealt, lane: int, drawn: Sequence[tuple[int, int]]
    ) -> list[Card]:
        """Return the cards of what was drawn from a lane; with one that is missing others are made."""
        made, found = dealt.cards, []
        for number, (position, attempt) in enumerate(drawn):
            card = made.pop(position, None)
            if card is None or card.granted != attempt:
                most, dealt.most = dealt.most, DEALT
                upcoming = [*drawn[number:], *islice(lease.queues[lane], most)][:most]
                upcoming += dealt.after(upcoming[-1], lane, most - len(upcoming))
                made.update((card.position, card) for card in self._deal(lease, dealt, upcoming))
                card = made.pop(position)
            found.append(card)
        return found

    def _draw(self, channel: Channel, most: int) -> list[Card]:
        """Draw round-robin from the leases that are held: one of each, and again, until it is enough."""
        held = self._holder.held()
        drawn: list[Card] = []
        dealt = [self._dealt.get(lease.epoch) or self._of(lease) for lease in held]
        racing, hungry = any(one.races for one in dealt), False
        givers = [(self._at + turn) % len(held) for turn in range(len(held))]
        while givers and len(drawn) < most:
            # What a lease gives in several rounds is taken at once, and put in the rounds' order then.
            rounds = 1 if racing else max((most - len(drawn)) // len(givers), 1)
            room, columns, able = most - len(drawn), [], []
            for at in givers:
                lease = held[at]
                taken = lease.draw_some(channel, min(rounds, room))
                if taken:
                    self._at = at + 1
                    if racing and self._hurried(lease, dealt[at], taken):
                        # What races a command goes out right behind it, before any other's turn.
                        taken += lease.draw_some(channel, min(room - 1, 1))
                        self._at -= len(taken) == 1
                    able.append(at)
                    room -= len(taken)
                    columns.append(self._cards(lease, dealt[at], channel, taken))
                hungry = hungry or lease.hungry(channel)
                if not room:
                    break
            turns = columns if rounds == 1 else zip_longest(*columns)
            drawn += [card for turn in turns for card in turn if card is not None]
            givers = able
        if hungry:
            self._hungry()
        return drawn

    def _hurried(self, lease: Held, dealt: _Dealt, taken: Sequence[tuple[int, int]]) -> bool:
        """Let the replay that races the command that was just taken be the next; False for none."""
        race = dealt.races.get(taken[-1][0])
        return race is not None and lease.hurry(race)

    def _of(self, lease: Held) -> _Dealt:
        dealt = self._dealt.get(lease.epoch)
        if dealt is None:
            shard = self._shards.pop(lease.shard, None) or self._pool.shard(lease.shard)
            order = interleave([shard.range_of(kind) for kind in self._sends], self._weights)
            replays, size = replays_of(shard), len(shard)
            place = np.full(size, -1, dtype=np.int64)
            place[order] = np.arange(len(order))
            racing = replays.originals[replays.racing], replays.rows[replays.racing]
            races = dict(zip(*(place[indices].tolist() for indices in racing), strict=True))
            named, awaited = replays.named(size), replays.awaited(size)
            channels = self._channels(shard, order, named, place)
            # Shards are drawn from in turn: with as many cards in each, all would run out at once.
            first = (len(self._dealt) % HELD_MAX + 1) * DEALT // HELD_MAX
            dealt = _Dealt(shard, order, named, awaited, races, channels, first)
            self._dealt[lease.epoch] = dealt
            lease.split(channels.tobytes())
        return dealt

    def _channels(
        self,
        shard: Shard,
        order: NDArray[np.int64],
        named: NDArray[np.int64],
        place: NDArray[np.int64],
    ) -> NDArray[np.uint8]:
        """Return the channel of each position. A replay goes where its original went in the phase."""
        positions = np.arange(len(order))
        original = place[named[order]]
        positions = np.where(original >= 0, original, positions)
        if self._by_account:
            positions = shard.account_number[named[order]].astype(np.int64)
        return self._mix.channels_of(positions, shard.number)

    def prepare(self) -> None:
        """Make the shards of all leases: better now than when a command of them is due."""
        held = self._holder.held()
        for epoch in self._dealt.keys() - {lease.epoch for lease in self._holder.leases}:
            del self._dealt[epoch]
        for lease in held:
            self._of(lease).shard.command(0)

    def _deal(self, lease: Held, dealt: _Dealt, upcoming: Sequence[tuple[int, int]]) -> list[Card]:
        shard = dealt.shard
        positions, attempts = zip(*upcoming, strict=True)
        indices = dealt.order[list(positions)]
        accounts = shard.account_number[indices].astype(np.int64)
        named = dealt.named[indices]
        is_replay = named != indices
        numbers = np.maximum(attempts, 0) + np.where(is_replay, REPLAY_ATTEMPT, 0)
        count = len(upcoming)
        deal = Deal(
            LAP,
            shard,
            named,
            accounts,
            numbers,
            self._ids.command_ids(LAP, shard.number, named),
            self._ids.customer_ids(LAP, shard.number, accounts),
            list(map(_KINDS.__getitem__, shard.kind[indices].tolist())),
        )
        columns = (
            zip(repeat(LAP), repeat(shard.number), indices.tolist()),
            repeat(shard, count),
            deal.kinds,
            accounts.tolist(),
            deal.command_ids,
            deal.customer_ids,
            np.where(is_replay, named, -1).tolist(),
            dealt.awaited[indices].tolist(),
            attempts,
            numbers.tolist(),
            positions,
            repeat(lease, count),
            repeat(0, count),
            shard.expected[named].tolist(),
            repeat(deal, count),
            range(count),
            map(_CHANNELS.__getitem__, dealt.channels[list(positions)].tolist()),
        )
        return list(map(card_of, zip(*columns, strict=True)))
