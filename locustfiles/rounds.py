"""Rounds of the event loop, in each of which sockets and timers have their turn: what takes long parts itself by them.

`gevent.sleep(0)` is no such thing: of what waits by it the loop runs fifty before it looks at anything else,
so that four users who each send for five milliseconds keep a heartbeat waiting for a quarter of a second.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import gevent
from gevent.event import Event

WORK_NS = 1_000_000
"""So much is done in one round, and what was begun then."""
_BEFORE_OTHERS = 2
"""libev's highest priority: the loop is "idle" for us once a round, however much others have to do."""


def next_round() -> None:
    """Wait until the event loop has looked at all sockets and timers once; not longer, if nothing happens."""
    gevent.idle(_BEFORE_OTHERS)


class Rounds:
    """Parts by rounds what takes a millisecond or more in all: `with` it stands what one greenlet of many does.

    One at a time goes on, so that between two rounds there is not more than that and one such work.
    """

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        self._since_ns = now_ns()
        self._busy = False
        self._waiting: deque[Event] = deque()

    def __enter__(self) -> None:
        """Wait for one's turn: whoever came first has it first."""
        if not self._busy:
            self._busy = True
            return
        turn = Event()
        self._waiting.append(turn)
        try:
            turn.wait()
        except BaseException:
            if turn.is_set():
                self._hand_on()
            else:
                self._waiting.remove(turn)
            raise

    def __exit__(self, *_: object) -> None:
        """Let others have their turn if it is time: first what waits for sockets and timers, then one of us."""
        try:
            if self._now_ns() - self._since_ns >= WORK_NS:
                next_round()
                self._since_ns = self._now_ns()
        finally:
            self._hand_on()

    def _hand_on(self) -> None:
        # Not by a semaphore: whoever gives it back and asks again at once gets it before those who wait.
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._busy = False
