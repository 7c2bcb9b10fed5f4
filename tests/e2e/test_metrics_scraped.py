"""Real Prometheus scrapes a fleet's master and has everything, to the last command and the verdict.

And the run asks it in turn, as the platform's own monitoring, for what its plan names.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from e2e_data.exits import Exit
from tests.e2e.conftest import PAYSTORM, Ended, run
from tests.mq_parts import needs_ibmmq

START_S = 120
CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: paystorm
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
  - job_name: itself
    static_configs: [{{targets: ["127.0.0.1:{own}"]}}]
"""
MEMORY = 'process_resident_memory_bytes{job="itself"} / 1e6'


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Prometheus:
    """A server that scrapes one port and its own, and answers queries of what it has."""

    def __init__(self, folder: Path, target: int) -> None:
        self.port = free_port()
        config = folder / "prometheus.yml"
        config.write_text(CONFIG.format(port=target, own=self.port))
        command = [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
        ]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", "--query.lookback-delta=10m"]
        self._log = (folder / "log.txt").open("w")
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        until = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                    return
            except OSError:
                assert self.process.poll() is None, (folder / "log.txt").read_text()
                assert time.monotonic() < until
                time.sleep(0.1)

    def values(self, metric: str, by: tuple[str, ...] = ()) -> dict[tuple[str, ...], float]:
        """Return the last values of all series of a metric ever scraped, summed `by` labels."""
        # A target that is gone leaves its series stale: they are looked for in the past.
        query = f"sum by ({','.join(by)}) (last_over_time({metric}[10m]))"
        return {
            tuple(one["metric"][label] for label in by): float(one["value"][1])
            for one in self._asked(query=query)
        }

    def at(self, query: str, time_s: float) -> float:
        """Return the one value that a query had at a time, in seconds of UTC."""
        (one,) = self._asked(query=query, time=f"{time_s:.3f}")
        return float(one["value"][1])

    def _asked(self, **parameters: str) -> list[dict[str, Any]]:
        url = self.url + "/api/v1/query?" + urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(url, timeout=30) as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(30)
        self._log.close()

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def target() -> int:
    """The port that the run shall be scraped on."""
    return free_port()


@pytest.fixture
def prometheus(tmp_path: Path, target: int) -> Iterator[Prometheus]:
    """Prometheus; without it the test is skipped, but fails in CI."""
    if shutil.which("prometheus") is None:
        if os.environ.get("CI"):
            pytest.fail("prometheus is not installed: .ci/run installs Debian's package")
        pytest.skip("prometheus is not installed (Debian's package prometheus)")
    folder = tmp_path / "prometheus"
    folder.mkdir()
    running = Prometheus(folder, target)
    yield running
    running.stop()


@needs_ibmmq
def test_nothing_of_a_run_is_lost_between_scrapes(
    prometheus: Prometheus, target: int, runs: list[str]
) -> None:
    """Counts by phase, kind and outcome are the judge's own, though the run ends between two scrapes.

    Of most commands an outcome is told more than once, by a reply and by an event that either worker may
    read: it counts once. What the plan asks of Prometheus is kept as Prometheus has it, and judged.
    """
    command = [*PAYSTORM, "run", "smoke", "--workers", "2", "--metrics-port", str(target)]
    command += ["--channels", "http=40,mq=40,kafka=20"]
    memory = f'{{ name = "memory", query = \'{MEMORY}\', unit = "MB", below = 100000 }}'
    command += ["--set", f'server.prometheus="{prometheus.url}"']
    command += ["--set", f"server.metrics=[{memory}]"]
    # Several processes on a busy machine: how fast it is, is not the question.
    command += ["--set", "fitness.lag_below_ms=60000", "--set", "fitness.loop_lag_below_ms=60000"]
    ended = run([*command, *runs])
    assert ended.code == Exit.GOOD, ended.out + ended.err
    summary = ended.summary
    completed = prometheus.values("paystorm_completed_total", ("outcome", "kind"))
    judged = {
        (outcome, kind): count
        for outcome, kinds in summary["classes"].items()
        for kind, count in kinds.items()
        if count
    }
    assert completed == judged
    sent = prometheus.values("paystorm_sent_total", ("phase",))
    assert sent == {(phase["name"],): phase["sent"] for phase in summary["phases"]}
    responses = prometheus.values("paystorm_response_seconds_count")
    assert responses == prometheus.values("paystorm_acknowledged_total") == {(): 138}
    assert prometheus.values("paystorm_exit_code") == {(): 0}
    invariants = prometheus.values("paystorm_invariant_status", ("invariant", "status"))
    assert {at for at, value in invariants.items() if value} == {
        (check["invariant"], check["status"]) for check in summary["checks"]
    }
    workers = prometheus.values("paystorm_workers", ("state",))
    assert workers == {("alive",): 0, ("lost",): 0, ("closed",): 2}
    _server_metrics_are_what_prometheus_has(prometheus, ended)


def _server_metrics_are_what_prometheus_has(prometheus: Prometheus, ended: Ended) -> None:
    kept = pd.read_parquet(ended.directory / "server_metrics.parquet")
    assert set(kept["name"]) == {"memory"}
    assert set(kept["series"]) == {f"instance=127.0.0.1:{prometheus.port}, job=itself"}
    record = json.loads((ended.directory / "run.json").read_text())
    began_s = record["epoch_utc_ns"] / 1e9
    seconds = kept["t_s"].tolist()
    assert seconds == pytest.approx(list(range(len(seconds))), abs=0.001)
    assert seconds[-1] > ended.summary["phases"][-1]["ended_ns"] / 1e9 - 1
    # The last second may have been scraped once more since it was asked for.
    for at_s, value in list(zip(seconds, kept["value"].tolist(), strict=True))[:-1]:
        assert value == prometheus.at(MEMORY, began_s + at_s)
    (slo,) = [one for one in ended.summary["slos"] if one["title"] == "memory below 100000 MB"]
    assert (slo["status"], slo["samples"], slo["unit"]) == ("holds", len(kept), "MB")
    assert slo["measured"] == kept["value"].max()
    assert "memory, MB: " in (ended.directory / "report.html").read_text()
