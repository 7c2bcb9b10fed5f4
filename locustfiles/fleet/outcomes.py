"""Outcomes as they are observed: how many were right, which was not, and what money moved.

The judge has the last word, from the journal and the book. This is what can be said while the run is
on: an outcome that is not in its command's set is wrong whatever comes later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from e2e_data.commands import Channel, Kind, Outcome, expected_on
from e2e_data.money import MINOR_DIGITS
from locustfiles.card import Card
from locustfiles.fleet.checked import count

CASES_MAX = 20
"""So many wrong outcomes are named, of each process; all are counted."""

_SETTLED, _PAYMENT = int(Outcome.SETTLED), Kind.PAYMENT
_PLAIN = int(Outcome.SETTLED | Outcome.REJECTED)
"""Right or wrong over whatever channel: looked at first, since nearly all are these."""


class Case(NamedTuple):
    """A command with an outcome that no right platform could have given; numbers, for msgpack."""

    shard: int
    number: int
    """Its index in the shard."""
    kind: int
    outcome: int
    expected: int

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Check what came from the network. Raises ValueError or TypeError for what is no case."""
        case = cls(*map(count, raw))
        Kind(case.kind), Outcome(case.outcome), Outcome(case.expected)
        return case

    @property
    def text(self) -> str:
        """What is wrong, as people read it."""
        right = Outcome(self.expected).label
        return f"{Outcome(self.outcome).label}, where only {right} is correct"


@dataclass(slots=True)
class Outcomes:
    """What one process saw, or the sum of all; cumulative over a run."""

    seen: int = 0
    wrong: int = 0
    payments: int = 0
    """Payments that settled."""
    moved_minor: Counter[str] = field(default_factory=Counter)
    """Currency of the debit -> what settled payments moved, in minor units."""
    cases: list[Case] = field(default_factory=list)
    """The first wrong ones."""

    def add(self, card: Card, outcome: int, channel: Channel) -> None:
        """Count the outcome of a command that was sent over `channel`."""
        self.seen += 1
        if not outcome & card.expected & _PLAIN and not outcome & _expected(card, channel):
            self.wrong += 1
            if len(self.cases) < CASES_MAX:
                _, shard, index = card.place
                self.cases.append(Case(shard, index, int(card.kind), outcome, int(card.expected)))
        if outcome == _SETTLED and card.kind is _PAYMENT:
            self.payments += 1
            shard_data = card.shard
            currency = shard_data.config.currencies[shard_data.currency.item(card.account)]
            self.moved_minor[currency] += shard_data.amount_minor.item(card.index)

    def packed(self) -> dict[str, Any]:
        """Return what msgpack can carry."""
        return {
            "seen": self.seen,
            "wrong": self.wrong,
            "payments": self.payments,
            "moved": list(map(list, self.moved_minor.items())),
            "cases": list(map(list, self.cases)),
        }

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> Self:
        """Read what `packed` made; nothing of nothing. Raises ValueError, KeyError or TypeError."""
        if raw is None:
            return cls()
        if len(raw["moved"]) > len(MINOR_DIGITS) or len(raw["cases"]) > CASES_MAX:
            raise ValueError("more than a process says of outcomes")
        moved: Counter[str] = Counter()
        for currency, minor in raw["moved"]:
            if currency not in MINOR_DIGITS:
                raise ValueError("a currency that is none")
            moved[currency] = count(minor)
        return cls(
            seen=count(raw["seen"]),
            wrong=count(raw["wrong"]),
            payments=count(raw["payments"]),
            moved_minor=moved,
            cases=list(map(Case.read, raw["cases"])),
        )

    @classmethod
    def total(cls, parts: Iterable[Outcomes]) -> Self:
        """Return the sum over processes."""
        whole = cls()
        for part in parts:
            whole.seen += part.seen
            whole.wrong += part.wrong
            whole.payments += part.payments
            whole.moved_minor.update(part.moved_minor)
            whole.cases += part.cases[: CASES_MAX - len(whole.cases)]
        return whole


def _expected(card: Card, channel: Channel) -> int:
    return int(expected_on(Outcome(card.expected), channel))
