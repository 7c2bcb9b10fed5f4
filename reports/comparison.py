"""A comparison as a page that stands alone, and as a table in the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from rich.console import Console

from e2e_data.exits import Exit
from reports import svg
from reports.answers import Tone
from reports.compared import Comparison, JudgedRun
from reports.curves import Curve, percentiles
from reports.differences import Answer, Difference
from reports.drawing import (
    COLOURS,
    RIGHT,
    WIDTH_IN,
    Drawing,
    drawing_style,
    inlined,
    say_nothing,
    sentence,
)
from reports.hostile import visible
from reports.latencies import WAITED_FOR
from reports.page import environment, table
from reports.quantities import NOTHING, count, counted, measured, significant
from reports.tables import text_frame

_HEADLINES: dict[Exit, tuple[str, Tone]] = {
    Exit.GOOD: ("No regression", "good"),
    Exit.SLOW: ("A regression", "bad"),
    Exit.NOT_RIGHT: ("Not right", "bad"),
    Exit.UNFIT: ("Not enough data", "warn"),
}
CURVES_MAX = 24
SIDES = ("baseline", "compared")


def to_page(comparison: Comparison, base: Sequence[JudgedRun], new: Sequence[JudgedRun]) -> str:
    """Return the page of a comparison of runs."""
    headline, tone = _HEADLINES[comparison.exit]
    with drawing_style():
        intervals = _intervals(comparison.differences)
        overlays = [_overlay(phase, base, new) for phase in comparison.phases]
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(
            comparison=comparison,
            plan_name=base[0].record.plan_name,
            headline=headline,
            tone=tone,
            paragraph=paragraph(comparison),
            method=method(comparison),
            differences=table("Compared with the baseline", differences(comparison)),
            drawings={"intervals": intervals},
            overlays=overlays,
            runs=table("Runs", _runs(base, new)),
        )
    )


def show(comparison: Comparison, console: Console) -> None:
    """Print the differences, what would do where there is not enough, and the result."""
    for one in comparison.differences:
        note = f"; {one.note}" if one.note else ""
        console.print(
            f"  {one.answer.value:<18} {visible(one.name)}: {_value(one, one.base)} before, "
            f"{_value(one, one.new)} now, {_change(one, one.change)} ({_interval(one)}){note}",
            markup=False,
            soft_wrap=True,
        )
    for line in (*comparison.not_compared, *comparison.not_right, *comparison.changed):
        console.print(f"  {visible(line)}", markup=False, soft_wrap=True)
    console.print(
        f"{visible(comparison.line)} (exit code {int(comparison.exit)})",
        markup=False,
        soft_wrap=True,
    )


def differences(comparison: Comparison) -> pd.DataFrame:
    """Return one row per difference: Status, What, Before, Now, Change, Interval, Matters from, Note."""
    rows = [
        (
            one.answer.value,
            one.name,
            _value(one, one.base),
            _value(one, one.new),
            _change(one, one.change),
            _interval(one),
            _change(one, one.threshold),
            one.note,
        )
        for one in comparison.differences
    ]
    columns = ("Status", "What", "Before", "Now", "Change", "Interval", "Matters from", "Note")
    return text_frame(rows, columns)


def paragraph(comparison: Comparison) -> str:
    """Say in plain words what was compared, and what came of it."""
    base, new = len(comparison.base), len(comparison.new)
    by_answer = dict.fromkeys(Answer, 0)
    for one in comparison.differences:
        by_answer[one.answer] += 1
    told = [f"{count(many)} {answer.value}" for answer, many in by_answer.items() if many]
    return (
        f"{counted(new, 'run')} {'is' if new == 1 else 'are'} compared with {counted(base, 'run')} of "
        f"the same plan and pool, by {counted(len(comparison.differences), 'figure')} of "
        f"{', '.join(comparison.phases)}: {', '.join(told) or 'none could be compared'}."
    )


def method(comparison: Comparison) -> str:
    """Say how differences were judged."""
    how = (
        f"a stated run-to-run variation of {100 * comparison.variation:g} %"
        if comparison.variation is not None
        else "how much the runs differ from each other"
    )
    return (
        f"Each run counts once, judged by {how}. The chance of any false alarm among all figures is at "
        "most 5 % (Holm). A difference counts that is significant and matters; “no difference seen” "
        "means that the interval has none that matters."
    )


def _runs(base: Sequence[JudgedRun], new: Sequence[JudgedRun]) -> pd.DataFrame:
    rows = [
        (side, run.directory.name, run.judgement.verdict)
        for side, runs in zip(SIDES, (base, new), strict=True)
        for run in runs
    ]
    return text_frame(rows, ("Side", "Run", "Verdict"))


def _value(one: Difference, value: float) -> str:
    return measured(value, one.unit)


def _change(one: Difference, change: float) -> str:
    if math.isinf(change):
        return NOTHING
    sign = "+" if change > 0 else "-" if change < 0 else ""
    shown = abs(change) if one.in_points else 100 * abs(change)
    return f"{sign}{significant(shown)} {'points' if one.in_points else '%'}"


def _interval(one: Difference) -> str:
    if math.isinf(one.low):
        return NOTHING
    return f"{_change(one, one.low)} to {_change(one, one.high)}"


def _intervals(shown: Sequence[Difference]) -> Drawing:
    """Draw each ratio's change with its interval; points have another unit, and stand in the table."""
    known = [one for one in shown if not one.in_points and not math.isinf(one.low)]
    height_in = 0.9 + 0.32 * max(len(known), 3)
    drawn = Figure(figsize=(WIDTH_IN, height_in))
    left = 0.27
    panel = drawn.add_axes((left, 0.5 / height_in, RIGHT - left, 1 - 0.7 / height_in))
    if not known:
        say_nothing(panel)
    panel.axvline(0, color=svg.INK, linewidth=0.8)
    for at, one in enumerate(reversed(known)):
        colour = COLOURS["orange" if one.answer is Answer.SLOWER else "blue"]
        panel.plot([100 * one.low, 100 * one.high], [at, at], color=colour, linewidth=2)
        panel.plot([100 * one.change], [at], color=colour, marker="o", markersize=6)
    if known:
        matters = 100 * known[0].threshold
        panel.axvspan(-matters, matters, color=svg.INK, alpha=0.08, linewidth=0)
    panel.set_yticks(range(len(known)), [visible(one.name) for one in reversed(known)])
    panel.set_ylim(-0.6, max(len(known), 1) - 0.4)
    panel.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:+g} %" if value else "0 %")
    )
    panel.set_xlabel("change from the baseline")
    panel.grid(axis="x", color=svg.INK, alpha=0.15, linewidth=0.6)
    said = [f"{one.name} {_change(one, one.change)} ({_interval(one)})" for one in known]
    caption = f"{sentence(said)} Within the shaded band nothing matters."
    return inlined(drawn, "intervals", "Changes with their intervals", caption)


def _overlay(phase: str, base: Sequence[JudgedRun], new: Sequence[JudgedRun]) -> Drawing:
    """Draw the percentile curves of all runs over each other."""
    return percentiles(
        {
            latency: [
                Curve(side, found.histogram, found.censored)
                for side, runs in zip(SIDES, (base, new), strict=True)
                for run in runs
                if (found := run.distribution(latency, phase)).histogram.count
            ]
            for latency in WAITED_FOR
        },
        most=CURVES_MAX,
        key=f"percentiles-{phase}",
        title=f"Percentiles of {phase}, one curve for each run",
    )
