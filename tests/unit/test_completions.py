"""Polling for outcomes, in a time that passes only while the pollers wait."""

from __future__ import annotations

import gevent
import pytest
from gevent.event import Event

from e2e_data.commands import Outcome
from e2e_data.platform import Completion, HttpAnswer, Platform
from locustfiles import completions
from locustfiles.channels.faults import NotSentError, UnansweredError
from locustfiles.completions import PollingSource
from tests.helpers_wire import Clock

MS = 1_000_000
FIRST_MS, LONGEST_MS = 25, 1000
PENDING = HttpAnswer(200, {}, b'{"status":"PENDING"}')
SETTLED = HttpAnswer(200, {}, b'{"status":"SETTLED"}')
REJECTED = HttpAnswer(200, {}, b'{"status":"REJECTED","reason":"limit"}')
UNKNOWN_YET = HttpAnswer(404, {}, b"{}")
PATIENT_S = 60


class Bench:
    """A polling source whose clock stands still but for its own waiting, and a scripted platform."""

    def __init__(self, monkeypatch) -> None:
        self.clock = Clock()
        self.script: dict[str, list] = {}
        self.asked: list[tuple[int, str]] = []
        self.observed: list[tuple[int, tuple, Completion]] = []
        self.closed = 0
        self.platform = Platform()
        clock = self.clock

        class Waiting(Event):
            def wait(self, timeout=None):
                if timeout is None:
                    return super().wait()
                gevent.sleep(0)  # others may ask something meanwhile
                if not self.is_set():
                    clock.ns += round(timeout * 1e9)
                return self.is_set()

        monkeypatch.setattr(completions, "Event", Waiting)

    def source(self, pollers=1) -> PollingSource:
        self.made = PollingSource(
            self.platform,
            lambda: self,
            self.clock.now_ns,
            self.observe,
            pollers=pollers,
            first_wait_ns=FIRST_MS * MS,
            longest_wait_ns=LONGEST_MS * MS,
        )
        return self.made

    def observe(self, place, completion):
        self.observed.append((self.now_ms, place, completion))

    @property
    def now_ms(self) -> int:
        return self.clock.ns // MS

    def request(self, request):
        """Answer as the script says; its last answer stays."""
        command_id = request.path.rsplit("/", 1)[1]
        self.asked.append((self.now_ms, command_id))
        answers = self.script[command_id]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        self.closed += 1

    def until(self, condition) -> None:
        with gevent.Timeout(PATIENT_S):
            while not condition():
                gevent.sleep(0)


@pytest.fixture
def bench(monkeypatch):
    made = Bench(monkeypatch)
    yield made
    made.made.stop()


def test_the_waiting_time_doubles_up_to_its_bound(bench):
    """A pending command is asked about after 25 ms, then after twice as long, up to a second."""
    bench.script["a"] = [PENDING] * 8 + [SETTLED]
    bench.source().expect((0, 0, 1), "a")
    bench.until(lambda: bench.observed)
    waits = [25, 50, 100, 200, 400, 800, 1000, 1000, 1000]
    assert [at for at, _ in bench.asked] == [sum(waits[: n + 1]) for n in range(9)]
    assert bench.observed == [(sum(waits), (0, 0, 1), Completion(Outcome.SETTLED))]


def test_a_command_that_the_platform_does_not_know_is_asked_about_again(bench):
    """An answer without an outcome is a question for later, whatever its status."""
    bench.script["a"] = [UNKNOWN_YET, HttpAnswer(503, {}, b"no"), PENDING, REJECTED]
    bench.source().expect((0, 0, 1), "a")
    bench.until(lambda: bench.observed)
    assert [at for at, _ in bench.asked] == [25, 75, 175, 375]
    assert bench.observed == [(375, (0, 0, 1), Completion(Outcome.REJECTED, "limit"))]
    assert bench.made.failed_polls == 0


