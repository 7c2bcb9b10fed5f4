"""Outcomes as they are observed: what is wrong is counted and named, and money is added exactly."""

from __future__ import annotations

from types import SimpleNamespace

import msgpack
import pytest

from e2e_data import config
from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.pool import Pool
from locustfiles.card import Card
from locustfiles.fleet.outcomes import CASES_MAX, Outcomes

POOL = Pool.in_memory(config.load("smoke", {"accounts": 40, "accounts_per_shard": 40}), 7)
SHARD = POOL.shard(0)


def card(index):
    command = SHARD.command(index)
    return Card(
        *((0, 0, index), SHARD, command.kind, command.account.number, "id", "customer"),
        expected=int(command.expected),
    )


PAYMENTS = [card(index) for index in SHARD.range_of(Kind.PAYMENT)]


def test_settled_payments_add_up_by_currency_and_nothing_else_does():
    """The money that moved is the debits of settled payments: no funding, and nothing rejected."""
    outcomes = Outcomes()
    wanted = {}
    for index in range(len(SHARD)):
        one, command = card(index), SHARD.command(index)
        settled = bool(command.expected & Outcome.SETTLED)
        outcomes.add(one, int(Outcome.SETTLED if settled else Outcome.REJECTED), Channel.HTTP)
        if settled and command.kind is Kind.PAYMENT:
            currency = command.account.currency
            wanted[currency] = wanted.get(currency, 0) + command.amount_minor
    assert outcomes.moved_minor == wanted
    assert len(wanted) > 1
    assert (outcomes.seen, outcomes.wrong) == (len(SHARD), 0)


def test_an_outcome_outside_its_set_is_wrong_and_named():
    """All are counted, the first are named by their place."""
    rejected = [one for one in PAYMENTS if one.expected == Outcome.REJECTED]
    outcomes = Outcomes()
    for _ in range(CASES_MAX):
        for one in rejected[:2]:
            outcomes.add(one, int(Outcome.SETTLED), Channel.HTTP)
    assert outcomes.wrong == 2 * CASES_MAX
    assert len(outcomes.cases) == CASES_MAX
    assert outcomes.cases[0].number == rejected[0].index
    assert outcomes.cases[0].text == "settled, where only rejected is correct"


def test_what_is_invalid_may_be_dead_lettered_over_a_queue():
    """The set is that of the channel: over HTTP such a command is answered at once."""
    either = int(Outcome.INVALID | Outcome.DEAD_LETTERED)
    hostile = SimpleNamespace(expected=either, place=(0, 0, 1), kind=Kind.PAYMENT)
    for channel, wrong in ((Channel.MQ, 0), (Channel.HTTP, 1)):
        outcomes = Outcomes()
        outcomes.add(hostile, int(Outcome.DEAD_LETTERED), channel)
        assert outcomes.wrong == wrong


def test_what_workers_say_is_read_back_and_added_up():
    """Packed, sent, read: the same; of several workers the sum, and no more cases than there may be."""
    outcomes = Outcomes()
    for one in PAYMENTS[:30]:
        outcomes.add(one, int(Outcome.SETTLED), Channel.HTTP)
    read = Outcomes.read(msgpack.unpackb(msgpack.packb(outcomes.packed())))
    assert read == outcomes
    total = Outcomes.total([read] * 3)
    assert (total.seen, total.wrong) == (90, 3 * outcomes.wrong)
    assert total.moved_minor == {k: 3 * v for k, v in outcomes.moved_minor.items()}
    assert len(total.cases) <= CASES_MAX
    assert Outcomes.read(None) == Outcomes()


GOOD = Outcomes().packed()


@pytest.mark.parametrize(
    "wrong",
    [
        {"seen": -1},
        {"seen": "9"},
        {"moved": [["XYZ", 5]]},
        {"moved": [["USD", 0.5]]},
        {"moved": [["USD", 1]] * 1000},
        {"cases": [[1, 2, 3]]},
        {"cases": [[0, 0, 99, 1, 1]]},
        {"cases": [[0, 0, 3, 1, 1]] * (CASES_MAX + 1)},
    ],
    ids=str,
)
def test_a_hostile_snapshot_is_none(wrong):
    """What no worker sends is refused, whatever it is."""
    with pytest.raises((ValueError, TypeError)):
        Outcomes.read({**GOOD, **wrong})
