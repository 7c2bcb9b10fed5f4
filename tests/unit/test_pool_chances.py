"""Statistics: what chance allows, and that each distribution that goes wrong is noticed."""

from collections import Counter
from dataclasses import replace
from itertools import product
from math import factorial, prod

import numpy as np
import pytest

from e2e_data import chances
from e2e_data.chances import SIGNIFICANCE, Sample
from e2e_data.commands import Kind
from e2e_data.config import load
from e2e_data.distributions import DISTRIBUTIONS
from e2e_data.shard import make_shard
from e2e_data.tally import empty_tally, tally_of

KNOBS = {
    "accounts": 2000,
    "accounts_per_shard": 250,
    "fx_percentage": 50,
    "hot_account_share": 5,
    "hot_payment_share": 30,
    "pattern_percentage": 40,
    "boundary_percentage": "2.5",
    "hostile_percentage": 10,
    "regions": ["north", "south", "west"],
}
PLAIN = {"accounts": 2000, "accounts_per_shard": 250, "fx_percentage": 50}


@pytest.mark.parametrize(
    ("observed", "weights", "wrong"),
    [
        ((500, 300, 150, 50), (50, 30, 15, 5), False),
        ((540, 280, 140, 40), (50, 30, 15, 5), False),
        ((600, 250, 100, 50), (50, 30, 15, 5), True),
        ((970, 30), (90, 10), True),
        ((930, 70), (90, 10), False),
        ((60, 0), (90, 10), False),  # one of 550 right samples is like that
        ((200, 0), (90, 10), True),
        ((99, 1), (100, 0), True),
        ((100, 0), (100, 0), False),
        ((5,), (100,), False),
        ((0, 0), (50, 50), False),
    ],
)
def test_samples(observed, weights, wrong):
    """Counts are wrong if they are too unlikely; what has no weight must not occur at all."""
    assert bool(Sample("bands", observed, weights).fault(SIGNIFICANCE)) is wrong


@pytest.mark.parametrize("weights", [(1, 1), (9, 1), (5, 3, 2), (97, 2, 1), (4, 3, 2, 1)])
@pytest.mark.parametrize("cases", [1, 5, 14])
def test_the_bound_holds_for_small_samples(weights, cases):
    """A right sample is called wrong no more often than is said, summed up over all outcomes."""
    total = sum(weights)
    outcomes = []
    for counts in product(range(cases + 1), repeat=len(weights)):
        if sum(counts) != cases:
            continue
        ways = factorial(cases) // prod(map(factorial, counts))
        share = ways * prod((w / total) ** n for w, n in zip(weights, counts, strict=True))
        outcomes.append((share, Sample("", counts, weights)))
    assert sum(share for share, _ in outcomes) == pytest.approx(1)
    for significance in (0.5, 0.1, 0.01, 1e-4):
        wrong = sum(share for share, sample in outcomes if sample.fault(significance))
        assert wrong <= significance


@pytest.mark.parametrize("weights", [(1, 1), (9, 1), (50, 30, 15, 5), (1,) * 20])
def test_needed(weights):
    """From so many cases on, but not with fewer, a sample without its rarest category is wrong."""
    needed = Sample("", (0,) * len(weights), weights).needed(SIGNIFICANCE)
    *others, _ = weights

    def without_the_rarest(cases):
        # As many of the others as they would be, in a multiple so large that rounding is nothing.
        counts = [cases * weight / sum(others) for weight in others]
        return Sample("", (*counts, 0), weights)

    assert without_the_rarest(needed).fault(SIGNIFICANCE)
    assert not without_the_rarest(needed - 1).fault(SIGNIFICANCE)


def test_nothing_is_needed_where_nothing_is_drawn():
    """With all weight in one category there is nothing to test."""
    assert Sample("", (0, 0), (100, 0)).needed(SIGNIFICANCE) == 0


def test_too_few_cases_are_told():
    """What a small pool cannot show is said, with how many cases it would take."""
    config = load("smoke")
    (note,) = chances.untested(config, empty_tally(config))
    assert note.startswith("too few cases to be sure of: payments by band (0 of the 5")
    assert note.count(" of the ") == len(list(chances.samples(config, empty_tally(config))))
    assert "hot" not in note


def tally(shards):
    shards = list(shards)
    total = empty_tally(shards[0].config)
    for shard in shards:
        total = total.plus(tally_of(shard))
    return total


def generated(overrides, change=lambda shard: {}, seed=7):
    """Return a pool's shards; each with the columns that `change` gives for it."""
    config = load("small", overrides)
    made = (make_shard(config, seed, number) for number in range(config.shard_count))
    return [replace(shard, **change(shard)) for shard in made]


@pytest.fixture(scope="module")
def shards():
    return {name: generated(overrides) for name, overrides in (("on", KNOBS), ("off", PLAIN))}


@pytest.mark.parametrize("knobs", ["on", "off"])
def test_right_pools_are_right(shards, knobs):
    """Everything that is drawn follows the configuration, with all knobs on and without."""
    config = shards[knobs][0].config
    total = tally(shards[knobs])
    assert list(chances.faults(config, total)) == []
    assert sum(map(bool, total.drawn.values())) == len(list(chances.samples(config, total)))
    assert len(list(chances.samples(config, total))) == {"on": 25, "off": 20}[knobs]


