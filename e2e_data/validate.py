"""Whether a pool is what its manifest, its configuration and the domain's rules say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e_data import chances, money, oracle
from e2e_data import vocabulary as words
from e2e_data.columns import BENEFICIARY_ACCOUNTS, funding_bounds, limit_based_accounts
from e2e_data.columns import limit_columns as limits_of
from e2e_data.commands import AccountType, Kind, Outcome
from e2e_data.manifest import Manifest, Metrics
from e2e_data.pool import Pool, Progress
from e2e_data.problems import Problems
from e2e_data.shard import Shard
from e2e_data.tally import Tally, band_of_payments, capped, empty_tally, tally_of

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Fault:
    """One sort of error: how often it occurs, and the first case."""

    rule: str
    """What should be so."""
    count: int
    first: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.count} {'time' if self.count == 1 else 'times'}; {self.first}"


class _Findings:
    """Faults by rule, in the order in which they were first found."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, rule: str, case: str, count: int = 1) -> None:
        before, first = self._found.get(rule, (0, case))
        self._found[rule] = (before + count, first)

    def add_rows(self, rule: str, wrong: Flags, tell: Callable[[int], str]) -> None:
        rows = np.flatnonzero(wrong)
        if len(rows):
            self.add(rule, tell(int(rows[0])), len(rows))

    def faults(self) -> list[Fault]:
        return [Fault(rule, count, first) for rule, (count, first) in self._found.items()]


def validate(pool: Pool, progress: Progress | None = None) -> list[Fault]:
    """Return what is wrong with a pool, each sort of error once; an empty list if nothing is.

    Reads one shard at a time. Shares are tested with chances.SIGNIFICANCE, where there are enough
    cases; `chances.untested` names those where there are not.
    """
    found = _Findings()
    manifest = pool.manifest
    tally: Tally | None = empty_tally(pool.config)
    hashes: dict[str, int] = {}
    commands = 0
    for number in range(pool.shard_count):
        shard = _readable(pool, number, found)
        sound = shard is not None and _check_shard(shard, manifest, found)
        tally = tally.plus(tally_of(shard)) if tally and shard and sound else None
        if shard:
            _check_unique(shard, hashes, found)
        commands += sum(manifest.shards[number].counts)
        if progress:
            progress(number + 1, commands)
    if tally:
        _check_totals(manifest, tally, found)
    return found.faults()


def _readable(pool: Pool, number: int, found: _Findings) -> Shard | None:
    try:
        return pool.unchecked_shard(number)
    except Problems as problems:
        found.add("every shard can be read", problems.problems[0])
        return None


def _check_unique(shard: Shard, hashes: dict[str, int], found: _Findings) -> None:
    # A command is named by (shard, index), and its index is its row: only whole shards can repeat.
    if shard.counts.payment == 0:
        return
    other = hashes.setdefault(shard.hash, shard.number)
    if other != shard.number:
        found.add("no two shards are equal", f"shard {shard.number} repeats shard {other}")


def _check_shard(shard: Shard, manifest: Manifest, found: _Findings) -> bool:
    """Check one shard; return whether its references are sound, so that it can be counted."""
    entry = manifest.shards[shard.number]
    if shard.hash != entry.hash:
        case = f"shard {shard.number} has {shard.hash}, the manifest {entry.hash}"
        found.add("a shard's hash is the manifest's", case)
    if tuple(shard.counts) != entry.counts:
        case = f"shard {shard.number} has {tuple(shard.counts)}, the manifest {entry.counts}"
        found.add("a shard has as many commands of each kind as the manifest says", case)
    if not _check_references(shard, found):
        return False
    for check in (_check_accounts, _check_counts, _check_credits, _check_payments, _check_exchange):
        check(shard, found)
    _check_expected(shard, found)
    return True


def _telling(shard: Shard, column: str, kind: Kind | None = None) -> Callable[[int], str]:
    """Return a function that tells the case in row `i` of the commands of `kind`."""
    start = shard.range_of(kind).start if kind else 0

    def tell(row: int) -> str:
        value = getattr(shard, column)[start + row]
        return f"first in shard {shard.number}, command {start + row}: {column} = {value}"

    return tell


