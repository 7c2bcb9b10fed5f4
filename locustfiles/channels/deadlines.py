"""Deadlines: whatever takes longer than it may is ended, with one timer for all of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from gevent import get_hub


class Ending(Protocol):
    """Something that may take too long."""

    def expire(self) -> None:
        """End it now; must not wait for anything."""
        ...


class Deadlines:
    """Watches what takes at most `timeout_s`, so that deadlines come in the order of beginnings.

    A timer for each request would cost more than the request's own reading does.
    """

    def __init__(self, timeout_s: float, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.timeout_s = timeout_s
        self._timeout_ns = round(timeout_s * 1e9)
        self._now_ns = now_ns
        self._running: dict[Ending, int] = {}
        self._armed = False

    def begin(self, what: Ending) -> None:
        """Watch `what` from now on."""
        self._running[what] = self._now_ns() + self._timeout_ns
        if not self._armed:
            self._arm(self._timeout_ns)

    def end(self, what: Ending) -> None:
        """Watch it no longer."""
        self._running.pop(what, None)

    def _arm(self, wait_ns: int) -> None:
        self._armed = True
        timer = get_hub().loop.timer(max(wait_ns, 0) / 1e9)
        timer.start(self._look, timer)

    def _look(self, timer: object) -> None:
        """Expire what is over its time, and come back when the next may be."""
        timer.close()  # type: ignore[attr-defined]
        self._armed = False
        now_ns = self._now_ns()
        while self._running:
            what, due_ns = next(iter(self._running.items()))
            if due_ns > now_ns:
                self._arm(due_ns - now_ns)
                return
            del self._running[what]
            what.expire()
