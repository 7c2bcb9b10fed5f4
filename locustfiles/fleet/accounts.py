"""What the fleet knows of the accounts, kept by the master: lease state that travels with a shard.

So does what became of the commands that replays wait for, wherever they were sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile

from locustfiles.fleet.messages import Bound


@dataclass(slots=True)
class _Told:
    """What was told of one shard."""

    changes: int = 0
    of: dict[int, tuple[int, str, int, str]] = field(default_factory=dict)
    """By number: how far, id, its last change, who told all of it or ""; in the order of changes."""


class AccountBook:
    """Of each account, how far its life has come and which id it has; and who said so."""

    def __init__(self) -> None:
        self._shards: dict[int, _Told] = {}

    def learn(self, worker: str, bound: Iterable[Bound]) -> None:
        """Take in what a worker saw. The first id stays, and a life only goes on: order is no matter."""
        for shard, number, stage, account_id in bound:
            told = self._shards.setdefault(shard, _Told())
            before, first_id, *_ = told.of.get(number, (0, ""))
            now = max(stage, before), first_id or account_id
            if now == (before, first_id):
                continue
            told.of.pop(number, None)
            told.changes += 1
            source = worker if now == (stage, account_id) else ""
            told.of[number] = *now, told.changes, source

    def told(self, shard: int) -> int:
        """Return how many changes there were in what is known of a shard."""
        return self._shards[shard].changes if shard in self._shards else 0

    def news_for(self, worker: str, shard: int, told: int) -> tuple[Bound, ...]:
        """Return what came after the first `told` changes, but for what `worker` said itself."""
        known = self._shards.get(shard, _Told())
        changed = takewhile(lambda entry: entry[1][2] > told, reversed(known.of.items()))
        return tuple(
            (shard, number, stage, account_id)
            for number, (stage, account_id, _, source) in changed
            if source != worker
        )
