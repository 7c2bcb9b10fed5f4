"""The tables of a report as DataFrames of text: the same in HTML, Markdown and the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from e2e_data.commands import Kind, Label
from reports.judgement import (
    Case,
    Check,
    Class,
    Finding,
    FitnessResult,
    Judgement,
    LatencyRow,
    SloResult,
)
from reports.quantities import (
    NOTHING,
    count,
    counted,
    measured,
    milliseconds,
    moment,
    money,
    significant,
)
from reports.slos import Latency
from reports.timeline import Event

PERCENTILES = ("p50", "p90", "p95", "p99", "p99.9", "p99.99", "max")
EVENTS_MAX = 50
"""Events shown: a run that warns every second must not bury its report."""

_CASE_COLUMNS = (
    *("Case", "What", "Command", "Account", "Kind", "Label", "Channel", "Phase", "Shard/index"),
    *("Intended", "Sent", "Acknowledged", "Completed"),
)


def invariants(checks: Sequence[Check]) -> pd.DataFrame:
    """Return one row per invariant: Status, Invariant, Examined, Faults, Note."""
    rows = (
        (
            check.status.value,
            f"{check.invariant}. {check.title}",
            count(check.examined),
            count(sum(finding.count for finding in check.findings)),
            check.note,
        )
        for check in checks
    )
    return text_frame(rows, ("Status", "Invariant", "Examined", "Faults", "Note"))


def slos(results: Sequence[SloResult]) -> pd.DataFrame:
    """Return one row per SLO: Status, SLO, Measured, Samples, Note."""
    rows = (
        (
            result.status.value,
            result.title,
            measured(result.measured, result.unit),
            count(result.samples),
            result.note,
        )
        for result in results
    )
    return text_frame(rows, ("Status", "SLO", "Measured", "Samples", "Note"))


def fitness(results: Sequence[FitnessResult]) -> pd.DataFrame:
    """Return one row per fitness rule: Status, Rule, Note."""
    rows = ((result.status.value, result.title, result.note) for result in results)
    return text_frame(rows, ("Status", "Rule", "Note"))


def class_counts(judgement: Judgement) -> pd.DataFrame:
    """Return the counts as integers, class x kind, with a row and a column "total".

    Classes stand in the order of `Class` and kinds in the order of `Kind`; those that nothing
    belongs to are left out.
    """
    known = [item.value for item in Class]
    labels = [kind.label for kind in Kind]
    frame = pd.DataFrame.from_dict(
        {str(name): kinds for name, kinds in judgement.classes.items()}, orient="index"
    )
    frame = frame.fillna(0).astype("int64")
    frame = frame.loc[frame.sum(axis=1) > 0, frame.sum(axis=0) > 0]
    frame = frame.loc[_ordered(frame.index, known), _ordered(frame.columns, labels)]
    frame["total"] = frame.sum(axis=1).astype("int64")
    frame.loc["total"] = frame.sum(axis=0)
    return frame.astype("int64")


def classes(judgement: Judgement) -> pd.DataFrame:
    """Return the classes as text: Class, one column per kind, Total; the last row has the totals."""
    frame = class_counts(judgement)
    shown = frame.map(count)
    names = [str(name).capitalize() for name in frame.index]
    shown.insert(0, "Class", names)
    return shown.rename(columns=lambda name: str(name).capitalize()).reset_index(drop=True)


def labels(judgement: Judgement) -> pd.DataFrame:
    """Return one row per label: Label, Commands, each class that occurs, responses in ms."""
    present = {name for row in judgement.labels for name in row.classes}
    known = [item.value for item in Class if item.value in present]
    rows = (
        (
            row.label.capitalize(),
            count(row.commands),
            *(count(row.classes[name]) if name in row.classes else "" for name in known),
            significant(row.response_p50_ms),
            significant(row.response_p99_ms),
        )
        for row in judgement.labels
    )
    columns = ("Label", "Commands", *map(str.capitalize, known), "Response p50", "Response p99")
    return text_frame(rows, columns)


def patterns(judgement: Judgement) -> pd.DataFrame:
    """Return how well flags tell each behaviour: Label, counts and rates of hits and false alarms."""
    rows = (
        (
            row.label.capitalize(),
            count(row.labelled),
            count(row.detected),
            share(row.detected, row.labelled),
            count(row.others),
            count(row.false_alarms),
            share(row.false_alarms, row.others),
        )
        for row in judgement.patterns
    )
    detection = ("Label", "Labelled", "Detected", "Detection rate")
    return text_frame(rows, (*detection, "Others", "False alarms", "False-alarm rate"))


def without_patterns(judgement: Judgement) -> str:
    """Say why `patterns` has no rows; empty where no behaviour is labelled."""
    behaviours = {label.text for label in Label if label.is_pattern}
    if judgement.patterns or not behaviours & {row.label for row in judgement.labels}:
        return ""
    if judgement.flagged:
        return "No payment with a behaviour was observed complete, so nothing could be detected."
    return "No flags were given: whether behaviours are detected is not known."


def regions(judgement: Judgement) -> pd.DataFrame:
    """Return a row per region: what belongs to it, how it went, and its payments to others."""
    rows = (
        (
            row.region,
            count(row.accounts),
            count(row.sent),
            measured(row.rate_per_s, "/s"),
            measured(row.error_percent, "%"),
            milliseconds(row.response_p50_ms),
            milliseconds(row.response_p99_ms),
            milliseconds(row.completion_p99_ms),
            count(row.payments),
            count(row.settled),
            count(row.to_other_region),
            milliseconds(row.to_other_completion_p99_ms),
        )
        for row in judgement.regions
    )
    columns = (
        *("Region", "Accounts", "Sent", "Rate", "Errors", "Response p50", "Response p99"),
        *("Completion p99", "Payments", "Settled", "To other regions", "Their completion p99"),
    )
    return text_frame(rows, columns)


def share(part: int, whole: int) -> str:
    """Return a part of a whole in percent."""
    return f"{100 * part / whole:.1f} %" if whole else NOTHING


def classes_gap(judgement: Judgement) -> str:
    """Return a warning where the classes do not add up to the pool, else ""."""
    total = sum(sum(kinds.values()) for kinds in judgement.classes.values())
    if total == judgement.commands:
        return ""
    return (
        f"The classes add up to {count(total)} commands, but the pool has "
        f"{count(judgement.commands)}: do not rely on this report."
    )


def latencies(judgement: Judgement, latency: Latency) -> pd.DataFrame:
    """Return one row per phase, channel and kind of one latency, in milliseconds.

    "> x" is a percentile that commands without an end make larger than x, the largest sample; "—"
    is one that the samples are too few for.
    """
    rows = (_latency_cells(row) for row in judgement.latencies if row.latency == latency)
    return text_frame(rows, ("Phase", "Channel", "Kind", "Samples", "No end", *PERCENTILES))


def top_latencies(judgement: Judgement, rows_max: int) -> pd.DataFrame:
    """Return the `rows_max` slowest rows of what customers see, by p99, else by what there is."""
    rows = [row for row in judgement.latencies if row.latency in {"response", "completion"}]
    rows.sort(key=lambda row: (-_slowness_ms(row), row.latency, row.phase, row.channel, row.kind))
    cells = ((row.latency, *_latency_cells(row)) for row in rows[:rows_max])
    columns = ("Latency", "Phase", "Channel", "Kind", "Samples", "No end", *PERCENTILES)
    return text_frame(cells, columns).drop(columns=["p90", "p95", "p99.9", "p99.99"])


def percentile(row: LatencyRow, name: str) -> str:
    """Return one of a row's percentiles in ms as `latencies` shows it, such as "> 812"."""
    value_ms = row.percentiles_ms.get(name)
    share = 1.0 if name == "max" else float(name[1:]) / 100
    beyond = row.censored > 0 and share * (row.count + row.censored) > row.count
    if not beyond:
        return significant(value_ms)
    largest_ms = row.percentiles_ms.get("max")
    return NOTHING if largest_ms is None else f"> {significant(largest_ms)}"


