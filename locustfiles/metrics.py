"""The metrics of a run, for Prometheus: their names, and their values at the moment of a scrape.

Nothing is counted for them: they are what the director and the workers' figures say, so they agree
with the timeline and the report. A label's values are those of the plan, the code or the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.platform import Acknowledged
from locustfiles.director import Director
from locustfiles.fleet.buckets import BUCKETS, upper_ms
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.facts import About
from locustfiles.fleet.figures import FleetFigures, Responses
from locustfiles.phases import State
from locustfiles.vigil import VIOLATES
from reports.journal import Fact
from reports.judgement import Status

BOUNDS_S = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 1.5, 2.5, 5.0, 10.0, 30.0),
)
"""Upper bounds of the histogram's buckets."""

SCOPE = ("phase", "channel", "kind")


@dataclass(frozen=True)
class View:
    """All that metrics are made of."""

    director: Director
    figures: FleetFigures
    clock_error_ns: int = 0
    verdict: Mapping[str, Any] | None = None
    """The judge's summary, once there is one."""

    @cached_property
    def total(self) -> Counts:
        """How the fleet stands."""
        return self.director.total()


Samples = Iterable[tuple[tuple[str, ...], Any]]
"""Values of the labels, and a value: of a histogram, Responses."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric. A counter's name ends in _total, as it is exposed."""

    name: str
    type: type[CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily]
    labels: tuple[str, ...]
    help: str
    samples: Callable[[View], Samples]

    def family(self, view: View) -> Metric:
        """Return the metric with its samples."""
        family = self.type(self.name, self.help, labels=self.labels)
        for labels, value in self.samples(view):
            if isinstance(family, HistogramMetricFamily):
                family.add_metric(labels, _buckets(value), sum_value=value.sum_ns / 1e9)
            else:
                family.add_metric(labels, value)
        return family


def families(view: View | None) -> Iterator[Metric]:
    """Yield all metrics of a run; none where there has not been a run yet."""
    if view is not None:
        for measure in MEASURES:
            yield measure.family(view)


def _buckets(responses: Responses) -> list[tuple[str, float]]:
    """Return cumulative counts; a time counts at the first bound that is surely not below it."""
    running = np.cumsum(responses.counts)
    bounds = [
        (str(bound), float(running[last])) for bound, last in zip(BOUNDS_S, _LASTS, strict=True)
    ]
    return [*bounds, ("+Inf", float(running[-1]))]


def _last_bucket(bound_s: float) -> int:
    """Return the last of the fleet's fine buckets that ends at a bound, or before it."""
    low, high = 0, BUCKETS - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if upper_ms(middle) <= bound_s * 1000 else (low, middle - 1)
    return low


_LASTS = tuple(map(_last_bucket, BOUNDS_S))


# -- samples --------------------------------------------------------------------------------------


def _scope(view: View, phase: int, channel: int, kind: int) -> tuple[str, str, str]:
    names = list(view.director.plan.phases)
    # A fact that nobody waited for may come from anywhere; numbers of other plans are no labels.
    name = names[phase] if phase < len(names) else "other"
    return name, Channel(channel).name.lower(), Kind(kind).label


def _facts(fact: Fact, label: Callable[[int], str] | None = None) -> Callable[[View], Samples]:
    """Return what counts facts of one sort, by scope and perhaps by what `label` says of the code."""

    def samples(view: View) -> Samples:
        found: dict[tuple[str, ...], int] = {}
        for about, count in view.figures.facts().items():
            if about.fact == fact:
                labels = _labels(view, about, label)
                found[labels] = found.get(labels, 0) + count
        return found.items()

    return samples


def _labels(view: View, about: About, label: Callable[[int], str] | None) -> tuple[str, ...]:
    scope = _scope(view, about.phase, about.channel, about.kind)
    return scope if label is None else (*scope, label(about.code))


def _status(code: int) -> str:
    return Acknowledged(code).name.lower() if code in set(Acknowledged) else "other"


def _outcome(code: int) -> str:
    return Outcome(code).label if code in set(Outcome) else "other"


