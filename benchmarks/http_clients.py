"""The Locust side of `benchmarks/http.py`: one client in a Locust process, told by its name.

python -m benchmarks.http_clients NAME URL USERS SECONDS

Prints a JSON line: requests, wall and CPU seconds of the measured time. What the names mean:

    paystorm        the product: ids, grants, journal, latencies' times, statistics, unique bodies
    paystorm-event  the same with a listener on events.request, so that each request is fired
    fast            FastHttpUser with a constant body
    http            HttpUser with a constant body
    lean            the product's client alone, with a constant request
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import gevent
from locust import FastHttpUser, HttpUser, User, constant, task
from locust.env import Environment

from e2e_data import config as pool_config
from e2e_data.commands import Kind, Outcome
from e2e_data.ids import Ids
from e2e_data.platform import HttpRequest, Platform
from e2e_data.pool import Pool
from locustfiles import conductor as conductors
from locustfiles.channels.gate import Gate
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.origin import Origin
from locustfiles.clock import RunClock
from locustfiles.director import Director
from locustfiles.launch import direct
from locustfiles.plans import Fleet, Phase, Plan, PoolChoice
from locustfiles.run import Run
from locustfiles.users import HttpPaymentsUser
from locustfiles.work import Service
from reports.rundir import RunDirectory

BODY = b'{"a":"' + b"x" * 392 + b'"}'
HEADERS = {"Content-Type": "application/json"}
WARM_UP_S = 1.0
TIMEOUT_S = 10.0
ACCOUNTS = 20_000
"""Enough payments for half a minute at any speed that Python may reach."""


class Fast(FastHttpUser):
    """What Locust offers: one constant body."""

    wait_time = constant(0)

    @task
    def post(self) -> None:
        """Send it."""
        # Bytes are sent as they are, though Locust's types do not say so.
        self.client.post("/api/payments", data=BODY, headers=HEADERS)  # type: ignore[arg-type]


class Plain(HttpUser):
    """What Locust offers, on requests."""

    wait_time = constant(0)

    @task
    def post(self) -> None:
        """Send it."""
        self.client.post("/api/payments", data=BODY, headers=HEADERS)


def run_of(directory: Path, users: int) -> tuple[Run, Director]:
    """Return a run with its director, whose accounts are all open, so that payments can be sent at once."""
    config = pool_config.load("stress", {"accounts": ACCOUNTS, "limit_based_percentage": 50})
    plan = Plan.model_construct(
        name="benchmark",
        users=users,
        timeout_s=TIMEOUT_S,
        phases={"payments": Phase(sends=("payment",), rate_per_s=1_000_000)},
        http=HttpSettings(),
        pool=PoolChoice(seed=7),
        fleet=Fleet(),
    )
    pool, place = Pool.in_memory(config, 7), RunDirectory.create(directory, "benchmark")
    clock = RunClock()
    run = Run(plan, pool, Platform(), Ids.fresh(), place, clock, users, Service(place.name))
    director = Director(plan, pool, Platform(), place, clock)
    direct(run, director)
    for shard in range(pool.shard_count):
        for account in range(pool.shard_counts(shard).account):
            key = (0, shard, account)
            run.bindings._ids[key] = f"{shard:08x}-0000-4000-8000-{account:012x}"
            run.bindings.completed(key, Kind.ACCOUNT, Outcome.SETTLED)
            run.bindings.completed(key, Kind.OPENING_CREDIT, Outcome.SETTLED)
    run.completions = Undecided(run)  # type: ignore[assignment]
    return run, director


class Undecided:
    """No source of completions: a web server decides nothing."""

    def __init__(self, run: Run) -> None:
        self._pending = run.tracker.pending

    def expect(self, place: tuple[int, int, int], _command_id: str) -> None:
        """Wait for nothing."""
        del self._pending[place]


def paystorm(url: str, users: int, *, fired: bool = False) -> tuple[Environment, Callable[[], int]]:
    """Return an environment with the product's users, and what counts the answered commands."""
    environment = Environment(user_classes=[HttpPaymentsUser], host=url)
    run, director = run_of(Path(tempfile.mkdtemp()), users)
    gate = Gate(Origin.parse(url), HttpSettings(), TIMEOUT_S)
    conductors._CONDUCTORS[environment] = SimpleNamespace(run=run, connect=gate.connect)  # type: ignore[assignment]
    if fired:
        environment.events.request.add_listener(lambda **_: None)
    director.begin()
    director.refresh()

    def flush() -> None:
        while True:
            gevent.sleep(1)
            run.journal.flush()

    gevent.spawn(flush)
    return environment, lambda: run.tracker.tally.acknowledged


def lean(url: str) -> tuple[Environment, Callable[[], int]]:
    """Return an environment whose users do nothing but send one request again and again."""
    gate, sent = Gate(Origin.parse(url), HttpSettings(), TIMEOUT_S), [0]
    request = HttpRequest("POST", "/api/payments", tuple(HEADERS.items()), BODY)

    class Lean(User):
        wait_time = constant(0)

        @task
        def post(self) -> None:
            connection = gate.connect()
            while True:
                connection.request(request)
                sent[0] += 1

    return Environment(user_classes=[Lean], host=url), lambda: sent[0]


def made(name: str, url: str, users: int) -> tuple[Environment, Callable[[], int]]:
    """Return the environment of a client, and what counts its answers."""
    if name.startswith("paystorm"):
        return paystorm(url, users, fired=name == "paystorm-event")
    if name == "lean":
        return lean(url)
    peers: dict[str, type[User]] = {"fast": Fast, "http": Plain}
    environment = Environment(user_classes=[peers[name]], host=url)
    return environment, lambda: environment.stats.total.num_requests


def main(name: str, url: str, users: int, seconds: float) -> None:
    """Measure one client."""
    environment, count = made(name, url, users)
    runner = environment.create_local_runner()
    runner.start(users, spawn_rate=users)
    gevent.sleep(WARM_UP_S)
    if profile := os.environ.get("PROFILE"):
        import cProfile

        profiler = cProfile.Profile()
        profiler.enable()
    began, wall, cpu = count(), time.perf_counter(), time.process_time()
    gevent.sleep(seconds)
    requests, wall, cpu = (
        count() - began,
        time.perf_counter() - wall,
        time.process_time() - cpu,
    )
    if profile:
        profiler.disable()
        profiler.dump_stats(profile)
    failures = environment.stats.total.num_failures
    print(json.dumps({"requests": requests, "wall_s": wall, "cpu_s": cpu, "failures": failures}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
