"""The report of a run that another locustfile made: what Locust's CSV files hold, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from e2e_data.problems import Problems
from reports import svg
from reports.drawing import (
    COLOURS,
    Drawing,
    Line,
    drawing_style,
    finish,
    from_zero,
    inlined,
    plot,
    sentence,
    tick,
)
from reports.locust_csv import AGGREGATED, PERCENTILES, LocustRun, prefixes, read_locust
from reports.page import Table, environment, table
from reports.quantities import count, counted, duration, figure, milliseconds, significant
from reports.tables import text_frame
from reports.time_axis import Axis, panels

REQUESTS_MAX = 500
"""Requests, and failures, that are shown: the most frequent ones."""
_SHOWN = (("50%", "blue", "--"), ("95%", "green", "-"), ("99%", "orange", "-"))


@dataclass(frozen=True, slots=True)
class Section:
    """One run's part of the page."""

    prefix: str
    paragraph: str
    story: Drawing
    requests: Table
    failures: Table
    left_out: str


def write_foreign(directory: Path) -> Path:
    """Write report.html of a directory with Locust's CSV files and return it.

    Raises Problems where there are none, or they cannot be read.
    """
    found = prefixes(directory)
    if not found:
        raise Problems(
            [
                f"{directory} is no run directory (it has no run.json), and has none of Locust's CSV "
                "files (…_stats.csv)"
            ]
        )
    runs = [read_locust(directory, prefix) for prefix in found]
    page = directory / "report.html"
    try:
        page.write_text(to_page(runs), "utf-8")
    except OSError as error:
        raise Problems([f"{page}: {error.strerror}"]) from error
    return page


def to_page(runs: Sequence[LocustRun]) -> str:
    """Return the page of runs."""
    with drawing_style():
        sections = [_section(run, number) for number, run in enumerate(runs)]
    return environment().get_template("foreign.html.j2").render(sections=sections)


def _section(run: LocustRun, number: int) -> Section:
    more = len(run.stats) - 1 - REQUESTS_MAX
    return Section(
        prefix=run.prefix,
        paragraph=_paragraph(run),
        story=_story(run, f"story-{number}"),
        requests=table("Requests, response times in ms", _requests(run), counts=False),
        failures=table("Failures, the most frequent first", _failures(run)),
        left_out=f"{counted(more, 'further request')} are in the CSV file." if more > 0 else "",
    )


def _paragraph(run: LocustRun) -> str:
    length_s = float(run.history["t_s"].max()) if len(run.history) else 0.0
    over = f" over {duration(length_s)}" if length_s else ""
    share = f" ({100 * run.failed / run.requests:.2g} %)" if run.requests and run.failed else ""
    return f"{counted(run.requests, 'request')} were made{over}; {count(run.failed)} of them failed{share}."


def _requests(run: LocustRun) -> pd.DataFrame:
    ordered = pd.concat(
        [
            run.stats[run.stats["Name"] != AGGREGATED]
            .sort_values("Request Count", ascending=False, kind="stable")
            .head(REQUESTS_MAX),
            run.stats[run.stats["Name"] == AGGREGATED].tail(1),
        ]
    )
    present = [name for name in PERCENTILES if name in ordered]
    rows = [
        (
            str(row["Type"]),
            "all" if row["Name"] == AGGREGATED else str(row["Name"]),
            figure(float(row["Request Count"])),
            figure(float(row["Failure Count"])),
            significant(float(row["Requests/s"])),
            *(significant(float(row[name])) for name in present),
        )
        for _, row in ordered.iterrows()
    ]
    names = ["max" if name == "100%" else f"p{name.removesuffix('%')}" for name in present]
    columns = ["Type", "Name", "Requests", "Failures", "Requests per s", *names]
    return text_frame(rows, columns)


def _failures(run: LocustRun) -> pd.DataFrame:
    shown = run.failures.head(REQUESTS_MAX)
    rows = [
        (str(row["Method"]), str(row["Name"]), figure(float(row["Occurrences"])), str(row["Error"]))
        for _, row in shown.iterrows()
    ]
    return text_frame(rows, ("Method", "Name", "Count", "Reason"))


def _story(run: LocustRun, key: str) -> Drawing:
    history = run.history
    ended_s = float(history["t_s"].max()) + 1 if len(history) else 1.0
    axis = Axis(0.0, ended_s, (), ())
    shown = list(_panels(history, axis))
    drawn, places = panels([2.0, 2.0, 0.9], axis)
    said: list[str] = []
    for (draw, told), place in zip(shown, places, strict=True):
        draw(place)
        said += told
    caption = f"Each point stands for {duration(axis.step_s)}. {sentence(said)}"
    return inlined(drawn, key, "The run's story", caption)


def _panels(
    history: pd.DataFrame, axis: Axis
) -> Iterator[tuple[Callable[[Axes], None], list[str]]]:
    rates = (
        Line("requests", "requests", COLOURS["blue"]),
        Line("failures", "failures", COLOURS["orange"], "--"),
    )
    yield _panel(history, axis, "per second", rates, "mean")
    times = tuple(
        Line(name, f"p{name.removesuffix('%')}", COLOURS[colour], dashes)
        for name, colour, dashes in _SHOWN
        if name in history
    )
    binned = axis.binned(history, dict.fromkeys((line.column for line in times), "max"))
    binned = binned.mask(binned <= 0)  # a logarithm has no place for them

    def draw(panel: Axes) -> None:
        if times:
            plot(panel, binned, times)
        panel.set_yscale("log")
        finish(panel, "response, ms (log)")
        panel.yaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))

    said = [
        f"{line.label} at most {milliseconds(float(binned[line.column].max()))}" for line in times
    ]
    yield draw, said if len(binned) else []
    yield _panel(history, axis, "users", (Line("users", "users", svg.INK),), "max")


def _panel(
    history: pd.DataFrame, axis: Axis, label: str, lines: Sequence[Line], how: str
) -> tuple[Callable[[Axes], None], list[str]]:
    binned = axis.binned(history, dict.fromkeys((line.column for line in lines), how))

    def draw(panel: Axes) -> None:
        plot(panel, binned, lines)
        finish(panel, label)
        from_zero(panel, binned)

    said = [
        f"{line.label} at most {figure(float(binned[line.column].max()))}"
        for line in lines
        if len(binned)
    ]
    return draw, said
