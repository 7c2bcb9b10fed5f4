"""The columns of a shard's payments, sampled: amounts, exchange, beneficiaries, labels, replays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from e2e_data import labels, money, tables
from e2e_data import vocabulary as words
from e2e_data.boundary import Boundary, boundary_payments
from e2e_data.columns import Columns, transit_numbers
from e2e_data.commands import Label
from e2e_data.config import PoolConfig
from e2e_data.config_checks import REPORTABLE_UNITS
from e2e_data.config_parts import band_edge
from e2e_data.draw import Draw
from e2e_data.order import payment_order
from e2e_data.roles import Flags, Roles
from e2e_data.tables import Int64s, Stream, bounded

BENEFICIARY_ACCOUNTS = 10**9
ROUND_UNITS = 100
"""Round amounts are multiples of so many currency units."""
SHAPED = (
    *(Label.BOUNDARY, Label.BEYOND, Label.STRUCTURING, Label.ROUND),
    *(Label.DORMANT, Label.REPORTABLE),
)
"""Payments with an amount of their own: not from the bands, and never exchanged."""


_IS_SHAPED = np.isin(list(Label), SHAPED)


@dataclass(frozen=True)
class Payer:
    """What of a shard's accounts decides their payments; columns of shape (accounts,)."""

    config: PoolConfig
    columns: Columns
    roles: Roles
    funded_minor: Int64s
    """The opening balance and all funding."""

    @cached_property
    def unit(self) -> Int64s:
        """The minor units in a unit of the account's currency."""
        return 10 ** np.array(self.config.digits, dtype=np.int64)[self.columns["currency"]]

    @cached_property
    def cap(self) -> Int64s:
        """The most that a payment may be."""
        capped = self.columns["limit_based"] & (not self.config.enable_limit_violations)
        return np.where(capped, self.columns["limit_minute_minor"], np.iinfo(np.int64).max)


def payment_columns(draw: Draw, payer: Payer, counts: Int64s) -> Columns:
    """Return the payments of a shard in random order; `counts` is a number per account.

    `original` is a row among the payments, or -1.
    """
    config, total = draw.config, int(counts.sum())
    account = np.repeat(np.arange(len(counts)), counts)
    label = labels.with_hostile(draw, payer.roles.label[account])
    boundary = _boundary(payer, account, label)
    order = payment_order(draw.words(Stream.PAYMENT_ORDER, total), account, label, boundary)
    account, label = account[order], label[order]
    original = labels.originals(draw, label)
    replays = np.flatnonzero(original >= 0)
    account[replays] = account[original[replays]]
    label[(label >= Label.REPLAY) & (original < 0)] = Label.UNKNOWN_ACCOUNT

    amount = _debits(draw, payer, account, label)
    own = payer.columns["currency"][account]
    credit_currency = _credit_currencies(draw, own, _IS_SHAPED[label])
    if boundary:
        place = np.empty(total, dtype=np.int64)
        place[order] = np.arange(total)
        amount[place[boundary.row]] = boundary.amount_minor
        label[place[boundary.row]] = boundary.label
    amount = np.maximum(amount, least_debits(config)[own, credit_currency])
    # What a replay moves was moved by its original.
    amount[replays], credit_currency[replays] = 0, own[replays]
    return {
        "account_number": account,
        "amount_minor": amount,
        "credit_minor": _converted(config, amount, own, credit_currency),
        "credit_currency": credit_currency,
        "label": label,
        "original": original,
        **_details(draw, total),
    }


def _details(draw: Draw, total: int) -> Columns:
    config = draw.config
    return {
        "description": draw.below(Stream.PAYMENT_DESCRIPTION, total, words.PAYMENT_TEXTS),
        "beneficiary_name": draw.below(Stream.BENEFICIARY_NAME, total, words.NAMES),
        "beneficiary_account": draw.below(Stream.BENEFICIARY_ACCOUNT, total, BENEFICIARY_ACCOUNTS),
        "beneficiary_transit": transit_numbers(
            draw, total, Stream.BENEFICIARY_TRANSIT, Stream.BENEFICIARY_REGION
        ),
        "beneficiary_bank": draw.below(Stream.BENEFICIARY_BANK, total, words.BANKS),
        "value_day": draw.below(Stream.VALUE_DAY, total, config.value_days + 1),
    }


def _boundary(payer: Payer, account: Int64s, label: labels.Labels) -> Boundary | None:
    rows = np.flatnonzero(label == Label.BOUNDARY)
    if not len(rows):
        return None
    return boundary_payments(
        rows,
        account[rows],
        payer.roles.limit_based,
        payer.columns["limit_minute_minor"],
        payer.funded_minor,
        beyond_limit=payer.config.enable_limit_violations,
    )


