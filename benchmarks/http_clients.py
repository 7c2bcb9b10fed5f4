"""The Locust side of `benchmarks/http.py`: one client in a Locust process, told by its name.

python -m benchmarks.http_clients NAME URL USERS SECONDS

Prints a JSON line: requests, wall and CPU seconds of the measured time. What the names mean:

    paystorm        the product: ids, grants, journal, latencies' times, statistics, unique bodies
    paystorm-event  the same with a listener on events.request, so that each request is fired
    fast            FastHttpUser with a constant body
    http            HttpUser with a constant body
    lean            the product's client alone, with a constant request
    paced           the product at 2,000 a second: how many were sent, and how late
    untraced, sampled, traced
                    the product with completions: what a command takes with no spans (--otel), with those
                    of one attempt in a hundred, and with all
    costs           what each part of a request takes, in microseconds
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace

import gevent
import numpy as np
import pyarrow.parquet as pq
from locust import FastHttpUser, HttpUser, User, constant, task
from locust.env import Environment

from e2e_data import config as pool_config
from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.ids import Ids
from e2e_data.platform import Completion, HttpAnswer, HttpRequest, Platform
from e2e_data.pool import Pool
from locustfiles import conductor as conductors
from locustfiles.bindings import Stage
from locustfiles.channels.gate import Gate
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.origin import Origin
from locustfiles.clock import RunClock
from locustfiles.completions import CompletionSource
from locustfiles.director import Director
from locustfiles.http_sender import HttpLine
from locustfiles.intake import Answered, Intake
from locustfiles.launch import direct, keep_for_good
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan, PoolChoice
from locustfiles.pulse import Pulse
from locustfiles.run import Run
from locustfiles.statistics import Statistics
from locustfiles.tracing import Tracing
from locustfiles.users import PaymentsUser
from locustfiles.work import Service
from reports.journal import Fact
from reports.rundir import RunDirectory

BODY = '{"a":"' + "x" * 392 + '"}'
HEADERS = {"Content-Type": "application/json"}
WARM_UP_S = 1.0
TIMEOUT_S = 10.0
ACCOUNTS = 20_000
"""Enough payments for half a minute at any speed that Python may reach."""
PACED_PER_S = 2000
SATURATING_PER_S = 1_000_000
TRACED_PER_S = 2_500
"""So many commands for each second that is asked for: a busy machine takes longer, and not fewer."""
TRACED = {"untraced": None, "sampled": Tracing(0.01), "traced": Tracing(1)}


class Fast(FastHttpUser):
    """What Locust offers: one constant body."""

    wait_time = constant(0)

    @task
    def post(self) -> None:
        """Send it."""
        self.client.post("/api/payments", data=BODY, headers=HEADERS)


class Plain(HttpUser):
    """What Locust offers, on requests."""

    wait_time = constant(0)

    @task
    def post(self) -> None:
        """Send it."""
        self.client.post("/api/payments", data=BODY, headers=HEADERS)


def run_of(
    directory: Path, users: int, rate_per_s: float, tracing: Tracing | None
) -> tuple[Run, Director]:
    """Return a run, and its director, whose accounts are all open, so that payments can be sent at once."""
    config = pool_config.load("stress", {"accounts": ACCOUNTS, "limit_based_percentage": 50})
    # No plan may begin with payments, so this one is not checked.
    plan = Plan.model_construct(
        name="benchmark",
        users=users,
        timeout_s=TIMEOUT_S,
        phases={"payments": Phase(sends=(Kind.PAYMENT,), rate_per_s=rate_per_s)},
        pool=PoolChoice(preset="stress"),
    )
    pool, place = Pool.in_memory(config, 7), RunDirectory.create(directory, "benchmark")
    platform = Platform() if tracing is None else tracing.of(Platform())
    made = plan, pool, platform
    clock = RunClock()
    run = Run(*made, Ids.fresh(), place, clock, users, Service(place.name))
    for shard in range(pool.shard_count):
        for account in range(pool.shard_counts(shard).account):
            account_id = f"{shard:08x}-0000-4000-8000-{account:012x}"
            run.bindings.learn((0, shard, account), Stage.OPENED, account_id)
    run.completions = Undecided(run)
    director = Director(*made, place, clock)
    direct(run, director)
    return run, director


class Undecided(CompletionSource):
    """No source of completions: a web server decides nothing, and each command is left at once."""

    def __init__(self, run: Run) -> None:
        self._finished = run.tracker._finished

    def expect(self, place: tuple[int, int, int], command_id: str) -> None:  # noqa: ARG002 - as asked
        """Wait for nothing."""
        self._finished(place, complete=False)

    def stop(self) -> None:
        """Look no further."""


class Settled(Undecided):
    """Each command is observed to be settled, as soon as it is acknowledged."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._completed = run.tracker.completed

    def expect(self, place: tuple[int, int, int], command_id: str) -> None:  # noqa: ARG002 - as asked
        """Observe it."""
        self._completed(place, Completion(Outcome.SETTLED))


