"""Sends commands over HTTP: one connection, one request at a time, and all that may come of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gevent import GreenletExit

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.platform import Acknowledged, Acknowledgement, HttpAnswer
from locustfiles import retries
from locustfiles.answers import fault_of
from locustfiles.channels.faults import (
    ClosedIdleError,
    NotSentError,
    RedirectedError,
    RequestError,
)
from locustfiles.channels.gate import Gate
from locustfiles.channels.http import HttpConnection, Requester
from locustfiles.channels.retry_after import retry_after_s
from locustfiles.hand import Card
from locustfiles.lines import ABORTED
from locustfiles.plan_parts.retries import Why
from locustfiles.retries import Tried
from locustfiles.run import Run
from locustfiles.tracker import Pending
from locustfiles.work import Turn

if TYPE_CHECKING:
    # Importing Locust patches the standard library, which `paystorm try` must be spared.
    from locustfiles.statistics import Statistics

log = logging.getLogger(__name__)

_ACCEPTED = Acknowledged.ACCEPTED
_AGAIN: dict[Acknowledged, Why] = {
    Acknowledged.REFUSED: "refused",
    Acknowledged.UNKNOWN: "unknown",
}
_INVALID = int(Outcome.INVALID)
_LABELS = tuple(kind.label for kind in Kind)


class UnexpectedAnswerError(Exception):
    """What Locust's statistics show of a command that was not answered as it should be."""


class HttpLine:
    """The way over HTTP: each user has a connection of its own."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def sender(self, run: Run, statistics: Statistics) -> HttpSender:
        """Return a sender for one user."""
        return HttpSender(run, self._gate.connect(), statistics)

    def close(self) -> None:
        """Do nothing: the gate is closed by whoever opened it."""


class HttpSender:
    """Sends one command after the other over a connection."""

    def __init__(self, run: Run, connection: Requester, statistics: Statistics) -> None:
        self._run = run
        self._connection = connection
        self._statistics = statistics
        self._tracker = run.tracker
        self._read = run.platform.read_acknowledgement
        self._pending = run.tracker.pending
        self._epoch_utc_ns = run.clock.epoch_utc_ns
        # What is made already needs nothing but a connection that takes it as it is.
        self._exchange = connection.exchange if type(connection) is HttpConnection else None

    def send(self, turn: Turn) -> None:
        """Send a command, and as the plan has it again, and record what came of it, whatever that is."""
        retries.send(self._run, turn, self._attempt)

    def _attempt(self, turn: Turn, before: int, in_doubt: bool) -> Tried | None:  # noqa: FBT001
        card, tracker = turn.card, self._tracker
        sent = tracker.leaving(card, turn.phase, turn.arrival, before)
        answer: HttpAnswer | None = None
        problem: Exception | None = None
        tried: Tried | None = None
        try:
            answer = self._answer(turn, before)
            acknowledgement = self._read(answer)
            if (status := acknowledgement.status) is not _ACCEPTED and status in _AGAIN:
                tried = retries.next_after(self._run, _AGAIN[status], before)
            is_last = tried is None and not in_doubt
            at_ns = tracker.answered(sent, acknowledgement, last=is_last)
            if status is not _ACCEPTED or card.expected & _INVALID:
                problem = _unexpected(acknowledgement, card, answer)
        except RequestError as error:
            problem, tried = error, self._next_after(error, before)
            if isinstance(error, NotSentError):
                at_ns = tracker.stayed(sent, str(error), last=tried is None and not in_doubt)
            else:
                at_ns = tracker.failed(sent, str(error))
        except GreenletExit:
            tracker.failed(sent, ABORTED)
            raise
        except Exception as error:
            # An adapter's fault must not lose the command: whether it left is not known.
            about = {"command_id": card.command_id}
            log.exception("the platform adapter failed on %s", card.command_id, extra=about)
            at_ns, problem = tracker.failed(sent, f"adapter: {error!r}"), error
        else:
            self._run.measure(turn, at_ns)
        self._count(sent, at_ns, answer, problem)
        if tried is None and card.place in self._pending:
            self._run.expect(card.place, card.command_id)
        if problem is not None and answer is not None:
            self._run.hold_back(retry_after_s(answer))
        return tried

    def _next_after(self, error: RequestError, before: int) -> Tried | None:
        """Return what follows an attempt that got no answer."""
        if isinstance(error, ClosedIdleError) and self._run.platform.idempotent and not before:
            # Most likely it was never read; and known by its id, it takes effect once at most.
            return Tried(0, "unanswered")
        why: Why = "not sent" if isinstance(error, NotSentError) else "unanswered"
        return retries.next_after(self._run, why, before)

    def _count(
        self, sent: Pending, at_ns: int, answer: HttpAnswer | None, problem: Exception | None
    ) -> None:
        """Count an attempt in Locust's statistics."""
        utc_ns, took_ms = self._epoch_utc_ns + at_ns, (at_ns - sent.sent_ns) / 1e6
        length = 0 if answer is None else len(answer.body)
        label = _LABELS[sent.card.kind]
        if problem is None:
            self._statistics.answered(label, utc_ns, took_ms, length)
        else:
            self._statistics.fire(label, utc_ns, took_ms, length, problem)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _answer(self, turn: Turn, again: int) -> HttpAnswer:
        """Send an attempt; a request that is made already needs nothing but its bytes."""
        drafts, exchange = turn.drafts, self._exchange
        if drafts is not None and exchange is not None and not again:
            row = turn.card.row
            rest = drafts.filled(row, turn.arrival.intended_ns // 1000)
            return exchange(drafts.lines[row], rest)
        run = self._run
        return self._connection.request(run.platform.http_command(run.sending(turn, again)))


def _unexpected(
    acknowledgement: Acknowledgement, card: Card, answer: HttpAnswer
) -> Exception | None:
    """Return what Locust should count as a failure; None for what is right for this command."""
    fault = fault_of(acknowledgement, Outcome(card.expected), Channel.HTTP)
    if fault is None:
        return None
    if 300 <= answer.status < 400:
        return RedirectedError(fault)
    return UnexpectedAnswerError(fault)
