"""The embedded sandbox: a payments platform of our own, in processes of its own, for one run."""

from __future__ import annotations

import json
import re
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import gevent
from gevent import subprocess

from e2e_data.problems import Problems

START_S = 30

_PORTS = {"http": "--http-port", "mq": "--mq-port", "kafka": "--kafka-port"}
"""What a sandbox announces, and the option that has it there again."""


class SandboxProcess:
    """A process of the sandbox, that lives no longer than the process that started it."""

    def __init__(self, *options: str) -> None:
        """Start it with `options`, and return when it listens. Raises Problems where it does not."""
        self._options = options
        self._start(options)

    def _start(self, options: Sequence[str]) -> None:
        # A session of its own, so that Ctrl-C in the terminal reaches the run and not the sandbox:
        # the run drains first. Its standard input is a pipe that closes when the run is gone.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--announce", "--stop-with-stdin", *options],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            with gevent.Timeout(START_S):
                assert self._process.stdout is not None
                line = self._process.stdout.readline()
            self.announced: dict[str, str] = json.loads(line)
        except (gevent.Timeout, ValueError) as error:
            self.stop()
            raise Problems(
                ["the embedded sandbox did not start; try it alone with: paystorm sandbox"]
            ) from error

    def kill(self) -> None:
        """Kill it with -9, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def start_again(self) -> None:
        """Start it once more after a kill, where it listened before. Raises Problems."""
        there = [
            f"{option}={re.findall(r'[0-9]+', self.announced[name])[-1]}"
            for name, option in _PORTS.items()
            if name in self.announced and option in self._options
        ]
        # Of an option that is given twice, the last one counts.
        self._start([*self._options, *there])

    def pause(self, *, paused: bool) -> None:
        """Stop it where it is, or let it go on."""
        self._process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def stop(self) -> None:
        """End it and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class EmbeddedSandbox:
    """A platform with all its channels: in one process, or each part in one of its own."""

    def __init__(
        self,
        options: Sequence[str] = (),
        services: Mapping[str, Sequence[str]] | None = None,
        *,
        apart: bool = False,
    ) -> None:
        """Start it with `options`, and return when it listens. Raises Problems where it does not.

        `services` are "mq" and "kafka", each with further options of the platform. Kept `apart`, book
        and messages are on the disk for as long as the sandbox is there, so that a kill loses nothing.
        """
        self._ending = ExitStack()
        self.parts: dict[str, SandboxProcess] = {}
        """By what a plan's faults call them."""
        services = services or {}
        try:
            if apart:
                self._start_apart(options, services)
            else:
                ports = [f"--{name}-port=0" for name in services]
                more = [option for given in services.values() for option in given]
                self._begin("platform", "--http-port", "0", *options, *ports, *more)
        except BaseException:
            self.stop()
            raise
        announced = [part.announced for part in self.parts.values()]
        told = {name: address for one in announced for name, address in one.items()}
        self.url = told["http"]
        self.mq: str | None = told.get("mq")
        """Where its queue manager listens, if it was asked for one."""
        self.kafka: str | None = told.get("kafka")
        """Where Kafka clients begin, if it was asked for a broker."""

    def _start_apart(self, options: Sequence[str], services: Mapping[str, Sequence[str]]) -> None:
        place = Path(self._ending.enter_context(tempfile.TemporaryDirectory(prefix="paystorm-")))
        book = ["--ledger", f"sqlite:///{place / 'book.db'}"]
        there: list[str] = []
        if "mq" in services:
            store = ["--mq-store", str(place / "messages")]
            part = self._begin("queue manager", "--mq-only", "--mq-port", "0", *store)
            there += ["--mq-at", part.announced["mq"], *services["mq"]]
        if "kafka" in services:
            store = ["--kafka-store", str(place / "records")]
            part = self._begin("broker", "--kafka-only", "--kafka-port", "0", *store)
            there += ["--kafka-at", part.announced["kafka"], *services["kafka"]]
        self._begin("platform", "--http-port", "0", *options, *book, *there)

    def _begin(self, name: str, *options: str) -> SandboxProcess:
        part = self.parts[name] = SandboxProcess(*options)
        self._ending.callback(part.stop)
        return part

    def stop(self) -> None:
        """End the sandbox and wait for it."""
        self._ending.close()
