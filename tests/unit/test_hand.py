"""A worker's hand: over a phase each command once, from grants, spread over the shards."""

from __future__ import annotations

from itertools import groupby

import pytest

from e2e_data import config
from e2e_data.commands import Kind, Label
from e2e_data.config_parts import HostileFlavours
from e2e_data.ids import REPLAY_ATTEMPT, Ids, Namespace
from e2e_data.pool import Pool
from locustfiles.hand import GRANT_POSITIONS, HELD_MAX, Hand
from locustfiles.leases import LeaseBook

IDS = Ids(bytes(range(16)), 99)
PAYING = (Kind.FUNDING, Kind.PAYMENT)


def pool_of(accounts: int, accounts_per_shard: int, payments=(5, 5)) -> Pool:
    overrides = {
        "accounts": accounts,
        "accounts_per_shard": accounts_per_shard,
        "payments": payments,
        "funding": (2, 4),
    }
    return Pool.in_memory(config.load("smoke", overrides), 3)


@pytest.fixture(scope="module")
def pool():
    """Twenty shards of one account: more than a hand holds at once."""
    return pool_of(20, 1)


class Table:
    """A hand with its book, and the grants that were written."""

    def __init__(self, pool: Pool, sends=PAYING) -> None:
        self.grants = []
        self.sends = sends
        self.book = LeaseBook(self, lambda: 0)
        sizes = [
            sum(pool.shard_counts(shard)[kind] for kind in sends)
            for shard in range(pool.shard_count)
        ]
        self.book.open(1, sizes)
        self.hand = Hand(self.book, pool, IDS, "me")
        self.hand.begin(sends)

    def write(self, grant) -> None:
        self.grants.append(grant)

    def drawn(self):
        return list(iter(self.hand.draw, None))


def every_place(pool: Pool, sends) -> list[tuple[int, int, int]]:
    return [
        (0, shard.number, index)
        for shard in pool.shards()
        for kind in sends
        for index in shard.range_of(kind)
    ]


@pytest.mark.parametrize("sends", [(Kind.ACCOUNT,), (Kind.OPENING_CREDIT,), PAYING, tuple(Kind)])
def test_over_a_phase_each_command_is_drawn_once(pool, sends):
    """Drawing until nothing is left gives every command of the phase's kinds exactly once."""
    cards = Table(pool, sends).drawn()
    assert sorted(card.place for card in cards) == sorted(every_place(pool, sends))
    assert {card.kind for card in cards} == set(sends)


