"""Money: exact on the wire, exact when converted, and refused where it is not."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e_data.money import (
    MINOR_DIGITS,
    convert,
    from_wire,
    least_convertible,
    minor_ratio,
    rate_table,
    to_wire,
)

currencies = st.sampled_from(sorted(MINOR_DIGITS))
minors = st.integers(-(2**63) + 1, 2**63 - 1)
rates = st.decimals("0.000001", "100000", places=6).map(lambda rate: format(rate, "f"))


@given(minors, currencies)
def test_an_amount_comes_back_from_the_wire(minor, currency):
    """What is written in a currency's digits is read as the same minor units."""
    text = to_wire(minor, currency)
    assert from_wire(text, currency) == minor
    digits = MINOR_DIGITS[currency]
    assert Decimal(text) == Decimal(minor) / 10**digits if abs(minor) < 10**20 else True
    assert ("." in text) == (digits > 0)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (5_000_000, "USD", "50000.00"),
        (-5, "EUR", "-0.05"),
        (0, "GBP", "0.00"),
        (1234, "JPY", "1234"),
        (-1, "JPY", "-1"),
        (1, "KWD", "0.001"),
    ],
)
def test_amounts_have_their_currencys_digits(minor, currency, text):
    """ISO 4217 decides how many decimals an amount is written with."""
    assert to_wire(minor, currency) == text


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("1", "USD", 100), ("1.5", "USD", 150), ("1.500", "USD", 150), ("1E2", "JPY", 100),
     ("-0.00", "USD", 0), ("92233720368547758.07", "USD", 2**63 - 1)],
)  # fmt: skip
def test_other_ways_to_write_an_amount_are_read(text, currency, minor):
    """Fewer or more zeros, or an exponent, are the same amount."""
    assert from_wire(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "why"),
    [
        ("1.005", "USD", "more decimals"),
        ("0.5", "JPY", "more decimals"),
        ("1." + "0" * 40 + "1", "USD", "more decimals"),
        ("1e-999999999", "USD", "more decimals"),
        ("12345678901234567890123456789.01", "USD", "64 bits"),
        ("92233720368547758.08", "USD", "64 bits"),
        ("1e999999999", "USD", "not an amount"),
        ("9" * 100_000, "USD", "not an amount"),
        ("nan", "USD", "not an amount"),
        ("-Infinity", "USD", "not an amount"),
        ("True", "USD", "not an amount"),
        ("", "USD", "not an amount"),
        ("1", "XXX", "unknown currency"),
        ("1", "usd", "unknown currency"),
    ],
)
def test_what_is_no_exact_amount_is_refused(text, currency, why):
    """Nothing is rounded, and nothing that a platform may send takes long or crashes."""
    with pytest.raises(ValueError, match=why) as raised:
        from_wire(text, currency)
    assert len(str(raised.value)) < 200


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=20), rates, currencies, currencies)
def test_conversion_is_the_decimals_half_even(amounts, rate, debit, credit):
    """Each converted amount is what decimal arithmetic gives, rounded half-even to the minor unit."""
    ratio = minor_ratio(rate, debit, credit)
    if max(amounts) * ratio[0] >= 2**62 or ratio[1] >= 2**62:
        return
    unit = Decimal(1).scaleb(-MINOR_DIGITS[credit])
    wanted = [
        from_wire(
            str((Decimal(to_wire(minor, debit)) * Decimal(rate)).quantize(unit, ROUND_HALF_EVEN)),
            credit,
        )
        for minor in amounts
    ]
    assert convert(np.array(amounts), ratio).tolist() == wanted


def test_a_half_goes_to_the_even_unit():
    """Half a minor unit rounds to the even neighbour, up and down."""
    assert convert(np.array([1, 3, 5, 7, 2]), (1, 2)).tolist() == [0, 2, 2, 4, 1]


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_the_least_debit_is_the_least(numerator, denominator):
    """The smallest debit with a credit of one minor unit: it gives one, and one less gives none."""
    least = least_convertible((numerator, denominator))
    given_by = convert(np.array([least - 1, least]), (numerator, denominator)).tolist()
    assert given_by[0] == 0
    assert given_by[1] >= 1


def test_rates_are_six_digits_and_for_every_pair():
    """A rate is the quotient of two quotes to six significant digits, an exact decimal for ever."""
    quotes = {"USD": Decimal(1), "EUR": Decimal("1.0842"), "JPY": Decimal("0.006684")}
    table = rate_table(quotes, ("USD", "EUR", "JPY"))
    assert table == {
        "USD/EUR": "0.922339", "USD/JPY": "149.611", "EUR/USD": "1.0842", "EUR/JPY": "162.208",
        "JPY/USD": "0.006684", "JPY/EUR": "0.00616491",
    }  # fmt: skip


def test_a_ratio_is_of_minor_units():
    """Cents into yen: the rate times the quotient of the currencies' minor units, in lowest terms."""
    assert Fraction(*minor_ratio("149.611", "USD", "JPY")) == Fraction("1.49611")
    assert minor_ratio("1", "USD", "USD") == (1, 1)