def paystorm(
    url: str,
    users: int,
    *,
    fired: bool = False,
    rate_per_s: float = SATURATING_PER_S,
    tracing: Tracing | None = None,
) -> tuple[Environment, Run]:
    """Return an environment with the product's users, and their run, which has begun."""
    environment = Environment(user_classes=[PaymentsUser], host=url)
    run, director = run_of(Path(tempfile.mkdtemp()), users, rate_per_s, tracing)
    gate = Gate(Origin.parse(url), HttpSettings(), TIMEOUT_S)
    run.lines = {Channel.HTTP: HttpLine(gate)}
    stage = SimpleNamespace(run=run)
    conductors._CONDUCTORS[environment] = stage  # type: ignore[assignment]
    if fired:
        environment.events.request.add_listener(lambda **_: None)
    keep_for_good()
    director.begin()
    director.refresh()
    Pulse(run, print)
    return environment, run


def lean(url: str) -> tuple[Environment, Callable[[], int]]:
    """Return an environment whose users do nothing but send one request again and again."""
    gate, sent = Gate(Origin.parse(url), HttpSettings(), TIMEOUT_S), [0]
    request = HttpRequest("POST", "/api/payments", tuple(HEADERS.items()), BODY.encode())

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
        environment, run = paystorm(url, users, fired=name == "paystorm-event")
        return environment, lambda: run.tracker.tally.acknowledged
    if name == "lean":
        return lean(url)
    environment = Environment(user_classes=[Fast if name == "fast" else Plain], host=url)
    return environment, lambda: environment.stats.total.num_requests


def saturated(name: str, url: str, users: int, seconds: float) -> dict[str, float]:
    """Let a client send as fast as it can."""
    environment, count = made(name, url, users)
    environment.create_local_runner().start(users, spawn_rate=users)
    gevent.sleep(WARM_UP_S)
    began, wall_s, cpu_s = count(), time.perf_counter(), time.process_time()
    gevent.sleep(seconds)
    return {
        "requests": count() - began,
        "wall_s": time.perf_counter() - wall_s,
        "cpu_s": time.process_time() - cpu_s,
        "failures": environment.stats.total.num_failures,
    }


