"""Leases and grants: who may send which commands. The master's side, pure but for the grant log.

The book leases (shard, phase) to a worker under an epoch of its own, and grants positions of it,
each range written down before it is answered. A command is sent only from inside a grant, so that
after a loss it is known which were surely never sent. A worker asks for a *total*, not for more,
and says what of its grants is still open: so a lost, doubled or late message changes nothing.

    a lease           its holder asks             its holder returns it       its holder is lost
    held              open replaced; extended up  unsent positions are free   closed; what is open is
                      to the total it wants       again; in custody           in doubt
    in custody: some  open replaced; closed when  (nothing more)              closed; what is open is
    commands are out  nothing is open                                         in doubt
    closed, unknown,  nothing: the answer does    nothing                     nothing
    or another's      not have it

    a shard's part    is offered   an extension takes, in this order
    free              -> leased    (nothing: it has no holder)
    leased            no           what is in doubt, what came back unsent, what was never granted
    nothing left      no           nothing; what comes into doubt or back makes it free again

What is in doubt is granted again with the next attempt number where sending again does no harm,
and otherwise only watched: its holder looks for the outcome and sends nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from e2e_data.ids import RETRY_ATTEMPT
from locustfiles.fleet.spans import Spans, common, size, union, within, without
from reports.grants import Grant

WATCH = -1
"""The attempt number of what may not be sent again: only its outcome is looked for."""
ATTEMPTS_MAX = RETRY_ATTEMPT - 1
"""The bits beyond count retries and mark replays; after so many attempts, a command is only watched."""

PREFER_NS = 1_000_000_000
"""So long after a phase began, a shard waits for the worker that held it in the phase before."""
RECALL_POSITIONS = 64
"""A lease with less than this left is not taken from a busy worker for an idle one."""

Range = tuple[int, int, int]
"""Granted positions [start, stop), and the number of the attempt."""


class GrantWriter(Protocol):
    """Where grants are written down."""

    def write_all(self, grants: Sequence[Grant]) -> None:
        """Return only when the grants will outlive this process."""
        ...


@dataclass(slots=True, eq=False)
class Lease:
    """A worker's hold on a shard's part of a phase."""

    epoch: int
    worker: str
    shard: int
    phase: int
    grants: list[Range] = field(default_factory=list)
    total: int = 0
    """How many positions were granted."""
    unsent: Spans = field(default_factory=list)
    """Granted, and by its last word the worker had not begun to send them."""
    open: Spans = field(default_factory=list)
    """Granted, and by its last word nothing final was known of them."""
    custody: bool = False
    """Returned with commands that its worker still waits for."""
    recalled: bool = False
    """The worker is asked to return it."""

    def ranges(self, spans: Spans, first: int = 0) -> Iterator[Range]:
        """Cut positions of this lease along its grants, which know their attempts."""
        for start, stop, attempt in self.grants[first:]:
            for begin, end in within(spans, start, stop):
                yield begin, end, attempt


@dataclass(slots=True)
class _Part:
    """A shard's part of a phase: positions below `next` were granted, those below `size` exist."""

    size: int
    next: int = 0
    doubt: deque[Range] = field(default_factory=deque)
    """Granted to a worker that was lost; with the attempt that sending again would be."""
    unsent: deque[Range] = field(default_factory=deque)
    lease: Lease | None = None

    @property
    def left(self) -> bool:
        """Whether anything of it is still to be granted."""
        return bool(self.doubt or self.unsent) or self.next < self.size


@dataclass(frozen=True, slots=True)
class Known:
    """What a phase that was begun before says of a shard: for a master that takes over."""

    next: int
    doubt: tuple[Range, ...] = ()


