"""Reconciliation: pool, journal, book and timeline of a run become one judgement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from e2e_data import manifest as manifests
from e2e_data.commands import Kind, Outcome
from e2e_data.platform import load_platform
from e2e_data.pool import Pool
from e2e_data.progress import Bar
from reports.attempted import attempted_commands, given_up
from reports.breakdown import Breakdown
from reports.checks import Grounds, Invariant
from reports.classes import PRECEDENCE, Judged, judge_shard
from reports.columns import NEVER, Ints
from reports.cost import cost_of
from reports.evidence import Evidence, RunEvidence
from reports.fault_row import FaultRow
from reports.faults import FaultEffects, recoveries
from reports.incidents import Incident
from reports.invariants import INVARIANTS
from reports.judgement import Judgement, PhaseRow
from reports.labels import LabelCounts
from reports.latencies import Latencies
from reports.latency_log import histograms_of
from reports.measures import Measure, judged_slos, measure_of
from reports.pipeline import Pipeline
from reports.recovery import with_recovery
from reports.regions import Regions
from reports.results import Results
from reports.rundir import RunDirectory, RunRecord
from reports.search import Searches, search_result
from reports.seconds import Seconds
from reports.sending import SendingTime
from reports.server_metrics import judge_server, read_server_metrics
from reports.steps import read_steps
from reports.timeline import PHASE_BEGAN, PHASE_ENDED, RESUMED, Event, Timeline, read_timeline
from reports.unsent import Dropped
from reports.verdict import Losses, conclude, judge_fitness
from reports.workers import read_reported, worker_rows


class _Counts:
    """What is counted over the shards."""

    def __init__(self) -> None:
        self.classes: Counter[tuple[str, str]] = Counter()
        self.surely_not_sent = self.perhaps_sent = self.journaled = self.expected_rejections = 0
        self.settled_minor: Counter[str] = Counter()
        self.settled_payments = 0
        self.retried = 0
        self.labels = LabelCounts()
        self.breakdown = Breakdown()
        self.regions = Regions()

    def add(self, judged: Judged) -> None:
        """Count a shard."""
        evidence, shard = judged.evidence, judged.evidence.shard
        self.labels.add(judged)
        self.breakdown.add(judged)
        if evidence.incidents is not None:
            self.retried += int((evidence.incidents.sort == Incident.RETRIED).sum())
        for kind in Kind:
            part = judged.classes[shard.slice_of(kind)]
            for number, count in enumerate(np.bincount(part, minlength=len(PRECEDENCE)).tolist()):
                self.classes[PRECEDENCE[number], kind.label] += count
        journaled = (evidence.seen.sent_ns != NEVER) | evidence.seen.blocked
        self.journaled += int(journaled.sum())
        self.perhaps_sent += int(evidence.in_doubt.sum())
        self.surely_not_sent += int((~journaled & ~evidence.in_doubt).sum())
        certain_reject = shard.expected == Outcome.REJECTED
        self.expected_rejections += int((certain_reject & (judged.final == Outcome.REJECTED)).sum())
        paid = (shard.kind == Kind.PAYMENT) & (judged.final == Outcome.SETTLED) & ~evidence.inert
        self.settled_payments += int(paid.sum())
        currency = shard.currency[evidence.account]
        for number, code in enumerate(shard.config.currencies):
            moved = int(shard.amount_minor[paid & (currency == number)].sum())
            if moved:
                self.settled_minor[code] += moved

    def table(self) -> dict[str, dict[str, int]]:
        """Return class -> kind -> count, without empty classes."""
        table = {
            name: {kind.label: self.classes[name, kind.label] for kind in Kind}
            for name in PRECEDENCE
        }
        return {name: counts for name, counts in table.items() if any(counts.values())}


class Reconciled(NamedTuple):
    """A run, judged."""

    results: Results
    latencies: Latencies


class Spans:
    """When each phase's commands were intended and sent: how many, the first and the last."""

    def __init__(self, sending: SendingTime) -> None:
        self._sending = sending
        self._ends: dict[tuple[int, str], tuple[int, int]] = {}
        self.sent: Counter[int] = Counter()

    def add(self, frame: pd.DataFrame) -> None:
        """Add commands that were sent."""
        for phase, rows in frame.groupby("phase"):
            number = int(str(phase))
            self.sent[number] += len(rows)
            for column in ("intended_ns", "sent_ns"):
                at_ns = self._sending.of(rows[column].to_numpy())
                low, high = int(at_ns.min()), int(at_ns.max())
                first, last = self._ends.get((number, column), (low, high))
                self._ends[number, column] = min(first, low), max(last, high)

    def rate_per_s(self, phase: int, column: str) -> float:
        """Return commands per second of sending, from when the first was intended to a column's last.

        A first command that was sent late must not make the rate look higher than it was.
        """
        first, _ = self._ends.get((phase, "intended_ns"), (0, 0))
        _, last = self._ends.get((phase, column), (0, 0))
        return (self.sent[phase] - 1) / ((last - first) / 1e9) if last > first else 0.0


