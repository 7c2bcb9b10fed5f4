"""What the payments that are sent would move, for a budget that is in money."""

from __future__ import annotations

from collections.abc import Callable

from e2e_data.commands import Kind
from locustfiles.roster import Seat
from locustfiles.work import Turn

Take = Callable[[Seat], Turn | None]


class Spending:
    """Counts, by currency, what is taken to be sent. Without a budget nothing is looked at."""

    def __init__(self, currencies: int, *, asked: bool) -> None:
        self.minor: list[int] = [0] * currencies if asked else []
        """In minor units, by the currency's number in the pool; empty where nobody asks."""

    def counting(self, take: Take) -> Take:
        """Return `take`, with a count of what it gives where somebody asks."""
        return (lambda seat: self._count(take(seat))) if self.minor else take

    def _count(self, turn: Turn | None) -> Turn | None:
        if turn is not None and turn.card.kind is Kind.PAYMENT:
            shard, card = turn.card.shard, turn.card
            self.minor[shard.currency[card.account]] += int(shard.amount_minor[card.index])
        return turn
