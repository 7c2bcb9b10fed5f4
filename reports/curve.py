"""The curve of a search: how long answers took at each rate that was tried, and where that was too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from reports import svg
from reports.answers import found_by
from reports.drawing import COLOURS, Drawing, drawing_style, inlined
from reports.hostile import visible
from reports.judgement import SearchRow, StepRow
from reports.quantities import NOTHING, count, figure, moment, significant
from reports.tables import text_frame

_SIZE_IN = (10.0, 2.8)


def curves(searches: Sequence[SearchRow]) -> Iterator[Drawing]:
    """Draw each search that has a step which can be drawn."""
    for number, search in enumerate(searches):
        steps = [step for step in search.steps if step.response_p99_ms is not None]
        if steps:
            with drawing_style():
                yield _curve(search, steps, f"search-{number}")


def steps_table(searches: Sequence[SearchRow]) -> pd.DataFrame:
    """Return one row per step: Phase, Began, Rate per s, Sent, Answered per s, Response p99, Held, Note."""
    names = (
        "Phase",
        "Began",
        "Rate per s",
        "Sent",
        "Answered per s",
        "Response p99",
        "Held",
        "Note",
    )
    rows = [
        (
            step.phase,
            moment(step.began_ns),
            count(step.rate_per_s),
            count(step.sent),
            NOTHING if step.answered_per_s is None else figure(step.answered_per_s),
            significant(step.response_p99_ms),
            "no" if step.missed else "yes",
            step.missed,
        )
        for search in searches
        for step in search.steps
    ]
    return text_frame(rows, names)


def _curve(search: SearchRow, steps: Sequence[StepRow], key: str) -> Drawing:
    drawn = Figure(figsize=_SIZE_IN, layout="constrained")
    axes = drawn.add_subplot()
    for held, label, colour, marker in (
        (True, "held", COLOURS["green"], "o"),
        (False, "too high", COLOURS["orange"], "x"),
    ):
        shown = [step for step in steps if bool(step.missed) is not held]
        axes.plot(
            [step.rate_per_s for step in shown],
            [step.response_p99_ms or 0.0 for step in shown],
            linestyle="none",
            marker=marker,
            markersize=5,
            color=colour,
            label=label,
        )
    if search.highest_per_s is not None:
        axes.axvline(search.highest_per_s, color=svg.INK, linewidth=0.7, linestyle=":")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xticks(sorted({step.rate_per_s for step in steps if _is_doubling(search, step)}))
    axes.set_xlabel("commands per second (log scale)")
    axes.set_ylabel("response p99, ms (log scale)")
    axes.grid(axis="y", color=svg.INK, alpha=0.15, linewidth=0.6)
    axes.legend(loc="upper left")
    caption = (
        f"Each point is a step. The dotted line is what was found: {visible(found_by(search))}."
    )
    title = visible(f"Search: {search.phase}")
    return inlined(drawn, key, title, caption)


def _is_doubling(search: SearchRow, step: StepRow) -> bool:
    """Tell whether a rate is the first one doubled: those have room for their labels."""
    times, rest = divmod(step.rate_per_s, search.first_per_s)
    return not rest and times.bit_count() == 1
