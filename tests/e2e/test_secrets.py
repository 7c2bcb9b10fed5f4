"""Secrets go to the platform, and nowhere else: not to a log, a file, a process list, or the fleet's wire."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import psutil
import pyarrow.parquet as pq
import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import ENVIRONMENT, LOCUST, ROOT, Sandbox

WAIT_S = 300
NAMED, FILED = "canary-c8f1-of-the-environment", "canary-27ab-of-a-file"
PLAN = """
name = "canaries"
users = 8

[http]
headers = {{ X-Api-Key = "env:CANARY_KEY" }}
bearer_token = "file:{file}"

[pool]
accounts = 4

[phases.accounts]
sends = ["account"]
rate_per_s = 20

[phases.opening-credits]
sends = ["opening credit"]
rate_per_s = 20

[phases.payments]
sends = ["funding", "payment"]
rate_per_s = 50

[fitness]
lag_below_ms = 60000
loop_lag_below_ms = 60000
cpu_below_percent = 1000
"""


class Tap:
    """A wire that leads to a port, and keeps all that goes over it, both ways."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.seen = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no further connection."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            try:
                there = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                here.close()  # Nobody listens yet: whoever called will call again.
                continue
            for source, sink in ((here, there), (there, here)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                self.seen += piece
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def texts(path: Path) -> Iterator[bytes]:
    """Yield what is in a file: its bytes, and of Parquet, which is compressed, its values."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield repr(pq.read_table(path).to_pydict()).encode()


@pytest.fixture
def taps() -> Iterator[Callable[[int], Tap]]:
    """A function that taps the way to a port."""
    made: list[Tap] = []

    def tap(port: int) -> Tap:
        made.append(Tap(port))
        return made[-1]

    yield tap
    for one in made:
        one.close()


def watched(processes: dict[str, Popen[bytes]], metrics_port: int) -> tuple[bytes, bytes]:
    """Wait for the master's end, and return all process lists and metrics that were to be seen."""
    process_lists, metrics = bytearray(), bytearray()
    until = time.monotonic() + WAIT_S
    while processes["master"].poll() is None:
        assert time.monotonic() < until, "the run does not end, as the logs may tell"
        for each in psutil.process_iter(["cmdline"]):
            process_lists += " ".join(each.info["cmdline"] or ()).encode() + b"\n"
        try:
            url = f"http://127.0.0.1:{metrics_port}/metrics"
            with urllib.request.urlopen(url, timeout=5) as answer:
                metrics += answer.read()
        except OSError:
            pass  # It does not listen yet, or no more.
        time.sleep(0.5)
    assert processes["worker"].wait(30) == 0
    return bytes(process_lists), bytes(metrics)


def files(*folders: Path) -> dict[str, bytes]:
    """Return what is in all files of some folders."""
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path): b"\n".join(texts(path)) for path in paths}


def commands_of(
    folder: Path, host: str, port: int, tapped: int, metrics: int
) -> dict[str, list[str]]:
    """Return the commands of a fleet whose worker reaches its master over the tap."""
    plan, token = folder / "plan.toml", folder / "token"
    token.write_text(FILED)
    plan.write_text(PLAN.format(file=token))
    master = [*LOCUST, "--headless", "--master", "--master-bind-port", str(port)]
    master += ["--expect-workers", "1", "--plan", str(plan), "--runs-dir", str(folder / "runs")]
    master += ["--host", host, "--metrics-port", str(metrics)]
    return {"master": master, "worker": [*LOCUST, "--worker", "--master-port", str(tapped)]}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[dict[str, list[str]]], dict[str, Popen[bytes]]]]:
    """A function that starts commands with one secret in their environment, and logs all they say."""
    environment = ENVIRONMENT | {"CANARY_KEY": NAMED, "TMPDIR": str(tmp_path / "tmp")}
    environment |= {"PAYSTORM_LOG_FORMAT": "json", "LOCUST_LOGLEVEL": "DEBUG"}
    (tmp_path / "tmp").mkdir()
    started: dict[str, Popen[bytes]] = {}

    def start_all(commands: dict[str, list[str]]) -> dict[str, Popen[bytes]]:
        for name, command in commands.items():
            with (tmp_path / f"{name}.log").open("wb") as log:
                started[name] = Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        return started

    yield start_all
    for process in started.values():
        process.kill()
        process.wait()


def test_a_canary_is_seen_by_the_platform_alone(
    sandbox: Callable[..., Sandbox],
    taps: Callable[[int], Tap],
    start: Callable[[dict[str, list[str]]], dict[str, Popen[bytes]]],
    tmp_path: Path,
) -> None:
    """A fleet of processes with two secrets, everything logged, everything written, everything tapped."""
    to_platform = taps(int(sandbox().url.rpartition(":")[2]))
    port, metrics_port = free_port(), free_port()
    between = taps(port)
    host = f"http://127.0.0.1:{to_platform.port}"
    processes = start(commands_of(tmp_path, host, port, between.port, metrics_port))
    process_lists, metrics = watched(processes, metrics_port)
    logs = {name: (tmp_path / f"{name}.log").read_bytes() for name in processes}
    assert processes["master"].returncode == Exit.GOOD, logs["master"].decode()
    places = {
        **{f"log of the {name}": log for name, log in logs.items()},
        "the fleet's wire": bytes(between.seen),
        "process lists": process_lists,
        "metrics": metrics,
        **files(tmp_path / "runs", tmp_path / "tmp"),
    }
    # What is looked into is there: without it nothing would be found either.
    assert b"canaries" in places["the fleet's wire"]
    assert b"--master-bind-port" in places["process lists"]
    assert b"paystorm_sent_total" in places["metrics"]
    names = " ".join(places)
    assert all(part in names for part in ("report.html", ".parquet", "run.json", "timeline.jsonl"))
    for canary in (NAMED, FILED):
        assert canary.encode() in to_platform.seen, "the platform should get it"
        for form in (canary.encode(), base64.b64encode(canary.encode()).rstrip(b"=")):
            found = [place for place, text in places.items() if form in text]
            assert not found, f"{canary} is in {found}"
    assert_logs_are_structured(logs)


def assert_logs_are_structured(logs: dict[str, bytes]) -> None:
    """Assert that records are lines of JSON, with the worker and the phase that they belong to."""
    lines = [line for log in logs.values() for line in log.splitlines() if line.startswith(b"{")]
    records = [json.loads(line) for line in lines]
    workers = {record["worker"] for record in records if "worker" in record}
    assert "master" in workers
    assert len(workers) == 2
    assert {record["phase"] for record in records if "phase" in record} >= {"payments"}
    assert len({record["run"] for record in records if "run" in record}) == 1