def _telling_of(shard: Shard, noun: str, name: str, column: NDArray[Any]) -> Callable[[int], str]:
    """Return a function that tells the case in row `i` of a column over `noun`s."""

    def tell(row: int) -> str:
        return f"first in shard {shard.number}, {noun} {row}: {name} = {column[row]}"

    return tell


def _check_references(shard: Shard, found: _Findings) -> bool:
    config, accounts = shard.config, shard.counts.account
    bounds: dict[str, tuple[int, int]] = {
        "currency": (0, len(config.currencies)),
        "transit": (1, config.transit_numbers + 1),
        "account_type": (0, len(AccountType)),
        "account_number": (0, accounts),
        "credit_currency": (0, len(config.currencies)),
        "description": (0, words.PAYMENT_TEXTS),
        "beneficiary_name": (0, words.NAMES),
        "beneficiary_account": (0, BENEFICIARY_ACCOUNTS),
        "beneficiary_transit": (1, config.transit_numbers + 1),
        "beneficiary_bank": (0, words.BANKS),
        "value_day": (0, config.value_days + 1),
    }
    sound = True
    for name, (least, end) in bounds.items():
        column = getattr(shard, name)
        wrong = (column < least) | (column >= end)
        sound = sound and not wrong.any()
        found.add_rows(
            f"{name} is from {least} to {end - 1}",
            wrong,
            _telling_of(shard, "row", name, column),
        )
    texts = shard.description[shard.slice_of(Kind.FUNDING)] >= words.FUNDING_TEXTS
    rule = f"the description of a funding credit is below {words.FUNDING_TEXTS}"
    found.add_rows(rule, texts, _telling(shard, "description", Kind.FUNDING))
    for kind in (Kind.ACCOUNT, Kind.OPENING_CREDIT):
        numbers = shard.account_number[shard.slice_of(kind)]
        straight = len(numbers) == accounts
        wrong = numbers != np.arange(len(numbers))
        sound = sound and straight
        rule = f"account i has its {kind.label} as number i of its kind"
        found.add_rows(rule, wrong, _telling(shard, "account_number", kind))
        if not straight:
            found.add(rule, f"shard {shard.number} has {len(numbers)} for {accounts} accounts")
    return sound


def _check_accounts(shard: Shard, found: _Findings) -> None:
    config, balance = shard.config, shard.opening_balance_minor
    unit = (10 ** np.array(config.digits, dtype=np.int64))[shard.currency]
    opening = config.opening_balance
    outside = (balance < opening.low_units * unit) | (balance >= opening.high_units * unit)

    rule = f"opening balances are from {opening.low_units} to below {opening.high_units} units"
    found.add_rows(rule, outside, _telling_of(shard, "account", "opening_balance_minor", balance))
    for name, right in limits_of(config, balance, unit).items():
        column = getattr(shard, name)
        rule = f"{name} follows from the opening balance"
        found.add_rows(rule, column != right, _telling_of(shard, "account", name, column))
    first = shard.number * config.shard_accounts
    right = limit_based_accounts(config, shard.seed, first, shard.counts.account)
    rule = f"exactly {config.limit_based_percentage} % of the accounts are limit-based"
    flags = shard.limit_based
    tell = _telling_of(shard, "account", "limit_based", flags)
    found.add_rows(rule, flags != right, tell)


def _check_counts(shard: Shard, found: _Findings) -> None:
    accounts = shard.counts.account
    if accounts != shard.config.accounts_in(shard.number):
        wanted = shard.config.accounts_in(shard.number)
        case = f"shard {shard.number} has {accounts} accounts, not {wanted}"
        found.add("a shard has the configured number of accounts", case)
    bounds = {Kind.FUNDING: shard.config.funding, Kind.PAYMENT: shard.config.payments}
    for kind, (least, most) in bounds.items():
        each = np.bincount(shard.account_number[shard.slice_of(kind)], minlength=accounts)
        found.add_rows(
            f"an account has from {least} to {most} commands of the kind {kind.label}",
            (each < least) | (each > most),
            _telling_of(shard, "account", kind.label, each),
        )