def _responses(view: View) -> Samples:
    for (phase, kind, channel, region), responses in view.figures.responses_by_region().items():
        yield (*_scope(view, phase, channel, kind), region_name(view, region)), responses


def region_name(view: View, number: int) -> str:
    """Return the name of a region by its number in the figures; empty where the pool has none."""
    regions = ("", *view.director.pool.config.regions)
    return str(regions[number]) if number < len(regions) else "other"


def _total(name: str, unit: float = 1) -> Callable[[View], Samples]:
    """Return one figure of the whole fleet's, in another unit."""
    return lambda view: [((), getattr(view.total, name) / unit)]


def _oldest(view: View) -> Samples:
    oldest, now_ns = view.total.oldest, view.director.clock.now_ns()
    return [((), 0.0 if oldest is None else (now_ns - oldest.sent_ns) / 1e9)]


def _run(view: View) -> Samples:
    return [((view.director.directory.name, view.director.plan.name), 1)]


def _state(view: View) -> Samples:
    return [((state.name.lower(),), int(view.director.machine.state is state)) for state in State]


def _phase(view: View) -> Samples:
    return [((name,), int(name == view.director.phase_name)) for name in view.director.plan.phases]


def _faults(view: View) -> Samples:
    titles = {fault.title for fault in view.director.plan.faults}
    return [((title,), int(title in view.director.faults)) for title in sorted(titles)]


def _workers(view: View) -> Samples:
    members = view.director.desk.members.values()
    closed = sum(member.closed for member in members)
    lost = sum(member.lost for member in members) - closed
    counts = {"alive": len(members) - lost - closed, "lost": lost, "closed": closed}
    return [((state,), count) for state, count in counts.items()]


def _leases(view: View) -> Samples:
    desk = view.director.desk
    return [((), sum(desk.book.held(name) for name in desk.members))]


def _pool(view: View) -> Samples:
    return [((kind.label,), view.director.pool.count_of(kind)) for kind in Kind]


def _verdict(table: str, name: str) -> Callable[[View], Samples]:
    """Return the status of each row of a table of the verdict, as 1 for the one that it has."""

    def samples(view: View) -> Samples:
        for row in (view.verdict or {}).get(table, ()):
            for status in Status:
                yield (str(row[name]), status.value), int(row["status"] == status.value)

    return samples


def _findings(view: View) -> Samples:
    for check in (view.verdict or {}).get("checks", ()):
        yield (str(check["invariant"]),), sum(found["count"] for found in check["findings"])


def _region_errors(view: View) -> Samples:
    for row in (view.verdict or {}).get("regions", ()):
        if row["error_percent"] is not None:
            yield (str(row["region"]),), row["error_percent"] / 100


def _exit_code(view: View) -> Samples:
    return [] if view.verdict is None else [((), view.verdict["exit"])]


_C, _G, _H = CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

