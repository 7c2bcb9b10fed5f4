"""The conductor: ties Locust's life cycle to runs, one after the other.

It is in the one process that sends, or in a fleet's master; `worker.py` is in the others.

Locust                              the conductor
init                                reads the settings; headless: looks for the platform
test_start                          launches a run
the shape's tick                    begins the run, moves it on, closes it when it has ended
test_stopping (UI stop, quit)       asks for an orderly end, and waits for it
test_stop                           is ready for another test
first SIGINT or SIGTERM             the same; a second one ends the process at once
quitting                            sets the exit code
quit (after Locust's own tables)    prints the verdict
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import click
import gevent
from gevent.event import Event
from locust.env import Environment
from locust.runners import MasterRunner

from e2e_data.exits import Exit, worst
from e2e_data.problems import Problems
from locustfiles import endings, kafka_launch
from locustfiles.crew import Crew
from locustfiles.csvs import LocustCsvs
from locustfiles.director import Director
from locustfiles.fleet.post import Post
from locustfiles.fleet.shipping import fetch
from locustfiles.judging import judge
from locustfiles.launch import (
    Launched,
    audit_of,
    keep_for_good,
    launch,
    manifest_of,
    order_of,
)
from locustfiles.options import as_allowed
from locustfiles.phases import State
from locustfiles.probing import open_gates
from locustfiles.pulse import Beat, Listener, Pulse, close_run
from locustfiles.run import Run
from locustfiles.settings import Settings, read_settings
from locustfiles.statistics import feed_all
from locustfiles.worker import Worker
from reports.audit import Audit
from reports.book import take_snapshot
from reports.workers import write_reported

log = logging.getLogger(__name__)

SPAWN_RATE_MAX = 100
"""Locust warns of anything faster; the pacer shapes the load, not the number of users."""

STOPPED = "the test was stopped"
WHO = "paystorm"  # among those whose exceptions Locust's web UI shows

CLOSING_S = 20
"""Added to the plan's lease time: so long the workers have to close their journals."""


@dataclass(slots=True)
class Stage:
    """A run with all that observes it."""

    launched: Launched
    beat: Beat
    pulse: Pulse | None
    """None in a fleet's master, which sends nothing."""
    csvs: LocustCsvs
    listener: Listener
    audit: Audit
    closing: gevent.Greenlet[..., None] | None = None


