"""Whom the master calls to ask at once: those that were given nothing, when something has come free.

a worker that    is answered with work    is answered with nothing    a shard comes free
has something    -                        waits, at the end           -
waits            has something            waits, at the end           the first that waits is called
was called       has something            waits, at the end           -

A call may be lost, so it is only a hint: whoever waits asks again in its time, as everybody does.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from locustfiles.leases import LeaseBook


class Calls:
    """The workers that wait for something to send, those first that asked the longest ago."""

    def __init__(self, book: LeaseBook) -> None:
        """Watch what comes free in a book."""
        self.call: Callable[[str], None] = lambda _worker: None
        """Has a worker ask at once."""
        self._book = book
        self._waiting: dict[str, None] = {}
        self._free = 0
        """How many shards were free at the last look."""

    def answered(self, worker: str, *, empty_handed: bool) -> None:
        """Note whether a worker goes away with nothing that it could send, and look."""
        self._waiting.pop(worker, None)
        # Before it is noted: what is free by now was not for this one.
        self.look()
        if empty_handed:
            self._waiting[worker] = None

    def look(self) -> None:
        """Call one that waits for each shard by which there are more free ones than at the last look."""
        more, self._free = self._book.free - self._free, self._book.free
        for worker in tuple(islice(self._waiting, max(more, 0))):
            del self._waiting[worker]
            self.call(worker)
