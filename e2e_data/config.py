"""The configuration of a scenario pool: every share, weight, range and table, with its checks."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_serializer, field_validator, model_validator

from e2e_data import money
from e2e_data.config_checks import faults_of
from e2e_data.config_parts import (
    DEFAULT_BANDS,
    DEFAULT_QUOTES,
    AccountTypes,
    Band,
    Count,
    HostileFlavours,
    Limits,
    Name,
    OpeningBalance,
    Part,
    Patterns,
    Percent,
    Quote,
    Share,
)
from e2e_data.problems import Problems, of_validation

ACCOUNTS_IN_SHARD_MAX = 250
SHARDS_WANTED = 16


class PoolConfig(Part):
    """Everything that, with a seed, determines a pool."""

    accounts: Annotated[int, Field(strict=True, ge=1, le=2**40)]
    """How many there are."""
    payments: tuple[Count, Count]
    """The least and the most payments per account."""
    funding: tuple[Count, Count]
    """The least and the most funding credits per account."""
    limit_based_percentage: Percent
    """Accounts whose payments are bounded by limits and not by funds."""
    fx_percentage: Percent = 10
    """Payments that credit another currency."""
    enable_limit_violations: Annotated[bool, Field(strict=True)] = True
    """Whether limit-based accounts have payments that must be rejected."""
    currencies: Annotated[tuple[str, ...], Field(min_length=1)] = (
        *("USD", "EUR", "GBP", "CAD", "JPY"),
    )
    """Of the accounts, each equally likely."""
    account_types: AccountTypes = AccountTypes()
    """How many accounts are of which type, in percent."""
    opening_balance: OpeningBalance = OpeningBalance()
    """From where to where it goes, and how many accounts stay below the break."""
    limits: Limits = Limits()
    """Of each period: its share of the opening balance, and the least that it is."""
    payment_bands: Annotated[tuple[Band, ...], Field(min_length=1, max_length=100)] = DEFAULT_BANDS
    """Amounts of payments, as shares of the account's HOUR limit, and how many payments are in each
    band."""
    funding_percent: tuple[Percent, Percent] = (1, 20)
    """The least and the most that a funding credit brings, in percent of the opening balance."""
    usd_quotes: dict[str, Quote] = DEFAULT_QUOTES
    """What one unit of each currency is worth in USD."""
    locale: str = "en_US"
    """The language of names, banks and descriptions, as Faker has it."""
    value_days: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 5
    """A payment's value date is at most so many days after the run's first day."""
    transit_numbers: Annotated[int, Field(strict=True, ge=1, le=999)] = 20
    """Transit numbers are "001" up to this one; with regions, their last two digits are."""
    regions: Annotated[tuple[Name, ...], Field(max_length=9)] = ()
    """Names of regions; the first digit of an account's transit number says which is its own."""
    hot_account_share: Share = Decimal(0)
    """Percent of each shard's accounts, at least one, that take `hot_payment_share`."""
    hot_payment_share: Share = Decimal(0)
    """Percent of the payments."""
    boundary_percentage: Share = Decimal(0)
    """Accounts whose payments sum up to a limit or the balance exactly, and go one beyond."""
    pattern_percentage: Share = Decimal(0)
    """Accounts that behave as a platform should notice."""
    patterns: Patterns = Patterns()
    """How the accounts of pattern_percentage behave, in percent."""
    hostile_percentage: Share = Decimal(0)
    """Payments that must have no effect."""
    hostile_flavours: HostileFlavours = HostileFlavours()
    """What is wrong with the payments of hostile_percentage, in percent."""
    accounts_per_shard: Annotated[int, Field(strict=True, ge=1)] | None = None
    """A shard is sent by one worker at a time; without it, there are as many as make a pool of this
    size handy."""

    @property
    def shard_accounts(self) -> int:
        """The accounts of every shard but the last, which has what remains."""
        wanted = -(-self.accounts // SHARDS_WANTED)
        return self.accounts_per_shard or max(1, min(ACCOUNTS_IN_SHARD_MAX, wanted))

    @property
    def shard_count(self) -> int:
        """The number of shards."""
        return -(-self.accounts // self.shard_accounts)

    @property
    def digits(self) -> tuple[int, ...]:
        """The number of minor digits of each of `currencies`."""
        return tuple(money.MINOR_DIGITS[currency] for currency in self.currencies)

    @cached_property
    def rates(self) -> dict[str, str]:
        """The fixed decimal rate of every ordered pair of different currencies, "USD/EUR"."""
        return money.rate_table(self.usd_quotes, self.currencies)

    @cached_property
    def ratios(self) -> dict[tuple[int, int], tuple[int, int]]:
        """The exact ratio of minor units for each pair of indices of different currencies."""
        place = {code: index for index, code in enumerate(self.currencies)}
        return {
            (place[debit], place[credit]): money.minor_ratio(rate, debit, credit)
            for pair, rate in self.rates.items()
            for debit, credit in [pair.split("/")]
        }

    def region_of(self, transit: int) -> str:
        """Return the region of a transit number; empty without regions."""
        return self.regions[transit // 100 - 1] if self.regions else ""

    def accounts_in(self, shard: int) -> int:
        """Return the number of accounts of shard number `shard`."""
        return min(self.shard_accounts, self.accounts - shard * self.shard_accounts)

    def canonical_json(self) -> str:
        """Return the configuration as text that is equal exactly when configurations are."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @field_serializer("usd_quotes")
    def _write_quotes(self, quotes: dict[str, Decimal]) -> dict[str, str]:
        return {currency: format(quote.normalize(), "f") for currency, quote in quotes.items()}

    @field_validator("payments", "funding", "funding_percent")
    @classmethod
    def _range(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            raise ValueError(f"the least must not be above the most; {value[::-1]} would be right")
        return value

    @field_validator("currencies")
    @classmethod
    def _currencies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [*_unknown_currencies(value)]
        doubled = sorted({currency for currency in value if value.count(currency) > 1})
        if doubled:
            wrong.append(f"{', '.join(doubled)} must be named once")
        if wrong:
            raise ValueError("; ".join(wrong))
        return value

    @field_validator("regions")
    @classmethod
    def _regions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        doubled = sorted({name for name in value if value.count(name) > 1})
        if doubled:
            raise ValueError(f"{', '.join(doubled)} must be named once")
        return value

    @field_validator("usd_quotes")
    @classmethod
    def _quotes(cls, value: dict[str, Decimal]) -> dict[str, Decimal]:
        wrong = [*_unknown_currencies(value)]
        if wrong:
            raise ValueError("; ".join(wrong))
        return value

    @field_validator("payment_bands")
    @classmethod
    def _bands(cls, value: tuple[Band, ...]) -> tuple[Band, ...]:
        total = sum(band.weight_percent for band in value)
        if total != 100:
            raise ValueError(f"the weights add up to {total}, which must be 100")
        for before, band in pairwise(value):
            if band.from_percent < before.to_percent:
                raise ValueError(
                    f"the band from {band.from_percent} % must not begin before the one before it "
                    f"ends ({before.to_percent} %)"
                )
        return value

    @field_validator("locale")
    @classmethod
    def _locale(cls, value: str) -> str:
        from e2e_data.vocabulary import locale_fault  # Faker is slow to import

        fault = locale_fault(value)
        if fault:
            raise ValueError(fault)
        return value

    @model_validator(mode="after")
    def _whole(self) -> PoolConfig:
        faults = list(faults_of(self))
        if faults:
            raise ValueError("\n".join(faults))
        return self


def _unknown_currencies(codes: Sequence[str] | Mapping[str, Decimal]) -> Iterator[str]:
    for code in codes:
        if code not in money.MINOR_DIGITS:
            yield f"{code!r} is not a currency known here; known: {' '.join(money.MINOR_DIGITS)}"


PRESETS: dict[str, dict[str, Any]] = {
    name: {
        "accounts": accounts,
        "payments": payments,
        "funding": funding,
        "limit_based_percentage": limit_based,
    }
    for name, accounts, payments, funding, limit_based in (
        ("smoke", 10, (5, 10), (2, 5), 50),
        ("small", 100, (10, 20), (5, 15), 30),
        ("medium", 1_000, (20, 50), (10, 30), 20),
        ("large", 10_000, (50, 100), (20, 50), 20),
        ("stress", 100_000, (100, 200), (50, 100), 80),
    )
}
DEFAULT_PRESET = "smoke"


def load(
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    file: Path | None = None,
) -> PoolConfig:
    """Return the configuration of a preset, changed by a TOML file, changed by `overrides`.

    The file may name the preset itself (`preset = "medium"`); without any it is DEFAULT_PRESET.
    Tables are merged key by key, everything else is replaced. Raises Problems naming everything
    that is wrong, with its value and what would be right.
    """
    from_file = _read_toml(file) if file else {}
    named_in_file = from_file.pop("preset", None)
    name = preset or named_in_file or DEFAULT_PRESET
    if name not in PRESETS:
        raise Problems([f"preset {name!r}: there is no such preset; known: {', '.join(PRESETS)}"])
    below = PoolConfig.model_validate(PRESETS[name]).model_dump()
    settings = _merged(_merged(below, from_file), overrides or {})
    where = f"pool ({name}, {file})" if file else f"pool ({name})"
    try:
        return PoolConfig.model_validate(settings)
    except ValidationError as error:
        found = of_validation(where, error).problems
        lines = [line for text in found for line in text.removeprefix(f"{where}: ").splitlines()]
        raise Problems(f"{where}: {line}" for line in lines) from None


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        # Numbers with a decimal point are quotes: as decimals they stay exactly what was written.
        return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise Problems([f"{file}: cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problems([f"{file}: is not TOML: {error}"]) from None


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        result[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result
