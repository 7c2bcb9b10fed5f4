"""Fields: a JSON object read strictly, one field at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from sandbox.money import Money, to_minor

UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
CURRENCY_CODE = re.compile(r"[A-Z]{3}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SHOWN_CHARS = 60


class Refusal(Exception):  # noqa: N818 - an answer to the client, not an error of ours
    """What a client sent cannot be understood: HTTP `status`, a code, and a reason for people."""

    def __init__(self, status: int, error: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.error = error
        self.reason = reason


def shown(value: object) -> str:
    """Write a value as a message may show it: in one line, and short."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


class Fields:
    """The fields of one JSON object; `path` is where it stands, for messages.

    Every reader raises Refusal with status 422 naming the field, its value and what would be right.
    Fields that nobody asks for are ignored.
    """

    __slots__ = ("_path", "_values")

    def __init__(self, values: dict[str, object], path: str = "") -> None:
        self._values = values
        self._path = path

    def has(self, name: str) -> bool:
        """Say whether the field is there."""
        return name in self._values

    def text(self, name: str, max_chars: int) -> str:
        """Read a text of 1 to `max_chars` characters."""
        value = self._value(name)
        if not isinstance(value, str) or not value:
            raise self._refusal(name, value, "must be a text that is not empty")
        if len(value) > max_chars:
            raise self._refusal(name, value, f"must have at most {max_chars} characters")
        return value

    def matching(self, name: str, pattern: re.Pattern[str], what: str) -> str:
        """Read a text of which all matches `pattern`; `what` describes it: "a UUID"."""
        value = self._value(name)
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise self._refusal(name, value, f"must be {what}")
        return value

    def uuid(self, name: str) -> str:
        """Read a UUID of any version, in lower case."""
        return self.matching(name, UUID_TEXT, "a UUID").lower()

    def one_of(self, name: str, choices: Sequence[str]) -> str:
        """Read one of a few words."""
        value = self._value(name)
        if not isinstance(value, str) or value not in choices:
            raise self._refusal(name, value, f"must be one of {', '.join(choices)}")
        return value

    def boolean(self, name: str) -> bool:
        """Read true or false."""
        value = self._value(name)
        if not isinstance(value, bool):
            raise self._refusal(name, value, "must be true or false")
        return value

    def amount(self, name: str) -> float:
        """Read a number from 0 upwards; 0 where it is not there."""
        value = self._values.get(name, 0)
        is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        if not (is_number and 0 <= value < math.inf):  # type: ignore[operator]
            raise self._refusal(name, value, "must be a number from 0 upwards")
        return float(value)  # type: ignore[arg-type]

    def date(self, name: str) -> str:
        """Read a calendar date, YYYY-MM-DD, as text."""
        value = self.matching(name, _DATE, "a date YYYY-MM-DD")
        try:
            date.fromisoformat(value)
        except ValueError:
            raise self._refusal(name, value, "must be a date of the calendar") from None
        return value

    def nested(self, name: str) -> Fields:
        """Read a JSON object."""
        value = self._value(name)
        if not isinstance(value, dict):
            raise self._refusal(name, value, "must be an object")
        return Fields(value, f"{self._path}{name}.")

    def currency(self, name: str) -> str:
        """Read a currency code by its form; whether it is known is for the ledger to say."""
        return self.matching(name, CURRENCY_CODE, "a currency code of three capital letters")

    def money(self, name: str) -> Money:
        """Read `{"amount": 12.34, "currencyCode": "USD"}`, exactly; an unknown currency gives 0."""
        fields = self.nested(name)
        currency = fields.currency("currencyCode")
        number = fields._value("amount")
        if isinstance(number, bool) or not isinstance(number, int | Decimal):
            raise fields._refusal("amount", number, "must be a number")
        try:
            return Money(to_minor(number, currency), currency)
        except ValueError as error:
            raise fields._refusal("amount", str(number), str(error)) from None

    def _value(self, name: str) -> object:
        try:
            return self._values[name]
        except KeyError:
            raise Refusal(422, "invalid", f"{self._path}{name} is missing") from None

    def _refusal(self, name: str, value: object, rule: str) -> Refusal:
        return Refusal(422, "invalid", f"{self._path}{name} {rule}, but is {shown(value)}")
