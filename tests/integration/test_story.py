"""`paystorm explain`: the whole story of an account or a command, and where it went wrong."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from e2e_data.commands import Kind, Outcome
from paystorm import main
from sandbox import defects
from tests.defective import Defective
from tests.fates import Fate, Options
from tests.histories import History
from tests.matrix import MATRIX
from tests.tiny_pools import keys_of, tiny_pool

POOL = tiny_pool()[0]
SURE = keys_of(POOL, Kind.PAYMENT, Outcome.SETTLED)


def explain(history, *what):
    done = CliRunner().invoke(
        main, ["explain", str(history.directory.path), *what], standalone_mode=False
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def account_of(history, key):
    number = int(history.pool.shard(key[0]).account_number[key[1]])
    return history._bound[key[0], number]


def test_an_account_is_told_in_the_platforms_order(tmp_path):
    """Every command of it has a line, with its times, outcome, postings and the running balance."""
    history = History(tmp_path / "run", {SURE[0]: Fate.TWICE}, Options())
    shard, index = SURE[0]
    told = explain(history, account_of(history, SURE[0]))
    number = int(POOL.shard(shard).account_number[index])
    mine = [
        i for i in range(len(POOL.shard(shard))) if POOL.shard(shard).account_number[i] == number
    ]
    rows = [line for line in told.splitlines() if re.match(rf" *\d+  {shard}:\d+ ", line)]
    assert sorted(int(line.split()[1].partition(":")[2]) for line in rows) == mine
    assert [int(line.split()[0]) for line in rows] == list(range(1, len(mine) + 1))
    struck = next(line for line in rows if f" {shard}:{index} " in line)
    assert struck.endswith("applied more than once (2)")
    assert "duplicated" in struck
    assert f"{shard}:{index} applied more than once, invariant 2: the book has 1 rows and 4" in told
    assert sum(line.endswith("applied more than once (2)") for line in rows) == 1


def test_an_account_is_found_by_any_of_its_ids(tmp_path):
    """The platform's id, the customer's, and the place of its creation name the same story."""
    history = History(tmp_path / "run", {}, Options())
    told = explain(history, account_of(history, (0, 1)))
    assert (
        told == explain(history, history.ids.customer_ids(0, 0, [1])[0]) == explain(history, "0:1")
    )
    assert told.startswith("account 0:1, ")


def test_a_command_is_told_with_every_fact_of_it(tmp_path):
    """What the pool says of it, each fact of the journal, and what the book made of it."""
    history = History(tmp_path / "run", {SURE[0]: Fate.UNANSWERED}, Options())
    told = explain(history, history.command_id(SURE[0]))
    assert told == explain(history, f"{SURE[0][0]}:{SURE[0][1]}")
    for text in ("because", "sent, 0:8", "unanswered, 0:8", "no answer in 10 s", "completed, 0:8"):
        assert text in told
    assert "recovered" in told


def test_where_an_order_went_wrong_is_shown(tmp_path):
    """The command that came too late has the finding, and the line says after which."""
    history = Defective(tmp_path / "run", defects.REORDER, MATRIX[defects.REORDER])
    key = min(history.overtaken())
    told = explain(history, account_of(history, key))
    assert f"{key[0]}:{key[1]} decided out of order, invariant 8: order: decided after" in told


def test_what_is_not_decided_has_a_line_too(tmp_path):
    """Lost, or never sent: it stands last, with what is known of it."""
    history = History(tmp_path / "run", {SURE[0]: Fate.LOST}, Options(has_book=False))
    told = explain(history, account_of(history, SURE[0]))
    assert f"{SURE[0][0]}:{SURE[0][1]} lost in the platform, invariant 1: acknowledged" in told


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("hello", "hello: is no id; give SHARD:INDEX"),
        ("9:1", "9:1: names shard 9, but the pool has shards 0 to 1"),
        ("00000000-0000-4000-8000-0000000000ff", "is foreign: neither a command nor a customer"),
    ],
)
def test_what_names_nothing_says_what_would(tmp_path, what, message):
    """The value and the remedy, with exit code 2."""
    history = History(tmp_path / "run", {}, Options())
    with pytest.raises(Exception, match=message):
        explain(history, what)
