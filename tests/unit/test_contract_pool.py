"""The contract is true: a pool's defaults, presets and labels are the configuration's."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

import numpy as np

from e2e_data import boundary, config, config_checks, money, oracle, order, payments
from e2e_data.commands import PERIODS, AccountType, Label, Outcome
from e2e_data.config_parts import band_edge
from tests.contract import PLAIN, POOL, code, columns, fences, number, span, table


def test_currencies_quotes_and_digits_are_the_defaults():
    """The five currencies with their minor digits, quotes and the rate made of two of them."""
    shown = columns("currency")
    del shown["currency"]
    assert tuple(shown) == POOL.currencies
    for currency, (digits, quote) in shown.items():
        assert int(digits) == money.MINOR_DIGITS[currency]
        assert Decimal(quote) == POOL.usd_quotes[currency]
    assert f"USD to EUR is {POOL.rates['USD/EUR']}." in PLAIN
    assert f"to {money.RATE_DIGITS} significant digits" in PLAIN


def test_account_types_are_the_defaults():
    """The share of each account type."""
    shown = dict(table("account field"))["`accountType`"]
    shares = {name: int(share) for share, name in re.findall(r"(\d+) % ([A-Z_]+)", shown)}
    weights = POOL.account_types.weights
    assert shares == {kind.name: weights[kind] for kind in AccountType}


def test_transit_numbers_and_value_dates_are_the_defaults():
    """The ranges that are given in words."""
    shown = dict(table("account field"))["`transitNumber`"]
    assert shown.endswith(f"`001` to `{POOL.transit_numbers:03d}`")
    assert f"0 to {POOL.value_days} days (`value_days`)" in PLAIN
    least, most = POOL.funding_percent
    assert f"each of {least} to {most} % of B" in PLAIN
    assert f"`fx_percentage` % of the payments ({POOL.fx_percentage} unless set)" in PLAIN


def test_opening_balances_are_the_defaults():
    """Two ranges, and the share of accounts in the lower one."""
    stated = re.search(
        r"from ([\d,]+) to ([\d,]+) currency units for (\d+) % of the accounts, "
        r"and from ([\d,]+) to ([\d,]+) for the others",
        PLAIN,
    )
    assert stated is not None
    low, middle, share, again, high = map(number, stated.groups())
    balance = POOL.opening_balance
    assert (low, middle, share, again, high) == (
        balance.low_units,
        balance.break_units,
        balance.below_break_percent,
        balance.break_units,
        balance.high_units,
    )


def test_limits_are_the_defaults():
    """Each period's share of the opening balance, and its floor."""
    shown = columns("period")
    del shown["period"]
    assert tuple(shown) == PERIODS
    rules = [(rule.percent, rule.floor_units) for rule in POOL.limits.rules]
    assert [tuple(map(number, cells)) for cells in shown.values()] == rules


def test_payment_bands_are_the_defaults():
    """Each band's range in percent of the HOUR limit, and its share of the payments."""
    shown = columns("amount in HOUR limits")
    del shown["amount in HOUR limits"]
    bands = [(b.from_percent, b.to_percent, b.weight_percent) for b in POOL.payment_bands]
    assert [(*span(edges), number(share)) for edges, (share,) in shown.items()] == bands


def test_the_edges_of_bands_belong_where_the_document_says():
    """10 and 50 % to the band above, 100 and 150 % to the band below."""
    assert "exactly 10 or 50 % belongs to the upper band, one of exactly 100 or 150 %" in PLAIN
    first_beyond = {percent: band_edge(1000, percent) for percent in (10, 50, 100, 150)}
    assert first_beyond == {10: 100, 50: 500, 100: 1001, 150: 1501}


