"""Sends commands over HTTP: one connection, one request at a time, and all that may come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gevent import GreenletExit

from e2e_data.platform import HttpAnswer
from locustfiles.channels.faults import ClosedIdleError, NotSentError, RequestError
from locustfiles.channels.gate import Gate
from locustfiles.channels.http import HttpConnection, Requester
from locustfiles.channels.retry_after import retry_after_s
from locustfiles.intake import Intake, answered_of
from locustfiles.lines import ABORTED
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

    def send(self, turn: Turn, *, again: bool = False) -> None:
        """Send a command, and if need be once more, and record what came of it, whatever that is."""
        tracker, intake = self._tracker, self._intake
        sent = tracker.leaving(turn.card, turn.phase, turn.arrival, again=again)
        request, exchange = turn.request, self._exchange
        try:
            if request is not None and exchange is not None and not again:
                answer = exchange(*request)
            else:
                answer = self._made(turn, again=again)
        except RequestError as error:
            tell = tracker.stayed if isinstance(error, NotSentError) else tracker.failed
            intake.end(sent, tell(sent, str(error)), 0, error)
            if isinstance(error, ClosedIdleError) and self._run.platform.idempotent and not again:
                # Most likely it was never read; and known by its id, it takes effect once at most.
                self.send(turn, again=True)
            else:
                self._run.expect_all([sent])
        except GreenletExit:
            tracker.failed(sent, ABORTED)
            raise
        except Exception as error:
            intake.failed(sent, error)
        else:
            answered = answered_of((turn, sent, answer, self._now_ns()))
            # Where others listen, they hear of each request before its user sends the next.
            if answer.status < _ODD and self._statistics.is_batched:
                intake.put(answered)
            elif intake.take_one(answered) is not None:
                self._run.hold_back(retry_after_s(answer))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _made(self, turn: Turn, *, again: bool) -> HttpAnswer:
        """Send an attempt whose request is made for it alone."""
        run = self._run
        return self._connection.request(run.platform.http_command(run.sending(turn, again=again)))
