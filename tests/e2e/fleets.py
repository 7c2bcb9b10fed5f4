"""Fleets of real processes for end-to-end tests: killed, stopped, cut off from their master, resumed."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow.dataset as ds

from locustfiles.control import ask, await_answer
from reports.journal import Fact
from reports.rundir import RunDirectory
from tests.e2e.conftest import ENVIRONMENT, LOCUST, PAYSTORM, ROOT, Ended, start

WAIT_S = 300
PLAN = """
name = "fleet"
description = "Three phases that are long enough for something to happen in each."
users = 24
completion_deadline_s = 120

[pool]
preset = "smoke"
seed = 5
accounts = 40

[phases.accounts]
sends = ["account"]
rate_per_s = 15

[phases.opening-credits]
sends = ["opening credit"]
rate_per_s = 15

[phases.payments]
sends = ["funding", "payment"]
rate_per_s = 120

# Several processes on a busy machine: how fast it is, is not what these tests are about.
[fitness]
lag_percentile = 50
lag_below_ms = 60000
"""

IMPATIENT = [
    *(sys.executable, "-c"),
    "from locust import main, runners; runners.HEARTBEAT_DEAD_INTERNAL = -6; main.main()",
]
"""Locust, which gives a missing worker up after six seconds more, not sixty."""


class Line:
    """A TCP line to the master that can be cut without either end's noticing, and mended."""

    def __init__(self, port: str) -> None:
        self._master = ("127.0.0.1", int(port))
        self._whole = threading.Event()
        self._whole.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.port = str(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Let nothing through; what is said meanwhile waits, as in a network's buffers."""
        self._whole.clear()

    def mend(self) -> None:
        """Let everything through again."""
        self._whole.set()

    def close(self) -> None:
        """End all connections."""
        self.mend()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                worker, _ = self._listener.accept()
                master = socket.create_connection(self._master)
                self._sockets += [worker, master]
                for pair in ((worker, master), (master, worker)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._whole.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@dataclass
class Fleet:
    """A run with workers in processes of their own."""

    process: subprocess.Popen[str]
    runs: Path
    plan: str = "fleet"
    joined: list[subprocess.Popen[bytes]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        """The run directory."""
        return (self.runs / self.plan / "latest").resolve()

    def workers(self) -> list[psutil.Process]:
        """Return the workers that the master started, and that live."""
        children = psutil.Process(self.process.pid).children()
        found = [
            child
            for child in children
            if child.status() != psutil.STATUS_ZOMBIE and "--worker" in child.cmdline()
        ]
        return sorted(found, key=lambda child: child.pid)

    @property
    def port(self) -> str:
        """The port that the master listens on, once it has started its workers."""
        self._wait(self.workers, "workers")
        command = self.workers()[0].cmdline()
        return command[command.index("--master-port") + 1]

    def rows(self) -> list[dict[str, Any]]:
        """Return the timeline until now."""
        timeline = self.directory / "timeline.jsonl"
        lines = timeline.read_text().splitlines(keepends=True) if timeline.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def events(self, event: str, phase: str | None = None) -> list[dict[str, Any]]:
        """Return how often something happened until now."""
        return [
            row
            for row in self.rows()
            if row.get("event") == event and phase in (None, row["phase"])
        ]

    def wait_for(self, event: str, phase: str | None = None, count: int = 1) -> None:
        """Wait until something happened so often."""
        self._wait(lambda: len(self.events(event, phase)) >= count, f"{event} {phase}")

    def wait_until_sent(self, sent: int) -> None:
        """Wait until so many commands were sent."""
        self._wait(lambda: any(row.get("sent", 0) >= sent for row in self.rows()), f"{sent} sent")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the run wait meanwhile: a process starts as slowly as the machine is busy."""
        await_answer(RunDirectory(self.directory), ask(RunDirectory(self.directory), "pause"))
        yield
        await_answer(RunDirectory(self.directory), ask(RunDirectory(self.directory), "resume"))

    def _wait(self, seen: Any, what: str) -> None:
        until = time.monotonic() + WAIT_S
        while not seen():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until, f"never {what}: {self.rows()[-20:]}"
            time.sleep(0.05)

    def join(self) -> None:
        """Start one more worker, as an operator would."""
        self._join(self.port)

    def join_by_line(self) -> Line:
        """Start one more worker, whose line to the master can be cut."""
        self.lines.append(Line(self.port))
        self._join(self.lines[-1].port)
        return self.lines[-1]

    def _join(self, port: str) -> None:
        command = [*LOCUST, "--worker", "--master-host", "127.0.0.1", "--master-port", port]
        self.joined.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=ENVIRONMENT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def end(self) -> None:
        """Kill what is left of it."""
        if self.process.poll() is None:
            for worker in self.workers():
                worker.kill()
            self.process.kill()
            self.process.communicate()
        for process in self.joined:
            process.kill()
            process.wait()
        for line in self.lines:
            line.close()


def start_fleet(
    folder: Path, url: str, workers: int, *options: str, impatient: bool = False
) -> Fleet:
    """Start a run of the plan, with workers or without; its directories are in `folder`.

    An `impatient` master has Locust forget a dead worker within seconds, and deal out the users anew.
    """
    plan = folder / "fleet.toml"
    plan.write_text(PLAN)
    command = [*PAYSTORM, "run", str(plan)]
    if impatient:
        master = ("--master", "--master-bind-port", "0", "--expect-workers", str(workers))
        command = [*IMPATIENT, "-f", "locustfiles/payments.py", "--headless", *master]
        command += ["--plan", str(plan)]
    command += ["--host", url, "--runs-dir", str(folder / "runs")]
    command += ["--workers", str(workers)] if workers else []
    return Fleet(start([*command, *options]), folder / "runs")


def resume_fleet(before: Fleet, workers: int) -> Fleet:
    """Go on with a run whose master is no more."""
    command = [*PAYSTORM, "run", "--resume", str(before.directory)]
    command += ["--workers", str(workers)] if workers else []
    return Fleet(start(command), before.runs, before.plan)


@dataclass(frozen=True)
class Outcome:
    """What must be the same however a run was disturbed."""

    sent: frozenset[tuple[int, int]]
    """(shard, index) of the commands that were sent, by the journals."""
    booked: frozenset[tuple[int, int]]
    """The same of the commands that the platform has."""
    decided: int
    """Settled and rejected, in total."""
    identities: dict[str, tuple[str, int]]
    """Invariant -> whether it holds, and how much was looked at."""

    @classmethod
    def of(cls, ended: Ended) -> Outcome:
        """Read what came of a run."""
        classes = ended.summary["classes"]
        assert classes.keys() <= {"settled", "rejected"}, classes
        facts = ds.dataset(sorted((ended.directory / "journal").glob("[!.]*.parquet")))
        book = ds.dataset(ended.directory / "book" / "commands.parquet")
        return cls(
            sent=_places(facts, ds.field("fact") == int(Fact.SENT)),
            booked=_places(book, ds.field("known")),
            decided=sum(sum(kinds.values()) for kinds in classes.values()),
            identities={
                check["invariant"]: (check["status"], check["examined"])
                for check in ended.summary["checks"]
            },
        )


def _places(data: ds.Dataset, chosen: ds.Expression) -> frozenset[tuple[int, int]]:
    table = data.to_table(columns=["shard", "index"], filter=chosen)
    return frozenset(zip(table["shard"].to_pylist(), table["index"].to_pylist(), strict=True))


def grants_of(ended: Ended) -> list[dict[str, Any]]:
    """Return the lines of a run's grant log: grants, and journals that were closed."""
    return [json.loads(line) for line in (ended.directory / "journal" / "grants.jsonl").open()]
