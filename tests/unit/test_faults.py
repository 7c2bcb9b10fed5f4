"""A plan's faults: what can be said of them, what cannot be done, and when they are carried out."""

from __future__ import annotations

from types import SimpleNamespace

import gevent
import pytest

from e2e_data.problems import Problems
from locustfiles import fault_plan
from locustfiles.faults import Faults
from locustfiles.phases import State
from locustfiles.plan_parts.faults import Fault
from locustfiles.plans import load_plan

SECOND = 1_000_000_000


def fault(do, **more):
    return Fault.model_validate({"do": do, "phase": "payments", "at_s": 1, "for_s": 2, **more})


@pytest.mark.parametrize(
    ("given", "title", "on"),
    [
        ({"do": "kill"}, "kill the platform", ""),
        ({"do": "pause", "to": "queue manager"}, "pause the queue manager", "MQ"),
        ({"do": "kill", "to": "worker"}, "kill the worker", ""),
        ({"do": "slow", "ms": 300}, "the platform is slower by 300 ms", ""),
        ({"do": "capacity", "per_s": 50}, "the platform decides 50/s at most", ""),
        ({"do": "errors", "percent": 20}, "the platform answers 20 % with 503", ""),
        ({"do": "throttle", "percent": 5}, "the platform answers 5 % with 429", ""),
        ({"do": "latency", "channel": "http", "ms": 80}, "latency of 80 ms on HTTP", "HTTP"),
        (
            {"do": "latency", "channel": "mq", "ms": 80, "jitter_ms": 20},
            "latency of 80 ± 20 ms on MQ",
            "MQ",
        ),
        (
            {"do": "bandwidth", "channel": "http", "kb_per_s": 9},
            "bandwidth of 9 KB/s on HTTP",
            "HTTP",
        ),
        ({"do": "reset", "channel": "http"}, "reset on HTTP", "HTTP"),
        ({"do": "black hole", "channel": "mq"}, "black hole on MQ", "MQ"),
        ({"do": "slice", "channel": "http", "bytes": 5}, "slice of 5 bytes on HTTP", "HTTP"),
    ],
)
def test_a_fault_says_what_it_is(given, title, on):
    """In the timeline and the report, in one line; and on which channel alone it is."""
    made = fault(**given)
    assert (made.title, made.on) == (title, on)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"do": "slow"}, "slow takes ms"),
        ({"do": "kill", "ms": 5}, "ms is not for kill"),
        ({"do": "reset"}, 'reset is on a wire: say whose, such as channel = "http"'),
        ({"do": "kill", "channel": "http"}, "channel is not for kill"),
        ({"do": "slow", "ms": 5, "to": "broker"}, "to is for kill and pause"),
        ({"do": "reset", "channel": "http", "jitter_ms": 4}, "jitter_ms is for latency"),
        ({"do": "burn"}, "Input should be 'kill'"),
    ],
)
def test_what_makes_no_fault_is_told(given, said):
    """With what would be right."""
    with pytest.raises(ValueError, match=said):
        fault(**given)


def plan(*faults, channels="{http=1,mq=1}"):
    written = ", ".join(faults)
    return load_plan("smoke", [f"faults=[{written}]", f"channels={channels}"])


AT = "phase='payments',at_s=1,for_s=1"


@pytest.mark.parametrize(
    ("written", "embedded", "said"),
    [
        ("{do='kill'," + AT + "}", False, "can be done to the embedded sandbox alone"),
        ("{do='slow',ms=5," + AT + "}", False, "can be done to the embedded sandbox alone"),
        ("{do='kill',to='broker'," + AT + "}", True, "the plan sends nothing over kafka"),
        ("{do='reset',channel='kafka'," + AT + "}", True, "the plan sends nothing over it"),
    ],
)
def test_what_cannot_be_done_here_is_told_before_the_run(written, embedded, said):
    """As everything that is wrong with a plan."""
    assert any(said in one for one in fault_plan.check(plan(written), embedded=embedded))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("kafka.tls={verify=false}", "nobody would have its certificate"),
        ("kafka.librdkafka={'security.protocol'='SASL_SSL'}", "nobody would have its certificate"),
        ("wire.toxiproxy='http://10.0.0.5:8474'", "must be on this machine"),
    ],
)
def test_a_wire_of_kafkas_that_cannot_be_gone_between_is_told(more, said):
    """Brokers name themselves to their clients, so that somebody has to read along."""
    wanted = ["faults=[{do='reset',channel='kafka'," + AT + "}]", "channels={kafka=1}"]
    assert fault_plan.check(load_plan("smoke", wanted), embedded=True) == []
    (told,) = fault_plan.check(load_plan("smoke", [*wanted, more]), embedded=True)
    assert said in told


