"""A worker between Locust and its part of a run: orders that come while it is still joining."""

from __future__ import annotations

from types import SimpleNamespace

import gevent
import pytest
from gevent.pool import Group

with pytest.MonkeyPatch.context() as patched:
    # The worker's rules need no patched library, and the other tests of this process need theirs.
    patched.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    from locust import argument_parser
    from locust.rpc import Message
    from locust.runners import STATE_RUNNING, WorkerRunner

    from locustfiles import worker as workers
    from locustfiles.worker import Worker, keep_defaults

ORDER = {"run": "r", "directory": "nowhere", "journals": "auto", "manifest": "{}"}


@pytest.fixture
def worker(monkeypatch) -> Worker:
    """A worker that says what it sends to `sent`."""
    made = Worker(SimpleNamespace(runner=None))
    made.sent = []
    monkeypatch.setattr(Worker, "_runner", SimpleNamespace(client_id="host_1"))
    monkeypatch.setattr(Worker, "_send", lambda self, kind, data: self.sent.append((kind, data)))
    monkeypatch.setattr(workers, "spool", lambda manifest: manifest)
    return made


def test_an_order_that_comes_while_joining_is_no_second_part(worker, monkeypatch):
    """Joining takes its time, heartbeats and orders go on: one part is made of however many orders."""
    began = []

    def slow(*_):
        began.append(1)
        gevent.sleep(0.01)
        raise ValueError("enough")

    monkeypatch.setattr(workers, "serve", slow)
    gevent.joinall([gevent.spawn(worker._order, dict(ORDER), "master") for _ in range(3)])
    assert len(began) == 1
    assert worker.sent == [(workers.PROBLEM, {"problem": "enough"})]


def test_whoever_could_not_join_may_be_asked_again(worker, monkeypatch):
    """A failure is told, and bars no later order."""

    def failing(*_):
        raise KeyError("record")

    monkeypatch.setattr(workers, "serve", failing)
    for _ in range(2):
        worker._order(dict(ORDER), "master")
    assert [kind for kind, _ in worker.sent] == [workers.PROBLEM] * 2


def test_jobs_of_spawning_do_not_keep_the_users_waiting(monkeypatch):
    """Locust makes its whole parser for each option of each job: with us once in a process' life.

    What the job says is done all the same: own options are taken over, Locust's are the worker's.
    """
    made = []
    parser = argument_parser.get_empty_argument_parser
    monkeypatch.setattr(argument_parser, "default_args_dict", argument_parser.default_args_dict)
    monkeypatch.setattr(
        argument_parser, "get_empty_argument_parser", lambda: made.append(1) or parser()
    )
    options, spawned = SimpleNamespace(headless=False), []
    runner = SimpleNamespace(
        client=SimpleNamespace(send=lambda message: None),
        client_id="host_1",
        last_received_spawn_timestamp=0,
        environment=SimpleNamespace(parsed_options=options),
        worker_state=STATE_RUNNING,
        spawning_greenlet=None,
        greenlet=Group(),
        start_worker=spawned.append,
    )
    keep_defaults()
    for number in range(1, 4):
        told = {"headless": True, "plan": f"plan {number}", "rate": 10}
        job = {"timestamp": number, "host": None, "stop_timeout": 0, "parsed_options": told}
        message = Message("spawn", {**job, "user_classes_count": {"User": number}}, "host_1")
        WorkerRunner.handle_message(runner, message)
        runner.greenlet.join()
    assert len(made) == 1
    assert vars(options) == {"headless": False, "plan": "plan 3", "rate": 10}
    assert spawned == [{"User": number} for number in (1, 2, 3)]
