"""Sends commands over HTTP: one connection, one request at a time, and all that may come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gevent import GreenletExit

from e2e_data.drafts import Request
from e2e_data.platform import HttpAnswer
from locustfiles import retries
from locustfiles.channels.faults import ClosedIdleError, NotSentError, RequestError
from locustfiles.channels.gate import Gate
from locustfiles.channels.http import HttpConnection, Requester
from locustfiles.channels.retry_after import retry_after_s
from locustfiles.intake import Intake, answered_of
from locustfiles.lines import ABORTED, More
from locustfiles.plan_parts.retries import Why
from locustfiles.retries import Tried
from locustfiles.run import Run
from locustfiles.work import Turn

if TYPE_CHECKING:
    # Importing Locust patches the standard library, which `paystorm try` must be spared.
    from locustfiles.statistics import Statistics

_ODD = 300
"""From this status on an answer may ask its user to do something, such as to wait."""


class HttpLine:
    """The way over HTTP: each user has a connection of its own."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._intake: Intake | None = None

    def sender(self, run: Run, statistics: Statistics) -> HttpSender:
        """Return a sender for one user."""
        if self._intake is None:
            self._intake = Intake(run, statistics)
        return HttpSender(run, self._gate.connect(), statistics, self._intake)

    def close(self) -> None:
        """Take in the last answers; the gate is closed by whoever opened it."""
        if self._intake is not None:
            self._intake.close()


class HttpSender:
    """Sends one command after the other over a connection."""

    def __init__(
        self, run: Run, connection: Requester, statistics: Statistics, intake: Intake
    ) -> None:
        self._run = run
        self._connection = connection
        self._statistics = statistics
        self._intake = intake
        self._tracker = run.tracker
        self._now_ns = run.clock.now_ns
        # What is made already needs nothing but a connection that takes it as it is.
        self._exchange = connection.exchange if type(connection) is HttpConnection else None
        self._follow = self._take_up
        self._more: More | None = None

    def send(self, turn: Turn, more: More | None = None) -> None:
        """Send a command, and as the plan has it again, and record what came of it, whatever that is.

        Where nobody has to wait between them, it goes on with `more`, in the event loop's own time: to
        switch to a user for each answer would take as long as sending the next request does.
        """
        self._more, in_doubt = more, False
        tried = self._attempt(turn, 0, in_doubt)
        if tried is not None:
            retries.send_again(self._run, self._turn, self._attempt, tried)

    def _attempt(self, turn: Turn, before: int, in_doubt: bool) -> Tried | None:  # noqa: FBT001
        tracker, intake = self._tracker, self._intake
        self._turn = turn
        self._sent = tracker.leaving(turn.card, turn.phase, turn.arrival, before)
        request, exchange = turn.request, self._exchange
        try:
            if request is not None and exchange is not None and not before:
                answer = exchange(*request, follow=self._follow if intake.may_wait else None)
            else:
                answer = self._made(turn, before)
        except RequestError as error:
            sent, tried = self._sent, self._next_after(error, before)
            if isinstance(error, NotSentError):
                at_ns = tracker.stayed(sent, str(error), last=tried is None and not in_doubt)
            else:
                at_ns = tracker.failed(sent, str(error))
            intake.end(sent, at_ns, 0, error)
            if tried is None:
                self._run.expect_all([sent])
            return tried
        except GreenletExit:
            tracker.failed(self._sent, ABORTED)
            raise
        except Exception as error:
            intake.failed(self._turn, self._sent, error)
            return None
        answered = answered_of((self._turn, self._sent, answer, self._now_ns()))
        # Where others listen, they hear of each request before its user sends the next.
        if answer.status < _ODD and not before and intake.may_wait and self._statistics.is_batched:
            intake.put(answered)
            return None
        problem, tried = intake.take_one(answered, before, in_doubt=in_doubt)
        if problem is not None:
            self._run.hold_back(retry_after_s(answer))
        return tried

    def _take_up(self, answer: HttpAnswer) -> Request | None:
        """Take in an answer and begin with the next command, as `channels.http.Follow`."""
        if self._more is None or answer.status >= _ODD or not self._statistics.is_batched:
            return None
        at_ns = self._now_ns()
        turn = self._more()
        if turn is None:
            return None
        self._intake.put(answered_of((self._turn, self._sent, answer, at_ns)))
        self._turn = turn
        self._sent = self._tracker.leaving(turn.card, turn.phase, turn.arrival)
        return turn.request

    def _next_after(self, error: RequestError, before: int) -> Tried | None:
        """Return what follows an attempt that got no answer."""
        if isinstance(error, ClosedIdleError) and self._run.platform.idempotent and not before:
            # Most likely it was never read; and known by its id, it takes effect once at most.
            return Tried(0, "unanswered")
        why: Why = "not sent" if isinstance(error, NotSentError) else "unanswered"
        return retries.next_after(self._run, why, before)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _made(self, turn: Turn, again: int) -> HttpAnswer:
        """Send an attempt whose request is made for it alone."""
        run = self._run
        return self._connection.request(run.platform.http_command(run.sending(turn, again)))
