"""Traces: a span for each attempt, made from the journal and sent to a collector, on an OS thread.

Whoever sends commands is not asked anything: what the journal has written is looked at about once a
second, and a collector that is slow or gone costs the run its spans, never its pace.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import gevent
import numpy as np
from gevent.threadpool import ThreadPool
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, StatusCode

from e2e_data.commands import Channel
from e2e_data.trace_context import trace_and_span
from locustfiles.lives import Life, Lives, Named, Rows
from locustfiles.pacing import SECOND_NS
from locustfiles.run import Run
from locustfiles.tracing import Tracing
from reports.journal import ROW, Fact
from reports.quantities import counted

log = logging.getLogger(__name__)

TOGETHER = 512
"""So many spans are sent in one request."""
WAITING_MAX = 500_000
"""Rows of the journal that wait for the thread; further ones are not looked at."""
LAST_S = 3.0
"""So long the end of a run waits for its last spans."""
SERVICE = "paystorm"


class _GivenIds(IdGenerator):
    """Gives the ids that were laid out for it."""

    ids = 0, 0

    def generate_trace_id(self) -> int:
        return self.ids[0]

    def generate_span_id(self) -> int:
        return self.ids[1]


class _Ended(SpanProcessor):
    """Keeps spans that have ended until they are taken."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class _Why(logging.Handler):
    """Keeps what an exporter says of its failures, at each of them, to be said once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = "no reason was given"

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


class Spans:
    """Makes spans of lives."""

    def __init__(self, resource: Resource, phases: Sequence[str], epoch_utc_ns: int) -> None:
        """Make those of a run with these phases, whose times count from `epoch_utc_ns`."""
        self._phases, self._epoch_utc_ns = phases, epoch_utc_ns
        self._ids, self._ended = _GivenIds(), _Ended()
        provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer(SERVICE)

    def of(self, lives: Iterable[Life]) -> list[ReadableSpan]:
        """Return a span for each life."""
        for life in lives:
            self._make(life)
        made, self._ended.spans = self._ended.spans, []
        return made

    def _make(self, life: Life) -> None:
        self._ids.ids = trace_and_span(life.correlation_id)
        channel, began_ns = life.channel.name.lower(), self._epoch_utc_ns
        span: Span = self._tracer.start_span(  # type: ignore[assignment]  # the SDK's own, not the API's
            f"{life.kind.label} over {channel}",
            # Whatever is current on this thread is none of its parents.
            Context(),
            SpanKind.CLIENT if life.channel is Channel.HTTP else SpanKind.PRODUCER,
            {
                "paystorm.command_id": life.command_id,
                "paystorm.kind": life.kind.label,
                "paystorm.channel": channel,
                "paystorm.phase": self._phases[life.phase],
                "paystorm.attempt": life.number,
                "paystorm.outcome": life.end,
                "paystorm.expected": life.expected.label,
            },
            start_time=began_ns + life.sent_ns,
        )
        span.add_event("intended", timestamp=began_ns + life.intended_ns)
        if life.acknowledged_ns is not None:
            span.add_event("answered", timestamp=began_ns + life.acknowledged_ns)
        if not life.fine:
            span.set_status(StatusCode.ERROR, life.end)
        span.end(began_ns + life.ended_ns)


class Traces:
    """The traces of one run in one process that sends."""

    def __init__(
        self,
        tracing: Tracing,
        run: Run,
        exporter: Callable[[], SpanExporter] = OTLPSpanExporter,
    ) -> None:
        """Begin; `exporter` is made on the thread that uses it."""
        self._run = run
        # A master waits no longer than that for a worker's word.
        self._last_s = min(LAST_S, run.service.lease_ns / SECOND_NS / 2)
        self._lives = Lives(run.ids, tracing.share)
        resource = Resource.create(
            {SERVICE_INSTANCE_ID: run.service.worker, "paystorm.run": run.service.run}
        )
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: SERVICE}))
        self._spans = Spans(resource, list(run.plan.phases), run.clock.epoch_utc_ns)
        self._make_exporter = exporter
        self._exporter: SpanExporter | None = None
        self._shards: dict[int, Named] = {}
        self._rows: deque[Rows] = deque()
        self._thread = ThreadPool(1)
        self._job: gevent.event.AsyncResult[None] | None = None
        self.exported = 0
        """Spans that a collector has taken."""
        self.given_up = 0
        """Spans that none took, and facts that there was no time to look at."""
        self._warned = False
        self._why = _Why()
        logger = logging.getLogger(OTLPSpanExporter.__module__)
        logger.propagate, logger.handlers = False, [self._why]

    def facts(self, rows: Rows) -> None:
        """Take in rows of the journal, on any thread."""
        if sum(map(len, self._rows)) + len(rows) > WAITING_MAX:
            self.given_up += len(rows)
        else:
            self._rows.append(rows)

    def look(self) -> None:
        """Have what was taken in looked at, unless the last is still on its way; returns at once."""
        if self._job is not None and not self._job.ready():
            return
        self._warn_once()
        if self._rows:
            rows = np.concatenate([self._rows.popleft() for _ in range(len(self._rows))])
            self._job = self._thread.spawn(self._take, rows, self._named(rows), last=False)

    def close(self) -> None:
        """Send what is left, for as long as a run's end may take."""
        try:
            with gevent.Timeout(self._last_s):
                while self._rows or self._job is not None:
                    if self._job is not None:
                        self._job.wait()
                        self._job = None
                    self.look()
                self._thread.apply(self._take, (np.empty(0, ROW), {}), {"last": True})
                self._thread.kill()
        except gevent.Timeout:
            self._warn(f"the last spans were given up: after {self._last_s:g} s there were more")
        self._warn_once()
        log.info("%s exported, %d given up", counted(self.exported, "span"), self.given_up)

    def _named(self, rows: Rows) -> Mapping[int, Named]:
        """Return what is known of the shards of what was sent; they are at hand, since it was sent of them."""
        sent = np.unique(rows["shard"][rows["fact"] == Fact.SENT]).tolist()
        self._shards = {
            number: self._shards.get(number) or Named.of(self._run.pool.shard(number))
            for number in sent
        }
        return self._shards

    def _warn(self, note: str) -> None:
        self._run.dealer.warned(self._run.phase_name, note)

    def _warn_once(self) -> None:
        if self.given_up and not self._warned:
            self._warned = True
            self._warn(f"{counted(self.given_up, 'span')} given up so far: {self._why.last}")

    # -- on the thread --------------------------------------------------------------------------

    def _take(self, rows: Rows, shards: Mapping[int, Named], *, last: bool) -> None:
        try:
            if self._exporter is None:
                self._exporter = self._make_exporter()
            made = self._spans.of(self._lives.take(rows, shards))
            made += self._spans.of(self._lives.end()) if last else []
            self._export(self._exporter, made)
            if last:
                self._exporter.shutdown()
        except Exception as error:
            # A run goes on without its spans.
            self.given_up += len(rows)
            self._why.last = repr(error)

    def _export(self, exporter: SpanExporter, made: Sequence[ReadableSpan]) -> None:
        for at in range(0, len(made), TOGETHER):
            part = made[at : at + TOGETHER]
            if exporter.export(part) is not SpanExportResult.SUCCESS:
                # Each failure takes its time, and whatever is wrong will not be right for the next.
                self.given_up += len(made) - at
                return
            self.exported += len(part)
