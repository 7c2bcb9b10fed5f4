"""Reading a queue for as long as the process runs, by one greenlet that hands on what comes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent
from gevent.event import Event

from locustfiles.channels.mq_links import Link
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_session import Got, Session
from reports.timeline import REPLIES_CUT

log = logging.getLogger(__name__)

WAIT_MS = 250
"""A get waits so long and begins anew: whoever ends in between takes no message along."""
TOGETHER_NS = 1_000_000
TOGETHER_MAX = 64
"""So much may come from an OS thread at once: every change between threads takes its time."""
AGAIN_S = 1.0
STOP_S = 2.0


class Reader:
    """Gets, or only looks at, what comes on a queue. `queue` is its name once there is one."""

    def __init__(
        self,
        link: Link,
        open_queue: Callable[[Session], str],
        take: Callable[[Got], None],
        say: Callable[[str], None],
        *,
        together: bool,
        browse: bool = False,
    ) -> None:
        """Begin. `open_queue` names the queue of each new connection; `take` gets each message.

        With `together` several messages may come at once; with `browse` they stay where they are, and
        come again after a broken connection. `say` gets what goes wrong, once for each reason.
        """
        self._link, self._open_queue, self._take, self._say = link, open_queue, take, say
        self._together, self._browse = together, browse
        self.queue = ""
        self.is_open = Event()
        self.faults = 0
        """Messages whose reading failed by a fault of ours or the adapter's."""
        self._told: set[int] = set()
        self._is_cut = False
        self._stopping = False
        self._greenlet = gevent.spawn(self._read)

    def stop(self) -> None:
        """End once the get that is under way has: what it brings is taken."""
        self._stopping = True
        if self._link.is_connected:
            self._greenlet.join(STOP_S)
        self._greenlet.kill()
        self._link.close()

    def _read(self) -> None:
        while not self._stopping:
            try:
                if not self._link.is_connected:
                    self.queue = self._link.use(self._open_queue)
                    self.is_open.set()
                batch = self._link.use(self._next)
            except MqError as error:
                self._failed(error)
                continue
            for got in batch:
                self._hand_on(got)

    def _failed(self, error: MqError) -> None:
        if self.is_open.is_set() and not self._browse and not self._is_cut:
            self._is_cut = True
            self._say(REPLIES_CUT)
        if error.reason not in self._told:
            self._told.add(error.reason)
            self._say(error.told)
        # A new connection opens its queue anew; the link waits before it makes one.
        self._link.close()
        if not error.is_broken:
            gevent.sleep(AGAIN_S)

    def _hand_on(self, got: Got) -> None:
        try:
            self._take(got)
        except Exception:
            # One message that nobody can read must not cost the others their reader.
            if not self.faults:
                log.exception("a message of %s could not be taken in", self.queue)
            self.faults += 1

    def _next(self, session: Session) -> list[Got]:
        """Wait for a message, and take along those that are there already."""
        got = self._one(session, WAIT_MS)
        if got is None or not self._together:
            return [] if got is None else [got]
        batch, until_ns = [got], time.monotonic_ns() + TOGETHER_NS
        while len(batch) < TOGETHER_MAX and time.monotonic_ns() < until_ns:
            got = self._one(session, 0)
            if got is None:
                break
            batch.append(got)
        return batch

    def _one(self, session: Session, wait_ms: int) -> Got | None:
        if self._browse:
            return session.browse(self.queue, wait_ms)
        return session.get(self.queue, wait_ms)
