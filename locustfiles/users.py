"""Locust's users: each sends one command after the other, when its time has come."""

from __future__ import annotations

import logging

import gevent
from gevent import GreenletExit
from gevent.event import Event
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.platform import Acknowledged, Acknowledgement, HttpAnswer
from locustfiles.answers import fault_of
from locustfiles.channels.faults import (
    ClosedIdleError,
    NotSentError,
    RedirectedError,
    UnansweredError,
)
from locustfiles.channels.http import HttpConnection, Requester
from locustfiles.channels.retry_after import retry_after_s
from locustfiles.conductor import conductor_of
from locustfiles.hand import Card
from locustfiles.run import Run
from locustfiles.settings import EMBEDDED
from locustfiles.statistics import statistics_of
from locustfiles.work import Turn

log = logging.getLogger(__name__)

ABORTED = "aborted: the user was stopped"
TURNS = 100
"""So many turns are one task: between tasks Locust has its say, which takes its time."""

_INVALID = int(Outcome.INVALID)
_LABELS = tuple(kind.label for kind in Kind)


class UnexpectedAnswerError(Exception):
    """What Locust's statistics show of a command that was not answered as it should be."""


class HttpPaymentsUser(User):
    """A client that sends the commands of the current phase over one HTTP connection."""

    host = EMBEDDED
    """Without it the web UI's form would ask for a host, which need not be given."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._statistics = statistics_of(environment, "HTTP")
        self._run: Run | None = None
        self._connection: Requester | None = None
        self._idle = Event()
        self._idle.set()
        self._leaving = False

    def stop(self, force: bool = False) -> bool:  # noqa: ARG002, FBT001, FBT002 - Locust's signature
        """Stop, once the request on the wire has its answer: every request has a deadline.

        Locust moves users from worker to worker when one comes or goes, and that must not make
        commands unknown.
        """
        self._leaving = True
        self._idle.wait()
        return bool(super().stop(force=True))

    @task
    def send_next(self) -> None:
        """Wait for the next commands, and send them."""
        run = conductor_of(self.environment).run
        if run is None:
            gevent.sleep(0.1)
            return
        connection = self._connection_to(run)
        for _ in range(TURNS):
            turn = run.take(Channel.HTTP)
            if turn is None:
                return
            if self._leaving:
                turn.card.put_back()
                raise StopUser
            self._idle.clear()
            try:
                self._send(run, turn, connection)
            finally:
                self._idle.set()

    def on_stop(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _connection_to(self, run: Run) -> Requester:
        if self._connection is None or self._run is not run:
            self.on_stop()
            self._run, self._connection = run, conductor_of(self.environment).connect()
        return self._connection

    def _send(self, run: Run, turn: Turn, connection: Requester, *, again: bool = False) -> None:
        """Send a command and record what came of it, whatever that is."""
        card, tracker = turn.card, run.tracker
        place, attempt = card.place, card.numbered(again=again)
        sent_ns = tracker.sending(card, turn.phase, Channel.HTTP, turn.arrival, again=again)
        answer: HttpAnswer | None = None
        problem: Exception | None = None
        try:
            answer = _answer(run, turn, connection, again=again)
            acknowledgement = run.platform.read_acknowledgement(answer)
            at_ns = tracker.acknowledged(place, acknowledgement, attempt)
            run.measure(turn, at_ns)
            if acknowledgement.status is not Acknowledged.ACCEPTED or card.expected & _INVALID:
                problem = _unexpected(acknowledgement, card, answer)
        except NotSentError as error:
            at_ns, problem = tracker.not_sent(place, str(error), attempt), error
        except UnansweredError as error:
            at_ns, problem = tracker.unanswered(place, str(error), attempt), error
        except GreenletExit:
            tracker.unanswered(place, ABORTED, attempt)
            raise
        except Exception as error:
            # An adapter's fault must not lose the command: whether it left is not known.
            log.exception("the platform adapter failed on %s", card.command_id)
            at_ns, problem = tracker.unanswered(place, f"adapter: {error!r}", attempt), error
        utc_ns, took_ms = run.clock.epoch_utc_ns + at_ns, (at_ns - sent_ns) / 1e6
        length = 0 if answer is None else len(answer.body)
        if problem is None:
            self._statistics.answered(_LABELS[card.kind], utc_ns, took_ms, length)
        else:
            self._statistics.fire(_LABELS[card.kind], utc_ns, took_ms, length, problem)
            if isinstance(problem, ClosedIdleError) and run.platform.idempotent and not again:
                # Most likely it was never read; and known by its id, it takes effect once at most.
                self._send(run, turn, connection, again=True)
                return
        if place in tracker.pending:
            run.expect(place, card.command_id)
        if problem is not None and answer is not None:
            run.hold_back(retry_after_s(answer))


def _answer(run: Run, turn: Turn, connection: Requester, *, again: bool) -> HttpAnswer:
    """Send an attempt; a request that is made already needs nothing but its bytes."""
    draft = turn.draft
    if draft is not None and not again and type(connection) is HttpConnection:
        return connection.exchange(draft.line, draft.filled(turn.arrival.intended_ns // 1000))
    return connection.request(run.platform.http_command(run.sending(turn, again=again)))


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
