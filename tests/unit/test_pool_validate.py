"""Validation: each rule finds the pool that breaks it, and names the first case."""

import json
from dataclasses import replace

import numpy as np
import pytest

from e2e_data import chances, parquet
from e2e_data.commands import Kind, Outcome
from e2e_data.config import load
from e2e_data.pool import Pool
from e2e_data.tally import empty_tally
from e2e_data.validate import Fault, validate

CONFIG = load("small", {"accounts": 40, "fx_percentage": 50})
CAPPED = load("small", {"accounts": 40, "enable_limit_violations": False})
NUMBER = 1


def tampered(directory, config, change, *, rehash):
    """Return a pool in which one shard's file has other columns; its hash is made to fit."""
    pool = Pool.generate(config, 7, directory, jobs=1)
    shard = pool.shard(NUMBER)
    columns = {name: getattr(shard, name).copy() for name in parquet.SCHEMA.names}
    change(shard, columns)
    other = replace(shard, **columns)
    path = pool.path_of(NUMBER)
    parquet.write_shard(other, path)
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    manifest["shards"][NUMBER]["file_bytes"] = path.stat().st_size
    if rehash:
        manifest["shards"][NUMBER]["hash"] = other.hash
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return Pool.open(directory)


def setting(column, kind, value, row=2):
    """Return a change of one value: `value` is what is added, or a function of the old one."""

    def change(shard, columns):
        index = row if kind is None else shard.range_of(kind).start + row
        old = columns[column][index]
        columns[column][index] = value(old) if callable(value) else old + value

    return change


def both_legs(value):
    def change(shard, columns):
        start = shard.range_of(Kind.PAYMENT).start
        account = shard.account_number[start:]
        own = np.flatnonzero(shard.credit_currency[start:] == shard.currency[account])
        limited = np.flatnonzero(shard.limit_based[account])
        row = start + int(np.intersect1d(own, limited)[0])
        columns["amount_minor"][row] = columns["credit_minor"][row] = value

    return change


@pytest.mark.parametrize(
    ("config", "change", "rule"),
    [
        (CONFIG, setting("account_number", Kind.PAYMENT, 99), "account_number is from 0 to"),
        (CONFIG, setting("currency", None, lambda _: 5), "currency is from 0 to 4"),
        (CONFIG, setting("transit", None, lambda _: 0), "transit is from 1 to 20"),
        (CONFIG, setting("account_type", None, lambda _: 9), "account_type is from 0 to 3"),
        (CONFIG, setting("description", Kind.FUNDING, 128), "description of a funding credit"),
        (CONFIG, setting("account_number", Kind.OPENING_CREDIT, -1), "as number i of its kind"),
        (CONFIG, setting("opening_balance_minor", None, lambda _: 5), "opening balances are from"),
        (CONFIG, setting("limit_day_minor", None, 1), "limit_day_minor follows from"),
        (CONFIG, setting("limit_based", None, lambda old: not old), "exactly 30 % of the accounts"),
        (CONFIG, setting("amount_minor", Kind.OPENING_CREDIT, 1), "an opening credit is"),
        (CONFIG, setting("amount_minor", Kind.FUNDING, lambda _: 1), "a funding credit is 1 to 20"),
        (CONFIG, setting("amount_minor", Kind.ACCOUNT, 1), "the creation of an account moves no"),
        (CONFIG, setting("credit_minor", Kind.FUNDING, 1), "only payments credit somebody else"),
        (CONFIG, setting("credit_minor", Kind.PAYMENT, 1), "converted half-even"),
        (
            CONFIG,
            setting("credit_minor", Kind.PAYMENT, lambda _: 0),
            "the credit_minor of a payment",
        ),
        (CONFIG, both_legs(0), "the amount_minor of a payment is at least 1"),
        (CONFIG, both_legs(10**12), "a payment's amount is in one of the bands"),
        (CAPPED, both_legs(10**12), "without limit violations"),
        (
            CONFIG,
            setting("expected", Kind.PAYMENT, lambda old: Outcome.SETTLED ^ old or 2),
            "the expected outcomes are the oracle's",
        ),
        (CONFIG, setting("expected", Kind.FUNDING, 1), "the expected outcomes are the oracle's"),
        (
            CONFIG,
            lambda shard, columns: columns["account_number"][shard.slice_of(Kind.PAYMENT)].fill(0),
            "of the kind payment",
        ),
    ],
)
def test_rules(tmp_path, config, change, rule):
    """A shard whose columns break a rule is found out, even when its hash was made to fit."""
    faults = validate(tampered(tmp_path / "pool", config, change, rehash=True))
    found = [fault for fault in faults if rule in fault.rule]
    assert len(found) == 1, faults
    assert f"shard {NUMBER}" in found[0].first
    assert found[0].count >= 1


