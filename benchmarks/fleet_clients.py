"""Many workers in one process, for benchmarks/fleet.py: real messages, nothing sent to any platform.

python -m benchmarks.fleet_clients PORT COUNT bare|full|ends SECONDS

It ends with its standard input, and prints figures of the last seconds.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import gevent
import locust
import zmq.green as zmq
from locust.rpc import Message, zmqrpc

from benchmarks.waits import Wait, probe, told
from e2e_data.commands import Kind
from locustfiles.fleet.agent import Agent
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.ends import End
from locustfiles.fleet.figures import KEY, Figures
from locustfiles.fleet.holder import Held
from locustfiles.fleet.messages import Answer, Bound, Slice
from locustfiles.fleet.post import ANSWER, ASK, JOIN, ORDER
from locustfiles.hand import HELD_MAX
from locustfiles.run import AHEAD_NS

LATENCY_MS = 3
SHARDS_KNOWN = 400
"""Of so many shards, ends are told of."""
NS = 1_000_000_000


class Line(zmqrpc.Client):
    """A worker's line to the master. All share a context: its threads, one of each, would be thousands."""

    context = zmq.Context()

    def __init__(self, port: int, identity: str) -> None:
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, identity.encode())
        self.socket.connect(f"tcp://127.0.0.1:{port}")


