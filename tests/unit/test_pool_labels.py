"""Hostile payments and what replays repeat."""

import numpy as np
import pytest

from e2e_data.commands import Label
from e2e_data.config import load
from e2e_data.config_parts import HostileFlavours
from e2e_data.draw import Draw
from e2e_data.labels import originals, with_hostile

NONE, HOSTILE = Label.NONE, Label.MALFORMED
REPLAY, RACING = Label.REPLAY, Label.RACING_REPLAY


def draw(seed=7, **overrides):
    return Draw(load("small", overrides), seed, 0)


def of(*labels, seed=7):
    return originals(draw(seed), np.array(labels, dtype=np.uint8)).tolist()


def test_without_hostile_payments():
    """Labels stay, and nothing is repeated."""
    labels = np.array([Label.HOT, Label.NONE], dtype=np.uint8)
    assert with_hostile(draw(), labels) is labels
    assert of(NONE, Label.HOT, HOSTILE) == [-1, -1, -1]
    assert of() == []


def test_hostile_takes_precedence():
    """A hostile payment has the label of its flavour, whatever its account was picked for."""
    labels = np.full(1000, Label.BOUNDARY, dtype=np.uint8)
    only = {**dict.fromkeys(HostileFlavours.model_fields, 0), "negative": 100}
    found = with_hostile(draw(hostile_percentage=50, hostile_flavours=only), labels)
    counts = np.bincount(found)
    assert set(found.tolist()) == {Label.BOUNDARY, Label.NEGATIVE}
    assert 400 < counts[Label.NEGATIVE] < 600
    assert with_hostile(draw(hostile_percentage="0.0001"), labels).tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("labels", "right"),
    [
        ((NONE, RACING), [-1, 0]),
        ((RACING,), [-1]),
        ((RACING, NONE), [-1, -1]),
        ((NONE, HOSTILE, RACING), [-1, -1, -1]),
        ((NONE, RACING, RACING), [-1, 0, -1]),
        ((NONE, REPLAY), [-1, 0]),
        ((REPLAY, NONE), [-1, -1]),
        ((HOSTILE, REPLAY), [-1, -1]),
        ((NONE, RACING, NONE, REPLAY), [-1, 0, -1, -1]),
        ((NONE, NONE, REPLAY, REPLAY), [-1, -1, 0, 1]),
        ((NONE, REPLAY, REPLAY), [-1, 0, -1]),
    ],
)
def test_what_a_replay_repeats(labels, right):
    """The payment just before it, or one of the first half before it: plain, and only once."""
    assert of(*labels) == right


@pytest.mark.parametrize("seed", range(5))
def test_many_replays(seed):
    """However dense replays are, no payment is repeated twice, and each choice is allowed."""
    random = np.random.default_rng(seed)
    labels = random.choice([NONE, HOSTILE, REPLAY, RACING], 2000, p=[0.6, 0.1, 0.2, 0.1])
    found = np.array(of(*labels.tolist(), seed=seed))
    rows = np.flatnonzero(found >= 0)
    repeated = found[rows]
    assert len(set(repeated.tolist())) == len(rows)
    assert set(labels[rows].tolist()) == {REPLAY, RACING}
    assert (labels[repeated] == NONE).all()
    assert (repeated < rows).all()
    late = rows[labels[rows] == REPLAY]
    assert (found[late] < (late + 1) // 2).all()


def test_replays_find_originals():
    """A few per cent of replays all find one, and they are spread over what came before."""
    labels = np.full(20_000, NONE)
    labels[100::100] = REPLAY
    found = np.array(of(*labels.tolist()))
    rows = np.flatnonzero(labels == REPLAY)
    assert (found[rows] >= 0).all()
    assert 0.4 < (found[rows] / (rows / 2)).mean() < 0.6
