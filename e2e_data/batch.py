"""Batches: many commands of a shard, and their values as columns of texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from e2e_data.characters import Texts, nine_digits, texts, whole_numbers, woven
from e2e_data.commands import AccountType, Kind
from e2e_data.money import MINOR_DIGITS
from e2e_data.shard import Shard
from e2e_data.tables import Int64s
from e2e_data.vocabulary import vocabulary

Codes = NDArray[np.integer[Any]]
"""For each row an index into a table of texts."""
Columns = tuple[Texts, ...]


class Tables(NamedTuple):
    """Texts that are the same in every pool."""

    booleans: Texts
    account_types: Texts
    """By AccountType."""
    transit_numbers: Texts
    fractions: Texts
    """What follows an amount's units: for 0 to 3 minor digits 1, 10, 100 and 1000 texts."""


@cache
def tables() -> Tables:
    """Return the tables; made when asked for, since an Arrow array has pandas loaded, which takes long."""
    digits = (1, 2, 3)
    fractions = (f".{minor:0{width}d}" for width in digits for minor in range(10**width))
    return Tables(
        booleans=pa.array(["false", "true"]),
        account_types=pa.array([kind.name for kind in AccountType]),
        transit_numbers=pa.array([f"{number:03d}" for number in range(1000)]),
        fractions=pa.array(["", *fractions]),
    )


@dataclass(frozen=True, slots=True)
class Words:
    """A vocabulary as tables."""

    names: Texts
    """Beneficiaries' names."""
    banks: Texts
    """Beneficiaries' banks."""
    descriptions: tuple[Texts, ...]
    """By Kind."""


@lru_cache(maxsize=8)
def words_of(locale: str, seed: int, written: Callable[[str], str] = str) -> Words:
    """Return the words of a pool, `written` as a wire has them."""

    def table(words: Iterable[str]) -> Texts:
        return pa.array(map(written, words), pa.string())

    told = vocabulary(locale, seed)
    return Words(table(told.names), table(told.banks), tuple(map(table, told.descriptions)))


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands of one shard, with what is known only when they are sent: a row for each."""

    shard: Shard
    indices: Int64s
    """For a replay that of its original, since that is what is sent again."""
    command_ids: Sequence[str]
    customer_ids: Sequence[str]
    account_ids: Sequence[str | None]
    """None for an account's creation."""
    first_day: date
    """Value dates count from it."""
    correlation_ids: Sequence[str] = ()
    """Left out where only bodies are wanted."""

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def kinds(self) -> NDArray[np.uint8]:
        """The kind of each command."""
        return self.shard.kind[self.indices]

    def account_columns(self, rows: Int64s) -> Columns:
        """Return customer, currency, transit number, type, limit-based, and the limit of each period."""
        shard, currencies = self.shard, self.shard.config.currencies
        number = shard.account_number[self.indices[rows]]
        own = shard.currency[number]
        return (
            taken(pa.array(self.customer_ids), rows),
            taken(pa.array(currencies), own),
            taken(tables().transit_numbers, shard.transit[number]),
            taken(tables().account_types, shard.account_type[number]),
            taken(tables().booleans, shard.limit_based[number].astype(np.uint8)),
            *(amounts(currencies, limit, own) for limit in shard.limits_minor[number].T),
        )

    def transaction_columns(self, rows: Int64s, words: Words) -> Columns:
        """Return amount, currency and description of rows of one kind, one at least."""
        shard, index = self.shard, self.indices[rows]
        currencies, own = shard.config.currencies, shard.currency[shard.account_number[index]]
        kind = shard.kind[index[0]]
        return (
            amounts(currencies, shard.amount_minor[index], own),
            taken(pa.array(currencies), own),
            taken(words.descriptions[kind], shard.description[index]),
        )

    def payment_columns(self, rows: Int64s, words: Words) -> Columns:
        """Return what a payment has behind its customer and account.

        Debit and credit, each with its currency; value date; the beneficiary's name, account
        number, transit number and bank; description.
        """
        shard, index = self.shard, self.indices[rows]
        row, currencies = index - shard.range_of(Kind.PAYMENT).start, shard.config.currencies
        codes, dates = pa.array(currencies), value_dates(self.first_day, shard.config.value_days)
        own, other = shard.currency[shard.account_number[index]], shard.credit_currency[index]
        return (
            amounts(currencies, shard.amount_minor[index], own),
            taken(codes, own),
            amounts(currencies, shard.credit_minor[index], other),
            taken(codes, other),
            taken(pa.array(dates), shard.value_day[row]),
            taken(words.names, shard.beneficiary_name[row]),
            account_numbers(shard.beneficiary_account[row]),
            taken(tables().transit_numbers, shard.beneficiary_transit[row]),
            taken(words.banks, shard.beneficiary_bank[row]),
            taken(words.descriptions[Kind.PAYMENT], shard.description[index]),
        )


def taken(table: Texts, codes: Codes) -> Texts:
    """Return the texts of a table that `codes` stand for."""
    return table.take(pa.array(codes))


def amounts(currencies: Sequence[str], minor: Int64s, currency: Codes) -> Texts:
    """Return what `money.to_wire` gives for amounts that are not negative.

    In minor units; `currency` has indices into `currencies`.
    """
    digits = [MINOR_DIGITS[code] for code in currencies]
    unit = (10 ** np.array(digits, dtype=np.int64))[currency]
    units, rest = np.divmod(minor, unit)
    # Before the texts of two digits there are 1 + 10 of fewer, and so on.
    return woven("%s%s", whole_numbers(units), taken(tables().fractions, unit // 9 + rest))


def account_numbers(numbers: NDArray[np.int32]) -> Texts:
    """Return beneficiaries' account numbers, such as ACC048213377."""
    return texts(nine_digits(numbers, b"ACC"))


@lru_cache(maxsize=8)
def value_dates(first_day: date, days: int) -> tuple[str, ...]:
    """Return the ISO dates from `first_day` to `days` days later.

    Raises OverflowError beyond the year 9999.
    """
    return tuple((first_day + timedelta(day)).isoformat() for day in range(days + 1))