def reconcile(directory: RunDirectory) -> Reconciled:
    """Judge a run directory.

    Needs nothing but the directory, and tells on a terminal how far it has come. Raises Problems where
    the directory cannot be read at all.
    """
    record = directory.record()
    pool = Pool.of_manifest(manifests.read(directory.pool)).lapped(record.laps)
    evidence = RunEvidence(directory, pool)
    checks = checks_of(evidence)
    sending = SendingTime(timeline := read_timeline(directory.timeline))
    counts, spans, latencies, seconds = _Counts(), Spans(sending), Latencies(), Seconds()
    dropped = Dropped(record.phases, timeline[1])
    pipeline = Pipeline(directory)
    searches = Searches(record, read_steps(directory.steps))
    measures = _measures(record, sending, searches)
    faults = FaultEffects(timeline[1])
    for shard in _watched(evidence.shards(), pool):
        judged = judged_by(record, shard)
        dropped.tell(judged)
        counts.add(judged)
        pipeline.add(shard)
        tried = attempted_commands(judged)
        seconds.add(tried)
        counts.regions.add(judged, tried)
        sent = tried[tried["sent"]]
        for sum_of in (spans, latencies, counts.labels.responses):
            sum_of.add(sent)
        if shard.incidents is not None:
            faults.add(sent, shard.incidents)
        for check in checks:
            check.look(judged)
        others = searches.take(tried)
        for measure in measures:
            measure.add(others)
    _give_up(latencies, record, timeline[1])
    dropped_arrivals = given_up(*timeline, record.phases)
    for measure in measures:
        measure.give_up(dropped_arrivals)
    searches.give_up(dropped_arrivals)
    summed = spans, latencies, measures, pipeline, searches
    server = read_server_metrics(directory)
    metrics = seconds.table(record.phases)
    seen = timeline, faults.rows(), server
    judgement = _judgement(evidence, pool, checks, counts, summed, *seen)
    workers = worker_rows(
        timeline[1], read_reported(directory), evidence.closed, evidence.open_workers
    )
    phases = tuple(with_recovery(judgement.phases, record.plan, metrics))
    judgement = replace(judgement, workers=tuple(workers), phases=phases)
    results = Results(
        judgement=judgement,
        metrics=metrics,
        heat=seconds.heat(),
        timeline=timeline,
        histograms=histograms_of(latencies, record.phases),
        record=record,
        server=server,
    )
    return Reconciled(results, latencies)


def _measures(record: RunRecord, sending: SendingTime, searches: Searches) -> list[Measure]:
    """Return what measures each SLO; recoveries and the steps of a search are judged apart."""
    return [
        measure_of(slo, record.phases, sending)
        for slo in record.slos
        if slo.recovered_within_s is None and slo.phase not in searches.names
    ]


def _watched(shards: Iterable[Evidence], pool: Pool) -> Iterator[Evidence]:
    """Pass on shards, drawing how far they have come where that takes a while."""
    done = 0
    with Bar("judging", pool.shard_count) as bar:
        bar(0, 0)
        for number, evidence in enumerate(shards, start=1):
            yield evidence
            done += len(evidence.shard)
            bar(number, done)


def judged_by(record: RunRecord, evidence: Evidence) -> Judged:
    """Derive what became of each command of a shard, by the run's record."""
    last = len(record.phases) - 1
    return judge_shard(
        evidence,
        drained=record.drained,
        deadline_ns=_deadlines_ns(record)[np.minimum(evidence.seen.phase, last)],
        epoch_utc_ns=record.epoch_utc_ns,
    )


def _deadlines_ns(record: RunRecord) -> Ints:
    """Return the completion deadline of each phase."""
    deadlines_s = (phase.completion_deadline_s for phase in record.phases)
    return np.array(
        [round((record.completion_deadline_s if s is None else s) * 1e9) for s in deadlines_s],
        dtype=np.int64,
    )


def _give_up(latencies: Latencies, record: RunRecord, events: list[Event]) -> None:
    """Add the arrivals that each phase dropped."""
    numbers = {phase.name: number for number, phase in enumerate(record.phases)}
    for event in events:
        if event.phase in numbers:
            latencies.give_up(numbers[event.phase], event.dropped)


def checks_of(evidence: RunEvidence) -> list[Invariant]:
    """Return the checks of a run, before they have looked at anything."""
    grounds = Grounds(
        phases=evidence.record.phases,
        drained=evidence.record.drained,
        crashed=tuple(sorted(evidence.open_workers)),
        has_book=evidence.book.exists,
        by_events=evidence.book.by_events,
        wants_events=evidence.book.wants_events,
        platform=load_platform(evidence.record.platform),
        foreign=evidence.book.foreign,
        own_rows=evidence.book.own,
        platform_accounts=evidence.book.platform_accounts(),
        epoch_utc_ns=evidence.record.epoch_utc_ns,
        clock_error_ns=evidence.record.clock_error_ns,
    )
    return [invariant(grounds) for invariant in INVARIANTS]


