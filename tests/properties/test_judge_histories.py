"""Random histories through the real ledger: the judge is silent when it must be, and only then."""

from __future__ import annotations

from random import Random

import pytest

from e2e_data.commands import Kind, Outcome
from e2e_data.exits import Exit
from tests.histories import POOL_SEEDS, Fate, History, Options, causes, findings, keys_of, tiny_pool

BATCHES = range(8)
IN_A_BATCH = 10

HARMLESS = (
    Fate.UNANSWERED,
    Fate.SILENT,
    Fate.VANISHED,
    Fate.REFUSED,
    Fate.NOT_SENT,
    Fate.BLOCKED,
    Fate.LATE,
    Fate.UNGRANTED,
)
FAULTS = {
    Fate.LOST: "lost in the platform",
    Fate.PENDING: "never decided",
    Fate.TWICE: "applied more than once",
    Fate.ROW_TWICE: "applied more than once",
    Fate.WRONG_AMOUNT: "wrong amount",
    Fate.WRONG_OUTCOME: "wrong outcome",
    Fate.UNEXPECTED: "unexpected",
    Fate.TWO_OUTCOMES: "two outcomes",
    Fate.TAKEN_BACK: "two outcomes",
    Fate.REFUSED_YET_DONE: "wrong outcome",
    Fate.TAMPERED: "balance step without postings",
    Fate.ROW_GONE: "lost in the platform",
}


def seeds(batch):
    return range(batch * IN_A_BATCH, (batch + 1) * IN_A_BATCH)


def harmless(draw, pool):
    """Draw what a network does to some commands: between none and a third of them."""
    every = [key for kind in Kind for key in keys_of(pool, kind)]
    chosen = draw.sample(every, draw.randint(0, len(every) // 3))
    return {key: draw.choice(HARMLESS) for key in chosen}


@pytest.mark.parametrize("batch", BATCHES)
def test_a_correct_platform_is_never_accused(tmp_path, batch):
    """Whatever the order, the timing and the network: no finding, the exit is 0, and all is counted."""
    for seed in seeds(batch):
        draw = Random(f"good {seed}")
        options = Options(
            seed=seed,
            accounts=draw.choice((2, 4, 6)),
            foreign=draw.choice((0, 0, 1)),
            spread=draw.random() < 0.8,
        )
        pool = tiny_pool(seed % POOL_SEEDS, options.accounts)[0]
        judgement = History(tmp_path / str(seed), harmless(draw, pool), options).judge()
        assert findings(judgement) == {}, seed
        assert judgement.exit is Exit.GOOD, (seed, judgement.reasons)
        counted = sum(sum(counts.values()) for counts in judgement.classes.values())
        assert counted == len(pool) == judgement.commands, seed
        told = judgement.surely_not_sent + judgement.perhaps_sent + judgement.journaled
        assert told == len(pool), seed


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
