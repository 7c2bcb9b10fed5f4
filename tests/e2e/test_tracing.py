"""With --otel a collector gets a span for each attempt."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow.parquet as pq
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from e2e_data.exits import Exit
from e2e_data.ids import Correlation
from reports.journal import Fact
from reports.rundir import RunDirectory
from tests.e2e.conftest import PAYSTORM, run


class Collector(ThreadingHTTPServer):
    """Takes what OpenTelemetry's exporters send over HTTP, and keeps the spans."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans: list[Any] = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Collector)
        if self.path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    """On loopback."""
    server = Collector()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_every_attempt_of_a_fleet_has_its_span(collector: Collector, runs: list[str]) -> None:
    """As many as the journals say, under the run's own correlation ids, with how each ended."""
    command = [*PAYSTORM, "run", "smoke", "--otel", "--workers", "1", *runs]
    command += ["--channels", "http=50,kafka=50"]
    for setting in ("lag_below_ms=60000", "loop_lag_below_ms=60000", "cpu_below_percent=1000"):
        command += ["--set", f"fitness.{setting}"]
    at = f"http://127.0.0.1:{collector.server_port}"
    ended = run(command, OTEL_EXPORTER_OTLP_ENDPOINT=at)
    assert ended.code == Exit.GOOD, ended.out + ended.err
    directory = RunDirectory(ended.directory)
    journals = sorted(directory.journal.glob("*.parquet"))
    facts = pq.read_table(journals, columns=["fact"])["fact"].to_pylist()
    assert len(collector.spans) == facts.count(Fact.SENT) > 0
    tag = directory.record().ids.tag
    for span in collector.spans:
        found = Correlation.unpack(span.trace_id + span.span_id)
        assert found is not None
        assert found.tag == tag
        told = {one.key: one.value.string_value for one in span.attributes}
        assert told["paystorm.channel"] == found.channel.name.lower()
        assert told["paystorm.outcome"] in ("settled", "rejected")
