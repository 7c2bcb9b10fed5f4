"""The JSON of docs/contract.md: one command's body, or those of many, from the same templates.

One body takes its values from a Command. Many take theirs from the columns of a shard: the words of
its vocabulary are escaped once, amounts are cut into digits by integer arithmetic, and columns are
woven into bodies without a line of Python for each.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import orjson
import pyarrow as pa

from e2e_data.batch import Batch, Words, taken, words_of
from e2e_data.characters import Texts, woven
from e2e_data.commands import PERIODS, Account, Command, Kind
from e2e_data.money import to_wire
from e2e_data.tables import Int64s

# Filled by the operator % for one command, and woven with columns for many.
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


def bodies(batch: Batch) -> Texts:
    """Return what `body` gives for each command of a batch, in its order."""
    kinds = batch.kinds
    present = np.flatnonzero(np.bincount(kinds)).tolist()
    rows = {kind: np.flatnonzero(kinds == kind) for kind in present}
    rendered = [_RENDERERS[kind](batch, chosen) for kind, chosen in rows.items()]
    if len(rendered) == 1:
        return rendered[0]
    made = pa.concat_arrays([pa.array([], pa.string()), *rendered])
    places = np.argsort(np.concatenate([np.empty(0, np.int64), *rows.values()]))
    return made.take(pa.array(places))


def _accounts(batch: Batch, rows: Int64s) -> Texts:
    customer, codes, *fields = batch.account_columns(rows)
    limits = (part for limit in fields[3:] for part in (limit, codes))
    return woven(_ACCOUNT, customer, codes, *fields[:3], *limits)


def _transactions(batch: Batch, rows: Int64s) -> Texts:
    columns = batch.transaction_columns(rows, _words(batch))
    return woven(_TRANSACTION, _account_ids(batch, rows), *columns)


def _payments(batch: Batch, rows: Int64s) -> Texts:
    customers = taken(pa.array(batch.customer_ids), rows)
    columns = batch.payment_columns(rows, _words(batch))
    return woven(_PAYMENT, customers, _account_ids(batch, rows), *columns)


def _account_ids(batch: Batch, rows: Int64s) -> Texts:
    return taken(pa.array(map(_known, batch.account_ids), pa.string()), rows)


_RENDERERS = (_accounts, _transactions, _transactions, _payments)
"""By Kind; each takes a batch and those rows of it that are of the kind."""


def _words(batch: Batch) -> Words:
    return words_of(batch.shard.config.locale, batch.shard.seed, text)
