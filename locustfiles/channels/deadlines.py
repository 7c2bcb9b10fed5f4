"""Deadlines: whatever takes longer than it may is ended, with one timer for all of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

from gevent import get_hub

NEVER_NS = 2**63
"""When nothing is due."""


class Ending(Protocol):
    """Something that may take too long."""

    due_ns: int
    """When what is under way is over its time, by the clock of its Deadlines; NEVER_NS for nothing."""

    def expire(self) -> None:
        """End it now; must not wait for anything."""
        ...


class Deadlines:
    """Ends what takes longer than `timeout_s`.

    Whoever begins something only notes until when: a timer for each request, or a list of all that are
    under way, would cost more than the request's own reading does.
    """

    def __init__(self, timeout_s: float, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.timeout_s = timeout_s
        self.timeout_ns = round(timeout_s * 1e9)
        self.now_ns = now_ns
        self._watched: WeakSet[Ending] = WeakSet()
        self._armed = False

    def watch(self, what: Ending) -> None:
        """Look at `what` from now on, as long as it is there: at most `timeout_s` after each beginning."""
        self._watched.add(what)
        if not self._armed:
            self._arm(self.timeout_ns)

    def _arm(self, wait_ns: int) -> None:
        self._armed = True
        # Not counted by the loop: watching alone keeps no process alive.
        timer = get_hub().loop.timer(wait_ns / 1e9, ref=False)
        timer.start(self._look, timer)

    def _look(self, timer: object) -> None:
        """Expire what is over its time, and come back when the next may be."""
        timer.close()  # type: ignore[attr-defined]
        self._armed = False
        now_ns = self.now_ns()
        # Nothing that begins from now on is due before that.
        next_ns = now_ns + self.timeout_ns
        for what in list(self._watched):
            if what.due_ns <= now_ns:
                what.due_ns = NEVER_NS
                what.expire()
            else:
                next_ns = min(next_ns, what.due_ns)
        if self._watched:
            self._arm(next_ns - now_ns)
