"""A shard: how its commands are numbered, and what each looks like."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from e2e_data.commands import Kind, Label, Outcome
from e2e_data.config import load
from e2e_data.config_parts import Patterns
from e2e_data.pool import Pool
from e2e_data.shard import COLUMNS, make_shard, shard_counts


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


def test_name(shard):
    """In a message a shard names itself by its number and seed, not by its columns."""
    assert repr(shard).startswith("<Shard 2 of seed 7, Counts(account=7, ")


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


def test_hash_is_of_values(shard):
    """A hash is of the values and their declared types, not of how an array lies in memory."""
    wide = np.stack([shard.description, shard.description], axis=1)
    swapped = shard.account_number.astype(">i4")
    other = replace(shard, description=wide[:, 0], account_number=swapped)
    assert other.hash == shard.hash
    assert replace(shard, value_day=(shard.value_day + 1)).hash != shard.hash


def test_columns_have_their_types(shard):
    """Columns are no wider in memory than is declared, and without knobs label nothing."""
    assert {name: getattr(shard, name).dtype.type for name in COLUMNS} == COLUMNS
    assert not shard.label.any()
    assert (shard.original == -1).all()


KNOBS = {
    "accounts_per_shard": 50,
    "hostile_percentage": 20,
    "pattern_percentage": 50,
    "boundary_percentage": 10,
    "regions": ["north", "south"],
}


def test_labels_of_commands():
    """A command tells its label, and a replay which command it repeats."""
    made = make_shard(load("small", KNOBS), 7, 0)
    commands = [made.command(index) for index in range(len(made))]
    assert {command.label for command in commands} == set(Label) - {Label.HOT}
    for command in commands:
        assert (command.original is None) != command.label.is_replay
        if command.original is not None:
            original = commands[command.original]
            assert (original.account, original.kind) == (command.account, Kind.PAYMENT)
            assert original.expected == command.expected
            assert command.amount_minor == command.credit_minor == 0
            assert command.credit_currency == command.account.currency


def test_a_label_lost_to_the_cap():
    """Where the MINUTE limit leaves nothing of a pattern, a payment is as any other: capped, exchanged."""
    overrides = {
        "enable_limit_violations": False,
        "limit_based_percentage": 100,
        "pattern_percentage": 100,
        "patterns": {**dict.fromkeys(Patterns.model_fields, 0), "reportable": 100},
        "fx_percentage": 100,
    }
    made = make_shard(load("large", overrides), 7, 0)
    rows = made.slice_of(Kind.PAYMENT)
    account = made.account_number[rows]
    own, minute = made.currency[account], made.limit_minute_minor[account]
    amount, exchanged = made.amount_minor[rows], made.credit_currency[rows] != own
    reportable = amount >= 10_000 * 10 ** np.array(made.config.digits)[own]
    lost = made.label[rows] == Label.NONE
    assert 0 < np.count_nonzero(lost) < len(lost)
    assert (lost == ~reportable).all()
    assert (amount[lost] == minute[lost]).all()
    assert (exchanged == lost).all()


def test_regions_of_accounts():
    """An account knows its region; its transit number begins with the region's digit."""
    made = make_shard(load("small", KNOBS), 7, 0)
    found = {made.account(n).transit_number[0]: made.account(n).region for n in range(50)}
    assert found == {"1": "north", "2": "south"}


def test_payments_to_other_regions():
    """A beneficiary lives in any region; a payment that leaves its account's is told, a replay's too."""
    made = make_shard(load("small", KNOBS), 7, 0)
    payments = [made.command(index) for index in made.range_of(Kind.PAYMENT)]
    # What is sent for a replay is its original.
    sent = [one if one.original is None else made.command(one.original) for one in payments]
    across = [one.beneficiary.transit_number[0] != one.account.transit_number[0] for one in sent]
    assert made.to_other_region[made.slice_of(Kind.PAYMENT)].tolist() == across
    assert {True, False} == set(across)
    assert {one.beneficiary.transit_number[0] for one in payments} == {"1", "2"}
    assert not made.to_other_region[: made.range_of(Kind.PAYMENT).start].any()


def test_without_regions_nothing_crosses(shard):
    """A pool without regions has no payment to another one, nor an account in one."""
    assert not shard.to_other_region.any()
    assert set(shard.regions) == {""}


def test_knobs_leave_the_rest(shard):
    """With regions or hostile payments, what they do not touch is drawn as without."""
    config = load("small", {"regions": ["a"], "hostile_percentage": 1})
    other = make_shard(config, 7, 2)
    same = other.label == Label.NONE
    assert np.count_nonzero(~same) > 0
    for name in ("account_number", "amount_minor", "credit_minor", "credit_currency"):
        assert getattr(other, name)[same].tolist() == getattr(shard, name)[same].tolist()
    assert other.transit.tolist() == (100 + shard.transit).tolist()
    assert other.beneficiary_account.tolist() == shard.beneficiary_account.tolist()


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


def test_a_pool_in_laps_has_the_same_shards_again_and_again():
    """Their numbers go on; their columns, and so their hashes, are those of the first lap."""
    one = Pool.in_memory(load("smoke", {"accounts": 2500}), 3)
    pool = one.lapped(2)
    assert (pool.shard_count, len(pool)) == (2 * one.shard_count, 2 * len(one))
    assert pool.manifest == one.manifest
    first, again = pool.shard(1), pool.shard(1 + one.shard_count)
    assert (first.number, again.number) == (1, 1 + one.shard_count)
    assert first.hash == again.hash
    assert pool.shard_counts(again.number) == first.counts
    with pytest.raises(IndexError):
        pool.shard(pool.shard_count)