def _debits(draw: Draw, payer: Payer, account: Int64s, label: labels.Labels) -> Int64s:
    """Draw amounts from the bands or from what a pattern has instead; `label` may lose a pattern.

    It does where the cap at the MINUTE limit leaves nothing of it.
    """
    config = draw.config
    ranges = list(band_ranges(config, payer.columns["limit_hour_minor"]))
    weights = [band.weight_percent for band in config.payment_bands]
    chosen = tables.weighted(draw.draws(Stream.PAYMENT_BAND, len(account)), weights)
    if config.pattern_percentage:
        for pattern, bounds in _pattern_ranges(payer).items():
            chosen[label == pattern] = len(ranges)
            ranges.append(bounds)
    start = np.stack([start for start, _ in ranges])
    width = np.stack([end for _, end in ranges]) - start
    cell = chosen * draw.accounts + account
    amount: Int64s = start.ravel()[cell] + bounded(
        draw.draws(Stream.PAYMENT_AMOUNT, len(account)), width.ravel()[cell]
    )
    if config.pattern_percentage:
        amount = _rounded(payer, account, label, amount)
    if config.enable_limit_violations:
        return amount
    amount = np.minimum(amount, payer.cap[account])
    if config.pattern_percentage:
        _unlabel(payer, account, label, amount)
    return amount


def band_ranges(config: PoolConfig, hour_minor: Int64s) -> Iterator[tuple[Int64s, Int64s]]:
    """Go through the bands: the first amount of each and the first beyond, by HOUR limit."""
    for band in config.payment_bands:
        start = np.maximum(band_edge(hour_minor, band.from_percent), 1)
        yield start, band_edge(hour_minor, band.to_percent)


def _pattern_ranges(payer: Payer) -> dict[Label, tuple[Int64s, Int64s]]:
    minute, hour = payer.columns["limit_minute_minor"], payer.columns["limit_hour_minor"]
    least, most = (units * payer.unit for units in REPORTABLE_UNITS)
    return {
        Label.STRUCTURING: (minute - minute // 20, minute - -(-minute // 1000) + 1),
        Label.DORMANT: (-(-hour // 2), hour + 1),
        Label.REPORTABLE: (least, most + 1),
    }


def _rounded(payer: Payer, account: Int64s, label: labels.Labels, amount: Int64s) -> Int64s:
    """Round down to whole hundreds, but to one at least, and to what the cap allows."""
    hundred = ROUND_UNITS * payer.unit
    cap = np.maximum(payer.cap // hundred, 1) * hundred
    rounded = np.clip(amount // hundred[account], 1, None) * hundred[account]
    return np.where(label == Label.ROUND, np.minimum(rounded, cap[account]), amount)


def _unlabel(payer: Payer, account: Int64s, label: labels.Labels, amount: Int64s) -> None:
    unit = payer.unit[account]
    lost = (label == Label.ROUND) & (amount % (ROUND_UNITS * unit) != 0)
    lost |= (label == Label.REPORTABLE) & (amount < REPORTABLE_UNITS[0] * unit)
    hot = payer.roles.hot[account[lost]]
    label[lost] = np.where(hot, np.uint8(Label.HOT), np.uint8(Label.NONE))


def _credit_currencies(draw: Draw, own: Int64s, shaped: Flags) -> Int64s:
    others = len(draw.config.currencies) - 1
    if others == 0:
        return own.copy()
    foreign = draw.below(Stream.FX, len(own), 100) < draw.config.fx_percentage
    other = draw.below(Stream.FX_CURRENCY, len(own), others)
    chosen: Int64s = np.where(foreign & ~shaped, other + (other >= own), own)
    return chosen


def least_debits(config: PoolConfig) -> Int64s:
    """Return the least debit that credits a minor unit, by indices of the two currencies."""
    count = len(config.currencies)
    least = np.ones((count, count), dtype=np.int64)
    for (debit, credit), ratio in config.ratios.items():
        least[debit, credit] = money.least_convertible(ratio)
    return least


def _converted(config: PoolConfig, amount: Int64s, own: Int64s, credit_currency: Int64s) -> Int64s:
    credit = amount.copy()
    foreign = np.flatnonzero(own != credit_currency)
    pair = own[foreign] * len(config.currencies) + credit_currency[foreign]
    for (debit_index, credit_index), ratio in config.ratios.items():
        rows = foreign[pair == debit_index * len(config.currencies) + credit_index]
        credit[rows] = money.convert(amount[rows], ratio)
    return credit
