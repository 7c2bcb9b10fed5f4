"""Values from the network, checked before they are believed: each raises ValueError for what it is not."""

from __future__ import annotations

from typing import Any

COUNTS_MAX = 2**63


def items(raw: Any, length: int | None = None) -> list[Any] | tuple[Any, ...]:
    """Return a list, of a certain length where one is asked for."""
    if not isinstance(raw, list | tuple) or length not in (None, len(raw)):
        raise ValueError("not the list that was expected")
    return raw


def count(raw: Any, least: int = 0) -> int:
    """Return a whole number that is not below the `least`."""
    if type(raw) is not int or not least <= raw < COUNTS_MAX:
        raise ValueError(f"{raw!r:.40} is no number from {least} up")
    return raw