JUDGED = (
    ("payments by band", {"payment_bands": [
        {"weight_percent": 60, "from_percent": 0, "to_percent": 10},
        {"weight_percent": 20, "from_percent": 10, "to_percent": 50},
        {"weight_percent": 15, "from_percent": 50, "to_percent": 100},
        {"weight_percent": 5, "from_percent": 100, "to_percent": 150}]}),
    ("payment amounts within their bands", {"payment_bands": [
        {"weight_percent": 95, "from_percent": 0, "to_percent": 110},
        {"weight_percent": 5, "from_percent": 110, "to_percent": 150}]}),
    ("accounts by type", {"account_types": {"checking": 60, "savings": 30}}),
    ("accounts by currency", {"currencies": ["USD", "EUR", "GBP", "CAD", "JPY", "CHF"]}),
    ("opening balances below and above the break", {"opening_balance": {"below_break_percent": 80}}),
    ("opening balances below the break, by size", {"opening_balance": {"low_units": 5_000}}),
    ("opening balances above the break, by size", {"opening_balance": {"high_units": 2_000_000}}),
    ("transit numbers of accounts", {"transit_numbers": 25}),
    ("accounts by region", {"regions": ["north", "south", "west", "east"]}),
    ("beneficiaries by region", {"regions": ["north", "south", "west", "east"]}),
    ("funding credits per account", {"funding": (5, 16)}),
    ("payments per account", {"payments": (10, 22)}),
    ("funding amounts within their range", {"funding_percent": (1, 25)}),
    ("payments with and without exchange", {"fx_percentage": 40}),
    ("exchanges by currency", {"currencies": ["USD", "EUR", "GBP", "CAD", "JPY", "CHF"]}),
    ("transit numbers of beneficiaries", {"transit_numbers": 25}),
    ("value days", {"value_days": 6}),
    ("payments of hot accounts", {"hot_payment_share": 35}),
    ("hostile payments", {"hostile_percentage": "12.5"}),
    ("flavours of hostile payments", {"hostile_flavours": {"zero": 20, "malformed": 0}}),
    ("accounts by pattern", {"patterns": {"velocity": 35, "round": 5}}),
)  # fmt: skip


@pytest.mark.parametrize(("name", "otherwise"), JUDGED, ids=[name for name, _ in JUDGED])
def test_a_pool_of_another_configuration_is_noticed(shards, name, otherwise):
    """Judged by a configuration that it was not drawn from, a pool is wrong in just that."""
    made = shards["off" if name == "payments per account" else "on"]
    config = load("small", {**made[0].config.model_dump(), **_merged(made[0].config, otherwise)})
    faults = list(chances.faults(config, tally(replace(shard, config=config) for shard in made)))
    assert any(fault.startswith(f"{name}: ") for fault in faults), faults


def _merged(config, otherwise):
    return {
        key: {**getattr(config, key).model_dump(), **value} if isinstance(value, dict) else value
        for key, value in otherwise.items()
    }


def halved(name, kind=None):
    """Return a change that draws a column's values from the lower half only, but for one in two."""

    def change(shard):
        column = getattr(shard, name).copy()
        rows = slice(None) if kind is None else shard.slice_of(kind)
        column[rows][::2] //= 2
        return {name: column}

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("descriptions of funding credits", halved("description", Kind.FUNDING)),
        ("descriptions of payments", halved("description", Kind.PAYMENT)),
        ("names of beneficiaries", halved("beneficiary_name")),
        ("banks of beneficiaries", halved("beneficiary_bank")),
        ("accounts of beneficiaries", halved("beneficiary_account")),
    ],
)
def test_columns_that_were_drawn_otherwise_are_noticed(name, change):
    """What no setting decides is tested as well."""
    made = generated(PLAIN, change)
    faults = list(chances.faults(made[0].config, tally(made)))
    assert [fault.split(":")[0] for fault in faults] == [name]


def test_every_distribution_is_shown_to_be_noticed():
    """Each entry of the list is in one of the tests above."""
    shown = Counter(name for name, _ in JUDGED)
    free = {each.name for each in DISTRIBUTIONS} - shown.keys()
    assert {name.split()[0] for name in free} == {"descriptions", "names", "banks", "accounts"}
    assert len(free) == 5


def test_narrow_opening_balances_are_not_tested_by_size():
    """Where a range is a few minor units wide, its quantiles cannot be told apart."""
    narrow = {"low_units": 10, "break_units": 12, "high_units": 1000}
    config = load("smoke", {"opening_balance": narrow, "currencies": ["JPY"]})
    sizes = [
        each.weights(config) for each in DISTRIBUTIONS if each.name.endswith("the break, by size")
    ]
    assert sizes == [(), ()]


@pytest.mark.parametrize("width", [1, 2, 20, 64, 65, 100, 127, 1000])
def test_even_values_fill_bins_evenly(width):
    """All values of any width are as often in one bin as in another."""
    config = load("smoke", {"value_days": width - 1, "accounts": 1})
    (each,) = [each for each in DISTRIBUTIONS if each.name == "value days"]

    class Shard:
        value_day = np.arange(width)

    class Everything:
        shard = Shard

    Everything.config = config
    counts = each.counts(Everything)
    assert len(counts) == len(each.weights(config))
    assert len(set(counts.tolist())) == 1
    assert counts.sum() > width - 64
