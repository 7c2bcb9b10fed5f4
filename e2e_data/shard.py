"""A shard: a cohort of accounts with everything that happens to them, as columns of integers.

Its commands are numbered kind by kind: with A accounts the creations are [0, A) and the opening
credits [A, 2A), both in the accounts' order; then come all funding credits and all payments, each
in a random order over all accounts of the shard.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e_data import oracle
from e2e_data import vocabulary as words
from e2e_data.columns import (
    Columns,
    account_columns,
    counts_per_account,
    funded_minor,
    funding_columns,
)
from e2e_data.commands import (
    PERIODS,
    Account,
    AccountType,
    Beneficiary,
    Command,
    Kind,
    Label,
    Outcome,
)
from e2e_data.config import PoolConfig
from e2e_data.draw import Draw
from e2e_data.payments import Payer, payment_columns
from e2e_data.roles import roles_of
from e2e_data.tables import Int64s

ACCOUNT_COLUMNS: dict[str, type[np.generic]] = {
    "currency": np.uint8,
    "transit": np.int16,
    "account_type": np.uint8,
    "limit_based": np.bool_,
    "opening_balance_minor": np.int64,
    **{f"limit_{period.lower()}_minor": np.int64 for period in PERIODS},
}
COMMAND_COLUMNS: dict[str, type[np.generic]] = {
    "kind": np.uint8,
    "account_number": np.int32,
    "amount_minor": np.int64,
    "credit_minor": np.int64,
    "credit_currency": np.uint8,
    "description": np.int16,
    "expected": np.uint8,
    "label": np.uint8,
}
PAYMENT_COLUMNS: dict[str, type[np.generic]] = {
    "beneficiary_name": np.int16,
    "beneficiary_account": np.int32,
    "beneficiary_transit": np.int16,
    "beneficiary_bank": np.uint8,
    "value_day": np.int16,
    "original": np.int32,
}
COLUMNS = {**ACCOUNT_COLUMNS, **COMMAND_COLUMNS, **PAYMENT_COLUMNS}
"""The columns of a shard and their types in memory and in its hash, by what they have a row for."""


# Tables, because a sender makes thousands of commands a second and enum look-ups are slow.
_KINDS = tuple(Kind)
_LABELS = tuple(Label)
_OUTCOMES = tuple(Outcome(flags) for flags in range(sum(Outcome) + 1))


class Counts(NamedTuple):
    """How many commands of each kind there are; indexed by Kind."""

    account: int
    opening_credit: int
    funding: int
    payment: int

    def range_of(self, kind: Kind) -> range:
        """Return the indices of the commands of one kind."""
        return range(sum(self[:kind]), sum(self[: kind + 1]))


@dataclass(frozen=True, eq=False)
class Shard:
    """One shard; see the module for the order of its commands. Columns cannot be written to."""

    config: PoolConfig
    seed: int
    number: int
    counts: Counts

    # One row per account.
    currency: NDArray[np.uint8]
    """An index into `config.currencies`, as is `credit_currency`."""
    transit: NDArray[np.int16]
    account_type: NDArray[np.uint8]
    limit_based: NDArray[np.bool_]
    opening_balance_minor: NDArray[np.int64]
    limit_minute_minor: NDArray[np.int64]
    limit_hour_minor: NDArray[np.int64]
    limit_day_minor: NDArray[np.int64]
    limit_week_minor: NDArray[np.int64]
    limit_month_minor: NDArray[np.int64]

    # One row per command.
    kind: NDArray[np.uint8]
    account_number: NDArray[np.int32]
    amount_minor: NDArray[np.int64]
    """What the account is credited or debited, in its currency; 0 for its creation."""
    credit_minor: NDArray[np.int64]
    """What a payment's beneficiary gets, in `credit_currency`; 0 for other kinds."""
    credit_currency: NDArray[np.uint8]
    description: NDArray[np.int16]
    """An index into the vocabulary's texts of the kind; 0 where the text is constant."""
    expected: NDArray[np.uint8]
    """The set of right outcomes, as Outcome flags."""
    label: NDArray[np.uint8]

    # One row per payment: row i belongs to command range_of(Kind.PAYMENT)[i].
    beneficiary_name: NDArray[np.int16]
    beneficiary_account: NDArray[np.int32]
    beneficiary_transit: NDArray[np.int16]
    beneficiary_bank: NDArray[np.uint8]
    value_day: NDArray[np.int16]
    """Days after the run's first day."""
    original: NDArray[np.int32]
    """The index of the command that a replay repeats; -1 for what is no replay."""

    def __post_init__(self) -> None:
        for name in COLUMNS:
            getattr(self, name).flags.writeable = False

    def __len__(self) -> int:
        return sum(self.counts)

    def __repr__(self) -> str:
        return f"<Shard {self.number} of seed {self.seed}, {self.counts}>"

    def range_of(self, kind: Kind) -> range:
        """Return the indices of the commands of one kind."""
        return self.counts.range_of(kind)

    def slice_of(self, kind: Kind) -> slice:
        """Return the same as a slice, to select rows of a command column."""
        indices = self.range_of(kind)
        return slice(indices.start, indices.stop)

    @cached_property
    def hash(self) -> str:
        """A digest of the columns' names, lengths and values, wherever they came from."""
        digest = hashlib.blake2b(digest_size=16)
        for name, kind in COLUMNS.items():
            column = getattr(self, name)
            digest.update(f"{name}:{len(column)};".encode())
            digest.update(np.ascontiguousarray(column, np.dtype(kind).newbyteorder("<")).data)
        return digest.hexdigest()

    def account(self, number: int) -> Account:
        """Return account `number`; raises IndexError when the shard has no such account."""
        if not 0 <= number < self.counts.account:
            raise IndexError(
                f"account {number}: shard {self.number} has {self.counts.account} accounts"
            )
        return self._accounts[number]

    def command(self, index: int) -> Command:
        """Return command `index`; raises IndexError when the shard has no such command."""
        if not 0 <= index < len(self):
            raise IndexError(f"command {index}: shard {self.number} has {len(self)} commands")
        kind = _KINDS[self.kind.item(index)]
        beneficiary, value_day, original = None, 0, -1
        if kind is Kind.PAYMENT:
            row = index - len(self) + self.counts.payment
            beneficiary, value_day = self._beneficiary(row), self.value_day.item(row)
            original = self.original.item(row)
        return Command(
            shard=self.number,
            index=index,
            kind=kind,
            account=self._accounts[self.account_number.item(index)],
            amount_minor=self.amount_minor.item(index),
            credit_minor=self.credit_minor.item(index),
            credit_currency=self.config.currencies[self.credit_currency.item(index)],
            description=self._texts[kind][self.description.item(index)],
            beneficiary=beneficiary,
            value_day=value_day,
            expected=_OUTCOMES[self.expected.item(index)],
            label=_LABELS[self.label.item(index)],
            original=original if original >= 0 else None,
        )

    def _beneficiary(self, row: int) -> Beneficiary:
        return Beneficiary(
            name=self._vocabulary.names[self.beneficiary_name.item(row)],
            account_number=f"ACC{self.beneficiary_account.item(row):09d}",
            transit_number=f"{self.beneficiary_transit.item(row):03d}",
            bank_name=self._vocabulary.banks[self.beneficiary_bank.item(row)],
        )

    @cached_property
    def _vocabulary(self) -> words.Vocabulary:
        return words.vocabulary(self.config.locale, self.seed)

    @cached_property
    def _texts(self) -> tuple[tuple[str, ...], ...]:
        return self._vocabulary.descriptions

    @cached_property
    def limits_minor(self) -> NDArray[np.int64]:
        """The accounts' limits, shape (accounts, periods), in minor units."""
        columns = [getattr(self, f"limit_{period.lower()}_minor") for period in PERIODS]
        return np.stack(columns, axis=1)

    @cached_property
    def regions(self) -> NDArray[np.object_]:
        """The accounts' regions, by name; all empty without regions."""
        return np.array([self.config.region_of(one) for one in self.transit.tolist()], object)

    def region_number(self, account: int) -> int:
        """Return which of the configured regions an account is in, from 1; 0 without regions."""
        return self.transit.item(account) // 100 if self.config.regions else 0

    @cached_property
    def to_other_region(self) -> NDArray[np.bool_]:
        """For each command, whether it is a payment whose beneficiary is in another region."""
        across = np.zeros(len(self), np.bool_)
        if self.config.regions:
            rows = self.slice_of(Kind.PAYMENT)
            own = self.transit[self.account_number[rows]] // 100
            across[rows] = own != self.beneficiary_transit // 100
            # What is sent for a replay is its original.
            replays = np.flatnonzero(self.original >= 0)
            across[rows.start + replays] = across[self.original[replays]]
        return across

    @cached_property
    def _accounts(self) -> tuple[Account, ...]:
        limits = self.limits_minor.tolist()
        return tuple(
            Account(
                shard=self.number,
                number=number,
                currency=self.config.currencies[self.currency[number]],
                transit_number=f"{self.transit[number]:03d}",
                account_type=AccountType(int(self.account_type[number])),
                limit_based=bool(self.limit_based[number]),
                opening_balance_minor=int(self.opening_balance_minor[number]),
                limits_minor=tuple(limits[number]),
                region=self.config.region_of(int(self.transit[number])),
            )
            for number in range(self.counts.account)
        )


