"""Replays that wait: the table in locustfiles/replays.py, cell by cell."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from e2e_data.commands import Channel, Kind, Label
from locustfiles.card import Card
from locustfiles.replays import WHY_NOT_COMPLETE, SetAside

HTTP = Channel.HTTP
SHARD = SimpleNamespace(number=2, label=np.full(20, Label.REPLAY))


def replay(index: int, original: int) -> Card:
    return Card((0, SHARD.number, index), SHARD, Kind.PAYMENT, 0, "id", "customer", original)


def place(original: int) -> tuple[int, int, int]:
    return 0, 2, original


@pytest.mark.parametrize(("complete", "why"), [(True, None), (False, WHY_NOT_COMPLETE)])
def test_a_replay_of_what_is_over_need_not_wait(complete, why):
    """Observed complete it may be sent; over without an outcome, it is blocked, with the reason."""
    aside = SetAside()
    aside.ended(place(1), 7, complete=complete)
    assert aside.admits(replay(9, 1))
    assert aside.blocked(replay(9, 1)) == why
    assert not aside.waits(HTTP)


@pytest.mark.parametrize(("complete", "why"), [(True, None), (False, WHY_NOT_COMPLETE)])
def test_a_replay_of_what_is_under_way_comes_back_when_that_ends(complete, why):
    """It is set aside, and taken once, with the time since when it need not wait."""
    aside = SetAside()
    for index, original in ((9, 1), (8, 2)):
        assert not aside.admits(replay(index, original))
    assert aside.waits(HTTP)
    assert aside.take(HTTP) is None
    aside.ended(place(2), 7, complete=complete)
    assert aside.back
    taken = aside.take(HTTP)
    assert (taken.index, taken.ready_ns) == (8, 7)
    assert aside.admits(taken)
    assert aside.blocked(taken) == why
    assert (aside.back, aside.waits(HTTP)) == (False, True)


def test_giving_up_brings_all_back_to_be_blocked():
    """What will not be observed any more is no reason to wait for ever."""
    aside = SetAside()
    cards = [replay(9, 1), replay(8, 2)]
    assert not any(map(aside.admits, cards))
    aside.give_up(HTTP, 7)
    assert not aside.waits(HTTP)
    assert [aside.take(HTTP), aside.take(HTTP), aside.take(HTTP)] == [
        *(card._replace(ready_ns=7) for card in cards),
        None,
    ]
    assert all(aside.admits(card) and aside.blocked(card) for card in cards)


def test_nothing_is_left_of_a_phase_that_is_over():
    """The next phase knows nothing of what waited, came back or ended in this one."""
    aside = SetAside()
    aside.admits(replay(9, 1))
    aside.admits(replay(8, 2))
    aside.ended(place(1), 7, complete=True)
    aside.ended(place(3), 7, complete=True)
    aside.clear()
    assert (aside.waits(HTTP), aside.back, aside.take(HTTP)) == (False, False, None)
    assert not aside.admits(replay(7, 3))
