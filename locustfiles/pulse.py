"""The pulse of a run: the journal flushed, the event loop watched, a row of the timeline each second."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import gevent
import psutil
from gevent.threadpool import ThreadPool

from locustfiles.control import Requests
from locustfiles.director import Director
from locustfiles.pacing import SECOND_NS
from locustfiles.rounds import next_round
from locustfiles.run import Run

PROBE_S = 0.02
"""How often the event loop is asked for a timer, to see how late it is."""
BEAT_S = 1.0
SETTLING_BEAT_S = 0.2
"""How soon the journal is flushed where the next phase waits for it."""

LISTEN_S = 0.2
"""How often requests to the run are looked for."""

log = logging.getLogger(__name__)


class Pulse:
    """Greenlets that observe a process that sends. `failed` is called with the cause, if they cannot."""

    def __init__(
        self,
        run: Run,
        failed: Callable[[str], None],
        store: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin; `store` returns when what was flushed is where nobody's end can lose it."""
        self._run = run
        self._failed = failed
        self._store = store
        self._process = psutil.Process(os.getpid())
        self._loop_lag_ns = 0
        # Parquet is written by C code: on a thread of its own it does not stop the users.
        self._writer = ThreadPool(1)
        self._greenlets = [gevent.spawn(self._probe), gevent.spawn(self._beat)]

    def stop(self) -> None:
        """End the observation; the journal is left to its owner."""
        gevent.killall(self._greenlets)
        self._writer.kill()

    def _probe(self) -> None:
        # By the bare clock: a run's may be moved, to agree with the master's.
        while True:
            asked_ns = time.monotonic_ns()
            gevent.sleep(PROBE_S)
            late_ns = time.monotonic_ns() - asked_ns - round(PROBE_S * SECOND_NS)
            self._loop_lag_ns = max(self._loop_lag_ns, late_ns)

    def _beat(self) -> None:
        run = self._run
        try:
            self._process.cpu_percent()
            while True:
                for _ in range(round(BEAT_S / SETTLING_BEAT_S)):
                    gevent.sleep(SETTLING_BEAT_S)
                    if run.settling:
                        break
                run.lag_ns, self._loop_lag_ns = self._loop_lag_ns, 0
                run.cpu_percent = self._process.cpu_percent()
                run.memory_kb = self._process.memory_info().rss // 1024
                assert run.completions is not None, "a run has its source before its pulse"
                ended, written = run.tracker.take_ended(), run.completions.mark()
                run.journal.cut()
                self._writer.apply(run.journal.write)
                self._writer.apply(run.completions.flush)
                run.counting.vigil.look(next_round)
                run.counting.parts.look()
                if run.counting.traces is not None:
                    run.counting.traces.look()
                self._store()
                run.release_ended(ended)
                written()
                run.look_ahead()
        except Exception as error:
            # Without its journal a run proves nothing, so it must not go on.
            self._failed(f"the run directory cannot be written: {error}")
            raise


class Beat:
    """Writes the timeline's rows, one each second. `failed` is as for `Pulse`."""

    def __init__(self, director: Director, failed: Callable[[str], None]) -> None:
        self._director = director
        self._failed = failed
        self._greenlet = gevent.spawn(self._beat)

    def stop(self) -> None:
        """End with one last row."""
        self._greenlet.kill()
        self._director.write_second()

    def _beat(self) -> None:
        try:
            while True:
                gevent.sleep(BEAT_S)
                self._director.write_second()
        except Exception as error:
            self._failed(f"the run directory cannot be written: {error}")
            raise


class Listener:
    """Hears what is asked of a run: by requests in its directory, and by signals to its process."""

    def __init__(self, director: Director) -> None:
        self._director = director
        self._requests = Requests(director.directory)
        self._paused = False
        self._signals: list[Any] = [
            gevent.signal_handler(signal.SIGUSR1, self._toggle),
            gevent.signal_handler(signal.SIGUSR2, self._obey, "emergency", "SIGUSR2"),
        ]
        self._greenlet = gevent.spawn(self._listen)

    def stop(self) -> None:
        """Hear no more."""
        self._greenlet.kill()
        for handler in self._signals:
            handler.cancel()

    def _listen(self) -> None:
        while True:
            gevent.sleep(LISTEN_S)
            for request in self._requests.news():
                self._obey(request.command, request.note)

    def _toggle(self) -> None:
        self._obey("resume" if self._paused else "pause", "SIGUSR1")

    def _obey(self, command: str, note: str) -> None:
        self._paused = command == "pause" or (self._paused and command != "resume")
        log.info("%s: %s", command, note)
        self._director.control(command, note)


def close_run(run: Run, pulse: Pulse | None) -> None:
    """Let what is on the wire end, look for outcomes no more, and close the journal."""
    while run.tracker.tally.waiting:
        # Every request has a deadline, so this ends.
        gevent.sleep(0.02)
    if pulse is not None:
        pulse.stop()
    assert run.completions is not None
    run.completions.stop()
    for line in run.lines.values():
        line.close()
    run.close()
    if run.counting.traces is not None:
        run.counting.traces.close()
