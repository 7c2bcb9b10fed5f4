"""Ends of commands that were seen elsewhere than where the commands were sent, and go to the sender.

An event is read by whichever worker has its partition. That worker writes the outcome down; the one
that sent the command has to know that it is over, and counts it. Both ways a word is said again until
it is known to have come: words are numbered, and a word that nobody needs any more does no harm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from locustfiles.fleet.facts import NUMBER_MAX

End = tuple[int, int, int]
"""(shard, index, outcome) of a command whose outcome is written down."""
ENDS_MAX = 2000
"""In one message; more would keep the event loop packing."""


@dataclass(slots=True)
class Outbox:
    """Words to be said until the other side has them."""

    said: int = 0
    """So many have come in at the other side."""
    _words: deque[End] = field(default_factory=deque)

    def put(self, word: End) -> None:
        """Say one more word from now on."""
        self._words.append(word)

    def now(self) -> tuple[End, ...]:
        """Return what is to be said in a message; `said` is the number of the first."""
        return tuple(islice(self._words, ENDS_MAX))

    def heard(self, through: int) -> None:
        """Take note that so many have come in; an older note is none."""
        for _ in range(min(max(through - self.said, 0), len(self._words))):
            self._words.popleft()
            self.said += 1

    def __len__(self) -> int:
        return len(self._words)


@dataclass(slots=True)
class Inbox:
    """Words of the other side, each taken once and in order."""

    through: int = 0
    """So many have come in."""

    def take(self, first: int, words: tuple[End, ...]) -> tuple[End, ...]:
        """Return the new ones of words that begin with number `first`; none while some are missing."""
        if first > self.through:
            return ()
        new = words[self.through - first :]
        self.through += len(new)
        return new


class Router:
    """The master's side: passes each end on to whoever may have sent the command in this phase."""

    def __init__(self) -> None:
        self._inboxes: dict[str, Inbox] = {}
        self._outboxes: dict[str, Outbox] = {}
        self._senders: dict[int, dict[str, None]] = {}

    def begin(self) -> None:
        """Forget who sent what: another phase begins."""
        self._senders.clear()

    def holds(self, worker: str, shard: int) -> None:
        """Take note that a worker may send, or have sent, commands of a shard."""
        self._senders.setdefault(shard, {})[worker] = None

    def take(self, worker: str, first: int, words: tuple[End, ...]) -> None:
        """Take in what a worker saw, and pass it on; it needs not be told what it said itself."""
        for end in self._inboxes.setdefault(worker, Inbox()).take(first, words):
            for sender in self._senders.get(end[0], ()):
                if sender != worker:
                    self.outbox(sender).put(end)

    def through(self, worker: str) -> int:
        """Return how many of a worker's words have come in."""
        return self._inboxes[worker].through if worker in self._inboxes else 0

    def outbox(self, worker: str) -> Outbox:
        """Return what a worker is to be told."""
        return self._outboxes.setdefault(worker, Outbox())

    def lose(self, worker: str) -> None:
        """Say nothing more to a worker that is lost: what it sent is others' to look for.

        What was to be said stays: it may be back, and counts on.
        """
        for senders in self._senders.values():
            senders.pop(worker, None)


def flat(ends: tuple[End, ...]) -> list[int]:
    """Return what msgpack can carry."""
    return [number for end in ends for number in end]


def ends_of(numbers: list[int]) -> Iterator[End]:
    """Read what `flat` made. Raises ValueError for a part of an end, and for an outcome that is none."""
    if max(numbers[2::3], default=0) > NUMBER_MAX:
        raise ValueError("an outcome that is none")
    return zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
