"""Random histories through the real ledger: the judge is silent when it must be, and only then."""

from __future__ import annotations

from random import Random

import pytest

from e2e_data.commands import Kind, Outcome
from e2e_data.exits import Exit
from e2e_data.replays import replays_of
from tests.fates import Fate, Options
from tests.histories import History
from tests.judgements import causes, findings
from tests.soundness import accusations, harmless
from tests.tiny_pools import POOL_SEEDS, keys_of, tiny_pool

HISTORIES = 1200
"""The share that the tests play; `python -m tests.soundness 100000` plays as many as one likes."""

FAULTS = {
    Fate.LOST: "lost in the platform",
    Fate.PENDING: "never decided",
    Fate.TWICE: "applied more than once",
    Fate.ROW_TWICE: "applied more than once",
    Fate.WRONG_AMOUNT: "wrong amount",
    Fate.WRONG_OUTCOME: "limit exceeded",
    Fate.UNEXPECTED: "unexpected",
    Fate.TWO_OUTCOMES: "outcome taken back",
    Fate.TAKEN_BACK: "outcome taken back",
    Fate.REFUSED_YET_DONE: "applied, though answered without effect",
    Fate.TAMPERED: "balance step without postings",
    Fate.ROW_GONE: "lost in the platform",
}


def test_a_correct_platform_is_never_accused(tmp_path):
    """Whatever the order, the timing and the network: no finding, the exit is 0, and all is counted.

    That holds of hostile commands and replays, too, which race their originals or outlive them.
    """
    for _, wrong in accusations(HISTORIES, 0, tmp_path):
        assert wrong == ""


@pytest.mark.parametrize("fate", FAULTS, ids=lambda fate: fate.name)
def test_one_defect_is_the_one_finding(tmp_path, fate):
    """One wrong command among whatever a network does is the one cause that is named."""
    struck = 0
    for seed in range(8):
        draw = Random(f"{fate.name} {seed}")
        pool = tiny_pool(seed % POOL_SEEDS)[0]
        outcome = Outcome.REJECTED if fate is Fate.WRONG_OUTCOME else Outcome.SETTLED
        key = draw.choice(keys_of(pool, Kind.PAYMENT, outcome))
        shard = pool.shard(key[0])
        account = int(shard.account_number[key[1]])
        # Its own account has to be opened, or the command is never sent.
        spared = {key, (key[0], account), (key[0], account + shard.counts.account)}
        fates = {each: what for each, what in harmless(draw, pool).items() if each not in spared}
        history = History(tmp_path / str(seed), {**fates, key: fate}, Options(seed=seed))
        assert history.fates[key] is fate
        judgement = history.judge()
        assert causes(judgement) == {FAULTS[fate]: 1}, (seed, key)
        assert {of for _, _, of in findings(judgement).values()} <= {"", FAULTS[fate]}
        assert judgement.exit is Exit.NOT_RIGHT
        struck += 1
    assert struck == 8


UNSEEN_WHERE_REPEATED = {Fate.UNEXPECTED, Fate.REFUSED_YET_DONE}
"""Whoever was allowed to repeat a command may have been the one who had it done."""
REPLAY_FAULTS = {
    Fate.REPLAY_APPLIED: "applied more than once",
    Fate.REPLAY_DIFFERS: "replay with another outcome",
    Fate.OWN_ID: "unexpected",
}
HOSTILE_FAULTS = {
    Fate.HOSTILE_SETTLED: ("hostile command settled", range(9, 17)),
    Fate.HOSTILE_ACCEPTED: ("hostile command accepted", range(11, 17)),
    Fate.BREAKDOWN: ("breakdown on a hostile command", range(9, 17)),
    Fate.WRONG_REASON: ("wrong reason", range(9, 11)),
}
"""Fate -> the finding, and the labels that it can strike."""


def struck(fate, pool, draw):
    """Draw a command of a hostile pool that a fate can strike, and the finding that names it."""
    original_of = {
        (shard.number, row): (shard.number, original)
        for shard in pool.shards()
        for found in [replays_of(shard)]
        for row, original in zip(found.rows.tolist(), found.originals.tolist(), strict=True)
    }
    if fate in HOSTILE_FAULTS:
        name, labels = HOSTILE_FAULTS[fate]
        every = keys_of(pool, Kind.PAYMENT)
        return name, draw.choice([k for k in every if pool.shard(k[0]).label[k[1]] in labels]), None
    sure = keys_of(pool, Kind.PAYMENT, Outcome.SETTLED)
    if fate in REPLAY_FAULTS:
        row = draw.choice([key for key in sure if key in original_of])
        return REPLAY_FAULTS[fate], row, original_of[row]
    if fate is Fate.WRONG_OUTCOME:
        sure = keys_of(pool, Kind.PAYMENT, Outcome.REJECTED)
    inert = {*original_of} | {k for k in sure if pool.shard(k[0]).label[k[1]] >= 9}
    if fate in UNSEEN_WHERE_REPEATED:
        inert |= {*original_of.values()}
    return FAULTS[fate], draw.choice([key for key in sure if key not in inert]), None


@pytest.mark.parametrize(
    "fate", [*FAULTS, *HOSTILE_FAULTS, *REPLAY_FAULTS], ids=lambda fate: fate.name
)
def test_one_defect_among_hostile_commands_is_the_one_finding(tmp_path, fate):
    """Hostile commands, and a repetition of the very command that went wrong, hide and add nothing."""
    for seed in range(4):
        draw = Random(f"{fate.name} hostile {seed}")
        pool = tiny_pool(seed % POOL_SEEDS, special=True)[0]
        name, key, original = struck(fate, pool, draw)
        shard = pool.shard(key[0])
        account = int(shard.account_number[key[1]])
        spared = {key, original, (key[0], account), (key[0], account + shard.counts.account)}
        fates = {each: what for each, what in harmless(draw, pool).items() if each not in spared}
        options = Options(seed=seed, special=True)
        history = History(tmp_path / str(seed), {**fates, key: fate}, options)
        assert history.fates[key] is fate
        judgement = history.judge()
        assert causes(judgement) == {name: 1}, (seed, key)
        assert {of for _, _, of in findings(judgement).values()} <= {"", name}
        assert judgement.exit is Exit.NOT_RIGHT
