"""What accounts are picked for: exact shares, in both sorts of accounts, as the seed says."""

import numpy as np
import pytest

from e2e_data.commands import Label
from e2e_data.config import load
from e2e_data.draw import Draw
from e2e_data.roles import hot_accounts, limit_based_accounts, moved_to_hot, roles_of


def roles(seed=7, accounts=10_000, **overrides):
    """Return the roles of the accounts of a pool of one shard."""
    settings = {"accounts": accounts, "accounts_per_shard": accounts, **overrides}
    return roles_of(Draw(load("smoke", settings), seed, 0))


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("share", [0, 1, 20, 33, 50, 80, 100])
def test_limit_based_share_is_exact(seed, share):
    """Of any hundred accounts in a row exactly the configured number is limit-based."""
    config = load("large", {"limit_based_percentage": share})
    flags = limit_based_accounts(config, seed, 0, 1000)
    sums = np.convolve(flags, np.ones(100, dtype=np.int64), mode="valid")
    assert set(sums.tolist()) == {share}
    assert limit_based_accounts(config, seed, 300, 50).tolist() == flags[300:350].tolist()


@pytest.mark.parametrize("limited", [1, 20, 50, 99])
@pytest.mark.parametrize(("boundary", "pattern"), [(10, 20), (50, 50), ("0.5", 3), (33, "66.6")])
def test_shares_are_exact_in_both_sorts_of_accounts(limited, boundary, pattern):
    """Boundary and pattern accounts are as frequent among limit-based accounts as among others."""
    found = roles(
        limit_based_percentage=limited, boundary_percentage=boundary, pattern_percentage=pattern
    )
    for sort in (found.limit_based, ~found.limit_based):
        cases = np.count_nonzero(sort)
        at_boundary = np.count_nonzero(found.are(Label.BOUNDARY) & sort)
        with_pattern = np.count_nonzero((found.label > Label.BEYOND) & sort)
        assert abs(at_boundary - cases * float(boundary) / 100) <= 1
        assert abs(with_pattern - cases * float(pattern) / 100) <= 2


@pytest.mark.parametrize("accounts", [10, 20, 50])
@pytest.mark.parametrize("seed", range(5))
def test_small_pools_have_their_share(accounts, seed):
    """Ten accounts of which a tenth are boundary accounts have exactly one of them."""
    found = roles(seed, accounts, boundary_percentage=10, limit_based_percentage=50)
    assert np.count_nonzero(found.are(Label.BOUNDARY)) == accounts // 10


def test_every_account_can_be_of_one_sort():
    """A share of 100 % is all accounts; none is left for anything else."""
    assert roles(boundary_percentage=100).are(Label.BOUNDARY).all()
    assert (roles(pattern_percentage=100).label > Label.BEYOND).all()


def test_shards_continue_one_another():
    """Shares are exact over the pool, wherever it is cut into shards."""
    overrides = {"accounts": 300, "boundary_percentage": 7, "limit_based_percentage": 30}
    parts = load("smoke", {**overrides, "accounts_per_shard": 7})
    labels = [roles_of(Draw(parts, 7, number)).label for number in range(parts.shard_count)]
    assert np.concatenate(labels).tolist() == roles(**overrides).label.tolist()


@pytest.mark.parametrize(
    ("accounts", "share", "hot"),
    [(1, 50, 0), (2, 1, 1), (2, 98, 1), (250, 1, 3), (250, "0.1", 1), (250, 10, 25)],
)
def test_hot_accounts(accounts, share, hot):
    """At least one account is hot and one is not; a single account is not hot."""
    settings = {"accounts": 501, "accounts_per_shard": max(2, accounts)}
    config = load("smoke", {**settings, "hot_account_share": share, "hot_payment_share": 99})
    number = 0 if accounts > 1 else config.shard_count - 1
    assert np.count_nonzero(hot_accounts(Draw(config, 7, number))) == hot


def test_hot_accounts_take_their_share():
    """Payments go over to hot accounts, none gets lost, and other accounts lose only."""
    config = load("large", {"hot_account_share": 2, "hot_payment_share": 60})
    draw = Draw(config, 7, 0)
    before = np.full(draw.accounts, 80)
    after = moved_to_hot(draw, before)
    hot = hot_accounts(draw)
    assert after.sum() == before.sum()
    assert 0.55 < after[hot].sum() / after.sum() < 0.65
    assert after[hot].min() > 10 * after[~hot].max()


def test_hot_accounts_may_have_another_role():
    """A boundary account that is hot is labelled as a boundary account."""
    found = roles(boundary_percentage=50, hot_account_share=20, hot_payment_share=50)
    both = found.hot & found.are(Label.BOUNDARY)
    assert both.any()
    assert (found.label[found.hot & ~both] == Label.HOT).all()
    assert not found.are(Label.HOT)[~found.hot].any()