def test_a_large_shard_needs_several_grants():
    """Grants are of a bounded number of positions, and no card is drawn from outside of one."""
    pool = pool_of(30, 30)
    table = Table(pool)
    seen = 0
    while card := table.hand.draw():
        seen += 1
        assert seen <= sum(grant.stop - grant.start for grant in table.grants), card
    sizes = [grant.stop - grant.start for grant in table.grants]
    assert sizes[:-1] == [GRANT_POSITIONS] * (len(sizes) - 1)
    assert len(sizes) == -(-seen // GRANT_POSITIONS) > 2


def test_cards_come_from_their_grants_in_the_judges_order(pool):
    """Position p of a grant is the command that the interleaving of the shard's kinds puts there."""
    from e2e_data.sequence import interleave

    by_shard: dict[int, list[int]] = {}
    for card in Table(pool).drawn():
        by_shard.setdefault(card.shard.number, []).append(card.index)
    for shard in pool.shards():
        order = interleave([shard.range_of(kind) for kind in PAYING])
        assert by_shard[shard.number] == order.tolist()


def test_commands_are_interleaved_over_the_shards(pool):
    """Drawing goes round the held shards: never two cards of one shard while others have some."""
    cards = Table(pool, (Kind.PAYMENT,)).drawn()
    first_round = [card.shard.number for card in cards[:HELD_MAX]]
    assert first_round == list(range(HELD_MAX))
    runs = [len(list(run)) for _, run in groupby(cards, key=lambda card: card.shard.number)]
    assert max(runs) == 1


def test_ids_decode_to_the_place(pool):
    """A card's ids are those of its command and of its account's customer."""
    cards = Table(pool).drawn()
    commands = IDS.decode([card.command_id for card in cards])
    customers = IDS.decode([card.customer_id for card in cards], Namespace.CUSTOMER)
    assert commands.known.all()
    assert customers.known.all()
    found = zip(commands.lap, commands.shard, commands.index, customers.index, strict=True)
    assert list(found) == [(*card.place, card.account) for card in cards]
    assert all(
        card.account == card.shard.account_number[card.index]
        and card.kind == card.shard.kind[card.index]
        for card in cards
    )


def test_a_bounded_number_of_shards_is_held(pool):
    """Of twenty shards a hand holds sixteen; the others are there for other workers."""
    table = Table(pool)
    others = table.book.offer("somebody else", 99)
    assert len(others) == 20 - HELD_MAX == 4


def test_a_finished_shard_makes_room_for_the_next(pool):
    """While drawing, a hand never holds more than its bound, and holds them all in the end."""
    table = Table(pool)
    holding: set[int] = set()
    most = 0
    offer, give_back = table.book.offer, table.book.give_back

    def offering(worker, count):
        nonlocal most
        leases = offer(worker, count)
        holding.update(lease.shard for lease in leases)
        most = max(most, len(holding))
        return leases

    def giving_back(lease):
        holding.discard(lease.shard)
        give_back(lease)

    holding.update(range(HELD_MAX))
    table.book.offer, table.book.give_back = offering, giving_back
    assert {card.shard.number for card in table.drawn()} == set(range(20))
    assert most == HELD_MAX
    assert not holding


def test_what_is_laid_down_is_there_for_others(pool):
    """Laying down returns every lease; what was not granted can be granted to somebody else."""
    table = Table(pool)
    cards = [table.hand.draw() for _ in range(5)]
    table.hand.lay_down()
    assert table.hand.draw() is None
    granted = {(grant.shard, at) for grant in table.grants for at in range(grant.start, grant.stop)}
    assert len(cards) <= len(granted)
    others = {
        (lease.shard, at)
        for lease in table.book.offer("b", 99)
        for at in table.book.grant(lease, 10**6)
    }
    assert not granted & others
    assert len(granted | others) == len(every_place(pool, PAYING))


def test_a_phase_without_commands_has_nothing_to_draw():
    """Where no shard has a command of the phase's kinds, the first draw says so."""
    assert Table(pool_of(3, 1, payments=(0, 0)), (Kind.PAYMENT,)).hand.draw() is None


def test_the_next_phase_begins_with_new_cards(pool):
    """After a phase was laid down, the hand plays the next one from its beginning."""
    table = Table(pool, (Kind.ACCOUNT,))
    table.hand.draw()
    table.hand.lay_down()
    table.book.open(2, [1] * pool.shard_count)
    table.hand.begin((Kind.OPENING_CREDIT,))
    assert [card.kind for card in table.drawn()] == [Kind.OPENING_CREDIT] * 20


# -- replays ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def replaying():
    """A pool in which many payments repeat another one."""
    flavours = dict.fromkeys(HostileFlavours.model_fields, 0)
    overrides = {
        "accounts": 12,
        "accounts_per_shard": 4,
        "payments": (30, 40),
        "funding": (2, 4),
        "hostile_percentage": 40,
        "hostile_flavours": {**flavours, "replay": 50, "racing_replay": 50},
    }
    return Pool.in_memory(config.load("smoke", overrides), 3)


def test_a_replay_bears_the_ids_of_its_original(replaying):
    """Its place is its own; its ids and its customer are the original's, and its attempt is marked."""
    cards = Table(replaying).drawn()
    assert sorted(card.place for card in cards) == sorted(every_place(replaying, PAYING))
    replays = [card for card in cards if card.is_replay]
    assert len(replays) > 50
    for card in replays:
        command = card.shard.command(card.index)
        assert card.original == command.original
        assert card.waits == (command.label is Label.REPLAY)
        assert card.attempt == REPLAY_ATTEMPT
        assert card.original_place == (0, card.shard.number, command.original)
        [command_id] = IDS.command_ids(0, card.shard.number, [command.original])
        owner = int(card.shard.account_number[command.original])
        [customer_id] = IDS.customer_ids(0, card.shard.number, [owner])
        assert (card.command_id, card.customer_id) == (command_id, customer_id)
    assert {card.attempt for card in cards if not card.is_replay} == {0}


def test_what_a_replay_waits_for_is_known_before(replaying):
    """Exactly the originals of replays that wait are marked, not those that are raced."""
    cards = Table(replaying).drawn()
    awaited = {card.place for card in cards if card.is_awaited}
    assert awaited == {card.original_place for card in cards if card.waits}
    raced = {card.original_place for card in cards if card.is_replay and not card.waits}
    assert raced
    assert not awaited & raced


def test_a_racing_replay_comes_right_behind_its_original(replaying):
    """The two are drawn one after the other, so that both are under way; a grant may part them."""
    table = Table(replaying)
    cards = table.drawn()
    races = [n for n, card in enumerate(cards) if card.is_replay and not card.waits]
    parted = [n for n in races if cards[n - 1].place != cards[n].original_place]
    assert len(races) > 40
    assert len(parted) < len(table.grants)
    places = [card.place for card in cards]
    assert all(places.index(cards[n].original_place) < n for n in parted)
