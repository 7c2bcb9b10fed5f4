"""Exact money: integer minor units in memory, decimal numbers on the wire, exact exchange rates."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

MINOR_DIGITS = {
    **dict.fromkeys("CLP ISK JPY KRW PYG UGX VND XAF XOF".split(), 0),
    **dict.fromkeys(
        "AED ARS AUD BRL CAD CHF CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR KES MXN MYR NGN "
        "NOK NZD PEN PHP PLN QAR RON SAR SEK SGD THB TRY TWD UAH USD ZAR".split(),
        2,
    ),
    **dict.fromkeys("BHD JOD KWD OMR TND".split(), 3),
}
"""ISO 4217 code -> number of minor digits, for the currencies that a pool may use."""


_EXACT = Context(prec=40, traps=[Inexact, InvalidOperation])
"""Arithmetic that raises rather than rounds."""


def to_wire(minor: int, currency: str) -> str:
    """Write `minor` units as the decimal number of the wire: 5000000 USD -> "50000.00"."""
    digits = MINOR_DIGITS[currency]
    if digits == 0:
        return str(minor)
    text = str(minor).zfill(digits + 1 + (minor < 0))
    return f"{text[:-digits]}.{text[-digits:]}"


def from_wire(text: str, currency: str) -> int:
    """Read a decimal number of the wire into minor units.

    Raises ValueError for an unknown currency, for text that is no number, for a number beyond 64
    bits, and for one with more decimals than the currency has: such an amount was not exact, and
    rounding would hide it.
    """
    if currency not in MINOR_DIGITS:
        msg = f"unknown currency {currency!r}"
        raise ValueError(msg)
    digits = MINOR_DIGITS[currency]
    try:
        # 1e999999 is a short text and a very long integer, hence this before any other arithmetic.
        exact = Decimal(text).quantize(Decimal(1).scaleb(-digits), context=_EXACT)
        minor = int(exact.scaleb(digits, context=_EXACT))
    except Inexact as error:
        msg = f"{text[:80]!r} has more decimals than {currency} ({digits})"
        raise ValueError(msg) from error
    except (InvalidOperation, ValueError, OverflowError) as error:
        msg = f"{text[:80]!r} is not an amount of money"
        raise ValueError(msg) from error
    if abs(minor) >= 2**63:
        msg = f"{text[:80]!r} is more than 64 bits of minor units can hold"
        raise ValueError(msg)
    return minor


RATE_DIGITS = 6
"""Significant digits of an exchange rate."""


def rate_table(usd_quotes: dict[str, Decimal], currencies: Sequence[str]) -> dict[str, str]:
    """Return "DEBIT/CREDIT" -> decimal rate for every ordered pair of different `currencies`.

    A quote is the worth of one unit in US dollars. A pair's rate is the quotient rounded half-even
    to RATE_DIGITS significant digits: from then on it is an exact decimal, the same everywhere.
    """
    context = Context(prec=RATE_DIGITS, rounding=ROUND_HALF_EVEN)
    return {
        f"{debit}/{credit}": format(context.divide(usd_quotes[debit], usd_quotes[credit]), "f")
        for debit in currencies
        for credit in currencies
        if debit != credit
    }


def minor_ratio(rate: str, debit: str, credit: str) -> tuple[int, int]:
    """Return (numerator, denominator) that turn minor units of `debit` into those of `credit`."""
    ratio = Fraction(rate) * 10 ** MINOR_DIGITS[credit] / 10 ** MINOR_DIGITS[debit]
    return ratio.numerator, ratio.denominator


def convert(minor: NDArray[np.int64], ratio: tuple[int, int]) -> NDArray[np.int64]:
    """Convert amounts by `ratio`, rounding half-even to whole minor units, exactly in integers."""
    numerator, denominator = ratio
    quotient, remainder = np.divmod(minor * numerator, denominator)
    twice = 2 * remainder
    up = (twice > denominator) | ((twice == denominator) & (quotient % 2 == 1))
    rounded: NDArray[np.int64] = quotient + up
    return rounded


def least_convertible(ratio: tuple[int, int]) -> int:
    """Return the smallest debit in minor units whose credit is at least one minor unit."""
    numerator, denominator = ratio
    # Half a minor unit rounds half-even to nothing, so the credit must be above one half.
    return denominator // (2 * numerator) + 1
