"""Quantities as people read them: counts, rates, milliseconds, durations, moments and money."""

from __future__ import annotations

import math

from e2e_data.money import MINOR_DIGITS, to_wire

NOTHING = "—"
"""What stands where there is no number."""


def count(number: int) -> str:
    """Write a count with thousands separators: 12345 -> "12,345"."""
    return f"{number:,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write a count with its noun: "1 case", "2 cases"."""
    return f"{count(number)} {noun if number == 1 else plural or noun + 's'}"


def figure(number: float) -> str:
    """Write a number that may be a count: 84.0 -> "84", 84.25 -> "84.2"; NaN -> "—"."""
    return (
        f"{number:,.0f}" if math.isfinite(number) and number == int(number) else significant(number)
    )


def sentence_case(text: str) -> str:
    """Begin `text` with a capital letter and leave the rest alone."""
    return text[:1].upper() + text[1:]


def significant(number: float | None) -> str:
    """Write a number with three significant digits but never fewer than its whole part.

    0.0421 -> "0.0421", 4.217 -> "4.22", 42.17 -> "42.2", 4217 -> "4,217"; None and NaN -> "—".
    """
    if number is None or math.isnan(number):
        return NOTHING
    if math.isinf(number):
        return "∞" if number > 0 else "-∞"
    if number == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(number))))
    # Below a ten-thousandth more digits say nothing of a load test.
    return f"{number:,.{min(decimals, 4)}f}"


def milliseconds(value_ms: float | None) -> str:
    """Write milliseconds with their unit: 42.17 -> "42.2 ms"; None -> "—"."""
    return measured(value_ms, "ms")


def measured(value: float | None, unit: str) -> str:
    """Write what was measured with its unit: 42.17 -> "42.2 ms"; None -> "—"."""
    text = significant(value)
    return text if text == NOTHING else f"{text}{'' if unit == '/s' else ' '}{unit}"


def duration(length_s: float) -> str:
    """Write a length of time in its two largest units: 123.4 -> "2 min 3 s", 0.25 -> "0.25 s"."""
    if length_s < 10 and length_s != int(length_s):
        return f"{significant(length_s)} s"
    whole = round(length_s)
    hours, rest = divmod(whole, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{count(hours)} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def moment(at_ns: int | None) -> str:
    """Write a time since the run's epoch in seconds: 1234567890 -> "1.235 s"; None -> "—"."""
    return NOTHING if at_ns is None else f"{at_ns / 1e9:,.3f} s"


def money(minor: int, currency: str) -> str:
    """Write an amount exactly: (5000000, "USD") -> "50,000.00 USD".

    A currency whose minor digits are not known keeps its minor units, and says so.
    """
    if currency not in MINOR_DIGITS:
        return f"{minor:,} minor units of {currency}"
    whole, point, fraction = to_wire(minor, currency).partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{point}{fraction} {currency}"
