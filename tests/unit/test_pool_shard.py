"""A shard: how its commands are numbered, and what each looks like."""

import re
from itertools import pairwise

import numpy as np
import pytest

from e2e_data.columns import limit_based_accounts
from e2e_data.commands import Kind, Outcome
from e2e_data.config import load
from e2e_data.shard import make_shard, shard_counts


@pytest.fixture(scope="module")
def shard():
    return make_shard(load("small"), 7, 2)


def test_numbering(shard):
    """Creations, opening credits, funding, payments: each kind is one contiguous range."""
    ranges = [shard.range_of(kind) for kind in Kind]
    assert ranges[0].start == 0
    assert ranges[-1].stop == len(shard)
    assert all(before.stop == after.start for before, after in pairwise(ranges))
    assert [len(rows) for rows in ranges] == list(shard.counts)
    assert shard.kind.tolist() == [kind for kind in Kind for _ in shard.range_of(kind)]


def test_counts_without_the_shard(shard):
    """How much a shard has of each kind is known without making it."""
    assert shard_counts(shard.config, 7, 2) == shard.counts


def test_accounts_come_first(shard):
    """Account i is made by command i and gets its opening credit, exactly B, by command A + i."""
    accounts = shard.counts.account
    for number in range(accounts):
        account = shard.account(number)
        made, opened = shard.command(number), shard.command(accounts + number)
        assert (made.kind, made.account, made.amount_minor) == (Kind.ACCOUNT, account, 0)
        assert (opened.kind, opened.account) == (Kind.OPENING_CREDIT, account)
        assert opened.amount_minor == account.opening_balance_minor
        assert opened.description == "Opening credit"
        assert made.expected == opened.expected == Outcome.SETTLED


@pytest.mark.parametrize("kind", [Kind.FUNDING, Kind.PAYMENT])
def test_interleaved(shard, kind):
    """Funding and payments go over all accounts in random order, not account by account."""
    account = shard.account_number[shard.slice_of(kind)]
    changes = np.count_nonzero(np.diff(account))
    assert changes > len(account) * 0.7
    each = np.bincount(account, minlength=shard.counts.account)
    least, most = getattr(shard.config, kind.label if kind is Kind.FUNDING else "payments")
    assert least <= each.min()
    assert each.max() <= most


def test_payment(shard):
    """A payment has a beneficiary in the form of the domain, and both legs."""
    for index in shard.range_of(Kind.PAYMENT):
        command = shard.command(index)
        assert command.beneficiary is not None
        assert re.fullmatch(r"ACC\d{9}", command.beneficiary.account_number)
        assert re.fullmatch(r"0[0-2]\d", command.beneficiary.transit_number)
        assert command.beneficiary.name
        assert command.beneficiary.bank_name.endswith(" Bank")
        assert command.description
        assert 0 <= command.value_day <= 5
        assert type(command.amount_minor) is int
        assert command.amount_minor >= 1
        assert command.credit_minor >= 1


def test_limits_by_hand(shard):
    """MINUTE is max(2 % of B, 2,000 units) and always a fifth of HOUR; and so on up to MONTH."""
    rules = ((2, 2_000), (10, 10_000), (50, 100_000), (100, 1_000_000), (500, 5_000_000))
    for number in range(shard.counts.account):
        account = shard.account(number)
        unit = 1 if account.currency == "JPY" else 100
        balance = account.opening_balance_minor
        right = tuple(max(balance * percent // 100, floor * unit) for percent, floor in rules)
        assert account.limits_minor == right
        assert account.limits_minor[0] == account.limits_minor[1] // 5


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("share", [0, 1, 20, 33, 50, 80, 100])
def test_limit_based_share_is_exact(seed, share):
    """Of any hundred accounts in a row exactly the configured number is limit-based."""
    config = load("large", {"limit_based_percentage": share})
    flags = limit_based_accounts(config, seed, 0, 1000)
    sums = np.convolve(flags, np.ones(100, dtype=np.int64), mode="valid")
    assert set(sums.tolist()) == {share}
    assert limit_based_accounts(config, seed, 300, 50).tolist() == flags[300:350].tolist()


def test_out_of_range(shard):
    """What a shard or a pool does not have is an IndexError, also from the end."""
    for wrong in (-1, len(shard)):
        with pytest.raises(IndexError, match="commands"):
            shard.command(wrong)
    for wrong in (-1, shard.counts.account):
        with pytest.raises(IndexError, match="accounts"):
            shard.account(wrong)
    for wrong in (-1, shard.config.shard_count):
        with pytest.raises(IndexError, match="shards"):
            make_shard(shard.config, 7, wrong)


def test_columns_cannot_be_written(shard):
    """Nobody changes a shard by mistake."""
    with pytest.raises(ValueError, match="read-only"):
        shard.amount_minor[0] = 1


def test_hash_depends_on_what_is_in_it(shard):
    """The same arguments give the same hash; another seed, shard or setting another."""
    config = shard.config
    assert make_shard(config, 7, 2).hash == shard.hash
    others = [
        make_shard(config, 8, 2),
        make_shard(config, 7, 3),
        make_shard(load("small", {"fx_percentage": 50}), 7, 2),
    ]
    assert len({shard.hash, *(other.hash for other in others)}) == 4


def test_one_currency_never_exchanges():
    """With one currency there is nothing to exchange into, whatever the percentage."""
    made = make_shard(load("small", {"currencies": ("EUR",), "fx_percentage": 100}), 7, 0)
    rows = made.slice_of(Kind.PAYMENT)
    assert (made.credit_minor[rows] == made.amount_minor[rows]).all()


def test_exchange_into_every_other_currency():
    """An exchange credits any other currency, and never the account's own."""
    made = make_shard(load("large", {"fx_percentage": 100}), 7, 0)
    rows = made.slice_of(Kind.PAYMENT)
    pairs = set(
        zip(
            made.currency[made.account_number[rows]].tolist(),
            made.credit_currency[rows].tolist(),
            strict=True,
        )
    )
    assert pairs == {(own, other) for own in range(5) for other in range(5) if own != other}


def test_small_legs_are_raised():
    """A payment so small that it would credit nothing is raised to the least that credits one."""
    config = load(
        "small",
        {
            "currencies": ("JPY", "KWD"),
            "fx_percentage": 100,
            "usd_quotes": {"JPY": "0.00001"},
            "limits": {
                name: {"percent": 0, "floor_units": floor}
                for name, floor in (("minute", 400), ("hour", 2000), ("day", 2000))
            },
        },
    )
    made = [make_shard(config, 7, number) for number in range(config.shard_count)]
    payments = [(shard.command(index)) for shard in made for index in shard.range_of(Kind.PAYMENT)]
    in_yen = [payment for payment in payments if payment.account.currency == "JPY"]
    assert min(payment.amount_minor for payment in in_yen) == 163
    assert min(payment.credit_minor for payment in in_yen) == 1