def test_counts_are_told_once(tmp_path):
    """Each sort of error is one fault, with its count and the first case."""

    def change(shard, columns):
        columns["expected"][3:10] = Outcome.REJECTED

    faults = validate(tampered(tmp_path / "pool", CONFIG, change, rehash=True))
    assert faults[0] == Fault(
        "the expected outcomes are the oracle's", 7, "first in shard 1, command 3: expected = 2"
    )
    assert "7 times; first in shard 1, command 3" in str(faults[0])


def test_hash(tmp_path):
    """A change that breaks no rule of the domain still breaks the hash."""
    change = setting("value_day", None, lambda old: (old + 1) % 5)
    faults = validate(tampered(tmp_path / "pool", CONFIG, change, rehash=False))
    assert [fault.rule for fault in faults] == ["a shard's hash is the manifest's"]


def test_unreadable_shard(tmp_path):
    """A shard that cannot be read is one fault; the others are still checked."""
    pool = Pool.generate(CONFIG, 7, tmp_path / "pool", jobs=1)
    path = pool.path_of(2)
    path.write_bytes(b"\0" * path.stat().st_size)
    faults = validate(pool)
    assert [(fault.rule, fault.count) for fault in faults] == [("every shard can be read", 1)]


def test_repeated_shard(tmp_path):
    """The same shard twice would be the same commands twice under other ids."""
    directory = tmp_path / "pool"
    pool = Pool.generate(CONFIG, 7, directory, jobs=1)
    pool.path_of(2).write_bytes(pool.path_of(1).read_bytes())
    assert "shard 2 repeats shard 1" in [fault.first for fault in validate(pool)]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda m: m["tally"].update(fx=0), "the manifest's tally is that of the shards"),
        (lambda m: m["metrics"].update(fx_share=1), "the manifest's metrics follow"),
        (lambda m: m["counts"].update(payment=1), "the manifest's counts are the sums"),
        (lambda m: m["shards"][0].update(counts=[1, 1, 1, 1]), "as many commands of each kind"),
    ],
)
def test_manifest_that_tells_other_figures(tmp_path, change, rule):
    """Figures in the manifest are those of the shards."""
    directory = tmp_path / "pool"
    Pool.generate(CONFIG, 7, directory, jobs=1)
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    change(manifest)
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert any(rule in fault.rule for fault in validate(Pool.open(directory)))


def test_large_samples_are_tested():
    """A pool of 10,000 accounts has its shares tested, and they are right."""
    pool = Pool.in_memory(load("large"), 7)
    assert chances.untested(pool.config, pool.manifest.tally) == []
    assert validate(pool) == []


@pytest.mark.parametrize(
    ("observed", "weights", "wrong"),
    [
        ((500, 300, 150, 50), (50, 30, 15, 5), False),
        ((540, 280, 140, 40), (50, 30, 15, 5), False),
        ((600, 250, 100, 50), (50, 30, 15, 5), True),
        ((950, 50), (90, 10), True),
        ((930, 70), (90, 10), False),
        ((60, 0), (90, 10), False),  # too few to tell
        ((99, 1), (100, 0), True),
        ((100, 0), (100, 0), False),
        ((5,), (100,), False),
    ],
)
def test_shares(observed, weights, wrong):
    """Chi-square at one in a million; what has no weight must not occur at all."""
    assert bool(chances.Sample("bands", observed, weights).fault()) is wrong


def test_too_few_cases_are_told():
    """What could not be tested is said, with how many cases it would take."""
    config = load("smoke")
    notes = chances.untested(config, empty_tally(config))
    assert notes[0] == ("payment bands: 0 cases are too few to test their shares; 400 would do")
    assert len(notes) == 5
