"""The report in Markdown, short enough for a pipeline's summary."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from e2e_data.exits import Exit
from reports import breakdown_tables, tables
from reports.answers import fast, headline, right, without_findings
from reports.curve import steps_table
from reports.hostile import markdown
from reports.judgement import Case, Judgement
from reports.paragraph import length_s, paragraph
from reports.quantities import NOTHING, moment, sentence_case
from reports.since import NO_EARLIER, Since

LATENCIES_MAX = 10
"""Rows of the slowest latencies: the whole tables are in report.html."""

_MARKS = {Exit.GOOD: "✅", Exit.SLOW: "⚠️", Exit.UNFIT: "⚠️", Exit.INTERRUPTED: "⚠️"}


def to_markdown(judgement: Judgement, last_seen_s: float = 0.0, changed: Since = NO_EARLIER) -> str:
    """Return the summary: verdict, checks, what changed, faults, classes, findings, top latencies.

    `last_seen_s` is the last second since the run's epoch of which anything is known.
    """
    parts = [
        *_opening(judgement, last_seen_s),
        *_section("Invariants", tables.invariants(judgement.checks), "No invariant was checked."),
        *_section("SLOs", tables.slos(judgement.slos), "The plan sets no SLO for this run."),
        *_section(
            "Load generator",
            tables.fitness(judgement.fitness),
            "There is no evidence of the load generator's fitness.",
        ),
        *_since(changed),
        *_searches(judgement),
        *_faults(judgement),
        *_workers(judgement),
        *_section("Commands", tables.classes(judgement), ""),
        *_gap(judgement),
        *_labels(judgement),
        *_findings(judgement),
        *_section(
            f"Slowest latencies (ms, at most {LATENCIES_MAX} rows)",
            tables.top_latencies(judgement, LATENCIES_MAX),
            "No latency was measured.",
        ),
        "Response and completion count from the intended time: no coordinated omission.",
    ]
    return "\n\n".join(parts) + "\n"


def _opening(judgement: Judgement, last_seen_s: float) -> Iterator[str]:
    word, _ = headline(judgement)
    mark = _MARKS.get(judgement.exit, "❌")
    yield f"# {mark} {markdown(sentence_case(judgement.verdict))}"
    run = f"plan {markdown(judgement.plan_name)}, run {markdown(judgement.run_id)}"
    yield f"{word} (exit code {int(judgement.exit)}), {run}"
    if judgement.reasons:
        yield "\n".join(f"- {markdown(reason)}" for reason in judgement.reasons)
    yield paragraph(judgement, length_s(judgement, last_seen_s))
    answered = (right(judgement), fast(judgement))
    yield "\n".join(
        f"- {answer.question} **{answer.word}.** {markdown(answer.text)}" for answer in answered
    )


def _section(title: str, frame: pd.DataFrame, otherwise: str) -> Iterator[str]:
    yield f"## {title}"
    yield _table(frame) if len(frame) else otherwise


def _since(changed: Since) -> Iterator[str]:
    """Say what changed since the run before."""
    answer = changed.answer
    yield f"## {answer.question}"
    yield f"**{answer.word}.** {markdown(answer.text)}"
    if changed.caveat:
        yield markdown(changed.caveat)
    if changed.passed_over:
        yield "Passed over: " + "; ".join(map(markdown, changed.passed_over)) + "."
    for caption, frame in changed.tables:
        yield f"**{caption}**"
        yield _table(frame)
    if changed.settings:
        yield "\n".join(f"- {markdown(one)}" for one in changed.settings)


def _faults(judgement: Judgement) -> Iterator[str]:
    if judgement.faults:
        yield from _section("Faults of the plan", breakdown_tables.faults(judgement), "")
        yield breakdown_tables.faults_read(judgement)


def _gap(judgement: Judgement) -> Iterator[str]:
    gap = tables.classes_gap(judgement)
    if gap:
        yield f"**{gap}**"


def _searches(judgement: Judgement) -> Iterator[str]:
    if judgement.searches:
        yield from _section(
            "Search (responses in ms)", steps_table(judgement.searches), "No step came to its end."
        )


def _workers(judgement: Judgement) -> Iterator[str]:
    if judgement.workers:
        yield from _section(
            "Workers (as they reported, responses in ms)", tables.workers(judgement), ""
        )


def _labels(judgement: Judgement) -> Iterator[str]:
    if judgement.labels:
        yield from _section("Labels (responses in ms)", tables.labels(judgement), "")
    missing = tables.without_patterns(judgement)
    if judgement.patterns or missing:
        yield from _section("Behaviours", tables.patterns(judgement), missing)
    if judgement.regions:
        yield from _section("Regions", tables.regions(judgement), "")


def _findings(judgement: Judgement) -> Iterator[str]:
    yield "## Findings"
    found = [(check, finding) for check in judgement.checks for finding in check.findings]
    if not found:
        yield without_findings(judgement)
    for check, finding in found:
        yield (
            f"**{markdown(finding.name)}**: {markdown(tables.described(finding))} "
            f"(invariant {markdown(check.invariant)})"
        )
        yield "\n".join(f"- {name}: {_case(case)}" for name, case in tables.named_cases(finding))


def _case(case: Case) -> str:
    told = (case.kind, case.label, case.channel, case.phase)
    where = ", ".join(part for part in told if part)
    return (
        f"{markdown(case.text)} — command {markdown(case.command_id)}, account "
        f"{markdown(case.account_id or NOTHING)} ({markdown(where)}), sent {moment(case.sent_ns)}, "
        f"completed {moment(case.completed_ns)}"
    )


def _table(frame: pd.DataFrame) -> str:
    """Write a frame of text as a table; columns that are empty all the way down are left out."""
    frame = tables.filled(frame)
    header = f"| {' | '.join(str(name) for name in frame.columns)} |"
    rule = f"|{' --- |' * len(frame.columns)}"
    rows = (
        f"| {' | '.join(markdown(str(cell)) for cell in row)} |"
        for row in frame.itertuples(index=False)
    )
    return "\n".join((header, rule, *rows))