@pytest.mark.parametrize("pollers", [1, 3, 16])
def test_each_command_is_observed_once(bench, pollers):
    """However many pollers there are, an outcome is reported once, and never asked for again."""
    source = bench.source(pollers)
    for number in range(40):
        bench.script[str(number)] = [PENDING] * (number % 4) + [SETTLED]
        source.expect((0, 0, number), str(number))
    bench.until(lambda: len(bench.observed) >= 40)
    gevent.sleep(0)
    assert sorted(place for _, place, _ in bench.observed) == [(0, 0, n) for n in range(40)]
    assert len(bench.asked) == sum(1 + number % 4 for number in range(40))


@pytest.mark.parametrize("pollers", [1, 16])
def test_a_new_question_does_not_wait_behind_an_old_one(bench, pollers):
    """While all pollers wait for a command asked about every second, a new one has its first 25 ms."""
    bench.script = {"old": [PENDING], "new": [SETTLED]}
    source = bench.source(pollers)
    source.expect((0, 0, 1), "old")
    bench.until(lambda: len(bench.asked) == 8)
    began_ms = bench.now_ms
    source.expect((0, 0, 2), "new")
    bench.until(lambda: bench.observed)
    assert bench.observed == [(began_ms + FIRST_MS, (0, 0, 2), Completion(Outcome.SETTLED))]


@pytest.mark.parametrize("failure", [NotSentError("refused"), UnansweredError("cut off")])
def test_a_failed_poll_is_counted_and_tried_again(bench, failure):
    """A poll that brings no answer delays the observation, and loses nothing."""
    bench.script["a"] = [failure, failure, SETTLED]
    bench.source().expect((0, 0, 1), "a")
    bench.until(lambda: bench.observed)
    assert [at for at, _ in bench.asked] == [25, 75, 175]
    assert bench.made.failed_polls == 2


def test_an_adapters_fault_ends_no_poller(bench, monkeypatch, caplog):
    """When reading an answer fails, it is logged once, counted, and the commands are asked about on."""
    read = bench.platform.read_status
    faulty = iter([True, True, False, False])

    def read_status(answer):
        if next(faulty):
            raise KeyError("status")
        return read(answer)

    monkeypatch.setattr(bench.platform, "read_status", read_status)
    bench.script = {"a": [SETTLED], "b": [SETTLED]}
    source = bench.source()
    source.expect((0, 0, 1), "a")
    source.expect((0, 0, 2), "b")
    bench.until(lambda: len(bench.observed) == 2)
    assert source.failed_polls == 2
    assert [record.message for record in caplog.records] == [
        "the platform adapter failed on the outcome of a command"
    ]


def test_an_outcome_that_cannot_be_recorded_ends_no_poller(bench, monkeypatch, caplog):
    """An adapter may read nonsense that only the journal finds out: the others are asked about on."""
    bench.script = {"a": [SETTLED], "b": [SETTLED]}
    observed = bench.observe
    told = []

    def recording(place, completion):
        told.append(place)
        if len(told) == 1:
            raise TypeError("no text")
        observed(place, completion)

    monkeypatch.setattr(bench, "observe", recording)
    source = bench.source(pollers=1)
    source.expect((0, 0, 1), "a")
    source.expect((0, 0, 2), "b")
    bench.until(lambda: len(bench.observed) == 2)
    assert told == [(0, 0, 1), (0, 0, 2), (0, 0, 1)]
    assert source.failed_polls == 1
    assert len(caplog.records) == 1


@pytest.mark.parametrize("waiting", [False, True])
def test_stop_ends_the_pollers_and_closes_their_connections(bench, waiting):
    """After a stop nothing is asked any more, and what was not observed stays unobserved."""
    bench.script["a"] = [PENDING]
    source = bench.source(pollers=3)
    if waiting:
        source.expect((0, 0, 1), "a")
    bench.until(lambda: bench.asked or not waiting)
    gevent.sleep(0)
    source.stop()
    asked = len(bench.asked)
    source.expect((0, 0, 2), "a")
    for _ in range(5):
        gevent.sleep(0)
    assert bench.closed == 3
    assert len(bench.asked) == asked
    assert not bench.observed
