"""A worker between Locust and its part of a run: orders that come while it is still joining."""

from __future__ import annotations

from types import SimpleNamespace

import gevent
import pytest

with pytest.MonkeyPatch.context() as patched:
    # The worker's rules need no patched library, and the other tests of this process need theirs.
    patched.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    from locustfiles import worker as workers
    from locustfiles.worker import Worker

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
