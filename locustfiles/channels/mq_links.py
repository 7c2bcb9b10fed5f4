"""Links: connections that are made when they are needed, and made again after they broke.

All links of a process share one patience: while the queue manager cannot be reached, it is tried ever
less often, at random moments, so that a fleet does not come back all at once.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import gevent
from gevent.queue import LifoQueue

from locustfiles.channels.mq_lanes import Lane
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_session import Session

log = logging.getLogger(__name__)

FIRST_S = 0.1
MOST_S = 10.0

Made = TypeVar("Made")


class Patience:
    """When to try again: after waits that double, each between half and the whole of its length."""

    def __init__(
        self,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = gevent.sleep,
        chance: Callable[[], float] = random.random,
        say: Callable[[str], None] = log.warning,
    ) -> None:
        """`say` is told once when the queue manager goes, with the remedy, and when it is back."""
        self._now_s, self._sleep, self._chance, self._say = now_s, sleep, chance, say
        self._wait_s = FIRST_S
        self._next_s = self._failed_s = 0.0
        self._failing = False
        self.failures = 0
        """Attempts to connect that failed."""

    def wait(self) -> None:
        """Wait until it is time for another attempt."""
        while (left_s := self._next_s - self._now_s()) > 0:
            self._sleep(left_s)

    def failed(self, why: str) -> None:
        """Take in that an attempt failed."""
        now_s = self._now_s()
        self.failures += 1
        if not self._failing:
            self._failing, self._failed_s = True, now_s
            self._say(f"{why}; trying again")
        if now_s >= self._next_s:
            # Of attempts that were under way at the same time, one makes the wait longer.
            self._next_s = now_s + self._wait_s * (0.5 + 0.5 * self._chance())
            self._wait_s = min(2 * self._wait_s, MOST_S)

    def succeeded(self) -> None:
        """Take in that there is a connection."""
        self._wait_s, self._next_s = FIRST_S, 0.0
        if self._failing:
            self._failing = False
            self._say(f"the queue manager is back after {self._now_s() - self._failed_s:.1f} s")


class Link:
    """One connection, in its lane; one greenlet uses it at a time."""

    def __init__(
        self, connect: Callable[[], Session], lane: Callable[[], Lane], patience: Patience
    ) -> None:
        self._connect, self._new_lane, self._patience = connect, lane, patience
        self._lane: Lane | None = None
        self._session: Session | None = None

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._session is not None

    def connect(self) -> None:
        """See to it that there is a connection, however long that takes."""
        while self._session is None:
            self._patience.wait()
            lane = self._lane = self._lane or self._new_lane()
            try:
                self._session = lane.run(self._connect)
            except MqError as error:
                self._patience.failed(error.told)
            except BaseException:
                # A call that is under way when its greenlet ends may still bring a connection.
                self.close()
                raise
            else:
                self._patience.succeeded()

    def use(self, call: Callable[[Session], Made]) -> Made:
        """Make a call on the connection. Raises MqError; the connection is dropped where it broke."""
        self.connect()
        assert self._lane is not None
        assert self._session is not None
        try:
            return self._lane.run(call, self._session)
        except MqError as error:
            if error.is_broken:
                self.close()
            raise
        except BaseException:
            # Killed in the middle: what the call still does must not be taken for the next one's.
            self.close()
            raise

    def once(self, call: Callable[[Session], Made]) -> Made:
        """Connect, without trying again, and make a call. Raises MqError."""
        lane = self._lane = self._lane or self._new_lane()
        self._session = self._session or lane.run(self._connect)
        return self.use(call)

    def close(self) -> None:
        """Let go of the connection; a call that still runs ends first, and nobody waits for it."""
        session, self._session = self._session, None
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.retire(session.close if session is not None else _nothing)


def _warmed(link: Link) -> None:
    try:
        link.once(lambda _: None)
    except MqError as error:
        # Whoever uses it tries again, and says it.
        log.debug("%s", error)


def _nothing() -> None:
    """Do nothing."""


class Links:
    """A bounded number of links, handed out one at a time; those used last are used first."""

    def __init__(self, make: Callable[[], Link], size: int) -> None:
        self._all = [make() for _ in range(size)]
        self._free: LifoQueue[Link] = LifoQueue(items=list(reversed(self._all)))

    def __len__(self) -> int:
        """Return how many there are, handed out or not."""
        return len(self._all)

    @contextmanager
    def one(self) -> Iterator[Link]:
        """Wait for a link that is free, and have it until the end of the block."""
        link = self._free.get()
        try:
            yield link
        finally:
            self._free.put(link)

    def warm(self) -> None:
        """Connect all, so that nobody's first command has to wait for that; together, and once each."""
        greenlets = [gevent.spawn(_warmed, link) for link in self._all]
        gevent.joinall(greenlets)

    def close(self) -> None:
        """Let go of all connections."""
        for link in self._all:
            link.close()
