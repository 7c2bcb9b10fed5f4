"""Tracing: what is asked for by OpenTelemetry's variables, and what is made of the journal's rows."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import gevent
import numpy as np
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.config import load
from e2e_data.ids import Correlation, Ids
from e2e_data.platform import Acknowledged
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from locustfiles import traces as edge
from locustfiles.tracing import Tracing, tracing_of
from reports.journal import ROW, Fact

IDS = Ids(bytes(range(16)), 99)
POOL = Pool.in_memory(load("smoke", {}), 7)
EPOCH_NS = 1_700_000_000 * 10**9
ON = SimpleNamespace(paystorm_otel=True)


# -- what is asked for ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "variables", "share"),
    [
        (SimpleNamespace(paystorm_otel=False), {}, None),
        (None, {}, None),
        (ON, {}, 1),
        (ON, {"OTEL_TRACES_EXPORTER": "none"}, None),
        (ON, {"OTEL_SDK_DISABLED": "true"}, None),
        (ON, {"OTEL_TRACES_SAMPLER": "always_off"}, 0),
        (ON, {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}, 0.1),
        (ON, {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}, 1),
    ],
)
def test_spans_are_recorded_where_locust_is_asked_for_it(options, variables, share):
    """By its own option, off by default; how many is OpenTelemetry's own to say."""
    found = tracing_of(options, variables)
    assert (found and found.share) == share


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER = zipkin"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL = grpc"),
        ({"OTEL_TRACES_SAMPLER": "jaeger"}, "OTEL_TRACES_SAMPLER = jaeger"),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"},
            "OTEL_TRACES_SAMPLER_ARG = 2",
        ),
    ],
)
def test_what_cannot_be_done_is_said_before_any_load(variables, said):
    """With the variable and its value."""
    with pytest.raises(Problems, match=said):
        tracing_of(ON, variables)


def test_a_missing_package_is_one_line_with_its_remedy(monkeypatch):
    """The extra is optional, and nothing of it is needed where it is not asked for."""
    for name in [name for name in sys.modules if name.startswith("opentelemetry.exporter")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter", None)
    with pytest.raises(Problems) as caught:
        tracing_of(ON, {})
    (line,) = caught.value.problems
    assert "--otel" in line
    assert "pip install --editable '.[otel]'" in line
    assert tracing_of(SimpleNamespace(paystorm_otel=False), {}) is None


# -- what is made -----------------------------------------------------------------------------


class Collected(InMemorySpanExporter):
    """Keeps spans, and by which thread they came."""

    def __init__(self):
        super().__init__()
        self.threads = set()

    def export(self, spans):
        self.threads.add(threading.get_ident())
        return super().export(spans)


def gone():
    """Return what sends to a collector that is none: nothing listens on port 9 of loopback."""
    return OTLPSpanExporter("http://127.0.0.1:9/v1/traces", timeout=0.1)


class Desk:
    """A run's traces, and what it was warned of."""

    def __init__(self, exporter):
        self.warnings = []
        run = SimpleNamespace(
            pool=POOL,
            ids=IDS,
            service=SimpleNamespace(run="the-run", worker="w1", lease_ns=2**60),
            plan=SimpleNamespace(phases={"accounts": None, "payments": None}),
            clock=SimpleNamespace(epoch_utc_ns=EPOCH_NS),
            dealer=SimpleNamespace(warned=lambda phase, note: self.warnings.append(note)),
            phase_name="payments",
        )
        self.exporter = exporter
        self.traces = edge.Traces(Tracing(), run, lambda: exporter)

    def tell(self, *rows):
        """Write rows of (fact, time, code, index)."""
        told = np.zeros(len(rows), ROW)
        for at, (fact, at_ns, code, index) in enumerate(rows):
            told[at] = (fact, 0, 0, index, 0, 1, Channel.HTTP, code, 0, 0, at_ns, 1_000_000, 0)
        self.traces.facts(told)


SENT = (Fact.SENT, 2_000_000, 0, 0)
ANSWERED = (Fact.ACKNOWLEDGED, 3_000_000, Acknowledged.ACCEPTED, 0)
SETTLED = (Fact.COMPLETED, 9_000_000, Outcome.SETTLED, 0)


def test_a_span_for_each_attempt_goes_out_with_its_context():
    """Ids of the correlation id, times of the journal, and attributes that are no secret."""
    desk = Desk(Collected())
    desk.tell(SENT, ANSWERED, SETTLED)
    desk.traces.look()
    desk.traces.close()
    (span,) = desk.exporter.get_finished_spans()
    context = span.get_span_context()
    raw = context.trace_id.to_bytes(16, "big") + context.span_id.to_bytes(8, "big")
    assert Correlation.unpack(raw).index == 0
    assert (span.parent, span.kind, span.name) == (None, SpanKind.CLIENT, "account over http")
    assert (span.start_time, span.end_time) == (EPOCH_NS + 2_000_000, EPOCH_NS + 9_000_000)
    assert [(event.name, event.timestamp - EPOCH_NS) for event in span.events] == [
        ("intended", 1_000_000),
        ("answered", 3_000_000),
    ]
    assert dict(span.attributes) == {
        "paystorm.command_id": IDS.command_ids(0, 0, [0])[0],
        "paystorm.kind": Kind.ACCOUNT.label,
        "paystorm.channel": "http",
        "paystorm.phase": "payments",
        "paystorm.attempt": 1,
        "paystorm.outcome": "settled",
        "paystorm.expected": "settled",
    }
    assert span.status.status_code is StatusCode.UNSET
    resource = span.resource.attributes
    assert resource["service.name"] == "paystorm"
    assert (resource["service.instance.id"], resource["paystorm.run"]) == ("w1", "the-run")


def test_what_is_wrong_is_an_error():
    """And what has no end when the run has one is exported as it stands."""
    desk = Desk(Collected())
    desk.tell(SENT, (Fact.COMPLETED, 9_000_000, Outcome.REJECTED, 0), (Fact.SENT, 5, 0, 1))
    desk.traces.close()
    wrong, pending = desk.exporter.get_finished_spans()
    assert wrong.status.status_code is StatusCode.ERROR
    assert pending.attributes["paystorm.outcome"] == "pending"
    assert desk.traces.exported == 2


def test_spans_are_made_on_a_thread_of_their_own():
    """Whoever sends commands waits for no collector: `look` returns at once."""
    desk = Desk(Collected())
    desk.tell(SENT, ANSWERED, SETTLED)
    desk.traces.look()
    assert desk.exporter.get_finished_spans() == ()
    desk.traces.close()
    assert len(desk.exporter.threads) == 1
    assert threading.get_ident() not in desk.exporter.threads


def test_a_collector_that_is_gone_costs_the_spans_and_is_said_once():
    """The run goes on; how many were given up is known."""
    desk = Desk(gone())
    for _ in range(3):
        desk.tell(SENT, SETTLED)
        desk.traces.look()
        while not desk.traces._job.ready():
            gevent.sleep(0.01)
    desk.traces.close()
    assert (desk.traces.exported, desk.traces.given_up) == (0, 3)
    assert len(desk.warnings) == 1
    assert desk.warnings[0].startswith("1 span given up so far: Failed to export")


def test_what_waits_for_a_slow_collector_is_bounded(monkeypatch):
    """Rows that there is no room for are counted, not kept."""
    monkeypatch.setattr(edge, "WAITING_MAX", 3)
    desk = Desk(Collected())
    desk.tell(SENT, SETTLED)
    desk.tell(SENT, SETTLED)
    assert desk.traces.given_up == 2
    desk.traces.close()
    assert len(desk.exporter.get_finished_spans()) == 1