MEASURES = (
    Measure("paystorm_run_info", _G, ("run", "plan"), "The run that is on, or was last.", _run),
    Measure("paystorm_run_state", _G, ("state",), "1 for where the run stands.", _state),
    Measure("paystorm_phase_sending", _G, ("phase",), "1 for the phase that sends.", _phase),
    Measure(
        "paystorm_fault_active", _G, ("fault",), "1 for a fault of the plan that is on.", _faults
    ),
    Measure(
        *("paystorm_sent_total", _C, SCOPE),
        "Attempts to send a command, stamped before anything left.",
        _facts(Fact.SENT),
    ),
    Measure(
        *("paystorm_acknowledged_total", _C, (*SCOPE, "status")),
        "Answers, by what they say.",
        _facts(Fact.ACKNOWLEDGED, _status),
    ),
    Measure(
        *("paystorm_completed_total", _C, (*SCOPE, "outcome")),
        "Commands whose final outcome was observed, each once, by the first.",
        _facts(Fact.COMPLETED, _outcome),
    ),
    Measure(
        *("paystorm_violations_total", _C, ("violation",)),
        "What can never be right, as workers saw it while the run was on.",
        lambda view: [((kind,), view.figures.violations()[kind]) for kind in VIOLATES],
    ),
    Measure(
        *("paystorm_unanswered_total", _C, SCOPE),
        "Attempts without a whole answer: the commands are unknown, not failed.",
        _facts(Fact.UNANSWERED),
    ),
    Measure(
        *("paystorm_not_sent_total", _C, SCOPE),
        "Attempts that failed before anything left.",
        _facts(Fact.NOT_SENT),
    ),
    Measure(
        *("paystorm_blocked_total", _C, SCOPE),
        "Commands that were never sent, because what they need was not observed.",
        _facts(Fact.BLOCKED),
    ),
    Measure(
        *("paystorm_response_seconds", _H, (*SCOPE, "region")),
        "From a command's intended time to its acknowledgement: no coordinated omission.",
        _responses,
    ),
    Measure("paystorm_arrivals_total", _C, (), "Arrivals that were due.", _total("due")),
    Measure(
        *("paystorm_arrivals_overdue_total", _C, ()),
        "Arrivals that came due while all users waited for the platform.",
        _total("overdue"),
    ),
    Measure(
        *("paystorm_arrivals_dropped_total", _C, ()),
        "Arrivals that were given up, as the plan asks; never the commands.",
        _total("dropped"),
    ),
    Measure(
        *("paystorm_retries_total", _C, ()),
        "Commands sent once more under their id, after their connection was closed while idle.",
        _total("retried"),
    ),
    Measure(
        *("paystorm_holds_total", _C, ()),
        "Waits of users that the platform asked for (Retry-After).",
        _total("held_back"),
    ),
    Measure(
        *("paystorm_pending_commands", _G, ()),
        "Commands that were sent and have no final outcome yet.",
        _total("pending_now"),
    ),
    Measure(
        *("paystorm_oldest_pending_seconds", _G, ()),
        "How long ago the oldest of them was sent, 0 where there is none.",
        _oldest,
    ),
    Measure("paystorm_open_requests", _G, (), "Requests on the wire.", _total("waiting_now")),
    Measure("paystorm_users", _G, (), "Users of the fleet.", _total("users_now")),
    Measure(
        "paystorm_workers",
        _G,
        ("state",),
        "Processes that send: alive, lost, or closed in good order.",
        _workers,
    ),
    Measure("paystorm_leases", _G, (), "Shards that are leased now.", _leases),
    Measure(
        *("paystorm_shards_active", _G, ()),
        "Shards of the phase that have something left to send, or are leased.",
        lambda view: [((), view.director.desk.book.active)],
    ),
    Measure("paystorm_pool_commands", _G, ("kind",), "Commands of the pool.", _pool),
    Measure(
        *("paystorm_loop_lag_seconds", _G, ()),
        "How long the event loop kept a timer waiting in the last second, of the worst process.",
        _total("lag_us", 1e6),
    ),
    Measure(
        *("paystorm_cpu_ratio", _G, ()),
        "How much of one core the busiest process uses.",
        _total("cpu_permille", 1000),
    ),
    Measure(
        *("paystorm_clock_error_seconds", _G, ()),
        "The most that any worker's times may be off; known when workers have closed.",
        lambda view: [((), view.clock_error_ns / 1e9)],
    ),
    Measure(
        *("paystorm_invariant_status", _G, ("invariant", "status")),
        "1 for what the verdict says of an invariant.",
        _verdict("checks", "invariant"),
    ),
    Measure(
        *("paystorm_slo_status", _G, ("slo", "status")),
        "1 for what the verdict says of an SLO.",
        _verdict("slos", "title"),
    ),
    Measure(
        *("paystorm_fitness_status", _G, ("rule", "status")),
        "1 for what the verdict says of the load generator.",
        _verdict("fitness", "title"),
    ),
    Measure(
        *("paystorm_findings", _G, ("invariant",)),
        "Commands or accounts that violate an invariant.",
        _findings,
    ),
    Measure(
        *("paystorm_region_error_ratio", _G, ("region",)),
        "Of a region's commands those without a right outcome, as the verdict has it.",
        _region_errors,
    ),
    Measure("paystorm_exit_code", _G, (), "The verdict as an exit code.", _exit_code),
)
