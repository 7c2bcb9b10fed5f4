"""The figures of a report: the run's story on one time axis, percentile curves, throughput."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports import curves, heat, svg
from reports.curves import Curve
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
)
from reports.fault_row import FaultRow
from reports.hostile import visible
from reports.incidents import Incident
from reports.judgement import LatencyRow
from reports.latencies import WAITED_FOR
from reports.quantities import duration, figure, milliseconds
from reports.results import Results
from reports.slos import Latency
from reports.time_axis import Axis, name_phases, panels
from reports.timeline import Event, Second

_SHARES = {"p50": 0.5, "p99": 0.99}
QUEUES_MAX = 4
"""Queues, and series of a metric, that are shown, the highest: more could not be told apart."""
NAME_LETTERS, BESIDE_LETTERS = 22, 14
"""What there is room for above and beside a panel."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of the story: how it is drawn, and what it shows in words."""

    height_in: float
    draw: Callable[[Axes], None]
    said: Sequence[str]


def drawings(results: Results) -> tuple[Drawing, ...]:
    """Draw story, percentiles and throughput; each is there even where nothing was measured."""
    rows, events = results.timeline
    judgement = results.judgement
    axis = Axis.of(results.metrics, rows, events, judgement.phases, judgement.faults)
    with drawing_style():
        return (
            _story(results, axis),
            curves.percentiles({name: list(_curves(results, name)) for name in WAITED_FOR}),
            curves.throughput(results.metrics, axis),
        )


def _curves(results: Results, latency: Latency) -> Iterator[Curve]:
    for row in results.judgement.latencies:
        histogram = results.histograms.get(_tag(row))
        if row.latency == latency and histogram is not None and histogram.count:
            label = ", ".join((row.phase, row.channel, row.kind))
            yield Curve(label, histogram, row.censored)


def _tag(row: LatencyRow) -> str:
    """Return the tag of a row's histogram in the log, as `latency_log.tag_of` writes it."""
    kind = row.kind.replace(" ", "-")
    return "/".join([quote(row.phase, safe=""), row.channel, kind, row.latency])


def _story(results: Results, axis: Axis) -> Drawing:
    rows, events = results.timeline
    table = _timeline_table(rows)
    shown = [
        _rates(results.metrics, axis),
        _latencies(results.heat, axis),
        _errors(results.metrics, table, axis),
        *_incidents(results.judgement.faults, axis),
        _told(
            table,
            axis,
            "pending, users",
            Line("pending", "commands pending", COLOURS["purple"]),
            Line("users", "users", svg.INK, "--"),
            Line("waiting", "users waiting for the platform", COLOURS["green"]),
        ),
        *_workers(events, axis),
        *_queues(rows, axis),
        *_server(results, axis),
        _told(table, axis, "lag, ms", Line("lag", "event-loop lag", COLOURS["orange"])),
        _told(table, axis, "CPU, %", Line("cpu", "CPU, share of one core", COLOURS["blue"])),
    ]
    drawn, places = panels([panel.height_in for panel in shown], axis)
    for panel, place in zip(shown, places, strict=True):
        panel.draw(place)
    said = [one for panel in shown for one in panel.said]
    marks = " Dotted lines are what happened to the run (see below)." if axis.events else ""
    marks += " Orange bands are the plan's faults." if axis.faults else ""
    caption = (
        f"Each point stands for {duration(axis.step_s)}. {sentence(said)} Shaded bands are the "
        f"phases, numbered as below.{marks} Response counts from the intended time."
    )
    return inlined(drawn, "story", "The run's story", caption)


def _rates(metrics: pd.DataFrame, axis: Axis) -> Panel:
    lines = (
        Line("intended", "intended", svg.INK, "--"),
        Line("sent", "sent", COLOURS["blue"]),
        Line("completed", "completed", COLOURS["orange"], "-."),
    )
    per_s = axis.binned(metrics, dict.fromkeys((line.column for line in lines), "sum"))
    per_s = per_s.fillna(0) / axis.step_s
    return _lines(per_s, lines, "commands per s", unit=" per second", named=axis)


def _latencies(whole: pd.DataFrame, axis: Axis) -> Panel:
    cells = whole[whole["latency"] == "response"]
    found = heat.percentiles(cells, axis.step_s, _SHARES)
    found = found.mask(found <= 0)  # a logarithm has no place for them
    lines = (
        Line("p50", "response p50", svg.INK, "--"),
        Line("p99", "response p99", COLOURS["orange"]),
    )

    def draw(panel: Axes) -> None:
        plot(panel, found.apply(np.log10), lines)
        finish(panel, "response, ms (log)")
        heat.draw(panel, cells, axis)

    said = [
        f"{line.label} between {milliseconds(float(found[line.column].min()))} and "
        f"{milliseconds(float(found[line.column].max()))}"
        for line in lines
        if found[line.column].notna().any()
    ]
    if said:
        said.append("the darker the map, the more commands took so long")
    return Panel(2.2, draw, said)


def _errors(metrics: pd.DataFrame, table: pd.DataFrame, axis: Axis) -> Panel:
    failed = axis.binned(metrics, {"failed": "sum"})
    given_up = axis.binned(table, {"given_up": "sum"})
    per_s = failed.join(given_up, how="outer").fillna(0) / axis.step_s
    lines = (
        Line("failed", "errors", COLOURS["orange"]),
        Line("given_up", "arrivals given up", COLOURS["purple"], "--"),
    )
    return _lines(per_s, lines, "errors per s", unit=" per second")


