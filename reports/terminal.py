"""The verdict in a terminal, or in the log of a pipeline that has none."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports import tables
from reports.answers import STATUS_TONES, Tone, headline
from reports.hostile import visible
from reports.judgement import Judgement, PhaseRow, Status
from reports.paragraph import length_s, paragraph
from reports.quantities import NOTHING, count, counted, measured, sentence_case, significant

_STYLES: dict[Tone, str] = {"good": "green", "bad": "bold red", "warn": "yellow", "none": "dim"}


def show(judgement: Judgement, report_path: Path, console: Console) -> None:
    """Print commands, phases, invariants, SLOs, fitness, findings and, last, the verdict.

    A terminal gets its lines broken between words; a log keeps them whole, to be searched.
    """
    _line(console, paragraph(judgement, length_s(judgement)))
    _classes(judgement, console)
    _labels(judgement, console)
    for phase in judgement.phases:
        _phase(phase, judgement, console)
    _heading(console, "Invariants")
    for check in judgement.checks:
        _result(console, check.status, f"{check.invariant}. {check.title}", check.note)
    if not judgement.checks:
        _line(console, "  No invariant was checked.")
    _speed(judgement, console)
    found = [finding for check in judgement.checks for finding in check.findings]
    if found:
        _heading(console, "Findings")
    for finding in found:
        first = finding.first
        _line(console, (f"  {finding.name}", "bold"), f": {tables.described(finding)}")
        _line(console, f"    first: {first.text}", hang=11)
        label = f" ({first.label})" if first.label else ""
        _line(console, f"    command {first.command_id}{label}")
        _line(console, f"    account {first.account_id or NOTHING}")
    _verdict(judgement, report_path, console)


def _classes(judgement: Judgement, console: Console) -> None:
    frame = tables.classes(judgement)
    grid = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for position, name in enumerate(frame.columns):
        grid.add_column(
            Text(_encodable(console, str(name))), justify="right" if position else "left"
        )
    rows = frame.itertuples(index=False)
    for position, row in enumerate(rows, start=1):
        cells = [Text(_encodable(console, str(cell))) for cell in row]
        grid.add_row(*cells, style="bold" if position == len(frame) else "")
    console.print(grid)
    gap = tables.classes_gap(judgement)
    if gap:
        _line(console, (gap, _STYLES["bad"]))


def _labels(judgement: Judgement, console: Console) -> None:
    if not judgement.labels:
        return
    _heading(console, "Labels")
    for row in judgement.labels:
        came = ", ".join(f"{name} {count(number)}" for name, number in row.classes.items())
        _line(console, f"  {row.label}: {counted(row.commands, 'command')}: {came}", hang=4)
    missing = tables.without_patterns(judgement)
    if judgement.patterns or missing:
        _heading(console, "Behaviours")
    for pattern in judgement.patterns:
        _line(
            console,
            f"  {pattern.label}: {count(pattern.detected)} of {count(pattern.labelled)} detected, "
            f"{counted(pattern.false_alarms, 'false alarm')} among {count(pattern.others)} others",
            hang=4,
        )
    if missing:
        _line(console, f"  {missing}")
    console.print()


def _phase(phase: PhaseRow, judgement: Judgement, console: Console) -> None:
    rates = (
        f": {count(phase.sent)} sent, {significant(phase.rate_per_s)} per s of "
        f"{significant(phase.intended_per_s)} intended"
    )
    _line(console, (phase.name, "bold"), rates)
    rows = [row for row in judgement.latencies if row.phase == phase.name]
    for scope in dict.fromkeys((row.channel, row.kind) for row in rows):
        measured = [
            f"{row.latency} {tables.percentile(row, 'p50')}/{tables.percentile(row, 'p99')}"
            for row in rows
            if (row.channel, row.kind) == scope and row.latency in {"response", "completion"}
        ]
        if measured:
            _line(console, f"  {' '.join(scope)}, p50/p99 ms: {', '.join(measured)}", hang=4)
    if phase.note:
        _line(console, f"  {phase.note}")


def _speed(judgement: Judgement, console: Console) -> None:
    if judgement.slos:
        _heading(console, "SLOs")
    for slo in judgement.slos:
        told = f"{measured(slo.measured, slo.unit)}, {counted(slo.samples, 'sample')}"
        _result(console, slo.status, f"{slo.title}: {told}", slo.note)
    if judgement.fitness:
        _heading(console, "Load generator")
    for rule in judgement.fitness:
        _result(console, rule.status, rule.title, rule.note)


def _verdict(judgement: Judgement, report_path: Path, console: Console) -> None:
    console.print()
    for reason in judgement.reasons:
        _line(console, f"- {reason}", hang=2)
    _, tone = headline(judgement)
    _line(console, f"Report: {report_path}")
    code = f"(exit code {int(judgement.exit)})"
    style = "bold green" if tone == "good" else f"bold {_STYLES[tone]}"
    _line(console, (f"{sentence_case(judgement.verdict)} {code}", style))


def _heading(console: Console, title: str) -> None:
    console.print()
    _line(console, (title, "bold"))


def _result(console: Console, status: Status, text: str, note: str) -> None:
    style = _STYLES[STATUS_TONES[status]]
    _line(console, "  ", (f"{status.value:<9}", style), f" {text}", hang=12)
    if note:
        _line(console, f"{'':<12}{note}", hang=12)


def _line(console: Console, *parts: str | tuple[str, str], hang: int = 0) -> None:
    """Print one line as it is: no markup, no escape sequence and no emoji of the network's acts.

    Where a terminal is too narrow for it, what follows is indented by `hang` columns.
    """
    line = Text()
    for part in parts:
        text, style = part if isinstance(part, tuple) else (part, "")
        line.append(_encodable(console, text), style)
    if not console.is_terminal:
        console.print(line, soft_wrap=True)
        return
    first, *others = line.wrap(console, console.width) or [line]
    console.print(first)
    rest = Text(" ").join(others)
    for piece in rest.wrap(console, max(20, console.width - hang)) if others else ():
        console.print(Text(" " * hang).append_text(piece))


def _encodable(console: Console, text: str) -> str:
    """Return what the console can encode: a log in ASCII must not cost anyone the verdict."""
    encoding = console.encoding or "utf-8"
    return visible(text).encode(encoding, "backslashreplace").decode(encoding)
