"""Validation: each rule finds the pool that breaks it, and names the first case."""

import json
from dataclasses import replace

import numpy as np
import pytest

from e2e_data import chances
from e2e_data.checks import check_references, check_shard
from e2e_data.commands import Kind, Outcome
from e2e_data.config import load
from e2e_data.faults import Fault, Faults
from e2e_data.pool import Pool
from e2e_data.sampled import Sampled
from e2e_data.shard import Counts, make_shard
from e2e_data.validate import validate
from tests.tampering import NUMBER, tampered

CONFIG = load("small", {"accounts": 40, "fx_percentage": 50})
CAPPED = load("small", {"accounts": 40, "enable_limit_violations": False})


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
        (CONFIG, setting("transit", None, lambda _: 105), "transit is from 1 to 20"),
        (
            CONFIG,
            setting("beneficiary_transit", None, lambda _: 21),
            "beneficiary_transit is from 1",
        ),
        (CONFIG, setting("label", Kind.FUNDING, lambda _: 1), "only payments have a label"),
        (CONFIG, setting("label", Kind.PAYMENT, lambda _: 19), "label is from 0 to 18"),
        (CONFIG, setting("label", Kind.PAYMENT, lambda _: 11), "no payment is hostile where"),
        (CONFIG, setting("label", Kind.PAYMENT, lambda _: 7), "the label that its account was"),
        (CONFIG, setting("original", None, lambda _: 0), "original is -1 or an earlier payment"),
        (CONFIG, setting("original", None, lambda _: 2**30), "original is -1 or an earlier"),
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


GAPS = [
    {"weight_percent": 60, "from_percent": 0, "to_percent": 10},
    {"weight_percent": 40, "from_percent": 50, "to_percent": 90},
]


@pytest.mark.parametrize(("percent", "wrong"), [(5, 0), (30, 1), (70, 0), (95, 1)])
def test_bands_with_a_gap(tmp_path, percent, wrong):
    """An amount between two bands is as wrong as one above them all."""

    def change(shard, columns):
        start = shard.range_of(Kind.PAYMENT).start
        columns["amount_minor"][start] = (
            shard.limit_hour_minor[shard.account_number[start]] * percent // 100
        )

    config = load("small", {"payment_bands": GAPS, "fx_percentage": 0})
    faults = validate(tampered(tmp_path / "pool", config, change, rehash=True))
    rules = [fault.rule for fault in faults]
    assert rules.count("a payment's amount is in one of the bands") == wrong


def test_counts_of_another_configuration():
    """Accounts and payments are as many as the configuration has."""
    shard = make_shard(CONFIG, 7, NUMBER)
    found = Faults()
    other = load("small", {"accounts": 90, "payments": (40, 50)})
    check_shard(Sampled(replace(shard, config=other)), found)
    told = {fault.rule: fault.first for fault in found.all()}
    assert told["a shard has the configured number of accounts"] == "shard 1 has 3 accounts, not 6"
    assert "not 120 to 150" in told["a shard has as many payments as its accounts can have"]


def test_an_account_without_its_opening_credit():
    """There is one opening credit for each account; without, no sum can be made."""
    shard = make_shard(CONFIG, 7, NUMBER)
    accounts, credits_, funding, payments = shard.counts
    found = Faults()
    fewer = replace(shard, counts=Counts(accounts, credits_ - 1, funding + 1, payments))
    assert not check_references(fewer, found)
    assert any("shard 1 has 2 for 3 accounts" in fault.first for fault in found.all())


def test_hash(tmp_path):
    """A change that breaks no rule of the domain still breaks the hash."""
    change = setting("beneficiary_account", None, lambda old: old ^ 1)
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
        (
            lambda m: m["tally"]["drawn"].update({"value days": [1, 2, 3, 4, 5, 6]}),
            "the manifest's tally is that of the shards",
        ),
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
    """A pool of 10,000 accounts has all that was drawn tested, and it is right."""
    pool = Pool.in_memory(load("large"), 7)
    assert chances.untested(pool.config, pool.manifest.tally) == []
    assert validate(pool) == []


def test_unlikely_draws(tmp_path):
    """Shards that keep every rule, but were not drawn from this configuration, are noticed."""
    directory = tmp_path / "pool"
    pool = Pool.generate(load("small", {"value_days": 3, "accounts_per_shard": 100}), 7, directory)
    manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    manifest["config"]["value_days"] = 5
    manifest["tally"]["drawn"]["value days"] += [0, 0]
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (fault,) = validate(Pool.open(directory))
    assert fault.rule == "what was drawn follows the configuration"
    assert fault.first.startswith("value days: (")
    assert validate(pool) == []