def phases(judgement: Judgement) -> pd.DataFrame:
    """Return one row per phase, numbered as in the figures; rates are commands per second."""
    rows = (
        (
            str(number),
            phase.name,
            moment(phase.began_ns),
            moment(phase.ended_ns),
            count(phase.sent),
            significant(phase.intended_per_s),
            significant(phase.rate_per_s),
            phase.note,
        )
        for number, phase in enumerate(judgement.phases, start=1)
    )
    columns = ("No.", "Phase", "Began", "Ended", "Sent", "Intended per s", "Sent per s", "Note")
    return text_frame(rows, columns)


def workers(judgement: Judgement) -> pd.DataFrame:
    """Return one row per worker of a fleet: its responses in ms, its journal, what became of it."""
    rows = (
        (
            row.worker,
            count(row.answered),
            significant(row.response_p50_ms),
            significant(row.response_p99_ms),
            "complete" if row.journal_complete else "not complete",
            row.note,
        )
        for row in judgement.workers
    )
    columns = ("Worker", "Answered", "Response p50", "Response p99", "Journal", "Note")
    return text_frame(rows, columns)


def events(happened: Sequence[Event]) -> pd.DataFrame:
    """Return what happened when: At, Event, Phase, Note; at most EVENTS_MAX, then how many more."""
    in_order = sorted(happened, key=lambda item: item.at_ns)
    rows = [(moment(item.at_ns), item.event, item.phase, item.note) for item in in_order]
    more = len(rows) - EVENTS_MAX
    if more > 0:
        note = f"{count(more)} more are in timeline.jsonl"
        rows = [*rows[:EVENTS_MAX], (NOTHING, "…", "", note)]
    return text_frame(rows, ("At", "Event", "Phase", "Note"))


