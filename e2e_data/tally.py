"""What a pool adds up to: exact counts and sums of a shard's columns, added over all shards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from e2e_data.commands import AccountType, Kind, Outcome
from e2e_data.config import PoolConfig
from e2e_data.config_parts import band_edge
from e2e_data.shard import Shard

Numbers = tuple[int, ...]


class Tally(BaseModel):
    """Counts and sums, exact; the shares that people read are made of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount_minor: tuple[Numbers, ...]
    """Sums by Kind and by the account's currency, as an index into `config.currencies`."""
    credit_minor: Numbers
    """What payments credit, by the credit's currency."""
    currencies: Numbers
    """Accounts by currency."""
    account_types: Numbers
    below_break: int
    """Accounts with an opening balance below the break of its distribution (100,000)."""
    limit_based: int
    payments: int
    payments_limit_based: int
    """Payments of limit-based accounts."""
    fx: int
    """Payments that credit another currency."""
    bands: Numbers
    """Payments by band, but for those whose amounts are capped at the MINUTE limit."""
    certain_rejects: int
    """Payments that a correct platform can only reject."""
    certain_rejects_limit_based: int
    determined: int
    """Payments with exactly one right outcome."""

    def plus(self, other: Tally) -> Tally:
        """Return the tally of both."""
        mine, others = self.model_dump(), other.model_dump()
        return Tally.model_construct(**{name: _added(mine[name], others[name]) for name in mine})


def _added(left: Any, right: Any) -> Any:
    if isinstance(left, int):
        return left + right
    return tuple(_added(a, b) for a, b in zip(left, right, strict=True))


def tally_of(shard: Shard) -> Tally:
    """Return the tally of one shard."""
    currencies = len(shard.config.currencies)
    payments = shard.slice_of(Kind.PAYMENT)
    account = shard.account_number[payments]
    limited = shard.limit_based[account]
    expected = shard.expected[payments]
    rejects = expected == Outcome.REJECTED
    return Tally(
        amount_minor=tuple(_amounts(shard, kind) for kind in Kind),
        credit_minor=_sums(
            currencies, shard.credit_currency[payments], shard.credit_minor[payments]
        ),
        currencies=_counts(currencies, shard.currency),
        account_types=_counts(len(AccountType), shard.account_type),
        below_break=_true(shard.opening_balance_minor < _breaks_minor(shard)),
        limit_based=_true(shard.limit_based),
        payments=len(account),
        payments_limit_based=_true(limited),
        fx=_true(shard.credit_currency[payments] != shard.currency[account]),
        bands=_bands(shard),
        certain_rejects=_true(rejects),
        certain_rejects_limit_based=_true(rejects & limited),
        determined=_true(rejects | (expected == Outcome.SETTLED)),
    )


def band_of_payments(shard: Shard) -> NDArray[np.int64]:
    """Return the index of each payment's band; -1 for an amount that is in none."""
    rows = shard.slice_of(Kind.PAYMENT)
    amount = shard.amount_minor[rows]
    hour = shard.limit_hour_minor[shard.account_number[rows]]
    found = np.full(len(amount), -1, dtype=np.int64)
    for index, band in enumerate(shard.config.payment_bands):
        start, end = band_edge(hour, band.from_percent), band_edge(hour, band.to_percent)
        found[(amount >= start) & (amount < end)] = index
    return found


def capped(shard: Shard) -> NDArray[np.bool_]:
    """Return for each payment whether its amount is capped at the account's MINUTE limit."""
    limited = shard.limit_based[shard.account_number[shard.slice_of(Kind.PAYMENT)]]
    return limited & (not shard.config.enable_limit_violations)


def empty_tally(config: PoolConfig) -> Tally:
    """Return the tally of nothing."""
    none = (0,) * len(config.currencies)
    return Tally(
        amount_minor=(none,) * len(Kind),
        credit_minor=none,
        currencies=none,
        account_types=(0,) * len(AccountType),
        below_break=0,
        limit_based=0,
        payments=0,
        payments_limit_based=0,
        fx=0,
        bands=(0,) * len(config.payment_bands),
        certain_rejects=0,
        certain_rejects_limit_based=0,
        determined=0,
    )


def _breaks_minor(shard: Shard) -> NDArray[np.int64]:
    unit = 10 ** np.array(shard.config.digits, dtype=np.int64)
    breaks: NDArray[np.int64] = shard.config.opening_balance.break_units * unit
    return breaks[shard.currency]


def _amounts(shard: Shard, kind: Kind) -> Numbers:
    rows = shard.slice_of(kind)
    currency = shard.currency[shard.account_number[rows]]
    return _sums(len(shard.config.currencies), currency, shard.amount_minor[rows])


def _bands(shard: Shard) -> Numbers:
    band = band_of_payments(shard)
    return _counts(len(shard.config.payment_bands), band[(band >= 0) & ~capped(shard)])


def _sums(length: int, index: NDArray[Any], minor: NDArray[np.int64]) -> Numbers:
    total = np.zeros(length, dtype=np.int64)
    np.add.at(total, index, minor)
    return tuple(total.tolist())


def _counts(length: int, index: NDArray[Any]) -> Numbers:
    return tuple(np.bincount(index, minlength=length).tolist())


def _true(flags: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(flags))