def _incidents(faults: Sequence[FaultRow], axis: Axis) -> Iterator[Panel]:
    """Yield what went wrong with attempts since the plan's first fault, where it has any."""
    rows = [
        {"t_s": second, sort: many}
        for fault in faults
        for sort, seconds in fault.by_second.items()
        for second, many in seconds
    ]
    if not rows:
        return
    table = pd.DataFrame(rows).fillna(0)
    sorts = [one.words for one in Incident if one.words in table]
    per_s = axis.binned(table, dict.fromkeys(sorts, "sum")).fillna(0) / axis.step_s
    looks = [(colour, dash) for dash in ("-", ":") for colour in COLOURS.values()]
    lines = [Line(sort, sort, *look) for sort, look in zip(sorts, looks, strict=False)]
    yield _lines(per_s, lines, "attempts per s", unit=" per second")


def _told(table: pd.DataFrame, axis: Axis, label: str, *lines: Line) -> Panel:
    """Return a panel of what a timeline tells, the largest of each step."""
    how = dict.fromkeys((line.column for line in lines), "max")
    return _lines(axis.binned(table, how), lines, label)


def _lines(
    shown: pd.DataFrame,
    lines: Sequence[Line],
    label: str,
    *,
    unit: str = "",
    named: Axis | None = None,
) -> Panel:
    """Return a panel of lines from zero; a high one with the phases `named` where their axis is given."""

    def draw(panel: Axes) -> None:
        plot(panel, shown, lines)
        finish(panel, label)
        from_zero(panel, shown, headroom=1.15 if named else 1.05)
        if named:
            name_phases(panel, named)

    said = [
        f"{line.told or line.label} at most {figure(float(shown[line.column].max()))}{unit}"
        for line in lines
        if len(shown)
    ]
    return Panel(2.2 if named else 0.9, draw, said)


def _workers(events: Sequence[Event], axis: Axis) -> Iterator[Panel]:
    """Yield how many workers there were, where there were any."""
    times, present = [axis.began_s], [0]
    for event in sorted(events, key=lambda one: one.at_ns):
        change = {"worker joined": 1, "worker back": 1, "worker lost": -1}.get(event.event)
        if change is not None:
            times.append(event.at_ns / 1e9)
            present.append(max(present[-1] + change, 0))
    if len(times) == 1:
        return

    def draw(panel: Axes) -> None:
        colour = COLOURS["green"]
        panel.step([*times, axis.ended_s], [*present, present[-1]], where="post", color=colour)
        panel.set_ylim(0, max(present) * 1.2)
        panel.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        finish(panel, "workers")

    yield Panel(0.6, draw, [f"workers at most {max(present)}, {present[-1]} at the end"])


def _queues(rows: Sequence[Second], axis: Axis) -> Iterator[Panel]:
    """Yield how deep queues were and how far readers were behind, where anybody looked."""
    depths = pd.DataFrame([{"t_s": row.at_ns / 1e9, **row.queues} for row in rows])
    if set(depths.columns) - {"t_s"}:
        yield _told(depths, axis, "messages", *_highest(depths.drop(columns="t_s")))


def _server(results: Results, axis: Axis) -> Iterator[Panel]:
    """Yield what the platform's own monitoring saw, a panel for each metric."""
    units = {metric.name: metric.unit for metric in results.record.server} if results.record else {}
    for name, rows in results.server.groupby("name", sort=False):
        wide = rows.pivot_table(index="t_s", columns="series", values="value", aggfunc="max")
        unit = units.get(str(name), "")
        told = visible(f"{name}, {unit}" if unit else str(name))
        fits = len(told) <= BESIDE_LETTERS
        label = told if fits else f"{told[: BESIDE_LETTERS - 1]}…"
        lines = [
            replace(
                line,
                label=line.label or _short(str(name)),
                told=f"{told}: {line.told or str(name)}",
            )
            for line in _highest(wide)
        ]
        yield _told(wide.reset_index(), axis, label, *lines)


def _highest(table: pd.DataFrame) -> list[Line]:
    """Return a line for each of the columns that rise highest, QUEUES_MAX at most."""
    names = table.max().sort_values(ascending=False, kind="stable").index[:QUEUES_MAX]
    return [
        Line(str(name), _short(str(name)), colour, told=visible(str(name)))
        for name, colour in zip(names, COLOURS.values(), strict=False)
    ]


def _short(name: str) -> str:
    """Return a name as there is room for it: of a long one the end, which tells it from others."""
    shown = visible(name)
    return shown if len(shown) <= NAME_LETTERS else f"…{shown[1 - NAME_LETTERS :]}"


def _timeline_table(rows: Sequence[Second]) -> pd.DataFrame:
    columns = ("t_s", "pending", "users", "waiting", "lag", "cpu", "given_up")
    if not rows:
        return pd.DataFrame(columns=list(columns), dtype=float)
    dropped = np.diff([row.dropped for row in rows], prepend=0)
    told = [
        (
            row.at_ns / 1e9,
            row.pending_now,
            row.users_now,
            row.waiting_now,
            row.loop_lag_ms,
            row.cpu_percent,
            max(int(given_up), 0),
        )
        for row, given_up in zip(rows, dropped, strict=True)
    ]
    return pd.DataFrame(told, columns=list(columns), dtype=float)
