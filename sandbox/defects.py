"""Defects: ways in which this platform can be wrong on purpose, so that checks can be checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b

LOSE = "lose"
APPLY_TWICE = "apply-twice"

DEFECTS: dict[str, str] = {
    LOSE: "acknowledge a command with 202, then forget it: never decided, in no statement",
    APPLY_TWICE: "post a settled transaction or payment twice: both in its row and in the balance",
}
"""Name -> what goes wrong. Help and documentation are made from this table."""


class Defects:
    """The defects switched on, each with the share of commands that it hits, 0 to 1.

    Whether a command is hit is a pure function of seed, defect and command id: the same commands
    are hit whatever the order of arrival, the channel or the number of re-sends.
    """

    def __init__(self, rates: Mapping[str, float], seed: int = 0) -> None:
        self._seed = seed
        self._thresholds = {name: rate * 2**64 for name, rate in rates.items() if rate > 0}
        self._struck: Counter[str] = Counter()

    def hits(self, name: str, command_id: str) -> bool:
        """Say whether the defect is on and `command_id` is among the commands it hits."""
        threshold = self._thresholds.get(name)
        if threshold is None:
            return False
        key = f"{self._seed}/{name}/{command_id}".encode()
        return int.from_bytes(blake2b(key, digest_size=8).digest()) < threshold

    def count(self, name: str) -> None:
        """Note that the defect took effect once."""
        self._struck[name] += 1

    def struck(self) -> dict[str, int]:
        """Return how often each defect that is on took effect so far."""
        return {name: self._struck[name] for name in self._thresholds}


def parse_rates(texts: Iterable[str]) -> dict[str, float]:
    """Read texts such as "lose=0.01" into name -> rate.

    Raises ValueError naming every problem, one a line, with the value and what would be right.
    """
    rates: dict[str, float] = {}
    problems = []
    for text in texts:
        try:
            name, rate = _parse_rate(text)
        except ValueError as error:
            problems.append(str(error))
            continue
        if name in rates:
            problems.append(f"{text!r}: {name} is given twice; give each defect once")
        rates[name] = rate
    if problems:
        raise ValueError("\n".join(problems))
    return rates


def _parse_rate(text: str) -> tuple[str, float]:
    name, equals, rate_text = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} has no '=': write NAME=RATE, such as {LOSE}=0.01")
    if name not in DEFECTS:
        raise ValueError(f"{text!r}: there is no defect {name!r}, only {', '.join(DEFECTS)}")
    try:
        rate = float(rate_text)
    except ValueError:
        raise ValueError(f"{text!r}: the rate {rate_text!r} must be a number from 0 to 1") from None
    if not 0 <= rate <= 1:
        raise ValueError(f"{text!r}: the rate {rate_text} must be from 0 to 1")
    return name, rate
