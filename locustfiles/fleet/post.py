"""The master's post: the fleet's messages over Locust's, in and out. Any of them may be lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol

import gevent

from locustfiles.director import Director
from locustfiles.fleet.figures import KEY, FleetFigures
from locustfiles.fleet.messages import Ask
from locustfiles.fleet.shipping import Receiver
from locustfiles.rounds import next_round
from reports.timeline import VIOLATION

log = logging.getLogger(__name__)

JOIN, ORDER = "paystorm_join", "paystorm_order"
ASK, ANSWER, WAKE = "paystorm_ask", "paystorm_answer", "paystorm_wake"
NOTE, PROBLEM = "paystorm_note", "paystorm_problem"
PIECE, HAVE = "paystorm_piece", "paystorm_have"
CLOSED, FAREWELL = "paystorm_closed", "paystorm_farewell"

TURN_S = 0.01
"""So long the messages may keep everybody else on the event loop waiting: ticks, timers, files."""


class Runner(Protocol):
    """As much of Locust's runner as messages need."""

    def register_message(
        self,
        msg_type: str,
        listener: Callable[..., None],
        concurrent: bool = ...,  # noqa: FBT001 - Locust's
    ) -> None:
        """Call `listener` with each message of a type."""
        ...

    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:
        """Send to one node, or to all."""
        ...


class Events(Protocol):
    """As much of Locust's events as the post needs."""

    worker_report: Any
    heartbeat_sent: Any


def listen(
    runner: Runner, kind: str, take: Callable[[Any, str], None], *, apart: bool = True
) -> None:
    """Call `take` with (data, sender) of each message of a kind.

    It is called `apart` from Locust's receiving loop, in a greenlet of its own, or inside it, where it
    must not take long. What is no message of ours is only logged: Locust does not catch everything.
    """

    def listener(msg: Any, **_: Any) -> None:
        try:
            take(msg.data, msg.node_id)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("a message %s from %s cannot be read: %s", kind, msg.node_id, error)

    runner.register_message(kind, listener, concurrent=apart)


class Post:
    """Serves the run that is on, if any. `failed` gets the cause when it cannot go on."""

    def __init__(
        self,
        runner: Runner,
        events: Events,
        failed: Callable[[str], None],
    ) -> None:
        self._runner = runner
        self._failed = failed
        self._director: Director | None = None
        self._order: Mapping[str, Any] | None = None
        self._closed: set[str] = set()
        self._clients: dict[str, str] = {}
        """Which client of Locust's a worker is."""
        self._turn_s = time.monotonic()
        self.figures = FleetFigures()
        """What the workers reported of response times."""
        self.clock_error_ns = 0
        """The most that any worker's times of this run may be off."""
        for kind, take in (
            (JOIN, self._join),
            (ASK, self._ask),
            (NOTE, self._note),
            (PROBLEM, self._problem),
            (PIECE, self._piece),
            (CLOSED, self._close),
        ):
            # Inside the loop: as long as messages are there it never waits, and what it would start
            # apart would begin only when the last of a thousand workers' messages is in.
            listen(runner, kind, self._in_turn(take), apart=False)
        events.worker_report.add_listener(self._take_report)
        events.heartbeat_sent.add_listener(lambda **_: self._give_turn())

    def _in_turn(self, take: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
        """Have a message taken, and then everybody else have a turn who waits for too long."""

        def taken(data: Any, sender: str) -> None:
            try:
                take(data, sender)
            finally:
                self._give_turn()

        return taken

    def _give_turn(self) -> None:
        if time.monotonic() - self._turn_s >= TURN_S:
            next_round()
            self._turn_s = time.monotonic()

    def open(
        self, director: Director, order: Mapping[str, Any], manifest: Callable[[], str]
    ) -> None:
        """Begin to serve a run; its `manifest` goes to workers that do not see its directory."""
        self._director, self._order = director, order
        self._closed, self._clients = set(), {}
        self._manifest = cache(manifest)
        self._receiver = Receiver(director.directory)
        self.clock_error_ns, self.figures = 0, FleetFigures()
        director.wake, director.desk.calls.call = self.wake, self._call

    def shut(self) -> None:
        """Serve it no more."""
        self._director = self._order = None

    def wake(self) -> None:
        """Let all workers ask at once; whom it does not reach asks a little later."""
        self._runner.send_message(WAKE)

    def _call(self, worker: str) -> None:
        self._runner.send_message(WAKE, client_id=self._clients[worker])

    def wait_closed(self, patience_s: float) -> list[str]:
        """Wait until every living worker has closed its journal; return those that have not."""
        director = self._director
        assert director is not None, "a run ends while it is served"
        until_s = time.monotonic() + patience_s
        while director.desk.alive() and time.monotonic() < until_s:
            director.desk.tick()
            gevent.sleep(0.05)
        return [member.name for member in director.desk.alive()]

    def _join(self, data: Any, sender: str) -> None:
        if self._order is None or self._director is None or self._director.desk.over:
            return
        more = {"manifest": self._manifest()} if data.get("manifest") else {}
        self._runner.send_message(ORDER, {**self._order, **more}, client_id=sender)

    def _piece(self, data: Any, sender: str) -> None:
        if self._director is None or data["run"] != self._director.desk.run:
            return
        try:
            have = self._receiver.take(data)
        except OSError as error:
            self._failed(f"the run directory cannot be written: {error}")
            return
        self._runner.send_message(HAVE, have, client_id=sender)

    def _ask(self, data: Any, sender: str) -> None:
        if self._director is None:
            return
        try:
            ask = Ask.read(data)
            self._clients[ask.worker] = sender
            answer = self._director.desk.receive(ask)
        except OSError as error:
            # What could not be written down was not granted, and nothing further can be.
            self._failed(f"the run directory cannot be written: {error}")
            return
        if answer is not None:
            self._runner.send_message(ANSWER, answer.packed(), client_id=sender)

    def _take_report(self, client_id: str, data: Mapping[str, Any]) -> None:
        self._give_turn()
        raw = data.get(KEY)
        if raw is None or self._director is None:
            return
        try:
            if raw["run"] == self._director.desk.run:
                self.figures.take(raw)
        except (ValueError, KeyError, TypeError) as error:
            log.warning("the figures from %s cannot be read: %s", client_id, error)

    def _note(self, data: Any, _sender: str) -> None:
        if self._director is not None and data["run"] == self._director.desk.run:
            event = VIOLATION if data.get("event") == VIOLATION else "warning"
            self._director.event(event, str(data["phase"]), f"{data['worker']}: {data['note']}")

    def _problem(self, data: Any, sender: str) -> None:
        self._failed(f"worker {sender} cannot take part: {str(data['problem'])[:1000]}")

    def _close(self, data: Any, sender: str) -> None:
        """Take a worker's word that its journal is complete; it says so until it gets a farewell."""
        worker, chunks, director = str(data["worker"]), int(data["chunks"]), self._director
        if director is not None and data["run"] == director.desk.run and worker not in self._closed:
            self._closed.add(worker)
            director.grants.write_closed(worker, chunks)
            director.desk.leave(worker)
            self.clock_error_ns = max(self.clock_error_ns, int(data["clock_error_ns"]))
        self._runner.send_message(FAREWELL, {"worker": worker}, client_id=sender)