def _judgement(
    evidence: RunEvidence,
    pool: Pool,
    checks: list[Invariant],
    counts: _Counts,
    measured: tuple[Spans, Latencies, Sequence[Measure], Pipeline, Searches],
    timeline: Timeline,
    faults: tuple[FaultRow, ...],
    server: pd.DataFrame,
) -> Judgement:
    record = evidence.record
    losses = _losses(evidence, counts, timeline[1])
    spans, latencies, measures, pipeline, searches = measured
    found = tuple(searches.rows())
    phases = tuple(_phase_rows(record, spans, timeline[1]))
    results = (*(check.check() for check in checks), *pipeline.checks())
    slos = (
        *judged_slos(measures, timeline[1]),
        *(recoveries(slo, faults) for slo in record.slos if slo.recovered_within_s is not None),
        *judge_server(record.server, server, phases),
        *map(search_result, found),
    )
    seconds = [row for row in timeline[0] if row.phase not in searches.names]
    fitness = (
        *judge_fitness(record.fitness, latencies, losses, seconds, searches.phases),
        *pipeline.fitness(),
    )
    verdict = conclude(results, slos, fitness, record.state)
    return Judgement(
        run_id=record.run_id,
        plan_name=record.plan_name,
        exit=verdict.exit,
        verdict=verdict.line,
        reasons=verdict.reasons,
        commands=len(pool),
        classes=counts.table(),
        surely_not_sent=counts.surely_not_sent,
        perhaps_sent=counts.perhaps_sent,
        journaled=counts.journaled,
        foreign=evidence.book.foreign,
        checks=results,
        slos=slos,
        fitness=fitness,
        latencies=tuple(latencies.rows(record.phases)),
        phases=phases,
        settled_minor=dict(counts.settled_minor),
        expected_rejections=counts.expected_rejections,
        labels=tuple(counts.labels.rows()),
        flagged=counts.labels.flagged,
        patterns=tuple(counts.labels.patterns()),
        regions=tuple(counts.regions.rows()),
        searches=found,
        errors=tuple(counts.breakdown.errors(record.phases)),
        rejections=tuple(counts.breakdown.rejections()),
        bands=tuple(counts.breakdown.bands()),
        cost=cost_of(record, counts.journaled, counts.settled_payments),
        retried=counts.retried,
        faults=faults,
        facts=_facts(record, pool),
    )


def _losses(evidence: RunEvidence, counts: _Counts, events: Sequence[Event]) -> Losses:
    return Losses(
        crashed=tuple(sorted(evidence.open_workers)),
        lost=tuple(event.note for event in events if event.event == "worker lost"),
        resumed=sum(event.event == RESUMED for event in events),
        unseen=counts.perhaps_sent,
    )


def _phase_rows(record: RunRecord, spans: Spans, events: list[Event]) -> Iterator[PhaseRow]:
    for number, phase in enumerate(record.phases):
        began = [
            event.at_ns
            for event in events
            if event.event == PHASE_BEGAN and event.phase == phase.name
        ]
        if not began:
            continue
        ended = [
            event for event in events if event.event == PHASE_ENDED and event.phase == phase.name
        ]
        yield PhaseRow(
            name=phase.name,
            began_ns=began[0],
            ended_ns=ended[0].at_ns if ended else None,
            sent=spans.sent[number],
            rate_per_s=spans.rate_per_s(number, "sent_ns"),
            intended_per_s=spans.rate_per_s(number, "intended_ns"),
            note=ended[0].note if ended else "the run ended before it",
        )


def _clocks(record: RunRecord) -> dict[str, str]:
    """Say how far times of different processes may be off; nothing where there was one process."""
    if not record.clock_error_ns:
        return {}
    error_ms = record.clock_error_ns / 1e6
    return {"clocks": f"times of different processes agree to within {error_ms:.3f} ms"}


def _facts(record: RunRecord, pool: Pool) -> dict[str, str]:
    """Return what it takes to reproduce the run."""
    return {
        "plan": record.plan_name,
        "pool": f"{pool.config.accounts} accounts, {len(pool)} commands, seed {pool.seed}"
        f"{f', played {pool.laps} times' if pool.laps > 1 else ''}",
        "platform": f"{record.host}{' (embedded sandbox)' if record.embedded_sandbox else ''}",
        **{f"region {name}": address for name, address in record.regions.items()},
        "adapter": record.platform or "default",
        "nonce": f"{record.nonce:016x}",
        "key": record.key,
        **_clocks(record),
        **record.versions,
    }