class Conductor:
    """What one Locust process knows of its runs."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._stage: Stage | None = None
        self._over = Event()
        self._over.set()
        self._started = False
        """Between Locust's test_start and test_stop: the first tick comes before, so it needs to know."""
        self._stopping = False
        self._exits: list[Exit] = []
        self._said = ""
        self._signals = 0
        self._crew: Crew | None = None
        self.post: Post | None = None
        """Where a fleet's messages are served; None where there is no fleet."""
        self._fixed = argparse.Namespace()
        """The options as they were given; the web UI's form may overwrite the live ones."""

    # -- Locust's events ------------------------------------------------------------------------

    def prepare(self) -> None:
        """Check everything that can be checked before a test starts. Raises Problems."""
        options = self._options
        settings = read_settings(options, self.environment.host)
        # From here on the options say what will be done, in the web UI's form too.
        options.num_users = settings.users
        options.spawn_rate = options.spawn_rate or min(settings.users, SPAWN_RATE_MAX)
        self._fixed = argparse.Namespace(**vars(options))
        if options.headless and settings.origin:
            open_gates(settings.gates(settings.origin), settings.platform).close()
            kafka_launch.ready(settings.plan)
        self._gather_fleet(settings)
        gevent.signal_handler(signal.SIGINT, self._on_signal, "SIGINT")
        if options.headless:
            self.environment.events.quit.add_listener(self.say_verdict)
            # In the web UI Locust handles SIGTERM itself: it quits, and `end_orderly` is called.
            gevent.signal_handler(signal.SIGTERM, self._on_signal, "SIGTERM")

    def _gather_fleet(self, settings: Settings) -> None:
        """In a master: serve the workers' messages, and start the workers that were asked for."""
        runner = self.environment.runner
        if isinstance(runner, MasterRunner):
            self.post = Post(runner, self.environment.events, self._fail)
            if settings.workers:
                self._options.expect_workers = settings.workers
                self._crew = Crew(settings.workers, runner.server.port, settings.platform_spec)
        elif settings.workers:
            raise Problems(
                [f"--workers {settings.workers}: use paystorm run --workers, or add --master"]
            )

    def start(self) -> None:
        """Launch a run; what is wrong is said in one line each, and ends the test."""
        self._started, self._stopping, self._exits, self._said = True, False, [], ""
        self._over.clear()
        try:
            allowed = as_allowed(self._options, self._fixed)
            settings = read_settings(allowed, self.environment.host)
            self._stage = self._set(launch(settings, fleet=self.post is not None))
        except Problems as problems:
            self._exits.append(Exit.WRONG_USE)
            self._over.set()
            self._tell(problems)
            return
        except BaseException:
            # Locust swallows what its listeners raise: a run that never began must not exit 0.
            self._exits.append(Exit.UNFIT)
            self._over.set()
            raise
        if self._stopping:
            self._stage.launched.director.stop(STOPPED)

    def _set(self, launched: Launched) -> Stage:
        """Begin to observe a run, and to serve it to the workers."""
        director, run = launched.director, launched.run
        log.info("run directory: %s", director.directory.path)
        if run is not None:
            run.users_now = self._user_count
        if self._crew is not None:
            launched.faults.kill_worker = self._crew.kill_one
        if self.post is not None:
            order = order_of(launched, self._options.num_users)
            self.post.open(director, order, lambda: manifest_of(launched))
            director.figures = self.post.figures
        return Stage(
            launched,
            Beat(director, self._fail),
            Pulse(run, self._fail) if run is not None else None,
            LocustCsvs(self.environment, director.directory.path),
            Listener(director),
            audit_of(launched, self._options.num_users),
        )

    def tick(self) -> tuple[int, float] | None:
        """Move the run on; return the users wanted and how fast, or None when the test is over."""
        options = self._options
        users = options.num_users or 1
        rate = float(options.spawn_rate or users)
        if not self._started and not self._workers_ready:
            # With the first tick before the workers, Locust would never start any user.
            return 0, rate
        if self._over.is_set():
            # Whoever stops the test himself waits for us, and needs no second stop from the shape.
            return None if self._started and not self._stopping else (users, rate)
        stage = self._stage
        if stage is None:
            # The launch takes its time, and Locust asks for ticks meanwhile.
            return users, rate
        director = stage.launched.director
        if director.machine.state is State.WAITING and self._users_are_there(users):
            if self.post is not None:
                # By now there is something of each worker, and there may be a thousand of them.
                keep_for_good()
            director.begin()
        if options.run_time and director.clock.now_ns() >= options.run_time * 1e9:
            director.stop(f"--run-time of {options.run_time} s is over")
        if director.advance() is State.ENDED and stage.closing is None:
            stage.closing = gevent.spawn(self._close, stage)
        return users, rate

    def end_orderly(self) -> None:
        """End the current run in good order, and wait until it is judged."""
        if not self._over.is_set():
            self._stopping = True
            if self.director is not None:
                self.director.stop(STOPPED)
            self._over.wait()

    def ended(self) -> None:
        """Make room for another test: Locust has ended this one."""
        self._started = False

    def set_exit_code(self) -> None:
        """Tell Locust what to exit with; its own rule would take expected rejections for failures."""
        self.end_orderly()
        if self._options.headless and not self._exits:
            log.error("no run was judged")
            self._exits.append(Exit.UNFIT)
        self.environment.process_exit_code = int(worst(self._exits))
        if self._crew is not None:
            self._crew.end()

    def say_verdict(self, **_: object) -> None:
        """Print what the judge said; as Locust's last event, below everything that it prints."""
        if self._said:
            click.echo(self._said)

    # -- the run's end --------------------------------------------------------------------------

    def _close(self, stage: Stage) -> None:
        """Close the run, take the book's snapshot, and have it judged."""
        try:
            self._write_evidence(stage)
        except Exception as error:
            log.exception("the run could not be closed")
            self._fail(f"the run could not be closed: {error}")
        try:
            stage.launched.let_go()
            code, self._said = judge(stage.launched.director.directory)
            self._exits.append(code)
            if not self._options.headless:
                self.say_verdict()
            stage.audit.write("end", f"exit code {int(worst(self._exits))}")
            stage.audit.close()
        finally:
            self._stage = None
            if self.post is not None:
                self.post.shut()
            self._over.set()

    def _write_evidence(self, stage: Stage) -> None:
        """Complete the run directory: journal, statistics, book and record."""
        launched, director = stage.launched, stage.launched.director
        launched.faults.stop()
        if launched.run is not None:
            close_run(launched.run, stage.pulse)
            worker = launched.run.service.worker
            director.grants.write_closed(worker, launched.run.journal.chunks)
        elif self.post is not None:
            self._close_fleet(director)
        stage.listener.stop()
        stage.beat.stop()
        feed_all(self.environment)
        stage.csvs.close()
        if self.post is not None:
            # Whoever closes its journal only now is told farewell, and written down no more.
            self.post.shut()
        director.close()
        endings.end(director)
        if director.platform.has_statements:
            self._take_book(launched)
        self._write_end(launched)

    def _close_fleet(self, director: Director) -> None:
        assert self.post is not None
        self.post.wake()
        for name in self.post.wait_closed(CLOSING_S + director.plan.fleet.lease_s):
            director.event("worker lost", note=f"{name}: its journal was never closed")
        if "://" in director.plan.fleet.journals:
            fetch(director.plan.fleet.journals, director.desk.run, director.directory)
        write_reported(director.directory, self.post.figures.reported())

    def _take_book(self, launched: Launched) -> None:
        director = launched.director
        try:
            ids, directory = launched.record.ids, director.directory
            if launched.book:
                # Loaded where it is wanted: it takes its time.
                from reports.book_sql import take_sql_snapshot

                take_sql_snapshot(launched.book, director.platform, ids, directory)
            else:
                take_snapshot(launched.gates.sites, director.platform, ids, directory)
        except Problems as problems:
            # Without the book the judge says UNKNOWN; the run directory tells why.
            self._tell(problems)
            director.event("warning", note=str(problems))

    def _write_end(self, launched: Launched) -> None:
        director = launched.director
        state = "interrupted" if self._signals or director.halted else "ended"
        director.directory.write_record(
            launched.record.model_copy(
                update={
                    "state": state,
                    # The machine ends when nothing is pending, or nothing moved for so long that
                    # nothing more will; unless all had to stop at once.
                    "drained": not director.halted,
                    "ended_ns": director.clock.now_ns(),
                    "clock_error_ns": self.post.clock_error_ns if self.post else 0,
                }
            )
        )

    def _fail(self, reason: str) -> None:
        """End the run because it can no longer be observed."""
        log.error(reason)
        self._exits.append(Exit.UNFIT)
        if self.director is not None:
            self.director.stop(reason)

    # -- small matters --------------------------------------------------------------------------

    @property
    def launched(self) -> Launched | None:
        """The current run with what it was started on; None before, between and after runs."""
        return self._stage.launched if self._stage else None

    @property
    def director(self) -> Director | None:
        """The current run's director."""
        return self.launched.director if self.launched else None

    @property
    def run(self) -> Run | None:
        """The current run, where this process sends for it."""
        return self.launched.run if self.launched else None

    @property
    def _options(self) -> argparse.Namespace:
        options: argparse.Namespace | None = self.environment.parsed_options
        assert options is not None, "Locust parses its options before it fires any event"
        return options

    def _tell(self, problems: Problems) -> None:
        """Say what is wrong: on standard error, and among the exceptions that the web UI shows."""
        problems.show()
        if self.environment.runner is not None:
            self.environment.runner.log_exception(WHO, str(problems), str(problems))

    def _user_count(self) -> int:
        runner = self.environment.runner
        return runner.user_count if runner else 0

    @property
    def _workers_ready(self) -> bool:
        runner = self.environment.runner
        return not isinstance(runner, MasterRunner) or runner.worker_count >= self._workers_wanted

    @property
    def _workers_wanted(self) -> int:
        return int(self._options.expect_workers or 1)

    def _users_are_there(self, users: int) -> bool:
        """Tell whether the first phase can begin: with all users, and workers that know the run."""
        if self._user_count() < users or self.director is None:
            return False
        return self.post is None or len(self.director.desk.alive()) >= self._workers_wanted

    def _on_signal(self, name: str) -> None:
        self._signals += 1
        self._exits.append(Exit.INTERRUPTED)
        if self._signals > 1 or self.director is None:
            # The embedded sandbox ends by itself when its standard input closes with us.
            os._exit(Exit.INTERRUPTED)
        click.echo(
            f"{name}: draining; what is there will be reported. Again to stop at once.", err=True
        )
        self.director.stop(name)
        if self.environment.web_ui is not None:
            self.environment.web_ui.stop()


_CONDUCTORS: WeakKeyDictionary[Environment, Conductor | Worker] = WeakKeyDictionary()


def conductor_of(environment: Environment) -> Conductor | Worker:
    """Return what conducts a Locust environment's process; there is one of each."""
    if environment not in _CONDUCTORS:
        # Not by the runner: a worker's may get messages, and fire events, before it is made.
        worker = getattr(environment.parsed_options, "worker", False)
        _CONDUCTORS[environment] = Worker(environment) if worker else Conductor(environment)
    return _CONDUCTORS[environment]
