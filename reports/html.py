"""The report as one HTML file that needs nothing else: no network, no other file, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports import tables
from reports.answers import STATUS_TONES, answers, headline, without_findings
from reports.curve import curves, steps_table
from reports.figures import drawings
from reports.hostile import visible
from reports.judgement import Finding, Judgement
from reports.paragraph import length_s, paragraph
from reports.quantities import count, counted, sentence_case
from reports.slos import LATENCY_MEANINGS, Latency
from reports.timeline import Event, Second

# What people wait for comes first, the generator's own delay last.
_LATENCY_ORDER: tuple[Latency, ...] = ("response", "completion", "service", "lag")

_NUMBERS = {
    *("Examined", "Faults", "Measured", "Samples", "No end", *tables.PERCENTILES),
    *("Began", "Ended", "Sent", "Intended per s", "Sent per s", "At", "Amount", "Count"),
    *("Answered", "Response p50", "Response p99", "Rate per s", "Answered per s"),
    *("Intended", "Acknowledged", "Completed", "Total"),
}
_PROSE = {"Note", "Invariant", "SLO", "Rule", "What", "Value", "Commands"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text with its caption; `numbers` are the columns that stand flush right."""

    caption: str
    frame: pd.DataFrame
    numbers: frozenset[str]
    total: bool = False
    """Whether the last row adds up the others."""

    @property
    def headers(self) -> list[str]:
        """The columns' names."""
        return [str(name) for name in self.frame.columns]

    @property
    def rows(self) -> list[list[str]]:
        """The cells, row by row."""
        return [[str(cell) for cell in row] for row in self.frame.itertuples(index=False)]

    def column_class(self, header: str) -> str:
        """Return the CSS class of a column."""
        if header in self.numbers:
            return "number"
        return "prose" if header in _PROSE else "word"


def to_html(
    judgement: Judgement,
    seconds: pd.DataFrame,
    timeline: tuple[list[Second], list[Event]],
    last_seen_s: float = 0.0,
) -> str:
    """Return the page. `seconds` and `timeline` are those of `render.write_all`.

    `last_seen_s` is the last second since the run's epoch of which anything is known.
    """
    rows, events = timeline
    word, tone = headline(judgement)
    run_s = length_s(judgement, last_seen_s)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            judgement=judgement,
            headline=word,
            tone=tone,
            paragraph=paragraph(judgement, run_s),
            answers=answers(judgement, rows),
            drawings=(
                *drawings(seconds, timeline, judgement.phases),
                *curves(judgement.searches),
            ),
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


def _named_tables(judgement: Judgement, events: Sequence[Event]) -> dict[str, object]:
    latencies = [
        (
            latency.capitalize(),
            sentence_case(LATENCY_MEANINGS[latency]),
            _table(f"{latency.capitalize()} in milliseconds", frame),
        )
        for latency in _LATENCY_ORDER
        if len(frame := tables.latencies(judgement, latency))
    ]
    classes = _table("Commands by class and kind", tables.classes(judgement), total=True)
    workers = tables.workers(judgement)
    labels = _table("By label, responses in ms", tables.labels(judgement), counts=True)
    patterns = _table("Detection of behaviours", tables.patterns(judgement), counts=True)
    return {
        "invariants": _table("Invariants", tables.invariants(judgement.checks)),
        "slos": _table("Service level objectives", tables.slos(judgement.slos)),
        "fitness": _table("Fitness of the load generator", tables.fitness(judgement.fitness)),
        "phases": _table("Phases", tables.phases(judgement)),
        "steps": _table("Steps of searches, responses in ms", steps_table(judgement.searches)),
        "events": _table("What happened when", tables.events(events)),
        "workers": _table("Workers, by what they reported, responses in ms", workers),
        "latencies": latencies,
        "classes": classes,
        "labels": labels,
        "patterns": patterns,
        "without_patterns": tables.without_patterns(judgement),
        "regions": _table("The pool by region", tables.regions(judgement), counts=True),
        "moved": _table("Money moved by settled payments", tables.moved(judgement)),
        "evidence": _table("Evidence for the commands", tables.evidence(judgement)),
        "facts": _table("Facts of the run", tables.facts(judgement)),
    }


def _table(
    caption: str, frame: pd.DataFrame, *, total: bool = False, counts: bool = False
) -> Table:
    frame = tables.filled(frame) if len(frame) else frame
    names = [str(name) for name in frame.columns]
    # All columns of counts but the name's; elsewhere the names tell.
    numbers = names[1:] if total or counts else [name for name in names if name in _NUMBERS]
    return Table(caption, frame, frozenset(numbers), total)


def _cases(finding: Finding) -> Table:
    return _table(f"{finding.name}: the cases to look at", tables.cases(finding))


@cache
def _environment() -> Environment:
    """Make the templates' environment: every value is escaped, and what cannot be seen is shown."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    environment.filters["count"] = count
    environment.filters["counted"] = counted
    environment.filters["described"] = tables.described
    environment.filters["sentence_case"] = sentence_case
    environment.globals["status_tones"] = {
        status.value: status_tone for status, status_tone in STATUS_TONES.items()
    }
    return environment


def _shown(value: object) -> object:
    return value if isinstance(value, Markup) or not isinstance(value, str) else visible(value)
