"""A worker process: joins the run that its master directs, sends its part, leaves in good order.

state      what comes                                    next
IDLE       an order for a run                            WORKING: makes its part, asks, sends
WORKING    an answer, or a call to ask                   WORKING
WORKING    the run is over, or has another master        CLOSING: what is on the wire ends; journal closed
WORKING    no master for a long time, or SIGTERM         returns its leases; CLOSING; the process ends
CLOSING    the journal is whole, and the master knows    IDLE: ready for another run
"""

from __future__ import annotations

import logging
import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from locust import argument_parser
from locust.env import Environment
from locust.runners import WorkerRunner

from e2e_data.platform import Platform
from e2e_data.problems import Problems
from locustfiles.channels.gates import Gates
from locustfiles.fleet.figures import KEY
from locustfiles.fleet.messages import Answer
from locustfiles.fleet.post import (
    ANSWER,
    ASK,
    CLOSED,
    FAREWELL,
    HAVE,
    JOIN,
    NOTE,
    ORDER,
    PIECE,
    PROBLEM,
    WAKE,
    listen,
)
from locustfiles.fleet.shipping import ByMaster, ByUrl, Here, Store, spool
from locustfiles.launch import sees_directory, serve
from locustfiles.launched import master_is_gone
from locustfiles.pacing import SECOND_NS
from locustfiles.pulse import Pulse, close_run
from locustfiles.run import Run
from locustfiles.settings import platform_of
from locustfiles.statistics import feed_all
from locustfiles.tracing import Tracing, tracing_of
from reports.rundir import RunDirectory
from reports.timeline import VIOLATION

log = logging.getLogger(__name__)

JOIN_S = 1.0
ASK_SPACING_S = 0.02
"""The least time between two asks."""
LAST_STORE_S = 10
FAREWELL_S = 0.5
FAREWELLS_MAX = 20
ORPHAN_NS = 60 * SECOND_NS
"""Without any word of a master for so long, a worker ends; as Locust's own does."""


@dataclass(slots=True)
class _Part:
    """A worker's part of a run."""

    run: Run
    gates: Gates
    pulse: Pulse
    store: Store
    asking: gevent.Greenlet[..., None] | None = None


