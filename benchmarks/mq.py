"""How many messages and requests a second go through IBM's binding, and what one takes.

    python benchmarks/mq.py            about four minutes
    python benchmarks/mq.py --quick    a few seconds, to see that it runs

One binding, `ibmmq`, on two paths to the sandbox's queue manager, in one run: the stand-in for its C
module, on gevent's sockets; and the C module, on OS threads, with a library of our own for IBM's (left
out, with the reason, where it cannot be built). Requests are answered by an echo in the queue manager's
process, and by the payments platform in its own. Beside them two round trips on bare sockets: what a
request and its reply would take with nothing around. Machines differ and so do their days, so figures
are compared with others of the same run, and none makes it fail.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):
    # Instead of this folder, whose modules must not be taken for others of their names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import PAYSTORM, ROOT, Row, table
from tests.mq_client_c import build

CLIENTS = (sys.executable, "-m", "benchmarks.mq_clients")
PLATFORM = (
    *(*PAYSTORM, "sandbox", "--http-port", "0", "--mq-port", "0", "--latency", "0"),
    *("--mq-replies", "final", "--announce"),
)
CACHE = ROOT / ".pytest_cache" / "mq-client-c"
START_S = 30
GOAL_PER_S = 4_000
GOAL_STALL_MS = 20
STAND_IN, THREADS, BARE = "stand-in", "threads", "bare sockets"
Cell = tuple[str, str, int]
"""A path, its work, and how many users do it."""
WORK = {"put": "put", "get": "get", "ask": "request and reply", "command": "command and reply"}


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens: its addresses by name, and its id."""

    addresses: dict[str, str]
    pid: int


@dataclass(frozen=True, slots=True)
class Load:
    """What users did in a measured time."""

    done: int
    wall_s: float
    load_cpu_s: float
    server_cpu_s: float
    stall_ms: float

    @property
    def rate(self) -> float:
        """How often a second."""
        return self.done / self.wall_s

    @property
    def told(self) -> str:
        """The rate, and the processor time of one, of the load and of the server."""
        here, there = (1e6 * cpu_s / self.done for cpu_s in (self.load_cpu_s, self.server_cpu_s))
        return f"{self.rate:,.0f}/s, {here:.0f} + {there:.0f} µs"


@contextmanager
def serving(command: tuple[str, ...]) -> Iterator[Server]:
    """Run a server until the end of the block."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            if not select.select([process.stdout], [], [], START_S)[0]:
                raise TimeoutError(f"{' '.join(command)} did not start")
            yield Server(json.loads(os.read(process.stdout.fileno(), 4096)), process.pid)
        finally:
            process.kill()


def loaded(
    path: str, work: str, server: Server, users: int, seconds: float, library: str = ""
) -> Load:
    """Have users work in a process of their own."""
    address = server.addresses["bare" if work == "bare" else "mq"]
    what = (path, work, address, str(users), str(seconds), str(server.pid))
    command = (*CLIENTS, *what, *([library] if library else []))
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return Load(**json.loads(done.stdout))


def library() -> str:
    """Return the library for IBM's, or nothing, with the reason told, where it cannot be built."""
    try:
        return str(build.library("ibmmq", CACHE))
    except build.CannotBuildError as error:
        print(f"without the C module: {error}", file=sys.stderr)
        return ""


def measured(counts: tuple[int, ...], seconds: float, turns: int) -> dict[Cell, Load]:
    """Measure each path's work with each number of users, in turns; of each, return the middle one."""
    found: dict[Cell, list[Load]] = defaultdict(list)
    built = library()
    with serving((*CLIENTS, "serve")) as queues, serving(PLATFORM) as platform:
        for users in counts * turns:
            found[BARE, "ask", users].append(loaded("-", "bare", queues, users, seconds))
            for path in (STAND_IN, THREADS) if built else (STAND_IN,):
                # Putting goes on longer than getting, so that there is enough to get.
                for work, time_s in (("put", 2 * seconds + 1), ("get", seconds), ("ask", seconds)):
                    load = loaded(path, work, queues, users, time_s, built)
                    found[path, work, users].append(load)
            load = loaded(STAND_IN, "command", platform, users, seconds)
            found[STAND_IN, "command", users].append(load)
    return {
        cell: sorted(loads, key=lambda load: load.rate)[turns // 2] for cell, loads in found.items()
    }


def rows(found: dict[Cell, Load]) -> Iterator[Row]:
    """Tell each figure, with what it is to be compared with."""
    for (path, work, users), load in found.items():
        is_asked = path == STAND_IN and work == "ask"
        goal = f"{GOAL_PER_S:,}/s" if is_asked and users > 1 else ""
        yield Row(
            f"{WORK[work]}, {path}, {users} users", load.told, goal, ratio(found, path, work, users)
        )
    for path in (STAND_IN, THREADS):
        stalls = [load.stall_ms for (by, _, _), load in found.items() if by == path]
        if stalls:
            told = f"{max(stalls):.0f} ms"
            yield Row(f"longest stall of the hub, {path}", told, f"{GOAL_STALL_MS} ms", "")


def ratio(found: dict[Cell, Load], path: str, work: str, users: int) -> str:
    """Compare with the same of the C module, or with what it is a part of."""
    load = found[path, work, users]
    for other, kind in ((THREADS, work), (BARE, "ask")):
        beside = found.get((other, kind, users))
        if beside is not None and other != path:
            return f"{load.rate / beside.rate:.2f} of {other}"
    return ""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="see that it runs, in a few seconds")
    quick = parser.parse_args().quick
    found = measured((1, 20), 0.5, 1) if quick else measured((1, 20, 200), 2, 3)
    print(table("IBM MQ: a second, and the processor time of one, load + server", rows(found)))


if __name__ == "__main__":
    main()
