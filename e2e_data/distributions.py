"""Everything that a pool draws by chance: the weights by which it should, and how often it did.

One list serves all: the tally counts every entry in each shard, and validation compares the sums
with the weights. What is exact instead, such as the share of limit-based accounts, is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e_data import tables
from e2e_data import vocabulary as words
from e2e_data.columns import funding_bounds
from e2e_data.commands import Kind, Label
from e2e_data.config import PoolConfig
from e2e_data.config_parts import MILLION, millionths
from e2e_data.payments import BENEFICIARY_ACCOUNTS
from e2e_data.roles import PATTERNS
from e2e_data.sampled import Sampled, rows_of

Values = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]

BANDS = "payments by band"
SIDES = "opening balances below and above the break"
REGIONS = "accounts by region"

FINE = 64
"""Values of more kinds than this are counted in bins."""
BINS = 16
LOG_BINS = 8
_LOG_STEP = 2**tables.KNOT_BITS // LOG_BINS


@dataclass(frozen=True, slots=True)
class Distribution:
    """One thing that is drawn: the chance of each category, and its cases in a shard."""

    name: str
    weights: Callable[[PoolConfig], Sequence[int]]
    """Empty where the configuration leaves nothing to draw, or nothing to recognise it by."""
    counts: Callable[[Sampled], Values]
    """Cases by category, as many as there are weights."""


def _even(
    name: str, width: Callable[[PoolConfig], int], value: Callable[[Sampled], Values]
) -> Distribution:
    """Return the distribution of values from 0 to below a width, each as likely as another."""
    return Distribution(
        name,
        lambda config: (1,) * _bins(width(config)),
        lambda sampled: _binned(value(sampled), width(sampled.config)),
    )


def _share(
    name: str, percent: Callable[[PoolConfig], int], flags: Callable[[Sampled], Flags]
) -> Distribution:
    """Return the distribution of what is so, and then of what is not, by millionths of it."""

    def weights(config: PoolConfig) -> Sequence[int]:
        share = percent(config)
        return (share, MILLION - share) if share else ()

    def counts(sampled: Sampled) -> Values:
        found = flags(sampled)
        true = np.count_nonzero(found)
        return np.array([true, len(found) - true])

    return Distribution(name, weights, counts)


def _bins(width: int) -> int:
    return width if width <= FINE else BINS


def _binned(value: Values, width: int) -> Values:
    """Count values in bins of one width; the largest values, which fill no bin, are left out."""
    bins = _bins(width)
    place = value if bins == width else value // (width // bins)
    return np.bincount(place, minlength=bins)[:bins]


def _binned_each(value: Values, width: Values) -> Values:
    """Count values, each from 0 to below a width of its own, in BINS bins of that width."""
    each = width // BINS
    place = value // np.maximum(each, 1)
    return np.bincount(place[(value >= 0) & (place < BINS) & (each > 0)], minlength=BINS)


# -- accounts ---------------------------------------------------------------------------------------


def _below_break(sampled: Sampled) -> Flags:
    shard, config = sampled.shard, sampled.config
    breaks = config.opening_balance.break_units * 10 ** np.array(config.digits, dtype=np.int64)
    below: Flags = shard.opening_balance_minor < breaks[shard.currency]
    return below


def _log_uniform(side: int) -> Distribution:
    """Return the distribution of opening balances on one side of the break, by their logarithms."""

    def knots(config: PoolConfig, digits: int) -> Values:
        opening = config.opening_balance
        units = (opening.low_units, opening.break_units, opening.high_units)
        return tables.log_uniform_knots(*(unit * 10**digits for unit in units[side : side + 2]))

    def weights(config: PoolConfig) -> Sequence[int]:
        # Where the range is but a few minor units wide, quantiles fall on one another.
        steps = [
            np.diff(knots(config, digits))[_LOG_STEP - 1 :: _LOG_STEP] for digits in config.digits
        ]
        return (1,) * LOG_BINS if all(step.all() for step in steps) else ()

    def counts(sampled: Sampled) -> Values:
        shard, there = sampled.shard, _below_break(sampled) == (side == 0)
        total = np.zeros(LOG_BINS, dtype=np.int64)
        for currency, digits in enumerate(sampled.config.digits):
            edges = knots(sampled.config, digits)[_LOG_STEP:-1:_LOG_STEP]
            balances = shard.opening_balance_minor[there & (shard.currency == currency)]
            place = np.searchsorted(edges, balances, side="right")
            total += np.bincount(place, minlength=LOG_BINS)
        return total

    return Distribution(
        f"opening balances {('below', 'above')[side]} the break, by size", weights, counts
    )


def _transit(sampled: Sampled, transit: Values) -> Values:
    return (transit % 100 if sampled.config.regions else transit) - 1


def _patterns(sampled: Sampled) -> Values:
    label = sampled.label
    shown = (label >= PATTERNS[0]) & (label <= PATTERNS[-1]) & ~sampled.capped
    pattern = np.zeros(sampled.shard.counts.account, dtype=np.uint8)
    pattern[sampled.account[shown]] = label[shown]
    return np.bincount(pattern, minlength=PATTERNS[-1] + 1)[PATTERNS[0] :]


# -- funding and payments ---------------------------------------------------------------------------


def _numbers(sampled: Sampled, kind: Kind, bounds: tuple[int, int]) -> Values:
    """Return how many commands of a kind each account has beyond the least, where that can be."""
    account = sampled.shard.account_number[sampled.shard.slice_of(kind)]
    each = np.bincount(account, minlength=sampled.shard.counts.account)
    return each[(each >= bounds[0]) & (each <= bounds[1])] - bounds[0]


def payments_move(config: PoolConfig) -> bool:
    """Tell whether payments go over to other accounts: to hot ones, or as replays of theirs."""
    flavours = config.hostile_flavours
    replays = config.hostile_percentage and flavours.replay + flavours.racing_replay
    return bool(config.hot_payment_share or replays)


def _within_funding_range(sampled: Sampled) -> Values:
    shard = sampled.shard
    rows = shard.slice_of(Kind.FUNDING)
    account = shard.account_number[rows]
    least, most = funding_bounds(sampled.config, shard.opening_balance_minor)
    return _binned_each(shard.amount_minor[rows] - least[account], (most - least + 1)[account])


def _within_band(sampled: Sampled) -> Values:
    rows = sampled.drawn
    band, account = sampled.band[rows], sampled.account[rows]
    starts, ends = sampled.ranges
    cell = np.multiply(band, starts.shape[1], dtype=np.int64) + account
    start, end = starts.ravel().take(cell), ends.ravel().take(cell)
    return _binned_each(sampled.amount_minor[rows] - start, end - start)


def _foreign(sampled: Sampled) -> Values:
    foreign = np.flatnonzero(sampled.exchanged & sampled.plain)
    other = sampled.credit_currency[foreign]
    return other - (other > sampled.own_currency[foreign])


def _flavours(sampled: Sampled) -> Values:
    counts = np.bincount(sampled.label, minlength=len(Label))[Label.UNKNOWN_ACCOUNT :]
    return _with_replays_as_unknown(counts)


def _with_replays_as_unknown(flavours: Values) -> Values:
    # A replay that finds no original names an unknown account, so only their sum was drawn.
    replays = Label.REPLAY - Label.UNKNOWN_ACCOUNT
    merged = flavours[:replays].copy()
    merged[0] += flavours[replays:].sum()
    return merged


def _hot(sampled: Sampled) -> Flags:
    hot = sampled.roles.hot
    return hot[sampled.account[rows_of(sampled.plain)]] if hot.any() else hot[:0]


# -- the list ---------------------------------------------------------------------------------------

DISTRIBUTIONS = (
    Distribution(
        BANDS,
        lambda config: [band.weight_percent for band in config.payment_bands],
        lambda s: np.bincount(s.band[s.drawn], minlength=len(s.config.payment_bands)),
    ),
    Distribution("payment amounts within their bands", lambda _: (1,) * BINS, _within_band),
    Distribution(
        "accounts by type",
        lambda config: config.account_types.weights,
        lambda s: np.bincount(s.shard.account_type, minlength=4),
    ),
    _even("accounts by currency", lambda c: len(c.currencies), lambda s: s.shard.currency),
    _share(SIDES, lambda c: c.opening_balance.below_break_percent * MILLION // 100, _below_break),
    _log_uniform(0),
    _log_uniform(1),
    _even(
        "transit numbers of accounts",
        lambda c: c.transit_numbers,
        lambda s: _transit(s, s.shard.transit),
    ),
    _even(REGIONS, lambda c: len(c.regions), lambda s: s.shard.transit // 100 - 1),
    _even(
        "funding credits per account",
        lambda c: c.funding[1] - c.funding[0] + 1,
        lambda s: _numbers(s, Kind.FUNDING, s.config.funding),
    ),
    _even(
        "payments per account",
        lambda c: 0 if payments_move(c) else c.payments[1] - c.payments[0] + 1,
        lambda s: _numbers(s, Kind.PAYMENT, s.config.payments),
    ),
    Distribution(
        "funding amounts within their range", lambda _: (1,) * BINS, _within_funding_range
    ),
    _share(
        "payments with and without exchange",
        lambda c: c.fx_percentage * MILLION // 100 if len(c.currencies) > 1 else 0,
        lambda s: s.exchanged[rows_of(s.ordinary)],
    ),
    _even("exchanges by currency", lambda c: len(c.currencies) - 1, _foreign),
    _even(
        "descriptions of funding credits",
        lambda _: words.FUNDING_TEXTS,
        lambda s: s.shard.description[s.shard.slice_of(Kind.FUNDING)],
    ),
    _even(
        "descriptions of payments",
        lambda _: words.PAYMENT_TEXTS,
        lambda s: s.shard.description[s.shard.slice_of(Kind.PAYMENT)],
    ),
    _even("names of beneficiaries", lambda _: words.NAMES, lambda s: s.shard.beneficiary_name),
    _even("banks of beneficiaries", lambda _: words.BANKS, lambda s: s.shard.beneficiary_bank),
    _even(
        "accounts of beneficiaries",
        lambda _: BENEFICIARY_ACCOUNTS,
        lambda s: s.shard.beneficiary_account,
    ),
    _even(
        "transit numbers of beneficiaries",
        lambda c: c.transit_numbers,
        lambda s: _transit(s, s.shard.beneficiary_transit),
    ),
    _even(
        "beneficiaries by region",
        lambda c: len(c.regions),
        lambda s: s.shard.beneficiary_transit // 100 - 1,
    ),
    _even("value days", lambda c: c.value_days + 1, lambda s: s.shard.value_day),
    _share("payments of hot accounts", lambda c: millionths(c.hot_payment_share), _hot),
    _share("hostile payments", lambda c: millionths(c.hostile_percentage), lambda s: ~s.plain),
    Distribution(
        "flavours of hostile payments",
        lambda c: (
            _with_replays_as_unknown(np.array(c.hostile_flavours.weights)).tolist()
            if c.hostile_percentage
            else ()
        ),
        _flavours,
    ),
    Distribution(
        "accounts by pattern",
        lambda c: c.patterns.weights if c.pattern_percentage else (),
        _patterns,
    ),
)
"""Each is a test of its own in chances.py."""
