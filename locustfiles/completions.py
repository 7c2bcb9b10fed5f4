"""Completions are a source: something that tells, in its own time, how commands ended."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import gevent
from gevent.event import Event
from gevent.lock import Semaphore

from e2e_data.commands import Channel, Kind
from e2e_data.platform import Completion, Platform
from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.channels.http import Requester

log = logging.getLogger(__name__)

Place = tuple[int, int, int]
"""(lap, shard, index) of a command."""


class Seen(NamedTuple):
    """A completion, with all that an observer knows of its command."""

    place: Place
    attempt: int
    phase: int
    channel: Channel
    kind: Kind
    account_id: str
    completion: Completion
    at_ns: int


class CompletionSource(Protocol):
    """Where final outcomes are observed."""

    def expect(self, place: Place, command_id: str) -> None:
        """Begin to look for the outcome of a command that was sent."""
        ...

    def mark(self) -> Callable[[], None]:
        """Return what to call once the journal has all that was observed until now.

        There is nothing to do where whoever asks again gets the same answer.
        """
        return lambda: None

    def flush(self) -> None:
        """Write down what it needs to know beside the journal, if anything; may run on any one thread."""
        return

    def stop(self) -> None:
        """Look no further; what has not been observed stays unobserved."""
        ...


@dataclass(order=True, slots=True)
class _Question:
    """A command to ask about at `due_ns`."""

    due_ns: int
    place: Place
    command_id: str = field(compare=False)
    wait_ns: int = field(compare=False)


class PollingSource(CompletionSource):
    """Asks the platform for each command's outcome, over connections of its own.

    The requests are not part of Locust's statistics. A completion is observed up to one waiting
    time after it happened; the waiting time doubles from `first_wait_ns` to `longest_wait_ns`.
    """

    def __init__(
        self,
        platform: Platform,
        connect: Callable[[], Requester],
        now_ns: Callable[[], int],
        observed: Callable[[Place, Completion], None],
        *,
        pollers: int = 16,
        first_wait_ns: int = 25_000_000,
        longest_wait_ns: int = 1_000_000_000,
    ) -> None:
        """Start `pollers` greenlets that call `observed` with each outcome, once per command."""
        self._platform = platform
        self._now_ns = now_ns
        self._observed = observed
        self._first_wait_ns = first_wait_ns
        self._longest_wait_ns = longest_wait_ns
        self._questions: list[_Question] = []
        self._asked = Event()
        self._leading = Semaphore()
        self.failed_polls = 0
        """Polls that brought no answer: they delay an observation, and lose none."""
        self._greenlets = [gevent.spawn(self._poll, connect()) for _ in range(pollers)]

    def expect(self, place: Place, command_id: str) -> None:
        """Ask about a command, the first time after the first waiting time."""
        self._push(_Question(0, place, command_id, self._first_wait_ns))

    def stop(self) -> None:
        """End the pollers."""
        gevent.killall(self._greenlets)

    def _push(self, question: _Question) -> None:
        question.due_ns = self._now_ns() + question.wait_ns
        heapq.heappush(self._questions, question)
        if self._questions[0] is question:
            self._asked.set()

    def _poll(self, connection: Requester) -> None:
        try:
            while True:
                self._ask(connection, self._next())
        finally:
            connection.close()

    def _next(self) -> _Question:
        """Wait for a question that is due, or for one that is due before it."""
        with self._leading:  # one poller waits for the first question, the others for their turn
            while True:
                timeout_s = None
                if self._questions:
                    wait_ns = self._questions[0].due_ns - self._now_ns()
                    if wait_ns <= 0:
                        return heapq.heappop(self._questions)
                    timeout_s = wait_ns / 1e9
                self._asked.clear()
                self._asked.wait(timeout_s)

    def _ask(self, connection: Requester, question: _Question) -> None:
        try:
            answer = connection.request(self._platform.http_status(question.command_id))
            completion = self._platform.read_status(answer)
            if completion is not None:
                self._observed(question.place, completion)
                return
        except (NotSentError, UnansweredError):
            self.failed_polls += 1
        except Exception:
            # An adapter's fault must not end the poller: the other commands need it.
            if not self.failed_polls:
                log.exception("the platform adapter failed on the outcome of a command")
            self.failed_polls += 1
        question.wait_ns = min(2 * question.wait_ns, self._longest_wait_ns)
        self._push(question)
