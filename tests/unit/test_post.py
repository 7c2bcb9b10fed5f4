"""The master's post: every message has its answer at once, and nobody on the event loop starves."""

from __future__ import annotations

from types import SimpleNamespace

import gevent
import pytest
from locust.event import EventHook

from locustfiles.fleet import post as posts
from locustfiles.fleet.messages import Answer
from locustfiles.fleet.post import ANSWER, ASK, CLOSED, FAREWELL, JOIN, ORDER, PROBLEM, WAKE, Post
from reports.rundir import RunDirectory
from tests.helpers_fleet import Office


class Runner:
    """Locust's receiving loop: it calls what listens, and remembers what was sent."""

    def __init__(self) -> None:
        self.listeners, self.apart = {}, {}
        self.sent = []

    def register_message(self, msg_type, listener, concurrent=False):
        self.listeners[msg_type], self.apart[msg_type] = listener, concurrent

    def send_message(self, msg_type, data=None, client_id=None):
        self.sent.append((msg_type, data, client_id))

    def receive(self, kind, data, sender="w1") -> None:
        self.listeners[kind](environment=None, msg=SimpleNamespace(data=data, node_id=sender))


@pytest.fixture
def office():
    return Office()


@pytest.fixture
def runner():
    return Runner()


@pytest.fixture
def events():
    return SimpleNamespace(worker_report=EventHook(), heartbeat_sent=EventHook())


@pytest.fixture
def post(office, runner, events, tmp_path):
    """The post of a run whose grants nobody writes down."""
    made = Post(runner, events, pytest.fail)
    closed = []
    director = SimpleNamespace(
        desk=office.desk,
        directory=RunDirectory.create(tmp_path, "smoke"),
        grants=SimpleNamespace(write_closed=lambda *word: closed.append(word)),
    )
    manifests = iter(["the manifest"])
    made.open(director, {"run": "run"}, lambda: next(manifests))
    made.closed_with = closed
    return made


def test_an_ask_is_answered_before_the_next_message_is_received(post, runner, office):
    """As long as messages come, Locust's loop does not wait: what waits for its end waits for ever."""
    agents = [office.worker(name) for name in "abc"]
    for agent in agents:
        runner.receive(ASK, office.asked(agent).packed(), agent.holder)
    assert not any(runner.apart.values())
    assert [kind for kind, *_ in runner.sent] == [ANSWER] * 3
    for agent, (_, answer, sender) in zip(agents, runner.sent, strict=True):
        assert sender is agent.holder
        assert agent.follow(Answer.read(answer))


@pytest.mark.parametrize("how", ["asks", "reports", "heartbeats"])
def test_everybody_else_has_a_turn_between_messages(post, runner, events, office, how, monkeypatch):
    """However many messages there are, and of whichever kind, timers and files are not kept waiting."""
    monkeypatch.setattr(posts, "TURN_S", 0)
    turns = []

    def other():
        while True:
            turns.append(len(seen))
            gevent.sleep(0)

    seen = []
    waiting = gevent.spawn(other)
    agent = office.worker("a")
    for number in range(5):
        seen.append(number)
        if how == "asks":
            runner.receive(ASK, office.asked(agent).packed())
        elif how == "reports":
            events.worker_report.fire(client_id="a", data={})
        else:
            events.heartbeat_sent.fire(client_id="a", timestamp=0)
    waiting.kill()
    assert set(turns) == {1, 2, 3, 4, 5}


def test_turns_are_given_only_to_who_waits_for_long(post, runner, office, monkeypatch):
    """A turn for each message would cost more than the messages."""
    monkeypatch.setattr(posts, "TURN_S", 3600)
    turned = gevent.spawn(lambda: None)
    runner.receive(ASK, office.asked(office.worker("a")).packed())
    assert not turned.ready()
    turned.join()


def test_whoever_waits_for_something_to_send_is_called_when_it_comes_free(post, runner, office):
    """Under the name that Locust knows it by; nobody else is."""
    agents = {name: office.worker(name) for name in "abc"}
    for name, agent in agents.items():
        runner.receive(ASK, office.asked(agent).packed(), f"client {name}")
        agent.follow(Answer.read(runner.sent[-1][1]))
    assert WAKE not in [kind for kind, *_ in runner.sent]
    runner.receive(ASK, office.asked(agents["a"], leaving=True).packed(), "client a")
    called = [client for kind, _, client in runner.sent if kind == WAKE]
    assert called == ["client b", "client c"]


def test_a_manifest_is_made_once_and_only_for_who_needs_it(post, runner):
    """A large pool's is large, and a thousand workers ask for it, each again until it is there."""
    runner.receive(JOIN, {"manifest": False}, "a")
    for name in ("b", "c"):
        runner.receive(JOIN, {"manifest": True}, name)
    needed = {"run": "run", "manifest": "the manifest"}
    assert runner.sent == [(ORDER, {"run": "run"}, "a"), (ORDER, needed, "b"), (ORDER, needed, "c")]


def test_a_worker_closes_once_and_hears_so_each_time(post, runner, office):
    """Its farewell may be lost: it says that it has closed until it gets one."""
    agent = office.worker("a")
    runner.receive(ASK, office.asked(agent).packed())
    word = {"run": "run", "worker": "a", "chunks": 3, "clock_error_ns": 5}
    for _ in range(2):
        runner.receive(CLOSED, word, "w1")
    assert post.closed_with == [("a", 3)]
    assert runner.sent[1:] == [(FAREWELL, {"worker": "a"}, "w1")] * 2
    assert (office.desk.alive(), post.clock_error_ns) == ([], 5)


@pytest.mark.parametrize("data", [None, 7, {}, {"run": "run", "term": "x"}, {"run": ["run"]}])
def test_what_is_no_message_is_only_logged(post, runner, data, caplog):
    """What comes from the network does not end the loop that all messages come through."""
    for kind in runner.listeners.keys() - {JOIN, PROBLEM}:
        runner.receive(kind, data)
    assert "cannot be read" in caplog.text
    assert runner.sent == []