class LeaseBook:
    """Leases the shards of one phase at a time."""

    def __init__(
        self,
        log: GrantWriter,
        now_ns: Callable[[], int],
        *,
        resend: bool = True,
        epoch: int = 0,
        recall_positions: int = RECALL_POSITIONS,
    ) -> None:
        """Epochs begin after `epoch`; with `resend` what is in doubt may be sent again."""
        self._log = log
        self._now_ns = now_ns
        self._resend = resend
        self.epoch = epoch
        """The epoch of the latest lease."""
        self._recall_positions = recall_positions
        self._phase = -1
        self._opened_ns = 0
        self._sending = self._watching = False
        self._parts: dict[int, _Part] = {}
        self._free: dict[str, dict[int, None]] = {}
        """Free shards in order, by the worker that they wait for; "" for any."""
        self._group: dict[int, str] = {}
        self._holder: dict[int, str] = {}
        self._of: dict[str, dict[int, Lease]] = {}
        self._held: Counter[str] = Counter()

    # -- phases ---------------------------------------------------------------------------------

    def open(
        self, phase: int, sizes: Sequence[int], known: Mapping[int, Known] | None = None
    ) -> None:
        """Begin a phase in which shard i has `sizes[i]` positions to send; older leases end.

        `known` has what an earlier master granted in this very phase, by shard.
        """
        self._phase, self._opened_ns = phase, self._now_ns()
        self._sending, self._watching = True, False
        self._parts = {shard: _Part(count) for shard, count in enumerate(sizes) if count}
        self._free, self._group, self._of, self._held = {}, {}, {}, Counter()
        for shard, before in (known or {}).items():
            part = self._parts[shard]
            part.next = before.next
            part.doubt.extend(before.doubt)
        for shard in self._parts:
            self._release(shard, self._holder.get(shard, ""))

    def allow(self, *, sending: bool, watching: bool) -> None:
        """Grant for sending, or not; without sending, doubts may still be given to be watched."""
        if (sending, watching) != (self._sending, self._watching):
            self._sending, self._watching = sending, watching
            for shard in self._parts:
                self._release(shard, "")

    # -- a worker's requests --------------------------------------------------------------------

    def offer(self, worker: str, count: int) -> list[Lease]:
        """Lease up to `count` free shards to `worker`, those first that it held before."""
        leases: list[Lease] = []
        while len(leases) < count and (group := self._group_for(worker)) is not None:
            shard = next(iter(self._free[group]))
            self._unfree(shard)
            if self._left(self._parts[shard]):
                leases.append(self._lease(shard, worker))
        return leases

    def report(self, lease: Lease, known: int, unsent: Spans, out: Spans) -> None:
        """Take in what a holder said when it knew the first `known` grants of its lease."""
        if lease.custody:
            # A user may still have held a command when the lease was returned, and not sent it.
            self._put_back(lease, common(unsent, lease.open))
            lease.open = common(out, lease.open)
            if not lease.open:
                self._close(lease)
            return
        unheard = [(start, stop) for start, stop, _ in lease.grants[known:]]
        lease.unsent = union(unsent, unheard)
        lease.open = union(out, lease.unsent)

    def extend(self, wants: Mapping[int, int], worker: str) -> None:
        """Grant up to the totals that `wants` has for epochs of `worker`, in one writing.

        What could not be written down was not granted: then nothing has changed.
        """
        chosen: list[tuple[Lease, list[Range], _Part]] = []
        lines: list[Grant] = []
        at_ns = self._now_ns()
        for lease, total in self._wanting(wants, worker):
            part = self._parts[lease.shard]
            ranges = list(self._next(part, total - lease.total))
            chosen.append((lease, ranges, part))
            lines += [
                Grant(lease.epoch, worker, 0, lease.shard, lease.phase, start, stop, at_ns, attempt)
                for start, stop, attempt in ranges
                if attempt != WATCH
            ]
        if lines:
            self._log.write_all(lines)
        for lease, ranges, part in chosen:
            self._take(part, lease, ranges)

    def give_back(self, lease: Lease) -> None:
        """End a lease, as was last reported of it; what its worker never sent is free again."""
        if lease.custody:
            return
        lease.custody, self._parts[lease.shard].lease = True, None
        self._held[lease.worker] -= 1
        if lease.recalled:
            del self._holder[lease.shard]
        self._put_back(lease, lease.unsent)
        if not lease.open:
            self._close(lease)

    def recall(self, fair: int, most: int) -> None:
        """Ask the worker that holds the most, if it is more than `fair`, to return up to `most` leases."""
        busiest = max(self._held, key=self._held.__getitem__, default="")
        leases = self._of.get(busiest, {}).values()
        mine = [lease for lease in leases if not (lease.custody or lease.recalled)]
        mine.sort(key=self._ungranted, reverse=True)
        for lease in mine[: max(min(most, len(mine) - fair), 0)]:
            lease.recalled = self._ungranted(lease) >= self._recall_positions

    def lose(self, worker: str) -> int:
        """End all leases of a worker that is no more, and return how many commands are in doubt."""
        doubtful = 0
        for lease in list(self._of.get(worker, {}).values()):
            part = self._parts[lease.shard]
            for start, stop, attempt in lease.ranges(lease.open):
                part.doubt.append((start, stop, self._next_attempt(attempt)))
                doubtful += stop - start
            if part.lease is lease:
                part.lease = None
                self._held[worker] -= 1
            self._release(lease.shard, "")
            self._close(lease)
        for shard in list(self._free.get(worker, ())):
            self._unfree(shard)
            self._release(shard, "")
        del self._held[worker]
        self._holder = {shard: who for shard, who in self._holder.items() if who != worker}
        return doubtful

    # -- what is to be seen ---------------------------------------------------------------------

    def leases_of(self, worker: str) -> Mapping[int, Lease]:
        """Return the leases of a worker by epoch, in order; those in custody too."""
        return self._of.get(worker, {})

    def held(self, worker: str) -> int:
        """Return how many leases a worker holds, not counting those in custody."""
        return self._held[worker]

    @property
    def free(self) -> int:
        """How many shards are free with something left."""
        return len(self._group)

    @property
    def active(self) -> int:
        """How many shards are free with something left, or held."""
        return self.free + sum(self._held.values())

    def more(self, lease: Lease) -> bool:
        """Tell whether a lease may still be extended."""
        return self._left(self._parts[lease.shard])

    def unserved(self, shards: Iterable[int]) -> set[int]:
        """Return those of some shards that have something left, and no holder."""
        return {n for n in shards if self._parts[n].lease is None and self._parts[n].left}

    def left_of(self, lease: Lease) -> int:
        """Return how many positions could be sent under a lease from now on."""
        return self._ungranted(lease) + size(lease.unsent) if not lease.custody else 0

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to be granted, and no worker has anything granted and unsent."""
        parts, leases = self._parts.values(), self._leases()
        return not (any(part.left for part in parts) or any(lease.unsent for lease in leases))

    @property
    def awaited(self) -> int:
        """How many commands are out, or in doubt, or are to be watched, by the workers' last words."""
        doubt = sum(stop - start for part in self._parts.values() for start, stop, _ in part.doubt)
        out = sum(size(without(lease.open, lease.unsent)) for lease in self._leases())
        watched = sum(
            stop - start
            for lease in self._leases()
            for start, stop, attempt in lease.ranges(lease.unsent)
            if attempt == WATCH
        )
        return doubt + out + watched

    # -- parts ----------------------------------------------------------------------------------

    def _leases(self) -> Iterator[Lease]:
        return (lease for leases in self._of.values() for lease in leases.values())

    def _left(self, part: _Part) -> bool:
        """Tell whether anything can be granted now."""
        if self._sending:
            return part.left
        return self._watching and bool(part.doubt)

    def _ungranted(self, lease: Lease) -> int:
        part = self._parts[lease.shard]
        return part.size - part.next

    def _lease(self, shard: int, worker: str) -> Lease:
        self.epoch += 1
        lease = Lease(self.epoch, worker, shard, self._phase)
        self._parts[shard].lease = lease
        self._holder[shard] = worker
        self._of.setdefault(worker, {})[lease.epoch] = lease
        self._held[worker] += 1
        return lease

    def _release(self, shard: int, group: str) -> None:
        """Let a shard without a holder be offered, if it has anything left."""
        part = self._parts[shard]
        if part.lease is None and self._left(part) and shard not in self._group:
            self._free.setdefault(group, {})[shard] = None
            self._group[shard] = group

    def _put_back(self, lease: Lease, unsent: Spans) -> None:
        """Take back positions that were granted, and surely not sent."""
        part = self._parts[lease.shard]
        for start, stop, attempt in lease.ranges(unsent):
            (part.doubt if attempt == WATCH else part.unsent).append((start, stop, attempt))
        lease.open, lease.unsent = without(lease.open, unsent), []
        self._release(lease.shard, "")

    def _group_for(self, worker: str) -> str | None:
        """Return the group of free shards that a worker should have one of next, if there is any."""
        first = [group for group in (worker, "") if group in self._free]
        if first or self._now_ns() - self._opened_ns < PREFER_NS:
            return next(iter(first), None)
        return max(self._free, key=lambda name: len(self._free[name]), default=None)

    def _unfree(self, shard: int) -> None:
        group = self._group.pop(shard)
        del self._free[group][shard]
        if not self._free[group]:
            del self._free[group]

    def _close(self, lease: Lease) -> None:
        leases = self._of[lease.worker]
        leases.pop(lease.epoch, None)
        if not leases:
            del self._of[lease.worker]

    def _wanting(self, wants: Mapping[int, int], worker: str) -> Iterable[tuple[Lease, int]]:
        for epoch, total in wants.items():
            lease = self._of.get(worker, {}).get(epoch)
            if lease is not None and not lease.custody and total > lease.total:
                yield lease, total

    def _next(self, part: _Part, room: int) -> Iterator[Range]:
        """Yield what an extension by `room` positions takes, without taking it."""
        if not self._left(part):
            return
        for start, stop, attempt in [*part.doubt, *(part.unsent if self._sending else ())]:
            if room <= 0:
                return
            end = min(stop, start + room)
            room -= end - start
            yield start, end, attempt if self._sending else WATCH
        if room > 0 and self._sending and part.next < part.size:
            yield part.next, min(part.next + room, part.size), 0

    def _take(self, part: _Part, lease: Lease, ranges: Sequence[Range]) -> None:
        for start, stop, _ in ranges:
            for queue in (part.doubt, part.unsent):
                if queue and queue[0][0] == start:
                    _, end, attempt = queue.popleft()
                    if stop < end:
                        queue.appendleft((stop, end, attempt))
                    break
            else:
                part.next = stop
            lease.total += stop - start
        lease.grants += ranges
        given = [(start, stop) for start, stop, _ in ranges]
        lease.unsent, lease.open = union(lease.unsent, given), union(lease.open, given)

    def _next_attempt(self, attempt: int) -> int:
        again = self._resend and attempt != WATCH and attempt < ATTEMPTS_MAX
        return attempt + 1 if again else WATCH
