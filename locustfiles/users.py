"""Locust's users: each sends one command after the other, when its time has come."""

from __future__ import annotations

import gevent
from gevent.event import Event
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from e2e_data.commands import Channel
from locustfiles.conductor import conductor_of
from locustfiles.lines import Sender
from locustfiles.roster import Seat
from locustfiles.run import Run
from locustfiles.settings import EMBEDDED
from locustfiles.statistics import statistics_of
from locustfiles.work import Turn

TURNS = 100
"""So many turns are one task: between tasks Locust has its say, which takes its time."""


class PaymentsUser(User):
    """A client that sends the commands of the current phase, over the channel that its seat is at."""

    host = EMBEDDED
    """Without it the web UI's form would ask for a host, which need not be given."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._run: Run | None = None
        self._seat: Seat | None = None
        self._senders: dict[Channel, Sender] = {}
        self._channel: Channel | None = None
        """Over which it sends now; its seat's may be another one meanwhile."""
        self._further = self._more
        self._idle = Event()
        self._sending = False
        self._leaving = False

    def stop(self, force: bool = False) -> bool:  # noqa: ARG002, FBT001, FBT002 - Locust's signature
        """Stop, once the request on the wire has its answer: every request has a deadline.

        Locust moves users from worker to worker when one comes or goes, and that must not make
        commands unknown.
        """
        self._leaving = True
        if self._sending:
            self._idle.wait()
        return bool(super().stop(force=True))

    @task
    def send_next(self) -> None:
        """Wait for the next commands, and send them."""
        run = conductor_of(self.environment).run
        if run is None:
            gevent.sleep(0.1)
            return
        seat = self._seat_in(run)
        for _ in range(TURNS):
            turn = run.take(seat)
            if turn is None:
                return
            if self._leaving:
                turn.card.put_back()
                raise StopUser
            self._sending, self._channel = True, turn.channel
            try:
                self._sender(run, turn.channel).send(turn, self._further)
            finally:
                self._sending = False
                if self._leaving:
                    self._idle.set()

    def _more(self) -> Turn | None:
        """Return a further command, as `lines.More`; None also where this user has to look about."""
        run, seat = self._run, self._seat
        if self._leaving or run is None or seat is None or seat.channel is not self._channel:
            return None
        return run.at_once(seat)

    def on_stop(self) -> None:
        """Leave the seat to others, and close what was opened."""
        if self._run is not None and self._seat is not None:
            self._run.roster.leave(self._seat)
        self._run = self._seat = None
        for sender in self._senders.values():
            sender.close()
        self._senders.clear()

    def _seat_in(self, run: Run) -> Seat:
        if self._run is not run or self._seat is None:
            self.on_stop()
            self._run, self._seat = run, run.roster.join()
        return self._seat

    def _sender(self, run: Run, channel: Channel) -> Sender:
        sender = self._senders.get(channel)
        if sender is None:
            statistics = statistics_of(self.environment, channel.name)
            sender = self._senders[channel] = run.lines[channel].sender(run, statistics)
        return sender
