"""Locust's web UI in a process of its own, as a browser would use it."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil

from tests.e2e.conftest import LOCUST, start

WAIT_S = 60


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

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many workers are there; before, a press of the button does nothing."""
        self._wait(lambda told: len(told["workers"]) == count, f"{count} workers")

    def _wait(self, seen: Callable[[dict[str, Any]], bool], what: str) -> None:
        until = time.monotonic() + WAIT_S
        while not seen(self.get("/stats/requests")):
            assert time.monotonic() < until, f"never {what}"
            time.sleep(0.1)

    def wait_until_there(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + WAIT_S
        while True:
            with suppress(urllib.error.URLError, ConnectionError):
                self.get("/stats/requests")
                break
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until
            time.sleep(0.1)

    def wait_for_summaries(self, plan: str, count: int) -> list[dict[str, Any]]:
        """Wait until so many runs of a plan were judged, and Locust is ready for another."""
        self._wait(lambda _: len(self.summaries(plan)) >= count, f"{count} summaries of {plan}")
        self.wait_for("stopped")
        return self.summaries(plan)

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
def web_ui(runs: Path, options: Sequence[str]) -> Iterator[WebUi]:
    """Start the web UI of the locustfile; it ends with the context."""
    port = free_port()
    process = start([*LOCUST, "--runs-dir", str(runs), "--web-port", str(port), *options])
    web = WebUi(f"http://127.0.0.1:{port}", process, runs)
    try:
        web.wait_until_there()
        yield web
    finally:
        if process.poll() is None:
            # Workers that Locust forked would look for their master for a minute.
            forked = psutil.Process(process.pid).children()
            process.kill()
            for child in forked:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            process.communicate()