def moved(judgement: Judgement) -> pd.DataFrame:
    """Return the money that settled payments moved: Currency, Amount."""
    rows = (
        (currency, money(minor, currency).removesuffix(f" {currency}"))
        for currency, minor in sorted(judgement.settled_minor.items())
    )
    return text_frame(rows, ("Currency", "Amount"))


def evidence(judgement: Judgement) -> pd.DataFrame:
    """Return how much of the pool there is evidence for: Evidence, Count."""
    rows = (
        ("surely not sent", count(judgement.surely_not_sent)),
        ("perhaps sent (granted, but the journal does not say)", count(judgement.perhaps_sent)),
        ("journaled", count(judgement.journaled)),
        ("in the pool", count(judgement.commands)),
        ("in the book, but with ids of another run", count(judgement.foreign)),
    )
    return text_frame(rows, ("Evidence", "Count"))


def facts(judgement: Judgement) -> pd.DataFrame:
    """Return what it takes to reproduce the run: Fact, Value."""
    own = {"run": judgement.run_id, "plan": judgement.plan_name}
    return text_frame({**own, **judgement.facts}.items(), ("Fact", "Value"))


def filled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of text without the columns that are empty all the way down."""
    # Not by pandas' own strings: they cannot hold every string that JSON can.
    return frame[[name for name in frame.columns if any(map(len, frame[name]))]]


def cases(finding: Finding) -> pd.DataFrame:
    """Return one row per case of `named_cases`, with its ids and times."""
    rows = ((name.capitalize(), *_case_cells(case)) for name, case in named_cases(finding))
    frame = text_frame(rows, _CASE_COLUMNS)
    if any(frame["Label"]):
        frame["Label"] = frame["Label"].replace("", NOTHING)
    return frame


def described(finding: Finding) -> str:
    """Return how often a finding was found, and what explains it where it is a consequence."""
    cause = f", a consequence of “{finding.consequence_of}”" if finding.consequence_of else ""
    return f"{counted(finding.count, 'case')}{cause}"


def named_cases(finding: Finding) -> list[tuple[str, Case]]:
    """Return the cases of a finding, each once, named such as "first" or "worst, last"."""
    named: dict[Case, list[str]] = {}
    for name, case in (("first", finding.first), ("worst", finding.worst), ("last", finding.last)):
        named.setdefault(case, []).append(name)
    return [(", ".join(names), case) for case, names in named.items()]


def text_frame(rows: Iterable[tuple[str, ...]], columns: Sequence[str]) -> pd.DataFrame:
    """Return a frame of text."""
    return pd.DataFrame(list(rows), columns=list(columns), dtype=object)


def _ordered(present: Iterable[object], order: Sequence[str]) -> list[str]:
    names = [str(name) for name in present]
    return sorted(
        names, key=lambda name: (order.index(name) if name in order else len(order), name)
    )


def _latency_cells(row: LatencyRow) -> tuple[str, ...]:
    scope = (row.phase or "all", row.channel or "all", row.kind or "all")
    values = (percentile(row, name) for name in PERCENTILES)
    return (*scope, count(row.count), count(row.censored), *values)


def _slowness_ms(row: LatencyRow) -> float:
    known = (row.percentiles_ms.get(name) for name in ("p99", "p95", "p90", "p50", "max"))
    return next((value_ms for value_ms in known if value_ms is not None), 0.0)


def _case_cells(case: Case) -> tuple[str, ...]:
    times = (case.intended_ns, case.sent_ns, case.acknowledged_ns, case.completed_ns)
    return (
        case.text,
        case.command_id,
        case.account_id or NOTHING,
        case.kind,
        case.label,
        case.channel or NOTHING,
        case.phase or NOTHING,
        f"{case.shard}/{case.index}",
        *(moment(at_ns) for at_ns in times),
    )
