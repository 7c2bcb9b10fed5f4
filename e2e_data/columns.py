"""The columns of a shard, sampled: accounts and funding credits.

Everything is a pure function of (configuration, seed, shard number), in integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e_data import tables
from e2e_data import vocabulary as words
from e2e_data.commands import PERIODS, Label
from e2e_data.config import PoolConfig
from e2e_data.draw import Draw
from e2e_data.order import funding_order
from e2e_data.roles import Roles, moved_to_hot
from e2e_data.tables import Int64s, Stream, bounded

Columns = dict[str, NDArray[Any]]
"""Columns of one length, by name."""


def counts_per_account(draw: Draw) -> tuple[Int64s, Int64s]:
    """Return how many funding credits and how many payments each account has."""

    def between(stream: Stream, bounds: tuple[int, int]) -> Int64s:
        return bounds[0] + draw.below(stream, draw.accounts, bounds[1] - bounds[0] + 1)

    funding = between(Stream.FUNDING_COUNT, draw.config.funding)
    payments = between(Stream.PAYMENT_COUNT, draw.config.payments)
    return funding, moved_to_hot(draw, payments)


def account_columns(draw: Draw, roles: Roles) -> Columns:
    """Return the accounts of a shard, with their opening balances and limits in minor units."""
    config, count = draw.config, draw.accounts
    currency = draw.below(Stream.CURRENCY, count, len(config.currencies))
    opening = config.opening_balance
    below = draw.below(Stream.BALANCE_SIDE, count, 100) < opening.below_break_percent
    bounds = (opening.low_units, opening.break_units, opening.high_units)
    knots = np.stack(
        [
            tables.log_uniform_knots(bounds[side] * 10**digits, bounds[side + 1] * 10**digits)
            for digits in config.digits
            for side in (0, 1)
        ]
    )
    table = currency * 2 + np.where(below, 0, 1)
    balance = tables.interpolated(draw.draws(Stream.BALANCE, count), knots, table)
    unit = 10 ** np.array(config.digits, dtype=np.int64)[currency]
    return {
        "currency": currency,
        "transit": transit_numbers(draw, count, Stream.TRANSIT, Stream.REGION),
        "account_type": tables.weighted(
            draw.draws(Stream.ACCOUNT_TYPE, count), config.account_types.weights
        ),
        "limit_based": roles.limit_based,
        "opening_balance_minor": balance,
        **limit_columns(config, balance, unit),
    }


def transit_numbers(draw: Draw, count: int, number: Stream, region: Stream) -> Int64s:
    """Draw transit numbers, with regions those of any region; each from a stream of its own."""
    config = draw.config
    drawn = 1 + draw.below(number, count, config.transit_numbers)
    if not config.regions:
        return drawn
    return 100 * (1 + draw.below(region, count, len(config.regions))) + drawn


def limit_columns(config: PoolConfig, balance_minor: Int64s, unit: Int64s) -> dict[str, Int64s]:
    """Return the limits of accounts by their opening balances, a column per period.

    All in minor units; `unit` is the number of minor units in a unit of each account's currency.
    """
    return {
        f"limit_{period.lower()}_minor": np.maximum(
            balance_minor * rule.percent // 100, rule.floor_units * unit
        )
        for period, rule in zip(PERIODS, config.limits.rules, strict=True)
    }


def funding_columns(draw: Draw, accounts: Columns, roles: Roles, counts: Int64s) -> Columns:
    """Return the funding credits of a shard in random order; `counts` is a number per account."""
    total = int(counts.sum())
    account = np.repeat(np.arange(len(counts)), counts)
    early = (roles.are(Label.BOUNDARY) & ~roles.limit_based)[account]
    account = account[funding_order(draw.words(Stream.FUNDING_ORDER, total), early)]
    least, most = funding_bounds(draw.config, accounts["opening_balance_minor"])
    width = (most - least + 1)[account]
    return {
        "account_number": account,
        "amount_minor": least[account] + bounded(draw.draws(Stream.FUNDING_AMOUNT, total), width),
        "description": draw.below(Stream.FUNDING_DESCRIPTION, total, words.FUNDING_TEXTS),
    }


def funded_minor(balance_minor: Int64s, account: NDArray[Any], amount_minor: Int64s) -> Int64s:
    """Return all that accounts are ever credited: their opening balances and their funding."""
    funded = balance_minor.copy()
    np.add.at(funded, account, amount_minor)
    return funded


def funding_bounds(config: PoolConfig, balance_minor: Int64s) -> tuple[Int64s, Int64s]:
    """Return the least and the most that a funding credit may bring, in minor units.

    Where the range of percentages holds no whole minor unit, both are the next one above it.
    """
    low, high = config.funding_percent
    least = np.maximum(-(-balance_minor * low // 100), 1)
    return least, np.maximum(balance_minor * high // 100, least)
