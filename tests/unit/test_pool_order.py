"""The places that knobs give to payments and funding credits in a shard's order."""

import numpy as np
import pytest

from e2e_data import tables
from e2e_data.boundary import Boundary
from e2e_data.commands import Label
from e2e_data.order import funding_order, payment_order
from e2e_data.tables import Stream

COUNT = 1000
ACCOUNT = np.repeat(np.arange(COUNT // 10), 10)


def words(count=COUNT, seed=1):
    return tables.words(seed, 2, Stream.PAYMENT_ORDER, count)


def labelled(label, accounts):
    """Return labels of ten payments for each account: NONE, but for some accounts."""
    return np.where(np.isin(ACCOUNT, accounts), label, Label.NONE).astype(np.uint8)


def places(order, rows):
    """Return where rows stand in an order."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[rows]


def permutes(order, count=COUNT):
    return sorted(order.tolist()) == list(range(count))


def test_nothing_special():
    """Without knobs the order is the random permutation of the words."""
    order = payment_order(words(), ACCOUNT, labelled(Label.NONE, []), None)
    assert order.tolist() == tables.shuffled(words()).tolist()
    assert funding_order(words(), np.zeros(COUNT, dtype=bool)).tolist() == order.tolist()


def test_velocity():
    """The payments of each velocity account stand together; the accounts are apart."""
    label = labelled(Label.VELOCITY, [3, 4, 90])
    order = payment_order(words(), ACCOUNT, label, None)
    assert permutes(order)
    starts = []
    for account in (3, 4, 90):
        stand = places(order, np.flatnonzero(np.isin(ACCOUNT, account)))
        assert np.diff(stand).tolist() == [1] * 9
        starts.append(stand[0])
    assert np.diff(sorted(starts)).min() > 20


@pytest.mark.parametrize("accounts", [[5], [5, 50, 99], list(range(50)), list(range(1, 100))])
def test_dormant(accounts):
    """Before a dormant account's first payment are seven eighths of the others, but not all."""
    label = labelled(Label.DORMANT, accounts)
    order = payment_order(words(), ACCOUNT, label, None)
    assert permutes(order)
    dormant = label[order] == Label.DORMANT
    others_before = np.cumsum(~dormant)
    others = others_before[-1]
    assert others_before[dormant].min() >= others * 7 / 8
    assert others_before[dormant].min() < others


def test_dormant_only():
    """Where all are dormant, there is nothing to wait for."""
    assert permutes(payment_order(words(), ACCOUNT, labelled(Label.DORMANT, ACCOUNT), None))


def test_equal_words():
    """The places are right even where chance gives the same word to all."""
    label = labelled(Label.DORMANT, [0])
    for word in (0, 2**64 - 1):
        order = payment_order(np.full(COUNT, word, dtype=np.uint64), ACCOUNT, label, None)
        assert order[-10:].tolist() == list(range(10))


def boundary(rows, first, *, limit_based):
    flags = np.full(len(rows), limit_based)
    nothing = np.zeros(len(rows), dtype=np.int64)
    return Boundary(np.array(rows), flags, nothing, nothing.astype(np.uint8), np.array(first))


def test_cycles_of_boundary_accounts():
    """The payments of a cycle stand together in their order; cycles are apart."""
    rows = list(range(500, 510))
    cycles = boundary(rows, [500] * 5 + [505] * 5, limit_based=True)
    order = payment_order(words(), ACCOUNT, labelled(Label.BOUNDARY, [50]), cycles)
    stand = places(order, rows)
    assert np.diff(stand[:5]).tolist() == np.diff(stand[5:]).tolist() == [1] * 4
    assert abs(stand[5] - stand[0]) > 20


def test_late_boundary_payments():
    """Those of balance-based accounts keep their order, after six eighths of the others."""
    rows = list(range(500, 510))
    late = boundary(rows, rows, limit_based=False)
    label = np.maximum(labelled(Label.BOUNDARY, [50]), labelled(Label.DORMANT, [7]))
    order = payment_order(words(), ACCOUNT, label, late)
    assert permutes(order)
    stand = places(order, rows)
    assert (np.diff(stand) > 0).all()
    others = (label[order] == Label.NONE).cumsum()
    assert others[stand].min() >= others[-1] * 6 / 8
    assert others[stand].min() < others[-1]


@pytest.mark.parametrize("accounts", [[50], list(range(50)), list(range(1, 100))])
def test_early_funding(accounts):
    """Early credits come before half of the others, at random places."""
    early = np.isin(ACCOUNT, accounts)
    order = funding_order(words(), early)
    assert permutes(order)
    others = np.cumsum(~early[order])
    assert others[early[order]].max() <= others[-1] / 2
    assert len(set(others[early[order]].tolist())) > 1
