"""The observer: what of a process is to be seen, by whom, and for how long."""

from __future__ import annotations

import argparse
import socket
import time
from types import SimpleNamespace

import gevent
import pytest

from locustfiles.options import OPTIONS

with pytest.MonkeyPatch.context() as patched:
    # The observer needs no patched library, and the other tests of this process need theirs.
    patched.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    from locust.env import Environment

    from locustfiles.conductor import conductor_of
    from locustfiles.launched import LAUNCHED_BY
    from locustfiles.observer import Observer

LONG_AGO_S = 10_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**options) -> Environment:
    given = {option.name: option.default for option in OPTIONS}
    return Environment(parsed_options=argparse.Namespace(worker=False, **{**given, **options}))


@pytest.fixture
def observer():
    made = Observer(environment(paystorm_metrics_port=str(free_port())))
    made.prepare()
    yield made
    made.endpoint.stop()


def ended(observer: Observer, tmp_path) -> None:
    """Have the observer follow a run that is over and judged."""
    (tmp_path / "summary.json").write_text('{"exit": 0}')
    director = SimpleNamespace(directory=SimpleNamespace(path=tmp_path), figures=None)
    observer._launched = SimpleNamespace(director=director, run=None)

    def collect():
        """Look at the run as a scrape does, without the figures of one."""
        observer.view()
        return []

    observer.collect = collect


def took_s(call) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_nobody_is_waited_for_who_never_came(observer, tmp_path):
    """Without a scrape before, the process ends at once."""
    ended(observer, tmp_path)
    assert took_s(observer.linger) < 1


def test_whoever_has_seen_the_end_is_not_waited_for(observer, tmp_path):
    """A scrape with the verdict in it is the last that is needed."""
    ended(observer, tmp_path)
    observer.page()
    observer._scrapes_s = (0.0, LONG_AGO_S)
    assert took_s(observer.linger) < 1


def test_who_comes_regularly_is_waited_for(observer, tmp_path):
    """The process ends as soon as the scrape came that shows the end."""
    observer._scrapes_s = (0.0, LONG_AGO_S)
    ended(observer, tmp_path)
    gevent.spawn_later(0.05, observer.page)
    with gevent.Timeout(60):
        observer.linger()
    assert observer._verdict == {"exit": 0}


def test_who_stays_away_is_not_waited_for_long(observer, tmp_path, caplog):
    """Twice the time between two scrapes, and it is said that nobody came."""
    observer._scrapes_s = (0.0, 0.02)
    ended(observer, tmp_path)
    assert took_s(observer.linger) < 5
    assert "nobody scraped the metrics of the run's end" in caplog.text


def test_a_worker_that_its_master_started_leaves_the_port_to_it(monkeypatch):
    """It has the master's environment, and would take its port."""
    monkeypatch.setenv(LAUNCHED_BY, "1")
    made = Observer(environment(paystorm_metrics_port=str(free_port())))
    made.prepare()
    assert made.endpoint is None


def test_a_worker_has_no_metrics_but_its_health():
    """What the fleet does, the master tells."""
    worker = environment(paystorm_metrics_port=str(free_port()))
    worker.parsed_options.worker = True
    made = Observer(worker)
    made.prepare()
    assert conductor_of(worker).run is None
    assert set(made.endpoint._pages) == {"/health"}
    made.endpoint.stop()


@pytest.mark.parametrize(("login", "status"), [(False, 200), (True, 302)])
def test_the_web_ui_shows_metrics_behind_its_login(login, status):
    """Where the web UI asks for a login, nobody sees the metrics without one."""
    locust = environment()
    web_ui = locust.create_web_ui("127.0.0.1", 0, web_login=login, delayed_start=True)
    Observer(locust).prepare()
    web_ui.app.secret_key = "for this test"
    if login:
        # As docs of Locust ask of whoever wants a login; nobody is logged in here.
        web_ui.login_manager.user_loader(lambda _: None)
    answer = web_ui.app.test_client().get("/metrics")
    assert answer.status_code == status
    assert (b"process_cpu_seconds_total" in answer.data) is not login
