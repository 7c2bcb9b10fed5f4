"""Locust's users: each sends one command after the other, when its time has come."""

from __future__ import annotations

import logging
from typing import Any

import gevent
from gevent import GreenletExit
from gevent.event import Event
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from e2e_data.commands import Channel
from locustfiles.answers import fault_of
from locustfiles.channels.http import HttpConnection, NotSentError, UnansweredError
from locustfiles.conductor import conductor_of
from locustfiles.run import Run, Turn
from locustfiles.settings import EMBEDDED

log = logging.getLogger(__name__)

ABORTED = "aborted: the user was stopped"


class UnexpectedAnswerError(Exception):
    """What Locust's statistics show of a command that was not answered as it should be."""


class HttpPaymentsUser(User):
    """A client that sends the commands of the current phase over one HTTP connection."""

    host = EMBEDDED
    """Without it the web UI's form would ask for a host, which need not be given."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._run: Run | None = None
        self._connection: HttpConnection | None = None
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
        """Wait for the next command, and send it."""
        run = conductor_of(self.environment).run
        if run is None:
            gevent.sleep(0.1)
            return
        turn = run.take(Channel.HTTP)
        if turn is None:
            return
        if self._leaving:
            turn.card.put_back()
            raise StopUser
        self._idle.clear()
        try:
            self._send(run, turn, self._connection_to(run))
        finally:
            self._idle.set()

    def on_stop(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _connection_to(self, run: Run) -> HttpConnection:
        if self._connection is None or self._run is not run:
            self.on_stop()
            self._run, self._connection = run, conductor_of(self.environment).connect()
        return self._connection

    def _send(self, run: Run, turn: Turn, connection: HttpConnection) -> None:
        """Send a command and record what came of it, whatever that is."""
        place, attempt, tracker = turn.card.place, turn.card.attempt, run.tracker
        sent_ns = tracker.sending(turn.card, turn.phase, Channel.HTTP, turn.arrival)
        length = 0
        problem: Exception | None = None
        try:
            answer = connection.request(run.platform.http_command(turn.sending))
            length = len(answer.body)
            acknowledgement = run.platform.read_acknowledgement(answer)
            at_ns = tracker.acknowledged(place, acknowledgement, attempt)
            fault = fault_of(acknowledgement, turn.sending.command.expected, Channel.HTTP)
            problem = UnexpectedAnswerError(fault) if fault else None
            if run.service.shared:
                run.figures.add(turn.phase, turn.card.kind, at_ns - turn.arrival.intended_ns)
        except NotSentError as error:
            at_ns, problem = tracker.not_sent(place, str(error), attempt), error
        except UnansweredError as error:
            at_ns, problem = tracker.unanswered(place, str(error), attempt), error
        except GreenletExit:
            tracker.unanswered(place, ABORTED, attempt)
            raise
        except Exception as error:
            # An adapter's fault must not lose the command: whether it left is not known.
            log.exception("the platform adapter failed on %s", turn.card.command_id)
            at_ns, problem = tracker.unanswered(place, f"adapter: {error!r}", attempt), error
        if place in tracker.pending:
            run.expect(place, turn.card.command_id)
        self._fire(turn, (at_ns - sent_ns) / 1e6, length, problem)

    def _fire(self, turn: Turn, response_ms: float, length: int, problem: Exception | None) -> None:
        context: dict[str, Any] = {}
        self.environment.events.request.fire(
            request_type="HTTP",
            name=turn.card.kind.label,
            response_time=response_ms,
            response_length=length,
            exception=problem,
            context=context,
        )