def test_what_can_be_done_is_fine():
    """A worker may be killed whoever the platform is, and a wire cut."""
    wanted = ["{do='kill',to='worker'," + AT + "}", "{do='reset',channel='http'," + AT + "}"]
    assert fault_plan.check(plan(*wanted), embedded=False) == []
    assert fault_plan.apart(plan(*wanted)) is False
    assert fault_plan.on_wire(plan(*wanted)) == {"http"}
    assert fault_plan.apart(plan("{do='pause'," + AT + "}")) is True


def test_a_phase_that_there_is_not_is_told():
    """With those that there are."""
    with pytest.raises(Problems) as told:
        plan("{do='kill',phase='night',at_s=1,for_s=1}")
    assert "faults: phase 'night' is none of accounts, opening-credits, payments" in str(told.value)


class Directing:
    """A director with a clock that is set by hand."""

    def __init__(self, *faults):
        self.plan = SimpleNamespace(faults=faults)
        self.now_s, self.phase_name, self.events = 0.0, "payments", []
        self.faults: set[str] = set()
        self.clock = SimpleNamespace(now_ns=lambda: round(self.now_s * SECOND))
        self.machine = SimpleNamespace(state=State.SENDING, sent_for_ns=lambda now_ns: now_ns)

    def event(self, name, phase="", note="", channel=""):
        self.events.append((name, note, channel))


class Wire:
    """A Toxiproxy that only remembers."""

    def __init__(self, director=None):
        self.done, self.director = [], director

    def begin(self, name, fault):
        self.done.append(("begin", name, fault.do))
        if self.director is not None:
            assert self.director.faults == {fault.title}

    def end(self, name):
        self.done.append(("end", name))

    def close(self):
        self.done.append(("close",))


def test_a_fault_begins_in_its_phase_at_its_time_and_ends_after_its_time():
    """Not in another phase, not twice; the timeline says both."""
    director = Directing(fault("reset", channel="http", for_s=0.01))
    wire = Wire(director)
    faults = Faults(director, None, wire)
    faults.start()
    director.now_s = 0.9
    faults.look()
    director.now_s, director.phase_name = 1.1, "accounts"
    faults.look()
    gevent.sleep(0)
    assert wire.done == []
    director.phase_name = "payments"
    faults.look()
    faults.look()
    with gevent.Timeout(5):
        while len(director.events) < 2:
            gevent.sleep(0.001)
    faults.stop()
    assert director.faults == set()
    assert wire.done == [("begin", "http", "reset"), ("end", "http")]
    assert director.events == [
        ("fault began", "reset on HTTP", "HTTP"),
        ("fault ended", "reset on HTTP", "HTTP"),
    ]


def test_what_is_on_when_the_run_is_over_is_ended():
    """So that the book can be read; what never began is told."""
    over, never = (fault("reset", channel="http", at_s=at_s, for_s=600) for at_s in (1, 900))
    director, wire = Directing(over, never), Wire()
    faults = Faults(director, None, wire)
    faults.start()
    director.now_s = 1
    faults.look()
    gevent.sleep(0)
    faults.stop()
    assert wire.done == [("begin", "http", "reset"), ("end", "http")], "the book is read through it"
    faults.close()
    assert wire.done[-1] == ("close",)
    assert [name for name, _, _ in director.events] == ["fault began", "fault ended", "warning"]
    assert "never began: its phase was over before" in director.events[-1][1]


def test_what_cannot_be_brought_about_is_told_and_the_run_goes_on():
    """There is no worker to kill."""
    director = Directing(fault("kill", to="worker"))
    faults = Faults(director, None, None)
    faults.start()
    director.now_s = 2
    faults.look()
    gevent.sleep(0)
    faults.stop()
    assert "there is no worker process of ours" in director.events[-1][1]
