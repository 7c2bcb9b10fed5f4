"""Locust's web UI with paystorm's locustfile, in a process of its own."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any

import psutil

from tests.e2e.conftest import LOCUST, start

WAIT_S = 300
STOP_S = 30


@dataclass
class WebUi:
    """Locust's web UI in a process of its own."""

    url: str
    process: Popen[str]
    runs: Path

    def get(self, path: str) -> Any:
        """Return the JSON that a GET brings."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def metrics(self) -> str:
        """Return what Prometheus would scrape."""
        with urllib.request.urlopen(self.url + "/metrics", timeout=30) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return str(answer.read().decode())

    def swarm(self, **form: str) -> None:
        """Press the start button."""
        data = urllib.parse.urlencode({"user_count": "8", "spawn_rate": "8", "host": "", **form})
        with urllib.request.urlopen(self.url + "/swarm", data.encode(), timeout=30) as answer:
            assert json.load(answer)["success"]

    def stop(self) -> None:
        """Press the stop button, and wait for its answer."""
        request = urllib.request.Request(self.url + "/stop", method="POST", data=b"")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["success"]

    def wait_for(self, state: str) -> None:
        """Wait until Locust is in a state."""
        self._wait(lambda told: told["state"] == state, state)

    def run_through(self, plan: str = "smoke", **form: str) -> dict[str, Any]:
        """Start a run, wait until it is judged, and return that; a short one may be over before it is seen."""
        before = len(self.summaries(plan))
        self.swarm(**form)
        self._wait(lambda _: len(self.summaries(plan)) > before, "judged")
        self.wait_for("stopped")
        return self.summaries(plan)[-1]

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many workers are there; before, a press of the button does nothing."""
        self._wait(lambda told: len(told["workers"]) == count, f"{count} workers")

    def _wait(self, seen: Callable[[dict[str, Any]], bool], what: str) -> None:
        until = time.monotonic() + WAIT_S
        while not seen(self.get("/stats/requests")):
            assert time.monotonic() < until, f"never {what}"
            time.sleep(0.1)

    def summaries(self, plan: str = "smoke") -> list[dict[str, Any]]:
        """Return what was judged of a plan, oldest first."""
        files = (self.runs / plan).glob("2*/summary.json")
        return [
            json.loads(path.read_text()) for path in sorted(files, key=lambda p: p.stat().st_mtime)
        ]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(runs: Path, *more: str) -> Iterator[WebUi]:
    """Serve the web UI with the smoke plan, until the context ends."""
    port, master_port = free_port(), free_port()
    options = ["--plan", "smoke", "--runs-dir", str(runs), "--web-port", str(port)]
    options += [option.format(port=master_port) for option in more]
    process = start([*LOCUST, *options])
    web = WebUi(f"http://127.0.0.1:{port}", process, runs)
    until = time.monotonic() + WAIT_S
    while True:
        try:
            urllib.request.urlopen(web.url + "/login", timeout=30).close()
            break
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.1)
    try:
        yield web
    finally:
        _end(process)


def _end(process: Popen[str]) -> None:
    """End a web UI in good order; one that does not is killed, with the workers that Locust forked."""
    if process.poll() is not None:
        return
    forked = psutil.Process(process.pid).children()
    process.terminate()
    try:
        process.communicate(timeout=STOP_S)
    except TimeoutExpired:
        process.kill()
        for child in forked:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.communicate()