def paced(url: str, users: int, seconds: float) -> dict[str, float]:
    """Send at a steady rate; tell how many were sent, and how late once all users were there, in ms."""
    environment, run = paystorm(url, users, rate_per_s=PACED_PER_S)
    runner = environment.create_local_runner()
    runner.start(users, spawn_rate=users)
    while runner.user_count < users:
        gevent.sleep(0.001)
    # What was due before somebody was there is late by as long as they took to start.
    all_there_ns = run.clock.now_ns()
    assert run.dealer.work is not None
    until_ns = run.dealer.work.began_ns + round(seconds * 1e9)
    while run.clock.now_ns() < until_ns + 500_000_000:
        gevent.sleep(0.05)
    run.journal.flush()
    rows = pq.read_table(sorted(run.directory.journal.glob("*.parquet"))).to_pandas()
    sent = rows[(rows["fact"] == Fact.SENT) & (rows["intended_ns"] < until_ns)]
    in_time = sent[sent["at_ns"] < until_ns]
    attended = sent[sent["intended_ns"] >= all_there_ns]
    late_ms = np.sort((attended["at_ns"] - attended["intended_ns"]).to_numpy()) / 1e6
    gaps_ms = np.abs(np.diff(np.sort(sent["at_ns"].to_numpy())) / 1e6 - 1000 / PACED_PER_S)
    return {
        "planned": PACED_PER_S * seconds,
        "sent": len(in_time),
        "late_p50_ms": float(late_ms[len(late_ms) // 2]),
        "late_p99_ms": float(late_ms[len(late_ms) * 99 // 100]),
        "spacing_error_ms": float(gaps_ms.mean()),
    }


def traced(url: str, users: int, seconds: float, tracing: Tracing | None) -> dict[str, float]:
    """Send as fast as it can, with completions; what a command took until its span was exported."""
    environment, run = paystorm(url, users, tracing=tracing)
    run.completions = Settled(run)
    if tracing is not None:
        from locustfiles.traces import Traces

        run.counting.traces = Traces(tracing, run)
    traces, tally = run.counting.traces, run.tracker.tally
    runner, cpu_s = environment.create_local_runner(), time.process_time()
    runner.start(users, spawn_rate=users)
    while tally.acknowledged < TRACED_PER_S * seconds:
        gevent.sleep(0.1)
    runner.stop()
    run.journal.flush()
    if traces is not None:
        # There may be more than the end of a run would wait for.
        while traces._rows or (traces._job is not None and not traces._job.ready()):
            gevent.sleep(0.1)
        traces.close()
    return {
        "cpu_us": (time.process_time() - cpu_s) / tally.acknowledged * 1e6,
        "acknowledged": tally.acknowledged,
        "exported": traces.exported if traces is not None else 0,
    }


def costs(url: str) -> dict[str, float]:
    """Take a request apart; what each part takes, in microseconds of a core.

    Each part is done for many commands in a row. Between requests, in a process that does all of it,
    the same takes longer: what it needs is no longer at hand then.
    """
    environment, run = paystorm(url, 1)
    seat = run.roster.join()
    environment.create_local_runner()
    statistics = Statistics(environment, "HTTP")
    answer = HttpAnswer(202, {}, b'{"commandId":"9036106f-9511-8e2b","status":"ACCEPTED"}')
    gevent.sleep(0.1)
    work = run.dealer.work
    assert work is not None
    (lane,) = work.lanes.values()
    tracker, intake = run.tracker, Intake(run, statistics)
    spent: defaultdict[str, float] = defaultdict(float)
    for counted in (False, True):
        # What is done for the first time takes longer: libraries are imported then.
        spent.clear()
        done = 0
        while done < (COSTED if counted else COSTED // 10):
            with _timed(spent, "ids, grant, unique body, arrival, 128 at once"):
                run.dealer._prepare(work, lane, run.clock.now_ns())
            size = len(lane.due)
            with _timed(spent, "a user's turn, its lease looked at"):
                turns = [turn for _ in range(size) if (turn := run.take(seat))]
            with _timed(spent, "sent: fact, and what is pending"):
                sent = [tracker.leaving(turn.card, turn.phase, turn.arrival) for turn in turns]
            columns = turns, sent, repeat(answer, size), repeat(run.clock.now_ns(), size)
            intake._waiting += map(Answered, *columns)
            with _timed(spent, "answer read, accepted: fact, no longer awaited"):
                intake.take()
            done += size
        with _timed(spent, "statistics, in batches"):
            statistics.feed()
        with _timed(spent, "journal written (two rows)"):
            run.journal.flush()
    figures = {name: took_s / done * 1e6 for name, took_s in spent.items()}
    environment.events.request.add_listener(lambda **_: None)
    with _timed(spent, EVENTS):
        for _ in range(done):
            statistics.answered("payment", 10**18, 1.5, 70)
    return {**figures, EVENTS: spent[EVENTS] / done * 1e6}


@contextmanager
def _timed(spent: defaultdict[str, float], name: str) -> Iterator[None]:
    began_s = time.process_time()
    yield
    spent[name] += time.process_time() - began_s


EVENTS = "instead, where others listen: statistics, as events"
COSTED = 20_000
"""So many of each part are timed together."""


def main(name: str, url: str, users: int, seconds: float) -> None:
    """Measure one client, on this machine's first core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    if name == "costs":
        figures = costs(url)
    elif name == "paced":
        figures = paced(url, users, seconds)
    elif name in TRACED:
        figures = traced(url, users, seconds, TRACED[name])
    else:
        figures = saturated(name, url, users, seconds)
    print(json.dumps(figures))
    sys.stdout.flush()
    os._exit(0)  # Locust's greenlets go on for ever


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
