"""The domain's rules for one shard, each checked on all of its rows."""

from __future__ import annotations

import numpy as np

from e2e_data import money, oracle
from e2e_data import vocabulary as words
from e2e_data.columns import funding_bounds
from e2e_data.columns import limit_columns as limits_of
from e2e_data.commands import AccountType, Kind, Label, Outcome
from e2e_data.distributions import payments_move
from e2e_data.faults import Faults, Flags, telling, telling_of
from e2e_data.payments import BENEFICIARY_ACCOUNTS
from e2e_data.sampled import Sampled
from e2e_data.shard import Shard


def check_references(shard: Shard, found: Faults) -> bool:
    """Check that all indices name something; return whether they do, so that sums can be made."""
    sound = _check_bounds(shard, found)
    texts = shard.description[shard.slice_of(Kind.FUNDING)] >= words.FUNDING_TEXTS
    rule = f"the description of a funding credit is below {words.FUNDING_TEXTS}"
    found.add_rows(rule, texts, telling(shard, "description", Kind.FUNDING))
    sound = sound and not texts.any()
    for kind in (Kind.ACCOUNT, Kind.OPENING_CREDIT):
        numbers = shard.account_number[shard.slice_of(kind)]
        straight = len(numbers) == shard.counts.account
        wrong = numbers != np.arange(len(numbers))
        sound = sound and straight
        rule = f"account i has its {kind.label} as number i of its kind"
        found.add_rows(rule, wrong, telling(shard, "account_number", kind))
        if not straight:
            case = f"shard {shard.number} has {len(numbers)} for {shard.counts.account} accounts"
            found.add(rule, case)
    return sound


def _check_bounds(shard: Shard, found: Faults) -> bool:
    config = shard.config
    bounds: dict[str, tuple[int, int]] = {
        "currency": (0, len(config.currencies)),
        "account_type": (0, len(AccountType)),
        "account_number": (0, shard.counts.account),
        "credit_currency": (0, len(config.currencies)),
        "description": (0, words.PAYMENT_TEXTS),
        "label": (0, len(Label)),
        "beneficiary_name": (0, words.NAMES),
        "beneficiary_account": (0, BENEFICIARY_ACCOUNTS),
        "beneficiary_bank": (0, words.BANKS),
        "value_day": (0, config.value_days + 1),
    }
    sound = True

    def check(rule: str, name: str, wrong: Flags) -> None:
        nonlocal sound
        sound = sound and not wrong.any()
        found.add_rows(rule, wrong, telling_of(shard, "row", name, getattr(shard, name)))

    for name, (least, end) in bounds.items():
        column = getattr(shard, name)
        check(f"{name} is from {least} to {end - 1}", name, (column < least) | (column >= end))
    for name in ("transit", "beneficiary_transit"):
        region, transit = np.divmod(getattr(shard, name), 100 if config.regions else 1000)
        wrong = (transit < 1) | (transit > config.transit_numbers)
        check(f"{name} is from 1 to {config.transit_numbers}", name, wrong)
        if config.regions:
            rule = f"the first digit of {name} is a region's, from 1 to {len(config.regions)}"
            check(rule, name, (region < 1) | (region > len(config.regions)))
    payments = shard.range_of(Kind.PAYMENT)
    before = (shard.original >= payments.start) & (shard.original < np.array(payments))
    check("original is -1 or an earlier payment", "original", ~before & (shard.original != -1))
    return sound


def check_shard(sampled: Sampled, found: Faults) -> None:
    """Check a shard whose references are sound."""
    _check_accounts(sampled.shard, found)
    _check_counts(sampled.shard, found)
    _check_credits(sampled.shard, found)
    _check_payments(sampled, found)
    _check_exchange(sampled, found)
    _check_expected(sampled, found)


def _check_accounts(shard: Shard, found: Faults) -> None:
    config, balance = shard.config, shard.opening_balance_minor
    unit = (10 ** np.array(config.digits, dtype=np.int64))[shard.currency]
    opening = config.opening_balance
    outside = (balance < opening.low_units * unit) | (balance >= opening.high_units * unit)
    rule = f"opening balances are from {opening.low_units} to below {opening.high_units} units"
    found.add_rows(rule, outside, telling_of(shard, "account", "opening_balance_minor", balance))
    for name, right in limits_of(config, balance, unit).items():
        column = getattr(shard, name)
        rule = f"{name} follows from the opening balance"
        found.add_rows(rule, column != right, telling_of(shard, "account", name, column))


