"""The report as one HTML file that needs nothing else: no network, no other file, no script."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import orjson

from reports import breakdown_tables, tables
from reports.answers import answers, headline, without_findings
from reports.curve import curves, steps_table
from reports.figures import drawings
from reports.judgement import Finding, Judgement
from reports.page import Table, environment, table
from reports.paragraph import length_s, paragraph
from reports.quantities import sentence_case
from reports.results import Results
from reports.rundir import RunRecord
from reports.since import NO_EARLIER, Since
from reports.slos import LATENCY_MEANINGS, Latency
from reports.timeline import Event

# What people wait for comes first, the generator's own delay last.
_LATENCY_ORDER: tuple[Latency, ...] = ("response", "completion", "service", "queueing", "lag")


def to_html(results: Results, changed: Since = NO_EARLIER) -> str:
    """Return the page of a judged run, with what changed since the one before."""
    judgement, (rows, events) = results.judgement, results.timeline
    word, tone = headline(judgement)
    run_s = length_s(judgement, results.last_seen_s)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            judgement=judgement,
            headline=word,
            tone=tone,
            paragraph=paragraph(judgement, run_s),
            answers=(*answers(judgement, rows), changed.answer),
            since=changed,
            since_tables=[table(caption, frame) for caption, frame in changed.tables],
            drawings={drawing.key: drawing for drawing in drawings(results)},
            searches=list(curves(judgement.searches)),
            again=_again(results.record),
            plan=_plan(results.record),
            findings=[
                (check, finding, _cases(finding))
                for check in judgement.checks
                for finding in check.findings
            ],
            without_findings=without_findings(judgement),
            classes_gap=tables.classes_gap(judgement),
            **_named_tables(judgement, events),
        )
    )


def _again(record: RunRecord | None) -> str:
    """Return the command that runs the plan once more."""
    if record is None:
        return ""
    words = ["paystorm", "run", record.plan_name]
    words += [] if record.embedded_sandbox else ["--host", record.host]
    words += ["--platform", record.platform] if record.platform else []
    return shlex.join(words)


def _plan(record: RunRecord | None) -> str:
    return "" if record is None else orjson.dumps(record.plan, option=orjson.OPT_INDENT_2).decode()


def _named_tables(judgement: Judgement, events: Sequence[Event]) -> dict[str, object]:
    latencies = [
        (
            latency.capitalize(),
            sentence_case(LATENCY_MEANINGS[latency]),
            table(f"{latency.capitalize()} in milliseconds", frame),
        )
        for latency in _LATENCY_ORDER
        if len(frame := tables.latencies(judgement, latency))
    ]
    classes = table("Commands by class and kind", tables.classes(judgement), total=True)
    workers = tables.workers(judgement)
    labels = table("By label, responses in ms", tables.labels(judgement), counts=True)
    patterns = table("Detection of behaviours", tables.patterns(judgement), counts=True)
    return {
        "invariants": table("Invariants", tables.invariants(judgement.checks)),
        "slos": table("Service level objectives", tables.slos(judgement.slos)),
        "fitness": table("Fitness of the load generator", tables.fitness(judgement.fitness)),
        "phases": table("Phases", tables.phases(judgement)),
        "steps": table("Steps of searches, responses in ms", steps_table(judgement.searches)),
        "events": table("What happened when", tables.events(events)),
        "faults": table(
            "Faults of the plan, and what they did", breakdown_tables.faults(judgement)
        ),
        "faults_read": breakdown_tables.faults_read(judgement),
        "workers": table("Workers, by what they reported, responses in ms", workers),
        "latencies": latencies,
        "classes": classes,
        "labels": labels,
        "patterns": patterns,
        "without_patterns": tables.without_patterns(judgement),
        "regions": table(
            "Regions: what belongs to each, and how it went there",
            tables.regions(judgement),
            counts=True,
        ),
        "errors": table("Errors, the most frequent first", breakdown_tables.errors(judgement)),
        "rejections": table(
            "Rejected, by reason", breakdown_tables.rejections(judgement), counts=True
        ),
        "bands": table(
            "Payments by band of amounts", breakdown_tables.bands(judgement), counts=True
        ),
        "moved": table("Money moved by settled payments", tables.moved(judgement)),
        "evidence": table("Evidence for the commands", tables.evidence(judgement)),
        "facts": table("Facts of the run", tables.facts(judgement)),
    }


def _cases(finding: Finding) -> Table:
    return table(f"{finding.name}: the cases to look at", tables.cases(finding))
