"""The pulse of a run: a row of the timeline each second, the journal flushed, the loop watched."""

from __future__ import annotations

import os
from collections.abc import Callable

import gevent
import psutil
from gevent.threadpool import ThreadPool

from locustfiles.pacing import SECOND_NS
from locustfiles.run import Run
from reports.timeline import Second

PROBE_S = 0.02
"""How often the event loop is asked for a timer, to see how late it is."""


class Pulse:
    """Greenlets that observe a run. `failed` is called once, with the cause, if they cannot."""

    def __init__(
        self, run: Run, user_count: Callable[[], int], failed: Callable[[str], None]
    ) -> None:
        self._run = run
        self._user_count = user_count
        self._failed = failed
        self._process = psutil.Process(os.getpid())
        self._loop_lag_ns = 0
        # Parquet is written by C code: on a thread of its own it does not stop the users.
        self._writer = ThreadPool(1)
        self._greenlets = [gevent.spawn(self._probe), gevent.spawn(self._beat)]

    def stop(self) -> None:
        """End the observation with one last row; the journal is left to its owner."""
        gevent.killall(self._greenlets)
        self._writer.kill()
        self._write_row()

    def _probe(self) -> None:
        clock = self._run.clock
        while True:
            asked_ns = clock.now_ns()
            gevent.sleep(PROBE_S)
            late_ns = clock.now_ns() - asked_ns - round(PROBE_S * SECOND_NS)
            self._loop_lag_ns = max(self._loop_lag_ns, late_ns)

    def _beat(self) -> None:
        try:
            self._process.cpu_percent()
            while True:
                gevent.sleep(1)
                self._write_row()
                self._writer.apply(self._run.journal.flush)
        except Exception as error:
            # Without its journal a run proves nothing, so it must not go on.
            self._failed(f"the run directory cannot be written: {error}")
            raise

    def _write_row(self) -> None:
        run, tally = self._run, self._run.tracker.tally
        due, overdue, dropped = run.arrivals()
        lag_ns, self._loop_lag_ns = self._loop_lag_ns, 0
        run.timeline.write(
            Second(
                at_ns=run.clock.now_ns(),
                phase=run.phase_name,
                due=due,
                sent=tally.sent,
                acknowledged=tally.acknowledged,
                completed=tally.completed,
                unanswered=tally.unanswered,
                blocked=tally.blocked,
                overdue=overdue,
                dropped=dropped,
                pending_now=len(run.tracker.pending),
                users_now=self._user_count(),
                waiting_now=tally.waiting,
                loop_lag_ms=lag_ns / 1e6,
                cpu_percent=self._process.cpu_percent(),
                retried=tally.retried,
                held_back=tally.held_back,
            )
        )
