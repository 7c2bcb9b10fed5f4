"""What accounts are picked for: limits, boundaries, behaviours, more than their share of payments.

Shares of accounts are exact, not drawn: the seed says where they fall. Each choice is spread evenly
over the accounts that the one before it left alike, so that small pools too hold every sort in
both the limit-based and the balance-based accounts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e_data import tables
from e2e_data.commands import Label
from e2e_data.config import PoolConfig
from e2e_data.config_parts import MILLION, millionths
from e2e_data.draw import Draw
from e2e_data.tables import Int64s, Stream, bounded

Flags = NDArray[np.bool_]
PATTERNS = tuple(label for label in Label if label.is_pattern)


@dataclass(frozen=True, slots=True)
class Roles:
    """What the accounts of a shard are picked for; columns of shape (accounts,)."""

    limit_based: Flags
    label: NDArray[np.uint8]
    """What an account's payments are labelled: NONE, HOT, BOUNDARY, or a pattern."""
    hot: Flags
    """Hot accounts, those with another label among them."""

    def are(self, label: Label) -> Flags:
        """Return which accounts have the label."""
        found: Flags = self.label == label
        return found


def roles_of(draw: Draw) -> Roles:
    """Return the roles of a shard's accounts."""
    config = draw.config
    number = draw.number * config.shard_accounts + np.arange(draw.accounts, dtype=np.int64)
    limited, place = _limit_based(config, draw.seed, number)
    hot = hot_accounts(draw)
    label = np.where(hot, np.uint8(Label.HOT), np.uint8(Label.NONE))
    if config.boundary_percentage or config.pattern_percentage:
        boundary, pattern = _boundary_and_pattern(config, draw.seed, limited, place)
        kind = tables.weighted(draw.draws(Stream.PATTERN, draw.accounts), config.patterns.weights)
        label[pattern] = Label.VELOCITY + kind[pattern]
        label[boundary] = Label.BOUNDARY
    return Roles(limit_based=limited, label=label, hot=hot)


def limit_based_accounts(config: PoolConfig, seed: int, first: int, count: int) -> Flags:
    """Return which accounts are limit-based among `count`, the first being number `first`.

    Numbers run over the whole pool. Of any hundred accounts in a row exactly
    `limit_based_percentage` are limit-based. So even ten accounts hold both sorts.
    """
    return _limit_based(config, seed, np.arange(first, first + count, dtype=np.int64))[0]


def hot_accounts(draw: Draw) -> Flags:
    """Return which accounts of a shard are hot: the configured share, but one at least.

    None is where there is nobody to be hotter than: with a single account.
    """
    count, share = draw.accounts, millionths(draw.config.hot_account_share)
    hot = np.zeros(count, dtype=np.bool_)
    if share and count > 1:
        wanted = (count * share + MILLION // 2) // MILLION
        order = tables.shuffled(draw.words(Stream.HOT_ACCOUNTS, count))
        hot[order[: min(max(wanted, 1), count - 1)]] = True
    return hot


def moved_to_hot(draw: Draw, payments: Int64s) -> Int64s:
    """Return the number of payments per account, after hot accounts took theirs from the others.

    Each payment is a hot one with the chance of `hot_payment_share`. The total stays.
    """
    hot = hot_accounts(draw)
    if not hot.any():
        return payments
    total, share = int(payments.sum()), millionths(draw.config.hot_payment_share)
    taken = draw.below(Stream.HOT_PAYMENT, total, MILLION) < share
    pick = draw.draws(Stream.HOT_PICK, total)
    account = np.repeat(np.arange(len(payments)), payments)
    warm, cold = np.flatnonzero(hot), np.flatnonzero(~hot)
    left = np.where(hot[account], cold[bounded(pick, len(cold))], account)
    account = np.where(taken, warm[bounded(pick, len(warm))], left)
    return np.bincount(account, minlength=len(payments))


def _limit_based(config: PoolConfig, seed: int, number: Int64s) -> tuple[Flags, Int64s]:
    share = config.limit_based_percentage
    phase = bounded(tables.draws(seed, 0, Stream.LIMIT_BASED, 1), 100)
    return _spread(number, share, 100, (phase - share) % 100)


def _boundary_and_pattern(
    config: PoolConfig, seed: int, limited: Flags, place: Int64s
) -> tuple[Flags, Flags]:
    share = millionths(config.boundary_percentage)
    start = _starts(seed, Stream.BOUNDARY, MILLION, limited)
    boundary, place = _spread(place, share, MILLION, start)
    left = MILLION - share
    if not left:
        return boundary, ~boundary
    start = _starts(seed, Stream.PATTERN_ACCOUNTS, left, limited)
    pattern, _ = _spread(place, millionths(config.pattern_percentage), left, start)
    return boundary, pattern & ~boundary


def _starts(seed: int, stream: Stream, whole: int, limited: Flags) -> Int64s:
    # Against each other: where limit-based accounts get one more, the others get one less.
    start = bounded(tables.draws(seed, 0, stream, 1), whole)
    return np.where(limited, start, whole - 1 - start)


def _spread(place: Int64s, share: int, whole: int, start: Int64s) -> tuple[Flags, Int64s]:
    """Flag `share` of any `whole` places in a row, beginning with a rest of `start`.

    The second result counts the places anew on each side, so that both can be spread again.
    """
    reached = place * share + start
    before = reached // whole
    flags: Flags = (reached + share) // whole > before
    return flags, np.where(flags, before, place - before)
