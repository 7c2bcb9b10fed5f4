"""Locust's statistics: fed in batches they are what events would have made them, to the last digit."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

with pytest.MonkeyPatch.context() as patched:
    # Statistics need no patched library, and the other tests of this process need theirs.
    patched.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    from locust import stats as locust_stats
    from locust.env import Environment
    from locust.stats import StatsCSV

    from locustfiles.statistics import Statistics

NAMES = ("account", "payment", "opening credit")
BEGAN_S = 1_700_000_000.25


@pytest.fixture
def clock(monkeypatch):
    """Locust's wall clock, which stands until a test moves it."""
    standing = SimpleNamespace(now_s=BEGAN_S)
    monkeypatch.setattr(locust_stats.time, "time", lambda: standing.now_s)
    return standing


def make():
    """Return an environment with Locust's own listener, and what feeds its statistics."""
    environment = Environment()
    environment.create_local_runner()
    statistics = Statistics(environment, "HTTP")
    statistics._greenlet.kill()
    return environment, statistics


def history(seed: int, size: int = 3000):
    """Make requests over some twenty seconds, one in fifty of them with a problem."""
    draw = random.Random(seed)
    at_s = BEGAN_S
    for _ in range(size):
        at_s += draw.expovariate(150)
        response_ms = draw.lognormvariate(3, 2)
        problem = ValueError(f"HTTP {draw.choice([429, 503])}") if draw.random() < 0.02 else None
        yield draw.choice(NAMES), at_s, response_ms, draw.randrange(500), problem


def send(statistics, clock, requests, feed_every: int | None = None):
    for number, (name, at_s, response_ms, length, problem) in enumerate(requests):
        clock.now_s = at_s
        if problem is None:
            statistics.answered(name, at_s, response_ms, length)
        else:
            statistics.fire(name, at_s, response_ms, length, problem)
        if feed_every and number % feed_every == 0:
            statistics.feed()
    statistics.feed()


def everything(environment) -> dict[str, object]:
    """Return all that entries and errors hold."""
    stats = environment.stats
    entries = [stats.total, *(stats.entries[key] for key in sorted(stats.entries))]
    return {
        "entries": [
            {name: value for name, value in vars(entry).items() if name != "stats"}
            for entry in entries
        ],
        "errors": {key: error.serialize() for key, error in stats.errors.items()},
    }


def csv_rows(environment):
    """Return the rows of Locust's CSV files."""
    written = SimpleNamespace(rows=[])
    writer = SimpleNamespace(writerow=written.rows.append, writerows=written.rows.extend)
    files = StatsCSV(environment, [0.5, 0.95, 0.99, 0.9999, 1.0])
    files.requests_csv(writer)
    files.failures_csv(writer)
    return [list(row) for row in written.rows]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("feed_every", [None, 1, 37])
def test_batches_and_events_make_the_same_entries(clock, seed, feed_every):
    """Every field of every entry, the cached seconds, the errors and the CSV rows are equal."""
    batched, by_batches = make()
    clock.now_s = BEGAN_S
    fired, by_events = make()
    fired.events.request.add_listener(lambda **_: None)
    assert by_batches.is_batched
    assert not by_events.is_batched
    send(by_batches, clock, history(seed), feed_every)
    send(by_events, clock, history(seed))
    assert everything(batched) == everything(fired)
    assert csv_rows(batched) == csv_rows(fired)
    assert batched.stats.total.num_requests == 3000


def test_a_bucketing_of_somebodys_own_is_used(clock, monkeypatch):
    """Locust lets a locustfile replace how response times are rounded."""
    monkeypatch.setattr(locust_stats, "bucket_response_time", lambda ms: int(ms) // 7)
    environment, statistics = make()
    statistics.answered("account", BEGAN_S, 70.5, 10)
    statistics.feed()
    assert dict(environment.stats.total.response_times) == {10: 1}


def test_another_listener_gets_each_request_from_its_first_to_its_last(clock):
    """A listener that comes is told of what follows, in order; after it goes, batches are back."""
    environment, statistics = make()
    told = []

    def listener(name, response_time, **_):
        told.append((name, response_time, environment.stats.total.num_requests))

    statistics.answered("account", BEGAN_S, 1.0, 0)
    environment.events.request.add_listener(listener)
    statistics.answered("payment", BEGAN_S, 2.0, 0)
    statistics.answered("payment", BEGAN_S, 3.0, 0)
    environment.events.request.remove_listener(listener)
    statistics.answered("account", BEGAN_S, 4.0, 0)
    assert told == [("payment", 2.0, 2), ("payment", 3.0, 3)]
    assert environment.stats.total.num_requests == 3
    statistics.stop()
    assert environment.stats.total.num_requests == 4


def test_a_listener_says_what_an_event_of_locust_says(clock):
    """Listeners get Locust's own arguments: tools for other tests work unchanged."""
    environment, statistics = make()
    told = []
    environment.events.request.add_listener(lambda **event: told.append(event))
    problem = ValueError("HTTP 503")
    statistics.fire("payment", BEGAN_S, 250.0, 7, problem)
    assert told == [
        {
            "request_type": "HTTP",
            "name": "payment",
            "response_time": 250.0,
            "response_length": 7,
            "exception": problem,
            "context": {},
            "start_time": BEGAN_S - 0.25,
        }
    ]


def test_without_locusts_own_listener_events_are_fired(clock):
    """Where somebody took Locust's listener away, nothing is counted behind his back."""
    environment, statistics = make()
    environment.events.request._handlers.clear()
    assert not statistics.is_batched
    statistics.answered("account", BEGAN_S, 1.0, 0)
    assert environment.stats.total.num_requests == 0
