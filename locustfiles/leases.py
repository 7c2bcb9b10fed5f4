"""Leases and grants: who may send which commands.

The book leases (shard, phase) to a worker and grants ranges of its positions, each written down
before it is answered. A command is sent only from inside a grant, so that after a loss it is known
which commands were surely never sent.

    state of a shard's part of a phase     offer           grant             return
    free                                   -> leased       refused           refused
    leased, positions left                 not offered     -> leased         -> free, from the next
    leased, nothing left                   not offered     nothing           -> done
    done                                   not offered     refused           refused
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from reports.grants import Grant


class GrantWriter(Protocol):
    """Where grants are written down."""

    def write(self, grant: Grant) -> None:
        """Return only when the grant will outlive this process."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's hold on a shard's part of a phase."""

    epoch: int
    worker: str
    lap: int
    shard: int
    phase: int


@dataclass(slots=True)
class _Part:
    """A shard's part of a phase: positions below `next` are granted, those below `size` exist."""

    size: int
    next: int = 0
    lease: Lease | None = None


class LeaseBook:
    """Leases the shards of one phase at a time. Pure but for the grants it writes down."""

    def __init__(self, log: GrantWriter, now_ns: Callable[[], int]) -> None:
        self._log = log
        self._now_ns = now_ns
        self._phase = -1
        self._parts: dict[int, _Part] = {}
        self._free: list[int] = []
        self._epoch = 0
        self._lap = 0

    def open(self, phase: int, sizes: list[int]) -> None:
        """Begin a phase in which shard i has `sizes[i]` positions to send."""
        self._phase = phase
        self._parts = {shard: _Part(size) for shard, size in enumerate(sizes) if size}
        self._free = sorted(self._parts, reverse=True)

    def offer(self, worker: str, count: int) -> list[Lease]:
        """Lease up to `count` free shards of the phase to `worker`."""
        leases: list[Lease] = []
        while self._free and len(leases) < count:
            shard = self._free.pop()
            self._epoch += 1
            lease = Lease(self._epoch, worker, self._lap, shard, self._phase)
            self._parts[shard].lease = lease
            leases.append(lease)
        return leases

    def grant(self, lease: Lease, count: int) -> range:
        """Grant the next `count` positions or what is left of them; empty when nothing is.

        Raises ValueError where `lease` is not held: its commands may be somebody else's by now.
        """
        part = self._held(lease)
        start, stop = part.next, min(part.next + count, part.size)
        if start < stop:
            self._log.write(
                Grant(
                    epoch=lease.epoch,
                    worker=lease.worker,
                    lap=lease.lap,
                    shard=lease.shard,
                    phase=lease.phase,
                    start=start,
                    stop=stop,
                    at_ns=self._now_ns(),
                )
            )
        # Only now: what could not be written down was not granted, and is asked for again.
        part.next = stop
        return range(start, stop)

    def give_back(self, lease: Lease) -> None:
        """End a lease; what of its shard was not granted can be leased again."""
        part = self._held(lease)
        part.lease = None
        if part.next < part.size:
            self._free.append(lease.shard)

    def _held(self, lease: Lease) -> _Part:
        part = self._parts.get(lease.shard)
        if part is None or part.lease != lease:
            msg = f"{lease} is not held"
            raise ValueError(msg)
        return part