class Worker:
    """What one worker process knows of its run."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._part: _Part | None = None
        self._platform = Platform()
        self._tracing: Tracing | None = None
        self._parts = 0
        self._farewell = Event()
        self._joining = False
        """Making the part takes its time, while the order may come again."""
        self._closing = False
        self._leaving = False
        self._needs_manifest = False
        """The run directory is not to be seen from here."""
        self._unheard = False
        """No word of a master came for as long as one would take."""

    # -- Locust's events ------------------------------------------------------------------------

    def prepare(self) -> None:
        """Begin to look for a run. Raises Problems for an adapter that cannot be loaded, and the like."""
        options = self.environment.parsed_options
        self._platform, self._tracing = platform_of(options), tracing_of(options)
        for kind, take in (
            (ORDER, self._order),
            (ANSWER, self._answer),
            (WAKE, self._wake),
            (FAREWELL, self._heard_farewell),
            (HAVE, self._has_piece),
        ):
            listen(self._runner, kind, take)
        self.environment.events.report_to_master.add_listener(self._report)
        # A terminal's Ctrl-C goes to all processes: the master drains the fleet.
        gevent.signal_handler(signal.SIGINT, lambda: None)
        gevent.spawn(self._look_for_a_run)

    def start(self) -> None:
        """Do nothing: a run begins with its order."""

    def end_orderly(self) -> None:
        """Do nothing when the test stops: the master has seen to it that its run is over."""

    def _end(self) -> None:
        """Leave the run that is on, if any: the process is about to end."""
        self._leaving = True
        if self._part is not None and not self._closing:
            if not self._orphaned:
                self._leave(self._part.run)
            self._close()

    def ended(self) -> None:
        """Do nothing: a run ends with the master's word."""

    def set_exit_code(self) -> None:
        """Exit with 0: the master judges."""
        self._end()
        self.environment.process_exit_code = 0

    @property
    def run(self) -> Run | None:
        """The run that this process sends for; None while there is none."""
        return self._part.run if self._part else None

    # -- messages -------------------------------------------------------------------------------

    def _report(self, client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002 - Locust's names
        """Add this worker's figures to a report of Locust's."""
        if self._part is not None:
            data[KEY] = self._part.run.counting.snapshot()

    def _look_for_a_run(self) -> None:
        while True:
            if self._part is None and not self._leaving:
                self._send(JOIN, {"manifest": self._needs_manifest})
            gevent.sleep(JOIN_S)

    def _order(self, order: Any, _sender: str) -> None:
        if self._part is not None or self._joining or self._closing or self._leaving:
            return
        self._joining = True
        try:
            self._join(order)
        finally:
            self._joining = False

    def _join(self, order: Any) -> None:
        here = order["journals"] == "auto" and sees_directory(order)
        self._needs_manifest = not here
        if not here and "manifest" not in order:
            return
        self._parts += 1
        name = _name(self._runner.client_id, self._parts)
        self._joining = True
        try:
            directory = RunDirectory(Path(order["directory"])) if here else spool(order["manifest"])
            run, gates = serve(order, directory, name, self._platform, self._tracing)
            store = self._store(order, directory, here=here)
            self._part = part = _Part(run, gates, Pulse(run, self._failed, store.store), store)
        except (ValueError, KeyError, OSError, Problems) as error:
            self._send(PROBLEM, {"problem": str(error)})
            return
        finally:
            self._joining = False
        log.info("run %s: this is worker %s", order["run"], name)
        run.deliver = lambda ask: self._send(ASK, ask.packed())
        run.dealer.warned = partial(self._note, "warning")
        run.counting.vigil.say = lambda note: self._note(VIOLATION, run.phase_name, note)
        run.users_now = lambda: self._runner.user_count
        part.asking = gevent.spawn(self._keep_asking, part)

    def _store(self, order: Mapping[str, Any], directory: RunDirectory, *, here: bool) -> Store:
        if here:
            return Here()
        if order["journals"] in ("auto", "master"):
            return ByMaster(
                directory, lambda piece: self._send(PIECE, dict(piece, run=order["run"]))
            )
        return ByUrl(directory, order["journals"], order["run"])

    def _has_piece(self, answer: Any, _sender: str) -> None:
        if self._part is not None and isinstance(self._part.store, ByMaster):
            self._part.store.acknowledged(answer)

    def _answer(self, data: Any, _sender: str) -> None:
        part = self._part
        if part is None or self._closing or not part.run.agent.follow(Answer.read(data)):
            return
        part.run.heard()
        part.run.wake()
        if part.run.agent.over:
            self._close()

    def _wake(self, _data: Any, _sender: str) -> None:
        if self._part is not None:
            self._part.run.hungry.set()

    def _heard_farewell(self, data: Any, _sender: str) -> None:
        if self._part is not None and data["worker"] == self._part.run.service.worker:
            self._farewell.set()

    def _keep_asking(self, part: _Part) -> None:
        run = part.run
        while not run.agent.over:
            run.ask()
            gevent.sleep(ASK_SPACING_S)
            run.hungry.wait(run.agent.ask_ns / SECOND_NS or JOIN_S)
            if time.monotonic_ns() - run.agent.heard_ns > ORPHAN_NS:
                log.error("no word of the master for %d s: this worker ends", ORPHAN_NS / SECOND_NS)
                self._end_unheard()
                return

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        try:
            self._runner.send_message(kind, data)
        except Exception as error:
            # A message may be lost at any time, so it may be lost here as well.
            log.debug("%s was not sent: %s", kind, error)

    def _note(self, event: str, phase: str, note: str) -> None:
        run = self.run
        if run is not None:
            told = {"run": run.service.run, "worker": run.service.worker}
            self._send(NOTE, {**told, "event": event, "phase": phase, "note": note})

    # -- the end --------------------------------------------------------------------------------

    def _close(self) -> None:
        """Let what is on the wire end, close the journal, and tell the master until it knows."""
        part = self._part
        assert part is not None
        self._closing = True
        run = part.run
        close_run(run, part.pulse)
        self._store_last(part)
        # Locust's own figures go first, over the same connection: the master has them when it closes.
        report: dict[str, Any] = {}
        feed_all(self.environment)
        self.environment.events.report_to_master.fire(client_id=self._runner.client_id, data=report)
        self._send("stats", report)
        estimate = run.agent.offset.estimate
        word = {
            "run": run.service.run,
            "worker": run.service.worker,
            "chunks": run.journal.chunks,
            "clock_error_ns": estimate.error_ns if estimate else 0,
        }
        self._farewell.clear()
        for _ in range(1 if self._orphaned else FAREWELLS_MAX):
            self._send(CLOSED, word)
            if self._farewell.wait(FAREWELL_S):
                break
        if part.asking is not None:
            part.asking.kill(block=False)
        part.gates.close()
        self._part, self._closing = None, False

    def _store_last(self, part: _Part) -> None:
        """Bring the last of the journal to safety, while there may be somebody to take it."""
        limit_s = 1 if self._orphaned else part.run.plan.fleet.lease_s + LAST_STORE_S
        storing = gevent.spawn(part.store.store)
        storing.join(limit_s)
        if storing.successful():
            part.store.clear()
            return
        storing.kill()
        log.error("nobody took the whole journal: it is in %s", part.run.directory.path)

    def _failed(self, reason: str) -> None:
        log.error(reason)
        self._send(PROBLEM, {"problem": reason})

    def _leave(self, run: Run) -> None:
        """Return the leases, and wait until nothing of them is out, if there is a master to tell."""
        run.leaving = True
        run.go_on(sending=False)
        until_s = time.monotonic() + run.plan.timeout_s
        while run.agent.holder.leases and not run.agent.over and time.monotonic() < until_s:
            run.hungry.set()
            gevent.sleep(ASK_SPACING_S)

    def _end_unheard(self) -> None:
        self._unheard = True
        os.kill(os.getpid(), signal.SIGTERM)

    @property
    def _orphaned(self) -> bool:
        """Whether there is no master to return leases to, or to say farewell to."""
        return self._unheard or master_is_gone()

    @property
    def _runner(self) -> WorkerRunner:
        runner = self.environment.runner
        assert isinstance(runner, WorkerRunner)
        return runner


def keep_defaults() -> None:
    """Have Locust find out its options' defaults once, not for each option of each job of spawning.

    Users are dealt out anew whenever a worker comes or goes: all others' event loops would stand still for
    up to half a second of CPU, while commands are due, and on a busy machine for longer than a lease. Called
    before Locust connects: the first job may be there at once.
    """
    argument_parser.default_args_dict = cache(argument_parser.default_args_dict)


def _name(client_id: str, parts: int) -> str:
    """Return a name of its own for files: host, process, and which of its runs it is."""
    host, _, unique = client_id.rpartition("_")
    host = re.sub(r"[^A-Za-z0-9.]+", "-", host)[:40] or "worker"
    return f"{host}-{unique[:6]}" + (f"-{parts}" if parts > 1 else "")