def test_the_share_of_certain_rejects_follows_from_the_tables():
    """About 42 % of a limit-based account's payments are above a fifth of its HOUR limit."""
    hour, minute = POOL.limits.hour, POOL.limits.minute
    assert hour.percent == 5 * minute.percent
    assert hour.floor_units == 5 * minute.floor_units
    above = sum(
        Fraction(band.weight_percent)
        * min(1, Fraction(max(0, band.to_percent - 20), band.to_percent - band.from_percent))
        for band in POOL.payment_bands
    )
    assert "about 42 % of the payments of limit-based accounts must be rejected" in PLAIN
    assert abs(above - 42) < 1


def test_presets_are_the_configurations():
    """Every preset with its figures, and no other."""
    rows = table("preset")
    shown = {
        code(name): {
            "accounts": number(accounts),
            "payments": span(payments),
            "funding": span(funding),
            "limit_based_percentage": number(limit_based),
        }
        for name, accounts, payments, funding, limit_based in rows
    }
    assert shown == config.PRESETS
    stress = config.load("stress")
    each = 2 + Fraction(sum(stress.payments) + sum(stress.funding), 2)
    assert f"about {float(stress.accounts * each) / 1e6:.1f} million commands" in PLAIN


def test_the_example_of_a_configuration_file_is_one(tmp_path):
    """It loads, sets nothing to what it is anyway, and every tenth account is special by it."""
    (text,) = (text for text in fences("toml") if "hostile_percentage" in text)
    file = tmp_path / "pool.toml"
    file.write_text(text, encoding="utf-8")
    loaded = config.load(file=file)
    plain = config.load("medium")
    named = set(re.findall(r"^([a-z_]+) = ", text, re.M))
    named |= set(re.findall(r"^\[([a-z_]+)\]", text, re.M))
    changed = {
        name
        for name in config.PoolConfig.model_fields
        if getattr(loaded, name) != getattr(plain, name)
    }
    fields = {*type(loaded.patterns).model_fields, *type(loaded.hostile_flavours).model_fields}
    assert named - fields - {"preset"} == changed
    special = (loaded.hot_account_share, loaded.boundary_percentage, loaded.pattern_percentage)
    assert sum(special) == 10
    assert loaded.hostile_percentage == Decimal(1) / 200 * 100
    assert set(loaded.patterns.weights) - {40, 0} == {20}
    assert set(loaded.hostile_flavours.weights) - {20, 0} == {10}


def test_labels_are_the_codes():
    """Every label is in the table, in its order, with what the oracle says of it."""
    rows = table("label")
    assert [name for name, _, _ in rows] == [label.text for label in Label]
    words = {
        "as in section 6": Outcome.SETTLED,
        "rejected": Outcome.REJECTED,
        "not understood": Outcome.INVALID | Outcome.DEAD_LETTERED,
        "as its original, once": Outcome.SETTLED,
    }
    for label, (_, _, right) in zip(Label, rows, strict=True):
        first, found = oracle.expected_of_payments(
            oracle.Book(
                limit_based=np.array([True]),
                minute_limit_minor=np.array([100]),
                opening_balance_minor=np.array([0]),
                funding_account=np.zeros(0, np.int32),
                funding_minor=np.zeros(0, np.int64),
                payment_account=np.zeros(2, np.int32),
                payment_minor=np.array([50, 50]),
                payment_label=np.array([Label.NONE, label], np.uint8),
                payment_original=np.array([-1, 0 if label.is_replay else -1]),
            )
        )
        assert (first, found) == (Outcome.SETTLED, words[right])
        assert label.is_replay == (right == "as its original, once")
        assert label.is_hostile == (right != "as in section 6")


def test_figures_of_labels_are_the_codes():
    """Amounts and places that the table gives are those of the generator."""
    rows = {name: text for name, text, _ in table("label")}
    least, most = (f"{units:,}" for units in config_checks.REPORTABLE_UNITS)
    assert rows["reportable"] == f"of {least} to {most} currency units"
    assert rows["round"] == f"of a multiple of {payments.ROUND_UNITS} currency units"
    assert order.DORMANT_EIGHTHS == 7
    assert "after seven eighths of the other accounts' payments" in rows["dormant"]
    assert "so that one minute holds each: three parts" in PLAIN
    assert boundary.PARTS == 3
