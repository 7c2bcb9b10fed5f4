"""The parts of a pool's configuration: weights, opening balances, limits and payment bands."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from e2e_data.commands import PERIODS

Count = Annotated[int, Field(strict=True, ge=0, le=2**40)]
Percent = Annotated[int, Field(strict=True, ge=0, le=100)]
Units = Annotated[int, Field(strict=True, ge=1, le=2**53)]
Name = Annotated[str, Field(strict=True, min_length=1, max_length=40)]
Quote = Annotated[Decimal, Field(gt=Decimal("1e-9"), lt=Decimal("1e9"))]
Share = Annotated[
    Decimal,
    Field(ge=0, le=100, decimal_places=4),
    PlainSerializer(lambda share: format(share.normalize(), "f")),
]
"""An exact percentage with up to four decimals, for what a hundredth is too coarse for."""
MILLION = 10**6
Minor = TypeVar("Minor", int, NDArray[np.int64])


def millionths(share: Decimal) -> int:
    """Return a Share as a whole number of millionths of the whole."""
    return int(share * 10_000)


class Part(BaseModel):
    """A part of the configuration: unknown settings are refused, values cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Weights(Part):
    """Shares in percent, which add up to 100."""

    @property
    def weights(self) -> tuple[int, ...]:
        """The shares, in the order of the fields."""
        return tuple(getattr(self, name) for name in type(self).model_fields)

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if sum(self.weights) != 100:
            raise ValueError(f"the shares add up to {sum(self.weights)}, which must be 100")
        return self


class AccountTypes(Weights):
    """The share of each AccountType, in their order."""

    checking: Percent = 70
    savings: Percent = 20
    credit_card: Percent = 5
    line_of_credit: Percent = 5


class Patterns(Weights):
    """The share of each behaviour in the accounts that have one; in the order of Label."""

    velocity: Percent = 20
    structuring: Percent = 20
    round: Percent = 20
    dormant: Percent = 20
    reportable: Percent = 20


class HostileFlavours(Weights):
    """The share of each flavour in the hostile payments; in the order of Label."""

    unknown_account: Percent = 10
    unknown_currency: Percent = 10
    negative: Percent = 10
    zero: Percent = 10
    excess_decimals: Percent = 10
    missing_field: Percent = 10
    malformed: Percent = 10
    oversized: Percent = 10
    replay: Percent = 10
    racing_replay: Percent = 10


class OpeningBalance(Part):
    """Log-uniform on [low, break) for a share of the accounts, on [break, high) for the others."""

    low_units: Units = 10_000
    break_units: Units = 100_000
    high_units: Units = 1_000_000
    below_break_percent: Percent = 90

    @model_validator(mode="after")
    def _order(self) -> OpeningBalance:
        if not self.low_units < self.break_units < self.high_units:
            raise ValueError("low_units must be below break_units, and that below high_units")
        return self


class LimitRule(Part):
    """The limit of one period: a percentage of the opening balance, but no less than a floor."""

    percent: Annotated[int, Field(strict=True, ge=0, le=100_000)]
    floor_units: Units

    def limit_minor(self, balance_minor: int, digits: int) -> int:
        """Return the limit for an opening balance, both in minor units with `digits` decimals."""
        floor_minor: int = self.floor_units * 10**digits
        return max(balance_minor * self.percent // 100, floor_minor)


class Limits(Part):
    """One rule for each of PERIODS; none may be stricter than that of a shorter period."""

    minute: LimitRule = LimitRule(percent=2, floor_units=2_000)
    hour: LimitRule = LimitRule(percent=10, floor_units=10_000)
    day: LimitRule = LimitRule(percent=50, floor_units=100_000)
    week: LimitRule = LimitRule(percent=100, floor_units=1_000_000)
    month: LimitRule = LimitRule(percent=500, floor_units=5_000_000)

    @property
    def rules(self) -> tuple[LimitRule, ...]:
        """The rules in the order of PERIODS."""
        return (self.minute, self.hour, self.day, self.week, self.month)

    @model_validator(mode="after")
    def _order(self) -> Limits:
        # The oracle says "settled" from the MINUTE limit alone: no other may be below it.
        for (shorter, longer), name in zip(pairwise(self.rules), PERIODS[1:], strict=True):
            if longer.percent < shorter.percent or longer.floor_units < shorter.floor_units:
                raise ValueError(
                    f"{name.lower()} ({longer.percent} %, {longer.floor_units}) must not be below "
                    f"the period before it ({shorter.percent} %, {shorter.floor_units})"
                )
        return self


class Band(Part):
    """A share of the payments, and their amounts in percent of the account's HOUR limit."""

    weight_percent: Percent
    from_percent: Annotated[int, Field(strict=True, ge=0, le=100_000)]
    to_percent: Annotated[int, Field(strict=True, ge=1, le=100_000)]

    @model_validator(mode="after")
    def _order(self) -> Band:
        if self.from_percent >= self.to_percent:
            raise ValueError(f"from_percent must be below to_percent ({self.to_percent})")
        return self


def band_edge(hour_minor: Minor, percent: int) -> Minor:
    """Return the first amount beyond `percent` of an HOUR limit, all in minor units.

    Below 100 % an amount of exactly that share already is beyond; from 100 % on it is not yet,
    because a limit is inclusive: "50 to 100 %" contains the limit, "up to 150 %" its end.
    """
    if percent < 100:
        return -(-hour_minor * percent // 100)
    return hour_minor * percent // 100 + 1


DEFAULT_BANDS = (
    Band(weight_percent=50, from_percent=0, to_percent=10),
    Band(weight_percent=30, from_percent=10, to_percent=50),
    Band(weight_percent=15, from_percent=50, to_percent=100),
    Band(weight_percent=5, from_percent=100, to_percent=150),
)

DEFAULT_QUOTES = {
    code: Decimal(quote)
    for code, quote in (
        *(("USD", "1"), ("EUR", "1.0842"), ("GBP", "1.2691"), ("CAD", "0.7318")),
        *(("JPY", "0.006684"), ("CHF", "1.1275"), ("AUD", "0.6627"), ("SEK", "0.09541")),
        *(("NOK", "0.09312"), ("DKK", "0.1453"), ("MXN", "0.05472"), ("INR", "0.01194")),
        *(("KWD", "3.252"), ("BHD", "2.6525")),
    )
}
"""What one unit is worth in US dollars: fixed figures of a plausible size, not a market's."""
