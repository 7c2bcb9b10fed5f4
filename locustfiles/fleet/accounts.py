"""What the fleet knows of the accounts, kept by the master: lease state that travels with a shard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from locustfiles.fleet.messages import Bound


class AccountBook:
    """Of each account, how far its life has come and which id it has; and who said so."""

    def __init__(self) -> None:
        self._shards: dict[int, dict[int, tuple[int, str]]] = {}
        self._sources: dict[int, set[str]] = {}

    def learn(self, worker: str, bound: Iterable[Bound]) -> None:
        """Take in what a worker saw. The first id stays, and a life only goes on: order is no matter."""
        for shard, account, stage, account_id in bound:
            known = self._shards.setdefault(shard, {})
            before, first_id = known.get(account, (0, ""))
            known[account] = max(stage, before), first_id or account_id
            self._sources.setdefault(shard, set()).add(worker)

    def news_for(self, worker: str, shard: int) -> tuple[Bound, ...]:
        """Return all that is known of a shard's accounts; nothing where `worker` said all of it."""
        if self._sources.get(shard, set()) <= {worker}:
            return ()
        return tuple(self.of(shard))

    def of(self, shard: int) -> Iterator[Bound]:
        """Yield what is known of a shard's accounts."""
        for account, (stage, account_id) in self._shards.get(shard, {}).items():
            yield shard, account, stage, account_id
