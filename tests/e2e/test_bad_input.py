"""A user's mistake gets one clear line each, exit code 2, and never a traceback or any load."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from e2e_data.exits import Exit
from locustfiles.plans import shipped_plans
from tests.e2e.conftest import LOCUST, PAYSTORM, Ended, run


def assert_told(ended: Ended, *texts: str) -> None:
    """Assert that the command was refused with these words, and no traceback."""
    assert ended.code == Exit.WRONG_USE, ended.out + ended.err
    assert "Traceback" not in ended.err + ended.out
    for text in texts:
        assert text in ended.err


class _NoPlatform(BaseHTTPRequestHandler):
    """A web server that is no payments platform."""

    def do_GET(self) -> None:
        status, body = self.server.reply  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture(params=[(404, b"<h1>not here</h1>"), (200, b"hello"), (200, b'{"a": 1}')])
def no_platform(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that answers 404, no JSON, or other JSON."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _NoPlatform)
    server.reply = request.param  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_host_that_does_not_answer_is_named_before_any_load(runs: list[str]) -> None:
    """When nothing answers at `--host`, one line says so and what to do."""
    host = f"http://127.0.0.1:{free_port()}"
    ended = run([*LOCUST, "--headless", "--host", host, *runs])
    assert_told(ended, f"nothing answers at {host}", "a run without --host")
    assert not Path(runs[1]).exists()


def test_a_web_ui_whose_port_is_taken_says_so(runs: list[str]) -> None:
    """Instead of a traceback of Locust's, and its exit code 0."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run([*LOCUST, "--web-port", str(port), *runs])
    assert_told(ended, f"cannot listen on 127.0.0.1 port {port}", "--web-port")


def test_a_host_that_is_no_payments_platform_is_named(no_platform: str, runs: list[str]) -> None:
    """A server that answers 404, or no statement, is not mistaken for a platform."""
    ended = run([*PAYSTORM, "run", "smoke", "--host", no_platform, *runs])
    assert_told(ended, f"{no_platform} is not the payments platform", "--platform")
    assert_told(run([*PAYSTORM, "try", "--host", no_platform]), "is not the payments platform")


def test_all_problems_are_told_at_once(runs: list[str]) -> None:
    """Unknown plan, bad host and bad adapter are told together."""
    options = ["--plan", "nope", "--host", "nonsense", "--platform", "none.py:Mine"]
    ended = run([*LOCUST, "--headless", *options, *runs])
    assert_told(
        ended,
        *("no plan 'nope'", ", ".join(shipped_plans())),
        *("--host nonsense", "--platform none.py:Mine"),
    )


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (["nope"], ["no plan 'nope'"]),
        (
            ["smoke", "--set", "phases.payments.rate_per_s=-1"],
            ["rate_per_s = -1", "greater than 0"],
        ),
        (["smoke", "--set", "pool.preset=huge"], ["'huge'", "smoke, small, medium"]),
        (["smoke", "--set", "pool.accounts=0"], ["accounts = 0"]),
        (["smoke", "--set", "nonsense"], ["--set nonsense", "path=value"]),
        (["smoke", "--rate", "fast"], ["--rate fast"]),
        (["smoke", "--duration", "soon"], ["'soon' is no duration"]),
        (["smoke", "--pool", "/nowhere"], ["/nowhere", "pool generate"]),
    ],
)
def test_a_bad_setting_is_named_with_its_value(
    options: list[str], texts: list[str], runs: list[str]
) -> None:
    """Each mistake is told with the value and what would be right."""
    assert_told(run([*PAYSTORM, "run", *options, *runs]), *texts)


def test_a_changed_pool_is_refused(tmp_path: Path, runs: list[str]) -> None:
    """A shard that was cut off is named, with the way to a good pool."""
    pool = tmp_path / "pool"
    assert run([*PAYSTORM, "pool", "generate", "--out", str(pool)]).code == Exit.GOOD
    shard = sorted(pool.glob("*.parquet"))[0]
    shard.write_bytes(shard.read_bytes()[:-100])
    ended = run([*PAYSTORM, "run", "smoke", "--pool", str(pool), *runs])
    assert_told(ended, shard.name, "pool generate")


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    """`reconcile` of something else says what is missing."""
    assert_told(run([*PAYSTORM, "reconcile", str(tmp_path)]), "is no run directory")


def test_workers_need_a_master(runs: list[str]) -> None:
    """One process cannot start workers for itself; a number that is none is told as well."""
    ended = run([*LOCUST, "--headless", "--workers", "2", *runs])
    assert_told(ended, "--workers 2: use paystorm run --workers, or add --master")
    ended = run([*PAYSTORM, "run", "smoke", "--workers", "many", *runs])
    assert_told(ended, "--workers many: give a number of processes from 1 to 256")
