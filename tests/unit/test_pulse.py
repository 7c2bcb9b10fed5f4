"""The pulse: rows of the timeline, and a journal that is whole before it is called so."""

from __future__ import annotations

from threading import Event as ThreadEvent
from types import SimpleNamespace

import gevent
import pytest

from locustfiles import pulse as pulse_module
from locustfiles.pulse import Pulse
from locustfiles.tracker import Tally
from tests.helpers_wire import Clock

PATIENT_S = 10


class FakeRun:
    """A run that counts, with a journal whose flush a test holds up."""

    def __init__(self) -> None:
        self.clock = Clock(123)
        self.phase_name = "payments"
        self.rows = []
        self.flushing = ThreadEvent()
        self.may_finish = ThreadEvent()
        self.flushed = 0
        self.fault: Exception | None = None
        self.tracker = SimpleNamespace(
            tally=Tally(sent=7, acknowledged=5, waiting=2), pending={1: 2}
        )
        self.timeline = SimpleNamespace(write=self.rows.append)
        self.journal = SimpleNamespace(flush=self.flush)

    def arrivals(self):
        return 9, 1, 0

    def flush(self):
        """Run on a thread: say so, and wait to be let go."""
        self.flushing.set()
        if self.fault:
            raise self.fault
        self.may_finish.wait(PATIENT_S)
        self.flushed += 1


@pytest.fixture
def run(monkeypatch):
    """A fake run whose seconds pass as fast as the event loop turns."""
    sleep = gevent.sleep
    monkeypatch.setattr(pulse_module.gevent, "sleep", lambda _: sleep(0))
    return FakeRun()


def wait_for(condition):
    with gevent.Timeout(PATIENT_S):
        while not condition():
            gevent.sleep(0)


def test_a_row_says_how_the_run_stands(run):
    """Each second a row has the counts, the users, and who waits for the platform."""
    run.may_finish.set()
    pulse = Pulse(run, lambda: 16, lambda _: None)
    wait_for(lambda: run.rows)
    pulse.stop()
    row = run.rows[0]
    assert (row.at_ns, row.phase, row.users_now) == (123, "payments", 16)
    assert (row.due, row.overdue, row.dropped) == (9, 1, 0)
    assert (row.sent, row.acknowledged, row.waiting_now, row.pending_now) == (7, 5, 2, 1)


def test_stopping_waits_for_the_chunk_that_is_being_written(run):
    """A journal is not called complete while a thread still writes to it."""
    pulse = Pulse(run, lambda: 0, lambda _: None)
    wait_for(run.flushing.is_set)
    stopping = gevent.spawn(pulse.stop)
    for _ in range(50):
        gevent.sleep(0)
    assert not stopping.dead
    run.may_finish.set()
    stopping.get(timeout=PATIENT_S)
    assert run.flushed == 1


def test_a_run_that_cannot_be_recorded_is_ended(run):
    """Without its journal a run proves nothing: the failure is told once, with its cause."""
    run.fault = OSError("disk full")
    told = []
    pulse = Pulse(run, lambda: 0, told.append)
    wait_for(lambda: told)
    pulse.stop()
    assert told == ["the run directory cannot be written: disk full"]
