"""Money: integer minor units in memory, exact decimal numbers on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation

MINOR_DIGITS: dict[str, int] = {
    "BHD": 3,
    "JOD": 3,
    "KWD": 3,
    "OMR": 3,
    "TND": 3,
    "CLP": 0,
    "ISK": 0,
    "JPY": 0,
    "KRW": 0,
    "PYG": 0,
    "UGX": 0,
    "VND": 0,
    "XAF": 0,
    "XOF": 0,
    **dict.fromkeys(
        (
            *("AED", "ARS", "AUD", "BRL", "CAD", "CHF", "CNY", "COP", "CZK", "DKK"),
            *("EGP", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR", "KES", "MXN"),
            *("MYR", "NGN", "NOK", "NZD", "PEN", "PHP", "PLN", "QAR", "RON", "SAR"),
            *("SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "ZAR"),
        ),
        2,
    ),
}
"""The currencies this platform knows, with ISO 4217's number of minor digits."""

MAX_MINOR = 10**15
"""The largest single amount, in minor units: thousands of them still add up in 64 bits."""

_MAX_EXPONENT = 18
_EXACT = Context(prec=40, traps=[Inexact, InvalidOperation])
"""Arithmetic that raises rather than rounds."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of a currency, in that currency's minor units (12.34 USD is 1234).

    `minor` is 0 only where `currency` is not in MINOR_DIGITS: then nobody can say what a minor unit
    is, and the ledger rejects the command for its currency.
    """

    minor: int
    currency: str


def to_minor(number: int | Decimal, currency: str) -> int:
    """Convert a wire number into minor units of `currency`, exactly; 0 if that is not known.

    Raises ValueError, with the reason as its message, for amounts that are not positive, above
    MAX_MINOR, or that have more decimals than the currency.
    """
    if number <= 0:
        raise ValueError("must be above 0")
    digits = MINOR_DIGITS.get(currency)
    if digits is None:
        return 0
    minor = number * 10**digits if isinstance(number, int) else _scaled(number, digits, currency)
    if minor > MAX_MINOR:
        raise ValueError(f"must be at most {to_wire(MAX_MINOR, currency)} {currency}")
    return minor


def _scaled(number: Decimal, digits: int, currency: str) -> int:
    too_fine = f"must have at most {digits} decimals in {currency}"
    if number.adjusted() > _MAX_EXPONENT:
        # Before any arithmetic: 1e999999 is a short text and a very long integer.
        return MAX_MINOR + 1
    if number.adjusted() < -digits:
        raise ValueError(too_fine)
    try:
        scaled = _EXACT.multiply(number, Decimal(10**digits))
    except Inexact:
        raise ValueError(too_fine) from None
    minor = int(scaled)
    if minor != scaled:
        raise ValueError(too_fine)
    return minor


def to_wire(minor: int, currency: str) -> str:
    """Write `minor` units as a JSON number with the currency's digits: 5000000 USD is 50000.00."""
    digits = MINOR_DIGITS[currency]
    if digits == 0:
        return str(minor)
    sign = "-" if minor < 0 else ""
    whole, fraction = divmod(abs(minor), 10**digits)
    return f"{sign}{whole}.{fraction:0{digits}d}"
