"""Errors in a pool, gathered by the rule that they break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Kind
from e2e_data.shard import Shard

Flags = NDArray[np.bool_]
Tell = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Fault:
    """One sort of error: how often it occurs, and the first case."""

    rule: str
    """What should be so."""
    count: int
    first: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.count} {'time' if self.count == 1 else 'times'}; {self.first}"


class Faults:
    """Faults by rule, in the order in which they were first found."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, rule: str, case: str, count: int = 1) -> None:
        """Count a case against a rule."""
        before, first = self._found.get(rule, (0, case))
        self._found[rule] = (before + count, first)

    def add_rows(self, rule: str, wrong: Flags, tell: Tell) -> None:
        """Count all rows that are flagged; `tell` tells the case in one of them."""
        if wrong.any():
            self.add(rule, tell(int(np.argmax(wrong))), int(np.count_nonzero(wrong)))

    def add_some(self, rule: str, rows: NDArray[np.int64], wrong: Flags, tell: Tell) -> None:
        """Count those of `rows` that are flagged beside them; `tell` knows the row's number."""
        self.add_rows(rule, wrong, lambda place: tell(int(rows[place])))

    def all(self) -> list[Fault]:
        """Return what was found."""
        return [Fault(rule, count, first) for rule, (count, first) in self._found.items()]


def telling(shard: Shard, column: str, kind: Kind | None = None) -> Tell:
    """Return a function that tells the case in row `i` of the commands of `kind`."""
    start = shard.range_of(kind).start if kind else 0

    def tell(row: int) -> str:
        value = getattr(shard, column)[start + row]
        return f"first in shard {shard.number}, command {start + row}: {column} = {value}"

    return tell


def telling_of(shard: Shard, noun: str, name: str, column: NDArray[Any]) -> Tell:
    """Return a function that tells the case in row `i` of a column over `noun`s."""

    def tell(row: int) -> str:
        return f"first in shard {shard.number}, {noun} {row}: {name} = {column[row]}"

    return tell
