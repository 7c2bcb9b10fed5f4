"""The pulse: rows of the timeline, and a journal that is whole before it is called so."""

from __future__ import annotations

from threading import Event as ThreadEvent
from types import SimpleNamespace

import gevent
import pytest

from locustfiles import pulse as pulse_module
from locustfiles.pulse import Beat, Pulse
from locustfiles.work import Service
from tests.helpers_wire import Clock

PATIENT_S = 60


class FakeRun:
    """A run with a journal whose flush a test holds up."""

    service = Service("run")

    def __init__(self) -> None:
        self.clock = Clock(123)
        self.ended = []
        self.released = []
        self.flushing = ThreadEvent()
        self.may_finish = ThreadEvent()
        self.flushed = 0
        self.fault: Exception | None = None
        self.tracker = SimpleNamespace(take_ended=lambda: ["a card"])
        self.release_ended = self.released.append
        self.look_ahead = lambda: None
        self.journal = SimpleNamespace(cut=lambda: None, write=self.flush)
        self.settling = False
        parts, vigil = (
            SimpleNamespace(look=lambda: None),
            SimpleNamespace(look=lambda breathe: breathe()),
        )
        self.counting = SimpleNamespace(vigil=vigil, parts=parts, traces=None)
        self.written = []
        self.completions = SimpleNamespace(
            mark=lambda: lambda: self.written.append(list(self.released)), flush=lambda: None
        )

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


class FakeDirector:
    """A director that counts the rows it is asked to write."""

    def __init__(self) -> None:
        self.rows = 0
        self.fault: Exception | None = None

    def write_second(self):
        if self.fault:
            raise self.fault
        self.rows += 1


def test_each_second_has_a_row_and_the_end_has_one(run):
    """The timeline is written as time passes, and once more when the run is closed."""
    director = FakeDirector()
    beat = Beat(director, lambda _: None)
    wait_for(lambda: director.rows > 2)
    beat.stop()
    rows = director.rows
    gevent.idle()
    assert director.rows == rows
    assert rows > 3


def test_a_timeline_that_cannot_be_written_ends_the_run(run):
    """The failure is told once, with its cause."""
    director, told = FakeDirector(), []
    director.fault = OSError("disk full")
    Beat(director, told.append)
    wait_for(lambda: told)
    assert told == ["the run directory cannot be written: disk full"]


def test_what_ended_is_let_go_only_when_the_journal_has_it(run):
    """Until the chunk is on disk, a master must take the command for open."""
    pulse = Pulse(run, lambda _: None)
    wait_for(run.flushing.is_set)
    for _ in range(50):
        gevent.sleep(0)
    assert not run.released
    run.may_finish.set()
    wait_for(lambda: run.released)
    pulse.stop()
    assert run.released[0] == ["a card"]
    assert run.written[0] == [["a card"]], "a source hears of it after that"


def test_the_loop_and_the_cpu_are_watched(run, monkeypatch):
    """How late the event loop was, and what the process took, stand for the master to see."""
    sleep, now_ns = pulse_module.gevent.sleep, [0]

    def late(seconds):
        if seconds == pulse_module.PROBE_S:
            now_ns[0] += round(seconds * 1e9) + 3_000_000
        sleep(seconds)

    monkeypatch.setattr(pulse_module.gevent, "sleep", late)
    monkeypatch.setattr(pulse_module, "time", SimpleNamespace(monotonic_ns=lambda: now_ns[0]))
    run.may_finish.set()
    pulse = Pulse(run, lambda _: None)
    wait_for(lambda: run.flushed > 2)
    pulse.stop()
    assert run.lag_ns == 3_000_000, "each timer of the loop is as late by the clock that it goes by"
    assert run.cpu_percent >= 0


@pytest.mark.parametrize(("settling", "slices"), [(True, 1), (False, 5)])
def test_where_a_phase_waits_for_it_the_journal_is_flushed_at_once(
    run, monkeypatch, settling, slices
):
    """Otherwise each second: small chunks are many files."""
    slept = []
    sleep = pulse_module.gevent.sleep
    monkeypatch.setattr(pulse_module.gevent, "sleep", lambda s: (slept.append(s), sleep(s)))
    run.may_finish.set()
    run.settling = settling
    pulse = Pulse(run, lambda _: None)
    wait_for(lambda: run.flushed == 1)
    pulse.stop()
    assert slept.count(pulse_module.SETTLING_BEAT_S) - slices in (0, 1)


def test_stopping_waits_for_the_chunk_that_is_being_written(run):
    """A journal is not called complete while a thread still writes to it."""
    pulse = Pulse(run, lambda _: None)
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
    pulse = Pulse(run, told.append)
    wait_for(lambda: told)
    pulse.stop()
    assert told == ["the run directory cannot be written: disk full"]