def shard_counts(config: PoolConfig, seed: int, number: int) -> Counts:
    """Return what shard `number` has of each kind, without making the shard."""
    draw = Draw(config, seed, number)
    return _counts(draw.accounts, *counts_per_account(draw))


def make_shard(config: PoolConfig, seed: int, shard_number: int) -> Shard:
    """Return shard `shard_number` (below `config.shard_count`): a pure function of its arguments.

    Raises IndexError for a shard that the configuration does not have.
    """
    if not 0 <= shard_number < config.shard_count:
        raise IndexError(f"shard {shard_number}: the pool has {config.shard_count} shards")
    draw = Draw(config, seed, shard_number)
    roles = roles_of(draw)
    funding_counts, payment_counts = counts_per_account(draw)
    counts = _counts(draw.accounts, funding_counts, payment_counts)
    accounts = account_columns(draw, roles)
    funding = funding_columns(draw, accounts, roles, funding_counts)
    funded = funded_minor(
        accounts["opening_balance_minor"], funding["account_number"], funding["amount_minor"]
    )
    payments = payment_columns(draw, Payer(config, accounts, roles, funded), payment_counts)
    payments["expected"] = oracle.expected_of_payments(
        oracle.Book(
            limit_based=accounts["limit_based"],
            minute_limit_minor=accounts["limit_minute_minor"],
            opening_balance_minor=accounts["opening_balance_minor"],
            funding_account=funding["account_number"],
            funding_minor=funding["amount_minor"],
            payment_account=payments["account_number"],
            payment_minor=payments["amount_minor"],
            payment_label=payments["label"],
            payment_original=payments["original"],
        )
    )
    replays = payments["original"] >= 0
    payments["original"][replays] += counts.range_of(Kind.PAYMENT).start
    columns = {
        **accounts,
        **_command_columns(counts, accounts, funding, payments),
        **{name: payments[name] for name in PAYMENT_COLUMNS},
    }
    typed: dict[str, Any] = {
        name: np.ascontiguousarray(columns[name], dtype=kind) for name, kind in COLUMNS.items()
    }
    return Shard(config=config, seed=seed, number=shard_number, counts=counts, **typed)


