"""The columns of a shard, sampled: accounts, funding credits and payments.

Everything is a pure function of (configuration, seed, shard number), in integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e_data import money, tables
from e2e_data import vocabulary as words
from e2e_data.commands import PERIODS
from e2e_data.config import PoolConfig
from e2e_data.config_parts import band_edge
from e2e_data.tables import Int64s, Stream, bounded

Columns = dict[str, NDArray[Any]]
"""Columns of one length, by name."""

BENEFICIARY_ACCOUNTS = 10**9


class Draw:
    """The random numbers of one shard."""

    def __init__(self, config: PoolConfig, seed: int, number: int) -> None:
        self.config = config
        self.seed = seed
        self.number = number
        self.accounts = config.accounts_in(number)

    def draws(self, stream: Stream, count: int) -> tables.Draws:
        """Return `count` uniform 32-bit numbers for one purpose."""
        return tables.draws(self.seed, self.number, stream, count)

    def order(self, stream: Stream, count: int) -> Int64s:
        """Return a random permutation of range(count)."""
        return tables.shuffled(tables.words(self.seed, self.number, stream, count))


def counts_per_account(draw: Draw) -> tuple[Int64s, Int64s]:
    """Return how many funding credits and how many payments each account has."""

    def between(stream: Stream, bounds: tuple[int, int]) -> Int64s:
        return bounds[0] + bounded(draw.draws(stream, draw.accounts), bounds[1] - bounds[0] + 1)

    funding = between(Stream.FUNDING_COUNT, draw.config.funding)
    return funding, between(Stream.PAYMENT_COUNT, draw.config.payments)


def limit_based_accounts(config: PoolConfig, seed: int, first: int, count: int) -> Int64s:
    """Return 1 for each limit-based account among `count`, the first being number `first`.

    Numbers run over the whole pool. The share is exact, not drawn: of any hundred accounts in
    a row exactly `limit_based_percentage` are limit-based, the seed says where. So even ten
    accounts hold both sorts.
    """
    share = config.limit_based_percentage
    phase = int(bounded(tables.draws(seed, 0, Stream.LIMIT_BASED, 1), 100)[0])
    number = np.arange(first, first + count, dtype=np.int64)
    return ((number * share + phase) % 100 < share).astype(np.int64)


def account_columns(draw: Draw) -> Columns:
    """Return the accounts of a shard, with their opening balances and limits in minor units."""
    config, count = draw.config, draw.accounts
    currency = bounded(draw.draws(Stream.CURRENCY, count), len(config.currencies))
    opening = config.opening_balance
    below = bounded(draw.draws(Stream.BALANCE_SIDE, count), 100) < opening.below_break_percent
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
    first = draw.number * config.shard_accounts
    return {
        "currency": currency,
        "transit": 1 + bounded(draw.draws(Stream.TRANSIT, count), config.transit_numbers),
        "account_type": tables.weighted(
            draw.draws(Stream.ACCOUNT_TYPE, count), config.account_types.weights
        ),
        "limit_based": limit_based_accounts(config, draw.seed, first, count).astype(np.bool_),
        "opening_balance_minor": balance,
        **limit_columns(config, balance, unit),
    }


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


def funding_columns(draw: Draw, accounts: Columns, counts: Int64s) -> Columns:
    """Return the funding credits of a shard in random order; `counts` is a number per account."""
    total = int(counts.sum())
    account = np.repeat(np.arange(len(counts)), counts)[draw.order(Stream.FUNDING_ORDER, total)]
    least, most = funding_bounds(draw.config, accounts["opening_balance_minor"])
    width = (most - least + 1)[account]
    return {
        "account_number": account,
        "amount_minor": least[account] + bounded(draw.draws(Stream.FUNDING_AMOUNT, total), width),
        "description": bounded(draw.draws(Stream.FUNDING_DESCRIPTION, total), words.FUNDING_TEXTS),
    }


def funding_bounds(config: PoolConfig, balance_minor: Int64s) -> tuple[Int64s, Int64s]:
    """Return the least and the most that a funding credit may bring, in minor units.

    Where the range of percentages holds no whole minor unit, both are the next one above it.
    """
    low, high = config.funding_percent
    least = np.maximum(-(-balance_minor * low // 100), 1)
    return least, np.maximum(balance_minor * high // 100, least)


def payment_columns(draw: Draw, accounts: Columns, counts: Int64s) -> Columns:
    """Return the payments of a shard in random order; `counts` is a number per account."""
    config, total = draw.config, int(counts.sum())
    account = np.repeat(np.arange(len(counts)), counts)[draw.order(Stream.PAYMENT_ORDER, total)]
    own = accounts["currency"][account]
    credit_currency = _credit_currencies(draw, own)
    least = _least_debits(config)[own, credit_currency]
    amount = np.maximum(_debits(draw, accounts, account), least)

    def index(stream: Stream, count: int) -> Int64s:
        return bounded(draw.draws(stream, total), count)

    return {
        "account_number": account,
        "amount_minor": amount,
        "credit_minor": _converted(config, amount, own, credit_currency),
        "credit_currency": credit_currency,
        "description": index(Stream.PAYMENT_DESCRIPTION, words.PAYMENT_TEXTS),
        "beneficiary_name": index(Stream.BENEFICIARY_NAME, words.NAMES),
        "beneficiary_account": index(Stream.BENEFICIARY_ACCOUNT, BENEFICIARY_ACCOUNTS),
        "beneficiary_transit": 1 + index(Stream.BENEFICIARY_TRANSIT, config.transit_numbers),
        "beneficiary_bank": index(Stream.BENEFICIARY_BANK, words.BANKS),
        "value_day": index(Stream.VALUE_DAY, config.value_days + 1),
    }


def _debits(draw: Draw, accounts: Columns, account: Int64s) -> Int64s:
    config = draw.config
    hour = accounts["limit_hour_minor"]
    start = np.stack([band_edge(hour, band.from_percent) for band in config.payment_bands])
    start = np.maximum(start, 1)
    end = np.stack([band_edge(hour, band.to_percent) for band in config.payment_bands])
    weights = [band.weight_percent for band in config.payment_bands]
    band = tables.weighted(draw.draws(Stream.PAYMENT_BAND, len(account)), weights)
    cell = band * len(hour) + account
    width = (end - start).ravel()[cell]
    amount: Int64s = start.ravel()[cell] + bounded(
        draw.draws(Stream.PAYMENT_AMOUNT, len(account)), width
    )
    if config.enable_limit_violations:
        return amount
    cap: Int64s = np.where(
        accounts["limit_based"], accounts["limit_minute_minor"], np.iinfo(np.int64).max
    )
    capped: Int64s = np.minimum(amount, cap[account])
    return capped


def _credit_currencies(draw: Draw, own: Int64s) -> Int64s:
    others = len(draw.config.currencies) - 1
    if others == 0:
        return own
    foreign = bounded(draw.draws(Stream.FX, len(own)), 100) < draw.config.fx_percentage
    other = bounded(draw.draws(Stream.FX_CURRENCY, len(own)), others)
    chosen: Int64s = np.where(foreign, other + (other >= own), own)
    return chosen


def _least_debits(config: PoolConfig) -> Int64s:
    count = len(config.currencies)
    least = np.ones((count, count), dtype=np.int64)
    for (debit, credit), ratio in config.ratios.items():
        least[debit, credit] = money.least_convertible(ratio)
    return least


def _converted(config: PoolConfig, amount: Int64s, own: Int64s, credit_currency: Int64s) -> Int64s:
    credit = amount.copy()
    for (debit_index, credit_index), ratio in config.ratios.items():
        rows = np.flatnonzero((own == debit_index) & (credit_currency == credit_index))
        credit[rows] = money.convert(amount[rows], ratio)
    return credit