def _check_counts(shard: Shard, found: Faults) -> None:
    config, accounts = shard.config, shard.counts.account
    wanted = config.accounts_in(shard.number)
    if accounts != wanted:
        case = f"shard {shard.number} has {accounts} accounts, not {wanted}"
        found.add("a shard has the configured number of accounts", case)
    for kind, (least, most) in {
        Kind.FUNDING: config.funding,
        Kind.PAYMENT: config.payments,
    }.items():
        if kind is Kind.PAYMENT and payments_move(config):
            continue
        each = np.bincount(shard.account_number[shard.slice_of(kind)], minlength=accounts)
        found.add_rows(
            f"an account has from {least} to {most} commands of the kind {kind.label}",
            (each < least) | (each > most),
            telling_of(shard, "account", kind.label, each),
        )
    least, most = (accounts * count for count in config.payments)
    if not least <= shard.counts.payment <= most:
        case = f"shard {shard.number} has {shard.counts.payment}, not {least} to {most}"
        found.add("a shard has as many payments as its accounts can have", case)


def _check_credits(shard: Shard, found: Faults) -> None:
    opening = shard.amount_minor[shard.slice_of(Kind.OPENING_CREDIT)]
    found.add_rows(
        "an opening credit is the account's opening balance",
        opening != shard.opening_balance_minor,
        telling(shard, "amount_minor", Kind.OPENING_CREDIT),
    )
    rows = shard.slice_of(Kind.FUNDING)
    account, amount = shard.account_number[rows], shard.amount_minor[rows]
    least, most = funding_bounds(shard.config, shard.opening_balance_minor)
    low, high = shard.config.funding_percent
    found.add_rows(
        f"a funding credit is {low} to {high} % of the opening balance",
        (amount < least[account]) | (amount > most[account]),
        telling(shard, "amount_minor", Kind.FUNDING),
    )
    found.add_rows(
        "the creation of an account moves no money",
        shard.amount_minor[shard.slice_of(Kind.ACCOUNT)] != 0,
        telling(shard, "amount_minor", Kind.ACCOUNT),
    )
    before = slice(0, shard.range_of(Kind.PAYMENT).start)
    found.add_rows(
        "only payments credit somebody else",
        (shard.credit_minor[before] != 0)
        | (shard.credit_currency[before] != shard.currency[shard.account_number[before]]),
        telling(shard, "credit_minor"),
    )
    rule = "only payments have a label"
    found.add_rows(rule, shard.label[before] != Label.NONE, telling(shard, "label"))


def _check_payments(sampled: Sampled, found: Faults) -> None:
    shard, amount = sampled.shard, sampled.amount_minor
    replay = sampled.label >= Label.REPLAY
    for name in ("amount_minor", "credit_minor"):
        value = getattr(sampled, name)
        tell = telling(shard, name, Kind.PAYMENT)
        found.add_rows(f"the {name} of a payment is at least 1", ~replay & (value < 1), tell)
        found.add_rows(f"the {name} of a replay is 0", replay & (value != 0), tell)
    tell = telling(shard, "amount_minor", Kind.PAYMENT)
    rule = "a payment's amount is in one of the bands"
    found.add_rows(rule, sampled.from_bands & (sampled.band < 0), tell)
    if not shard.config.enable_limit_violations:
        found.add_rows(
            "without limit violations no payment of a limit-based account is above its MINUTE limit",
            sampled.capped & (amount > shard.limit_minute_minor[sampled.account]),
            tell,
        )


def _check_exchange(sampled: Sampled, found: Faults) -> None:
    right = sampled.amount_minor.copy()
    for (debit, credit), ratio in sampled.config.ratios.items():
        pair = sampled.exchanged & (sampled.own_currency == debit)
        rows = np.flatnonzero(pair & (sampled.credit_currency == credit))
        right[rows] = money.convert(right[rows], ratio)
    found.add_rows(
        "a payment credits its amount, converted half-even at the manifest's rate",
        sampled.credit_minor != right,
        telling(sampled.shard, "credit_minor", Kind.PAYMENT),
    )


def _check_expected(sampled: Sampled, found: Faults) -> None:
    shard = sampled.shard
    funding, payments = shard.slice_of(Kind.FUNDING), shard.slice_of(Kind.PAYMENT)
    right = np.full(len(shard), Outcome.SETTLED, dtype=np.uint8)
    right[payments] = oracle.expected_of_payments(
        oracle.Book(
            limit_based=shard.limit_based,
            minute_limit_minor=shard.limit_minute_minor,
            opening_balance_minor=shard.opening_balance_minor,
            funding_account=shard.account_number[funding],
            funding_minor=shard.amount_minor[funding],
            payment_account=sampled.account,
            payment_minor=sampled.amount_minor,
            payment_label=sampled.label,
            payment_original=sampled.original,
        )
    )
    rule = "the expected outcomes are the oracle's"
    found.add_rows(rule, shard.expected != right, telling(shard, "expected"))
