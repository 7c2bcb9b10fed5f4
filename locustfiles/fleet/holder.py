"""The worker's side of the lease protocol: what it holds, what of that is out, and until when.

    a lease      an answer has it     a later answer lacks it   its time is up    nothing is left of it,
                                                                                  or it is recalled
    not known    held, if its epoch   -                         -                 -
                 is a new one
    held         extended             gone, unsent or not       returned          returned
    returned     nothing              gone                      nothing           nothing

A lease is good for `lease_ns` from when the ask was *sent* that an answer confirmed, by the worker's
own clock: so it ends here before the master, who counts from when the ask came in, gives it to
another. Answers count only in the order of their asks; an old one has nothing to say.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat

from locustfiles.fleet.messages import Answer, LeaseGiven, LeaseWord
from locustfiles.fleet.spans import spans_of
from locustfiles.leases import WATCH

WINDOW_MIN = 64
"""Positions asked for ahead: what a crash leaves in doubt, against a line in the grant log."""
WINDOW_MAX = 4096
LOW = WINDOW_MIN // 2
"""With so few left to draw it is time to ask for more."""
DRIFT = 0.9
"""A worker's clock may run slower than the master's by less than this share of a lease's time."""


@dataclass(slots=True, eq=False)
class Held:
    """A lease as its worker sees it."""

    epoch: int
    shard: int
    known: int = 0
    total: int = 0
    told: int = 0
    """So much of what the master was told of the shard is known here."""
    queues: dict[int, deque[tuple[int, int]]] = field(default_factory=lambda: {0: deque()})
    """Positions that may be sent, each with its attempt, in order; by lane."""
    out: set[int] = field(default_factory=set)
    """Positions that were begun and have no final outcome."""
    aside: set[int] = field(default_factory=set)
    """Positions of those that are out that wait for another command; for their sake it is kept."""
    more: bool = True
    returned: bool = False
    """Nothing more is drawn from it; what was drawn may still be sent."""
    gone: bool = False
    """It is nobody's or another's by now: nothing of it may be sent."""
    drawn: int = 0
    """How many were drawn, in all."""
    asked_drawn: int = 0
    asked_ns: int = 0
    _lane_of: Sequence[int] | None = None
    """The lane of each position; None until it is known: lane 0 then has them all."""
    _left: dict[int, int] = field(default_factory=dict)
    """How many positions of each lane were not granted here yet."""
    _sizes: dict[int, int] = field(default_factory=dict)
    _low: dict[int, int] = field(default_factory=dict)
    """With fewer in its queue than that, a lane is hungry; at LOW where there are no lanes yet."""

    def split(self, lane_of: Sequence[int]) -> None:
        """Part the positions into lanes, each with a queue of its own: none waits for another."""
        if self._lane_of is not None:
            return
        waiting = self.queues[0]
        self._lane_of, self._sizes = lane_of, dict(Counter(lane_of))
        self._left = dict(self._sizes)
        self._low = {lane: -(-LOW * size // len(lane_of)) for lane, size in self._sizes.items()}
        self.queues = {lane: deque() for lane in self._sizes}
        for position, attempt in waiting:
            self.enqueue(range(position, position + 1), attempt)

    def enqueue(self, positions: range, attempt: int) -> None:
        """Let positions be drawn in their turn."""
        if len(self.queues) == 1:
            ((lane, queue),) = self.queues.items()
            queue.extend(zip(positions, repeat(attempt)))
            self._grant(lane, len(positions))
            return
        for position in positions:
            lane = self._lane(position)
            self.queues[lane].append((position, attempt))
            self._grant(lane, 1)

    def _grant(self, lane: int, count: int) -> None:
        if lane in self._left:
            self._left[lane] -= count

    def draw(self, lane: int = 0) -> tuple[int, int] | None:
        """Take the next (position, attempt) out of a lane's queue; None when there is none."""
        return next(iter(self.draw_some(lane, 1)), None)

    def draw_some(self, lane: int, most: int) -> list[tuple[int, int]]:
        """Take the next out of a lane's queue, `most` of them or as many as there are."""
        queue = self.queues.get(lane)
        if self.returned or not queue:
            return []
        taken = [queue.popleft() for _ in range(min(most, len(queue)))]
        self.drawn += len(taken)
        self.out.update([position for position, _ in taken])
        return taken

    def hurry(self, position: int) -> bool:
        """Let a position be the next of its lane, and tell whether it was there to be sent."""
        queue = self.queues[self._lane(position)]
        for place, waiting in enumerate(queue):
            if waiting[0] == position:
                del queue[place]
                queue.appendleft(waiting)
                return True
        return False

    def put_back(self, position: int, attempt: int) -> None:
        """Undo a draw: the command was surely not sent."""
        if position in self.out:
            self.done(position)
            self.queues[self._lane(position)].appendleft((position, attempt))

    def done(self, position: int) -> None:
        """Note that nothing more will come of a command."""
        self.out.discard(position)
        self.aside.discard(position)

    def queued(self) -> list[tuple[int, int]]:
        """Return what may be drawn, each (position, attempt), lane by lane."""
        return [waiting for queue in self.queues.values() for waiting in queue]

    def may_come(self, lane: int) -> bool:
        """Tell whether more of a lane may be granted."""
        return self.more and not self.returned and self._left.get(lane, 1) > 0

    def hungry(self, lane: int = 0) -> bool:
        """Tell whether it is time to ask for more, for the sake of a lane."""
        # Asked for each command that is drawn: mostly the first look will do.
        return len(self.queues.get(lane, ())) < self._low.get(lane, LOW) and self.may_come(lane)

    def word(self, now_ns: int, ahead_ns: int) -> LeaseWord:
        """Say how the lease stands, and want what `ahead_ns` will take at the rate of late."""
        drawn, took_ns = self.drawn - self.asked_drawn, max(now_ns - self.asked_ns, 1)
        window = min(max(WINDOW_MIN, drawn * ahead_ns // took_ns), WINDOW_MAX)
        self.asked_drawn, self.asked_ns = self.drawn, now_ns
        waiting = [position for position, _ in self.queued()]
        # What waits in a lane that is held up must not keep the others from being given theirs.
        growing = [lane for lane in self.queues if self._left.get(lane, 1) > 0]
        shortest = min(map(self._lasting, growing), default=len(waiting))
        extra = min(window - shortest, max(WINDOW_MAX - len(waiting), 0))
        wants = 0 if self.returned else self.total + extra
        return LeaseWord(
            *(self.epoch, self.known, wants, self.returned),
            *(spans_of(waiting), spans_of(self.out), self.told),
        )

    def _lane(self, position: int) -> int:
        return 0 if self._lane_of is None else self._lane_of[position]

    def _lasting(self, lane: int) -> int:
        """Return for how many draws, of whatever lane, a lane's queue lasts."""
        queue = self.queues.get(lane, ())
        share = self._sizes.get(lane)
        return len(queue) * sum(self._sizes.values()) // share if share else len(queue)


class Holder:
    """The leases of one worker in one phase after the other."""

    def __init__(self, now_ns: Callable[[], int], lease_ns: int, ahead_ns: int = 0) -> None:
        """Read a monotonic clock; a lease is good for `lease_ns` by the master's.

        What is wanted lasts for `ahead_ns`; with 0 it is always the same few.
        """
        self._now_ns = now_ns
        self._ahead_ns = ahead_ns
        self._lease_ns = round(lease_ns * DRIFT)
        self._good_until_ns = -(2**63)
        self._answered = 0
        self._highest = 0
        self._of: dict[int, Held] = {}
        self._held: list[Held] | None = None
        """What may be drawn from, as long as that does not change."""
        self.number = 0
        """The number of the last ask."""

    @property
    def leases(self) -> list[Held]:
        """All leases, in the order of their epochs; returned ones too."""
        return list(self._of.values())

    def held(self) -> list[Held]:
        """Return the leases that may be drawn from, if their time is not up."""
        if self._held is None:
            self._held = [lease for lease in self._of.values() if not lease.returned]
        return self._held

    @property
    def empty(self) -> bool:
        """Whether nothing may be drawn, and nothing may be granted to what is held."""
        return not any(lease.more or any(lease.queues.values()) for lease in self.held())

    def may_send(self, lease: Held | None) -> bool:
        """Tell whether a command that was drawn from a lease may be sent at this very moment.

        One that came from none, since nothing is leased, always may.
        """
        return lease is None or (not lease.gone and self._now_ns() < self._good_until_ns)

    @property
    def is_good(self) -> bool:
        """Whether the leases' time is not up."""
        return self._now_ns() < self._good_until_ns

    def expire(self) -> bool:
        """Return every lease if its time is up, and tell whether it was so."""
        if self._now_ns() < self._good_until_ns or not self.held():
            return False
        self.return_all()
        return True

    def return_all(self) -> None:
        """Return every lease: what was not sent is for others."""
        self._held = None
        for lease in self._of.values():
            lease.returned = True

    def words(self) -> tuple[LeaseWord, ...]:
        """Say how all leases stand, for an ask with a new number."""
        self.number += 1
        self._held = None
        for lease in self._of.values():
            if not (lease.more or any(lease.queues.values()) or lease.aside):
                lease.returned = True
        now_ns = self._now_ns()
        return tuple(lease.word(now_ns, self._ahead_ns) for lease in self._of.values())

    def is_news(self, answer: Answer) -> bool:
        """Tell whether an answer is to be taken: not one that is older than another that was."""
        return self._answered < answer.number <= self.number

    def take(self, answer: Answer) -> list[tuple[Held, int]]:
        """Take in an answer that is news, and return (lease, position) of what is to be watched."""
        self._answered = answer.number
        self._held = None
        self._good_until_ns = max(self._good_until_ns, answer.sent_ns + self._lease_ns)
        given = {lease.epoch: lease for lease in answer.leases}
        for epoch in self._of.keys() - given.keys():
            self._end(self._of.pop(epoch))
        watched: list[tuple[Held, int]] = []
        newest = self._highest
        for epoch in sorted(given):
            if epoch > newest:
                self._of[epoch] = Held(epoch, given[epoch].shard, asked_ns=self._now_ns())
                self._highest = epoch
            if epoch in self._of and not self._of[epoch].returned:
                watched += self._extend(self._of[epoch], given[epoch])
        return watched

    def drop(self) -> None:
        """Forget everything: another phase has begun."""
        self._held = None
        for lease in self._of.values():
            self._end(lease)
        self._of.clear()

    def _end(self, lease: Held) -> None:
        lease.returned = lease.gone = True
        for queue in lease.queues.values():
            queue.clear()

    def _extend(self, lease: Held, given: LeaseGiven) -> Iterator[tuple[Held, int]]:
        """Take in new grants, and yield what of them is only to be watched."""
        lease.more, lease.told = given.more, given.told
        for start, stop, attempt in given.grants[lease.known - given.first :]:
            lease.known += 1
            lease.total += stop - start
            if attempt == WATCH:
                lease.out.update(range(start, stop))
                yield from ((lease, position) for position in range(start, stop))
            else:
                lease.enqueue(range(start, stop), attempt)
        if given.recalled:
            lease.returned = True
