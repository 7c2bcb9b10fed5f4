"""Tables: a pool as CSV, for spreadsheets, databases and other people's scripts."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from e2e_data.batch import Words, amounts, taken, words_of
from e2e_data.commands import PERIODS, Channel, Kind, Label, Outcome
from e2e_data.exporters.formats import FILES, Format, Lines
from e2e_data.exporters.portions import Portion
from e2e_data.ids import static_account_id

Columns = tuple[Iterable[object], ...]

PLACE = ("command_id", "shard", "index")
END = ("label", "expected")
HEADINGS: dict[Kind, tuple[str, ...]] = {
    Kind.ACCOUNT: (
        *("customer_id", "currency", "transit_number", "account_type", "limit_based"),
        *(f"limit_{period.lower()}" for period in PERIODS),
        *("account_id", "opening_balance", "region"),
    ),
    Kind.OPENING_CREDIT: ("account_id", "amount", "currency", "description"),
    Kind.FUNDING: ("account_id", "amount", "currency", "description"),
    Kind.PAYMENT: (
        *("customer_id", "debit_account_id", "debit_amount", "debit_currency", "credit_amount"),
        *("credit_currency", "value_date", "beneficiary_name", "beneficiary_account_number"),
        *("beneficiary_transit_number", "beneficiary_bank_name", "description", "replays_index"),
        *("beneficiary_region", "to_other_region"),
    ),
}
"""The columns of each table, between those of PLACE and those of END."""

_EXPECTED = pa.array([Outcome(flags).label for flags in range(sum(Outcome) + 1)])
_LABELS = pa.array(["" if label is Label.NONE else label.text for label in Label])


class Tables(Format):
    """A file for each kind of command, with the values that the pool has for it.

    A replay has its own place, label and expected outcomes, and the ids and values of its original.
    Amounts are decimal numbers in the currency beside them.
    """

    channel = Channel.HTTP
    passes = ([[kind] for kind in Kind],)

    def headings(self) -> dict[str, str]:
        """Return the names of the files, and of their columns."""
        return {
            f"{FILES[kind]}.csv": ",".join((*PLACE, *names, *END))
            for kind, names in HEADINGS.items()
        }

    def lines(self, portion: Portion) -> Iterator[Lines]:
        """Write a row for each command."""
        batch, shard = portion.batch, portion.batch.shard
        kind = Kind(int(batch.kinds[0]))
        columns = (
            batch.command_ids,
            [shard.number] * len(portion),
            portion.indices.tolist(),
            *_COLUMNS[kind](portion),
            taken(_LABELS, shard.label[portion.indices]),
            taken(_EXPECTED, shard.expected[portion.indices]),
        )
        listed = (c.to_pylist() if isinstance(c, pa.Array) else c for c in columns)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(zip(*listed, strict=True))
        yield f"{FILES[kind]}.csv", [text.getvalue().removesuffix("\n")]


def _accounts(portion: Portion) -> Columns:
    batch, shard = portion.batch, portion.batch.shard
    number = shard.account_number[batch.indices]
    opening = shard.opening_balance_minor[number]
    return (
        *batch.account_columns(np.arange(len(portion))),
        map(static_account_id, batch.customer_ids),
        amounts(shard.config.currencies, opening, shard.currency[number]),
        shard.regions[number].tolist(),
    )


def _transactions(portion: Portion) -> Columns:
    rows = np.arange(len(portion))
    told = _vocabulary(portion)
    return (portion.batch.account_ids, *portion.batch.transaction_columns(rows, told))


def _payments(portion: Portion) -> Columns:
    batch, shard = portion.batch, portion.batch.shard
    start = shard.range_of(Kind.PAYMENT).start
    originals, of_payments = shard.original[portion.indices - start], batch.indices - start
    return (
        batch.customer_ids,
        batch.account_ids,
        *batch.payment_columns(np.arange(len(portion)), _vocabulary(portion)),
        (index if index >= 0 else "" for index in originals.tolist()),
        map(shard.config.region_of, shard.beneficiary_transit[of_payments].tolist()),
        (str(across).lower() for across in shard.to_other_region[batch.indices].tolist()),
    )


def _vocabulary(portion: Portion) -> Words:
    shard = portion.batch.shard
    return words_of(shard.config.locale, shard.seed)


_COLUMNS: dict[Kind, Callable[[Portion], Columns]] = {
    Kind.ACCOUNT: _accounts,
    Kind.OPENING_CREDIT: _transactions,
    Kind.FUNDING: _transactions,
    Kind.PAYMENT: _payments,
}
