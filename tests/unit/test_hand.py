"""A worker's hand: over a phase each command once, from grants, spread over the shards."""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest

from e2e_data import config
from e2e_data.commands import Channel, Kind, Label
from e2e_data.config_parts import HostileFlavours
from e2e_data.ids import REPLAY_ATTEMPT, Ids, Namespace
from e2e_data.pool import Pool
from locustfiles.fleet.holder import WINDOW_MIN
from locustfiles.hand import HELD_MAX, Hand
from locustfiles.leases import WATCH
from locustfiles.mix import Mix
from tests.helpers_fleet import Office

IDS = Ids(bytes(range(16)), 99)
PAYING = (Kind.FUNDING, Kind.PAYMENT)
HTTP = Mix.of({Channel.HTTP: 1})


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
    """A hand whose asks are answered at once, and the grants that were written."""

    def __init__(self, pool: Pool, sends=PAYING) -> None:
        self.sizes = [
            sum(pool.shard_counts(shard)[kind] for kind in sends)
            for shard in range(pool.shard_count)
        ]
        self.office = Office(self.sizes)
        self.agent = self.office.worker("me", room=HELD_MAX)
        self.hand = Hand(self.agent.holder, pool, IDS, self.ask)
        self.hand.begin(sends, HTTP)
        self.most = 0

    @property
    def grants(self):
        return self.office.log.written

    def ask(self) -> None:
        self.office.ask(self.agent)
        self.most = max(self.most, len(self.agent.holder.held()))

    def draw(self):
        """Draw a card that is done at once."""
        card = self.hand.draw(Channel.HTTP)
        if card is not None:
            card.done()
        return card

    def drawn(self):
        return list(iter(self.draw, None))


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
    while card := table.draw():
        seen += 1
        assert seen <= sum(grant.stop - grant.start for grant in table.grants), card
    sizes = [grant.stop - grant.start for grant in table.grants]
    assert max(sizes) <= WINDOW_MIN
    assert len(sizes) > 2


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
    """Of twenty shards a hand holds sixteen at a time, and all of them in the end."""
    table = Table(pool)
    assert {card.shard.number for card in table.drawn()} == set(range(20))
    assert table.most == HELD_MAX


def test_what_is_put_back_is_drawn_again(pool):
    """A card that was surely not sent comes again, here, as the same command and attempt."""
    table = Table(pool)
    first = table.hand.draw(Channel.HTTP)
    first.put_back()
    again = [card.place for card in table.drawn()]
    assert again.count(first.place) == 1
    assert len(again) == sum(table.sizes)


def test_what_is_done_cannot_be_put_back(pool):
    """A command with an end does not come again, whoever lets go of its card late."""
    table = Table(pool)
    first = table.hand.draw(Channel.HTTP)
    first.done()
    first.put_back()
    assert first.place not in [card.place for card in table.drawn()]


def test_a_watched_command_has_a_card_too(pool):
    """What is only watched is named as well: its outcome is asked for by its id."""
    table = Table(pool, (Kind.ACCOUNT,))
    table.ask()
    lease = table.agent.holder.held()[3]
    card = table.hand.card(lease, 0, WATCH)
    assert (card.place, card.kind, card.granted) == ((0, 3, 0), Kind.ACCOUNT, WATCH)
    assert len(table.drawn()) == 20


def test_while_more_may_come_a_hand_is_waiting(pool):
    """An empty hand tells whether there will be more for it, or nothing."""
    table = Table(pool)
    assert not table.hand.may_come(Channel.HTTP)
    table.ask()
    assert not table.hand.may_come(Channel.HTTP), "each shard has less than a window"
    large = Table(pool_of(30, 30))
    large.ask()
    assert large.hand.may_come(Channel.HTTP)


def test_a_phase_without_commands_has_nothing_to_draw():
    """Where no shard has a command of the phase's kinds, the first draw says so."""
    assert Table(pool_of(3, 1, payments=(0, 0)), (Kind.PAYMENT,)).draw() is None


def test_the_next_phase_begins_with_new_cards(pool):
    """Whatever is left of a phase, the hand plays the next one from its beginning."""
    table = Table(pool, (Kind.ACCOUNT,))
    table.draw()
    table.office.desk.begin(1, [1] * pool.shard_count, 0)
    table.hand.begin((Kind.OPENING_CREDIT,), HTTP)
    table.ask()
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


def test_what_is_in_stock_is_not_made_when_it_is_due(monkeypatch):
    """The first phase begins with the shards that were made before it."""
    pool = pool_of(8, 1)
    table = Table(pool)
    table.hand.stock()
    table.hand.begin(PAYING, HTTP)
    monkeypatch.setattr(pool, "shard", lambda number: pytest.fail(f"shard {number} was made"))
    assert len(table.drawn()) == sum(table.sizes)


@pytest.mark.parametrize("most", [2, 5, 16, 64, 1000])
@pytest.mark.parametrize("which", ["pool", "replaying"])
def test_many_are_drawn_at_once_as_one_after_the_other(request, which, most):
    """Every command comes once, each shard's in the same order, and races right behind what they race."""
    pool = request.getfixturevalue(which)
    single, table = Table(pool).drawn(), Table(pool)
    drawn = []
    while several := table.hand.draw_some(Channel.HTTP, most):
        assert len(several) <= most
        drawn += several
        for card in several:
            card.done()
    for shard in range(pool.shard_count):
        mine = [card.place for card in drawn if card.shard.number == shard]
        assert mine == [card.place for card in single if card.shard.number == shard]
    parted = [
        card
        for before, card in pairwise(drawn)
        if card.is_replay and not card.waits and before.place != card.original_place
    ]
    assert len(parted) < len(table.grants)


def test_many_that_are_drawn_at_once_are_of_all_shards(pool):
    """Nobody's commands come twice before everybody's came once, however many are drawn."""
    first = Table(pool, (Kind.PAYMENT,)).hand.draw_some(Channel.HTTP, 3 * HELD_MAX)
    shards = [card.shard.number for card in first]
    assert shards == [*range(HELD_MAX)] * 3


def test_what_will_be_given_next_is_made_one_by_one(monkeypatch, pool):
    """While shards are held, those behind them are made, each once, and drawing makes none of them."""
    table = Table(pool)
    table.draw()
    made = []
    monkeypatch.setattr(table.agent.holder.held()[0], "drawn", 100)
    shard = pool.shard
    monkeypatch.setattr(pool, "shard", lambda number: made.append(number) or shard(number))
    for _ in range(10):
        table.hand.stock_next()
    assert made == [16, 17, 18, 19]
    assert len(table.drawn()) == sum(table.sizes) - 1
    assert made == [16, 17, 18, 19]


def test_the_shards_cards_run_out_one_shard_after_the_other(monkeypatch):
    """Cards are made together, which takes its time: for all shards at once it would be a stall."""
    monkeypatch.setattr("locustfiles.hand.DEALT", 2 * HELD_MAX)
    table = Table(pool_of(HELD_MAX, 1, payments=(90, 90)), (Kind.PAYMENT,))
    deal, deals, dealt_at = table.hand._deal, [], []
    monkeypatch.setattr(table.hand, "_deal", lambda *of: deals.append(of) or deal(*of))
    for at in range(80 * HELD_MAX):
        table.draw()
        dealt_at += [at] * (len(deals) - len(dealt_at))
    assert dealt_at[:HELD_MAX] == [*range(HELD_MAX)], "there has to be one of each"
    rounds = [at // HELD_MAX for at in dealt_at[HELD_MAX:]]
    assert max(rounds.count(one) for one in rounds) == 1
