"""The JSON of docs/contract.md: one command's body, or those of many, from the same templates.

One body takes its values from a Command. Many take theirs from the columns of a shard: the words of
its vocabulary are escaped once, amounts are cut into digits by integer arithmetic, and no record is
made of any command.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import orjson

from e2e_data import vocabulary as words
from e2e_data.batch import Batch, taken
from e2e_data.commands import PERIODS, Account, Command, Kind
from e2e_data.money import to_wire
from e2e_data.tables import Int64s

# Filled by the operator %, since `map` can apply that to rows without a line of Python for each.
_AMOUNT = '{"amount":%s,"currencyCode":"%s"}'
_LIMITS = ",".join(f'"{period}":{_AMOUNT}' for period in PERIODS)
_ACCOUNT = (
    '{"customerId":"%s","currencyCode":"%s","transitNumber":"%s","accountType":"%s",'
    f'"limitBased":%s,"limits":{{{_LIMITS}}}}}'
)
_TRANSACTION = f'{{"accountId":%s,"transactionType":"CREDIT","amount":{_AMOUNT},"description":%s}}'
_PAYMENT = (
    f'{{"customerId":"%s","debitAccountId":%s,"debitAmount":{_AMOUNT},"creditAmount":{_AMOUNT},'
    '"valueDate":"%s","beneficiary":{"name":%s,"accountNumber":"%s","transitNumber":"%s",'
    '"bankName":%s},"description":%s}'
)


def text(value: str | None) -> str:
    """Write a text, or null, as JSON."""
    return orjson.dumps(value).decode()


# Words come again and again, and so do the accounts at hand.
_known = lru_cache(maxsize=1 << 14)(text)


def body(command: Command, customer_id: str, account_id: str | None, value_date: str) -> str:
    """Return one command's compact JSON, with amounts as exact decimal numbers."""
    account, to = command.account, command.beneficiary
    if command.kind is Kind.ACCOUNT:
        return _account(account, customer_id)
    amount, described = to_wire(command.amount_minor, account.currency), _known(command.description)
    if to is None:
        return _TRANSACTION % (_known(account_id), amount, account.currency, described)
    return _PAYMENT % (
        customer_id,
        _known(account_id),
        amount,
        account.currency,
        to_wire(command.credit_minor, command.credit_currency),
        command.credit_currency,
        value_date,
        _known(to.name),
        to.account_number,
        to.transit_number,
        _known(to.bank_name),
        described,
    )


def _account(account: Account, customer_id: str) -> str:
    limits = (
        part
        for limit in account.limits_minor
        for part in (to_wire(limit, account.currency), account.currency)
    )
    return _ACCOUNT % (
        customer_id,
        account.currency,
        account.transit_number,
        account.account_type.name,
        "true" if account.limit_based else "false",
        *limits,
    )


def bodies(batch: Batch) -> list[str]:
    """Return what `body` gives for each command of a batch, in its order."""
    kinds = batch.kinds
    codes = kinds.tolist()
    rendered = {code: _RENDERERS[code](batch, np.flatnonzero(kinds == code)) for code in set(codes)}
    return [next(rendered[code]) for code in codes]


def _accounts(batch: Batch, rows: Int64s) -> Iterator[str]:
    customer, currency, *fields = batch.account_columns(rows)
    codes = tuple(currency)
    limits = (part for limit in fields[3:] for part in (limit, codes))
    return _filled(_ACCOUNT, customer, codes, *fields[:3], *limits)


def _transactions(batch: Batch, rows: Int64s) -> Iterator[str]:
    account_ids = map(_known, taken(batch.account_ids, rows))
    return _filled(_TRANSACTION, account_ids, *batch.transaction_columns(rows, _words_of(batch)))


def _payments(batch: Batch, rows: Int64s) -> Iterator[str]:
    customers = taken(batch.customer_ids, rows)
    account_ids = map(_known, taken(batch.account_ids, rows))
    fields = batch.payment_columns(rows, _words_of(batch))
    return _filled(_PAYMENT, customers, account_ids, *fields)


def _filled(template: str, *columns: Iterable[str]) -> Iterator[str]:
    return map(template.__mod__, zip(*columns, strict=True))


_RENDERERS = (_accounts, _transactions, _transactions, _payments)
"""By Kind; each takes a batch and those rows of it that are of the kind."""


@dataclass(frozen=True, slots=True)
class _Words:
    """A vocabulary, written as JSON."""

    names: tuple[str, ...]
    banks: tuple[str, ...]
    descriptions: tuple[tuple[str, ...], ...]
    """By Kind."""


def _words_of(batch: Batch) -> _Words:
    return _words(batch.shard.config.locale, batch.shard.seed)


@lru_cache(maxsize=8)
def _words(locale: str, seed: int) -> _Words:
    def escaped(texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(text, texts))

    told = words.vocabulary(locale, seed)
    return _Words(escaped(told.names), escaped(told.banks), tuple(map(escaped, told.descriptions)))