def _counts(accounts: int, funding: Int64s, payments: Int64s) -> Counts:
    return Counts(accounts, accounts, int(funding.sum()), int(payments.sum()))


def _command_columns(
    counts: Counts, accounts: Columns, funding: Columns, payments: Columns
) -> Columns:
    number = np.arange(counts.account)
    none = np.zeros(counts.account, dtype=np.uint8)
    nothing = np.zeros(2 * counts.account + counts.funding, dtype=np.uint8)
    own = accounts["currency"]
    parts: dict[str, list[NDArray[Any]]] = {
        "kind": [np.repeat(np.array(Kind, dtype=np.uint8), counts)],
        "account_number": [number, number, funding["account_number"], payments["account_number"]],
        "amount_minor": [
            none,
            accounts["opening_balance_minor"],
            funding["amount_minor"],
            payments["amount_minor"],
        ],
        "credit_minor": [nothing, payments["credit_minor"]],
        "credit_currency": [
            own,
            own,
            own[funding["account_number"]],
            payments["credit_currency"],
        ],
        "description": [none, none, funding["description"], payments["description"]],
        "expected": [nothing + np.uint8(Outcome.SETTLED), payments["expected"]],
        "label": [nothing, payments["label"]],
    }
    return {
        name: np.concatenate(columns, dtype=COMMAND_COLUMNS[name], casting="unsafe")
        for name, columns in parts.items()
    }