def _check_credits(shard: Shard, found: _Findings) -> None:
    opening = shard.amount_minor[shard.slice_of(Kind.OPENING_CREDIT)]
    found.add_rows(
        "an opening credit is the account's opening balance",
        opening != shard.opening_balance_minor,
        _telling(shard, "amount_minor", Kind.OPENING_CREDIT),
    )
    rows = shard.slice_of(Kind.FUNDING)
    account, amount = shard.account_number[rows], shard.amount_minor[rows]
    least, most = funding_bounds(shard.config, shard.opening_balance_minor)
    low, high = shard.config.funding_percent
    found.add_rows(
        f"a funding credit is {low} to {high} % of the opening balance",
        (amount < least[account]) | (amount > most[account]),
        _telling(shard, "amount_minor", Kind.FUNDING),
    )
    found.add_rows(
        "the creation of an account moves no money",
        shard.amount_minor[shard.slice_of(Kind.ACCOUNT)] != 0,
        _telling(shard, "amount_minor", Kind.ACCOUNT),
    )
    before = slice(0, shard.range_of(Kind.PAYMENT).start)
    found.add_rows(
        "only payments credit somebody else",
        (shard.credit_minor[before] != 0)
        | (shard.credit_currency[before] != shard.currency[shard.account_number[before]]),
        _telling(shard, "credit_minor"),
    )


def _check_payments(shard: Shard, found: _Findings) -> None:
    rows = shard.slice_of(Kind.PAYMENT)
    amount = shard.amount_minor[rows]
    minute = shard.limit_minute_minor[shard.account_number[rows]]
    limited = capped(shard)
    for name in ("amount_minor", "credit_minor"):
        found.add_rows(
            f"the {name} of a payment is at least 1",
            getattr(shard, name)[rows] < 1,
            _telling(shard, name, Kind.PAYMENT),
        )
    found.add_rows(
        "a payment's amount is in one of the bands",
        ~limited & (band_of_payments(shard) < 0),
        _telling(shard, "amount_minor", Kind.PAYMENT),
    )
    found.add_rows(
        "without limit violations no payment of a limit-based account is above its MINUTE limit",
        limited & (amount > minute),
        _telling(shard, "amount_minor", Kind.PAYMENT),
    )


def _check_exchange(shard: Shard, found: _Findings) -> None:
    rows = shard.slice_of(Kind.PAYMENT)
    amount, credit = shard.amount_minor[rows], shard.credit_minor[rows]
    own = shard.currency[shard.account_number[rows]]
    other = shard.credit_currency[rows]
    right = amount.copy()
    for (debit_index, credit_index), ratio in shard.config.ratios.items():
        pair = np.flatnonzero((own == debit_index) & (other == credit_index))
        right[pair] = money.convert(amount[pair], ratio)
    found.add_rows(
        "a payment credits its amount, converted half-even at the manifest's rate",
        credit != right,
        _telling(shard, "credit_minor", Kind.PAYMENT),
    )


def _check_expected(shard: Shard, found: _Findings) -> None:
    funding, payments = shard.slice_of(Kind.FUNDING), shard.slice_of(Kind.PAYMENT)
    right = np.full(len(shard), Outcome.SETTLED, dtype=np.uint8)
    right[payments] = oracle.expected_of_payments(
        oracle.Book(
            limit_based=shard.limit_based,
            minute_limit_minor=shard.limit_minute_minor,
            opening_balance_minor=shard.opening_balance_minor,
            funding_account=shard.account_number[funding],
            funding_minor=shard.amount_minor[funding],
            payment_account=shard.account_number[payments],
            payment_minor=shard.amount_minor[payments],
        )
    )
    rule = "the expected outcomes are the oracle's"
    found.add_rows(rule, shard.expected != right, _telling(shard, "expected"))


def _check_totals(manifest: Manifest, tally: Tally, found: _Findings) -> None:
    config = manifest.config
    for name, value in tally.model_dump().items():
        said = getattr(manifest.tally, name)
        if said != value:
            found.add(
                "the manifest's tally is that of the shards", f"{name} is {value}, not {said}"
            )
    if manifest.metrics != Metrics.of(config, tally):
        found.add("the manifest's metrics follow from the shards", "they are others")
    for kind in Kind:
        counted = sum(entry.counts[kind] for entry in manifest.shards)
        if counted != manifest.counts[kind.label]:
            case = f"{kind.label} is {manifest.counts[kind.label]}, not {counted}"
            found.add("the manifest's counts are the sums of its shards", case)
    for sample in chances.samples(config, tally):
        fault = sample.fault()
        if fault:
            found.add("shares are those of the configuration", f"{sample.name}: {fault}")
