"""A run that was not good tells the webhook."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import PAYSTORM, run


class Webhook(HTTPServer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.told: list[tuple[str, dict[str, Any]]] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Webhook)
        self.server.told.append((self.path, json.loads(body)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A chat service's, as it were."""
    server = Webhook()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_missed_slo_is_told_once(webhook: Webhook, runs: list[str]) -> None:
    """With the verdict, what was missed, and where the run is; and not where it was told."""
    command = [*PAYSTORM, "run", "smoke", "--webhook", "env:HOOK", *runs]
    # Several processes on a busy machine: only the SLO shall be missed.
    for setting in (
        'slos=[{latency="response", percentile=50, below_ms=0.001}]',
        *("fitness.lag_below_ms=60000", "fitness.loop_lag_below_ms=60000"),
        "fitness.cpu_below_percent=1000",
    ):
        command += ["--set", setting]
    ended = run(command, HOOK=f"http://127.0.0.1:{webhook.server_port}/the-token")
    assert ended.code == Exit.SLOW, ended.out + ended.err
    [(path, alert)] = webhook.told
    assert path == "/the-token"
    assert alert["exit"] == ended.code
    assert alert["findings"] == []
    assert [slo["title"] for slo in alert["slos"]] == ["response p50 below 0.001 ms"]
    assert alert["directory"] == str(ended.directory)
    assert "the-token" not in ended.out + ended.err
