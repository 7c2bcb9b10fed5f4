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
from e2e_data.config_parts import (
    DEFAULT_BANDS,
    DEFAULT_QUOTES,
    AccountTypes,
    Band,
    Count,
    Limits,
    OpeningBalance,
    Part,
    Percent,
    Quote,
    band_edge,
)
from e2e_data.problems import Problems, of_validation

SHARDS_MAX = 2**20
"""A shard's number and a command's index must each fit into 20 bits of an id."""
COMMANDS_IN_SHARD_MAX = 2**20
ACCOUNTS_IN_SHARD_MAX = 250
SHARDS_WANTED = 16
INT64_MAX = 2**63 - 1


class PoolConfig(Part):
    """Everything that, with a seed, determines a pool."""

    accounts: Annotated[int, Field(strict=True, ge=1, le=2**40)]
    payments: tuple[Count, Count]
    """The least and the most payments per account."""
    funding: tuple[Count, Count]
    """The least and the most funding credits per account."""
    limit_based_percentage: Percent
    fx_percentage: Percent = 10
    enable_limit_violations: Annotated[bool, Field(strict=True)] = True
    currencies: Annotated[tuple[str, ...], Field(min_length=1)] = (
        *("USD", "EUR", "GBP", "CAD", "JPY"),
    )
    account_types: AccountTypes = AccountTypes()
    opening_balance: OpeningBalance = OpeningBalance()
    limits: Limits = Limits()
    payment_bands: Annotated[tuple[Band, ...], Field(min_length=1, max_length=100)] = DEFAULT_BANDS
    funding_percent: tuple[Percent, Percent] = (1, 20)
    """The least and the most that a funding credit brings, in percent of the opening balance."""
    usd_quotes: dict[str, Quote] = DEFAULT_QUOTES
    locale: str = "en_US"
    value_days: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 5
    """A payment's value date is at most so many days after the run's first day."""
    transit_numbers: Annotated[int, Field(strict=True, ge=1, le=999)] = 20
    """Transit numbers are "001" up to this one."""
    accounts_per_shard: Annotated[int, Field(strict=True, ge=1)] | None = None

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
        faults = [*_size_faults(self), *_money_faults(self)]
        if faults:
            raise ValueError("\n".join(faults))
        return self


def _unknown_currencies(codes: Sequence[str] | Mapping[str, Decimal]) -> Iterator[str]:
    for code in codes:
        if code not in money.MINOR_DIGITS:
            yield f"{code!r} is not a currency known here; known: {' '.join(money.MINOR_DIGITS)}"


def _size_faults(config: PoolConfig) -> Iterator[str]:
    each = 2 + config.funding[1] + config.payments[1]
    room = max(1, (COMMANDS_IN_SHARD_MAX - 1) // each)
    if config.shard_count > SHARDS_MAX:
        least = -(-config.accounts // SHARDS_MAX)
        way = (
            f"set accounts_per_shard to {least} or more"
            if least <= room
            else f"with up to {each} commands each, {room * SHARDS_MAX} accounts are the most"
        )
        yield (
            f"accounts = {config.accounts} make {config.shard_count} shards, more than the "
            f"{SHARDS_MAX} that ids can name; {way}"
        )
    if config.shard_accounts * each >= COMMANDS_IN_SHARD_MAX:
        yield (
            f"{config.shard_accounts} accounts in a shard with up to {each} commands each are "
            f"more than the {COMMANDS_IN_SHARD_MAX - 1} that ids can number; set "
            f"accounts_per_shard to {room} or fewer, "
            "or have fewer payments or funding credits"
        )


def _money_faults(config: PoolConfig) -> Iterator[str]:
    missing = [code for code in config.currencies if code not in config.usd_quotes]
    if missing:
        yield f"usd_quotes: {', '.join(missing)} needs a quote, such as {missing[0]} = '1.0842'"
    for code in config.currencies:
        yield from _amount_faults(config, code)
    if missing:
        return
    for pair, rate in config.rates.items():
        yield from _pair_faults(config, pair, rate)


def _amount_faults(config: PoolConfig, code: str) -> Iterator[str]:
    digits = money.MINOR_DIGITS[code]
    hour_least = config.limits.hour.limit_minor(
        config.opening_balance.low_units * 10**digits, digits
    )
    for band in config.payment_bands:
        # Two per cent-and-units keep a band from being empty however its two edges are rounded.
        if (band.to_percent - band.from_percent) * hour_least < 200:
            yield (
                f"payment_bands: {band.from_percent} to {band.to_percent} % of the least HOUR "
                f"limit ({hour_least} minor units of {code}) holds no amount; raise limits.hour"
            )
    worst = config.shard_accounts * _account_total_max_minor(config, digits) * 100
    if worst > INT64_MAX:
        yield (
            f"the amounts of one shard in {code} can reach {worst // 100} minor units, which "
            f"64-bit arithmetic cannot hold (at most {INT64_MAX // 100}); lower opening_balance, "
            "limits, payments, funding or accounts_per_shard"
        )


def _payment_max_minor(config: PoolConfig, digits: int) -> int:
    high_minor: int = config.opening_balance.high_units * 10**digits
    hour_most = config.limits.hour.limit_minor(high_minor, digits)
    return band_edge(hour_most, config.payment_bands[-1].to_percent)


def _account_total_max_minor(config: PoolConfig, digits: int) -> int:
    high_minor: int = config.opening_balance.high_units * 10**digits
    return (
        high_minor * (1 + config.funding[1])
        + max(1, config.payments[1]) * _payment_max_minor(config, digits)
        + config.limits.month.limit_minor(high_minor, digits)
    )


def _pair_faults(config: PoolConfig, pair: str, rate: str) -> Iterator[str]:
    debit, credit = pair.split("/")
    ratio = money.minor_ratio(rate, debit, credit)
    digits = money.MINOR_DIGITS[debit]
    most = _payment_max_minor(config, digits)
    payments = config.shard_accounts * config.payments[1]
    credits_most = payments * (most * ratio[0] // ratio[1] + 1)
    if max(most * ratio[0], ratio[1] * 2, credits_most) > INT64_MAX:
        yield (
            f"usd_quotes: converting {most} minor units of {pair} at {rate} leaves 64-bit "
            "arithmetic; lower opening_balance or limits, or give quotes with fewer digits"
        )
    balance_least = config.opening_balance.low_units * 10**digits
    room = band_edge(
        config.limits.hour.limit_minor(balance_least, digits), config.payment_bands[0].to_percent
    )
    if not config.enable_limit_violations:
        room = min(room, config.limits.minute.limit_minor(balance_least, digits) + 1)
    least = money.least_convertible(ratio)
    if least >= room:
        yield (
            f"usd_quotes: {pair} at {rate} needs {least} minor units to give one, but the "
            f"smallest payments must be below {room}; raise limits, or leave out {credit} or {debit}"
        )


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