class Fake:
    """A worker that draws at its share of the rate, and finishes what it drew in the next step."""

    def __init__(self, number: int, port: int, mode: str) -> None:
        self.name = f"crowd-{os.getpid()}-{number}"
        self.client = Line(port, self.name)
        self.full, self.tells_ends = mode != "bare", mode == "ends"
        self.agent: Agent | None = None
        self.run = ""
        self.users = 0
        self.state = "ready"
        self.sending = False
        self.slices: list[Slice] = []
        self.phase = -1
        self.sent = 0
        self.moved_ns = 0
        self.due = 0.0
        self.figures = Figures()
        self.asked: dict[int, float] = {}
        self.asks: list[Wait] = []
        self.beaten: deque[float] = deque()
        self.beats: list[Wait] = []

    # -- what the agent tells -----------------------------------------------------------------------

    def begin(self, phase: int, began_ns: int) -> None:
        """Begin a phase."""
        self.phase, self.began_ns, self.slices = phase, began_ns, []

    def move(self, began_ns: int) -> None:
        """Do nothing: the benchmark's master pauses nothing."""

    def step(self, began_ns: int, rate_per_s: int) -> None:
        """Do nothing: the benchmark's master searches for nothing."""

    def go_on(self, *, sending: bool) -> None:
        """Send, or send no more."""
        self.sending = sending

    def extend(self, slices: Sequence[Slice]) -> None:
        """Remember the slices; the rate here is simply the plan's."""
        self.slices += slices

    def learn(self, bound: Sequence[Bound]) -> None:
        """Nothing is sent, so nothing needs an account."""

    def over(self, ends: Sequence[End]) -> None:
        """Wait no more for what others saw the end of: nothing here waits."""

    def watch(self, lease: Held, position: int) -> None:
        """Find the outcome at once."""
        lease.done(position)

    # -- its life -----------------------------------------------------------------------------------

    def live(self) -> None:
        """Be a worker until the process ends."""
        gevent.spawn(self.listen)
        self.send("client_ready", locust.__version__)
        gevent.spawn(self.beat)
        gevent.spawn(self.report)
        if self.full:
            gevent.spawn(self.work)

    def send(self, kind: str, data: Any) -> None:
        """Send a message to the master."""
        self.client.send(Message(kind, data, self.name))

    def beat(self) -> None:
        """Send heartbeats, as Locust's workers do."""
        gevent.sleep(random.uniform(0, 1))
        while True:
            self.beaten.append(time.monotonic())
            self.send(
                "heartbeat",
                {"state": self.state, "current_cpu_usage": 1.0, "current_memory_usage": 1},
            )
            gevent.sleep(1)

    def report(self) -> None:
        """Send statistics, as Locust's workers do, with our figures."""
        entry = {
            "name": "payment", "method": "HTTP", "last_request_timestamp": 0, "start_time": 0,
            "num_requests": 60, "num_none_requests": 0, "num_failures": 0,
            "total_response_time": 180, "max_response_time": 9, "min_response_time": 1,
            "total_content_length": 6000, "response_times": dict.fromkeys(range(1, 7), 10),
            "num_reqs_per_sec": {}, "num_fail_per_sec": {},
        }  # fmt: skip
        # Processes on many hosts do not report all at the same moment.
        gevent.sleep(random.uniform(0, 3))
        while True:
            gevent.sleep(3)
            classes = {"PaymentsUser": self.users}
            data = {
                "stats": [dict(entry, name=kind.label) for kind in Kind],
                "stats_total": entry,
                "errors": {},
                "user_classes_count": classes,
                "user_count": self.users,
            }
            if self.agent is not None:
                data[KEY] = {**self.figures.snapshot(self.name, 1), "run": self.run}
            self.send("stats", data)

    def listen(self) -> None:
        """Take what the master says."""
        while True:
            message = self.client.recv()  # type: ignore[no-untyped-call]
            if message.type == "spawn":
                self.users = sum(message.data["user_classes_count"].values())
                self.state = "running"
                told = {
                    "user_classes_count": message.data["user_classes_count"],
                    "user_count": self.users,
                }
                self.send("spawning_complete", told)
            elif message.type == ORDER and self.agent is None:
                self.run = message.data["run"]
                self.agent = Agent(
                    *(self.run, 1, self.name, self, time.monotonic_ns),
                    lease_ns=10 * NS,
                    room=HELD_MAX,
                    ahead_ns=AHEAD_NS,
                )
            elif message.type == "heartbeat" and self.beaten:
                self.beats.append(_since(self.beaten.popleft()))
            elif message.type == ANSWER and self.agent is not None:
                answer = Answer.read(message.data)
                since = self.asked.pop(answer.number, None)
                if since is not None:
                    self.asks.append(_since(since))
                self.agent.follow(answer)

    def work(self) -> None:
        """Join, draw at the rate, and ask when it is time."""
        gevent.sleep(random.uniform(0, 2.5))
        next_ask = 0.0
        while True:
            gevent.sleep(0.5)
            if self.agent is None:
                self.send(JOIN, {})
                gevent.sleep(0.5)
                continue
            self.draw()
            if time.monotonic() >= next_ask:
                self.ask()
                next_ask = time.monotonic() + max(self.agent.ask_ns / NS, 0.5)

    def draw(self) -> None:
        """Send what half a second of the plan's rate is for this one."""
        assert self.agent is not None
        want = {0: 2, 1: 2}.get(self.phase, 5) if self.sending else 0
        for lease in self.agent.holder.held():
            while want and (taken := lease.draw()):
                want -= 1
                lease.done(taken[0])
                self.sent += 1
                self.moved_ns = 1
                self.figures.add(self.phase, Kind.PAYMENT, LATENCY_MS * 1_000_000)
                if self.tells_ends:
                    # Who reads an event has it of any shard, most likely of another's.
                    self.agent.say_over((random.randrange(SHARDS_KNOWN), taken[0], 1))
                if self.phase == 0:
                    self.agent.say((lease.shard, taken[0], 1, f"id-{lease.shard:032d}"))

    def ask(self) -> None:
        """Ask, and remember when."""
        assert self.agent is not None
        counts = Counts(sent=self.sent, users_now=self.users, moved_ns=self.moved_ns)
        ask = self.agent.ask(counts, stopped=not self.sending)
        self.asked = {ask.number: time.monotonic()}
        self.send(ASK, ask.packed())


def _since(at: float) -> Wait:
    return at, time.monotonic() - at


def main(port: int, count: int, mode: str, seconds: int) -> None:
    """Let the workers live until standard input ends; print how long the last seconds' answers took."""
    workers = [Fake(number, port, mode) for number in range(count)]
    for number, worker in enumerate(workers):
        worker.live()
        if number % 50 == 0:
            gevent.sleep(0.2)
    stalls: list[Wait] = []
    gevent.spawn(probe, stalls)
    gevent.get_hub().threadpool.apply(sys.stdin.read)
    figures = {
        "asks": told((wait for one in workers for wait in one.asks), seconds),
        "beats": told((wait for one in workers for wait in one.beats), seconds),
        "stall": told(stalls, seconds),
    }
    print(json.dumps(figures), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
