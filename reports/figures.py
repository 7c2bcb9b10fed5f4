"""The figures of a report: the run's story, told on one time axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator, NullFormatter

from reports import svg
from reports.hostile import visible
from reports.judgement import PhaseRow
from reports.quantities import duration, figure, milliseconds, sentence_case
from reports.timeline import Event, Second

POINTS_MAX = 600
"""Points along the time axis: more could not be told apart, and a day's run stays a small file."""

COLOURS = {"blue": "#3b7fd4", "orange": "#d0690f", "green": "#2b9160", "purple": "#a45fc4"}
"""Mid-tones that stand out from a white page and from a dark one alike."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "paystorm",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": svg.INK,
    "axes.labelcolor": svg.INK,
    "axes.edgecolor": svg.INK,
    "axes.linewidth": 0.6,
    "xtick.color": svg.INK,
    "ytick.color": svg.INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "text.parse_math": False,
}
_WIDTH_IN = 10.0
_LEFT, _RIGHT = 0.07, 0.985
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure for a page: the `<svg>` element, and a caption with what it shows in words."""

    key: str
    title: str
    caption: str
    svg: Markup


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a panel; where `dashes` is not solid, it can be told apart without colour."""

    column: str
    label: str
    colour: str
    dashes: str = "-"


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis that all figures share."""

    began_s: float
    ended_s: float
    phases: tuple[PhaseRow, ...]
    events: tuple[Event, ...]

    @property
    def step_s(self) -> int:
        """How many seconds one point of a figure stands for."""
        return max(1, math.ceil((self.ended_s - self.began_s) / POINTS_MAX))


def drawings(
    seconds: pd.DataFrame, timeline: tuple[list[Second], list[Event]], phases: Sequence[PhaseRow]
) -> tuple[Drawing, ...]:
    """Draw rates, latencies and generator; each is there even where nothing was measured.

    `seconds` has the columns that `render.write_all` names; `timeline` is what `read_timeline` gives.
    """
    rows, events = timeline
    axis = _axis(seconds, rows, events, phases)
    with drawing_style():
        return (
            _rates(seconds, axis),
            _latencies(seconds, axis),
            _generator(pd.DataFrame([_row(row) for row in rows]), axis),
        )


@contextmanager
def drawing_style() -> Iterator[None]:
    """Start from matplotlib's defaults, so that a user's own settings change no report."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def _row(row: Second) -> dict[str, float]:
    return {
        "t_s": row.at_ns / 1e9,
        "pending": row.pending_now,
        "users": row.users_now,
        "waiting": row.waiting_now,
        "lag": row.loop_lag_ms,
        "cpu": row.cpu_percent,
    }


def _axis(
    seconds: pd.DataFrame,
    rows: Sequence[Second],
    events: Sequence[Event],
    phases: Sequence[PhaseRow],
) -> Axis:
    moments = [row.at_ns / 1e9 for row in rows] + [phase.began_ns / 1e9 for phase in phases]
    moments += [phase.ended_ns / 1e9 for phase in phases if phase.ended_ns is not None]
    if len(seconds):
        moments += [float(seconds["t_s"].min()), float(seconds["t_s"].max()) + 1]
    began_s = min(moments, default=0.0)
    ended_s = max([*moments, began_s + 1])
    marked = tuple(event for event in events if event.event in {"warning", "stop asked"})
    return Axis(began_s, ended_s, tuple(phases), marked)


def _rates(seconds: pd.DataFrame, axis: Axis) -> Drawing:
    lines = (
        Line("intended", "intended", svg.INK, "--"),
        Line("sent", "sent", COLOURS["blue"]),
        Line("completed", "completed", COLOURS["orange"], "-."),
    )
    binned = _binned(seconds, axis, dict.fromkeys(("intended", "sent", "completed"), "mean"))
    drawn, panels = _panels([2.6], axis)
    _draw(panels[0], binned, lines, "commands per second", axis)
    _from_zero(panels[0], binned, headroom=1.15)  # with room for the phases' names
    _name_phases(panels[0], axis)
    said = [
        f"{line.label} at most {figure(float(binned[line.column].max()))} per second"
        for line in lines
        if len(binned)
    ]
    caption = f"{_points(axis)} {_sentence(said)} Shaded bands are the phases, numbered as below."
    return _drawing(drawn, "rates", "Commands per second", caption)


def _latencies(seconds: pd.DataFrame, axis: Axis) -> Drawing:
    lines = (
        Line("response_p50_ms", "response p50", COLOURS["blue"], "--"),
        Line("response_p99_ms", "response p99", COLOURS["blue"]),
        Line("completion_p50_ms", "completion p50", COLOURS["orange"], "--"),
        Line("completion_p99_ms", "completion p99", COLOURS["orange"]),
    )
    how = {line.column: "median" if "p50" in line.column else "max" for line in lines}
    binned = _binned(seconds, axis, how)
    binned = binned.mask(binned <= 0)  # a logarithm has no place for them
    drawn, panels = _panels([2.6], axis)
    _draw(panels[0], binned, lines, "ms (log scale)", axis)
    _log_scale(panels[0], binned)
    said = [
        f"{line.label} between {milliseconds(float(binned[line.column].min()))} and "
        f"{milliseconds(float(binned[line.column].max()))}"
        for line in lines
        if binned[line.column].notna().any()
    ]
    caption = (
        f"{_points(axis)} {_sentence(said)} Both are counted from the intended time: no "
        "coordinated omission."
    )
    return _drawing(drawn, "latencies", "Response and completion over time", caption)


def _generator(rows: pd.DataFrame, axis: Axis) -> Drawing:
    columns = ("pending", "users", "waiting", "lag", "cpu")
    rows = rows if len(rows) else pd.DataFrame(columns=["t_s", *columns], dtype=float)
    binned = _binned(rows, axis, dict.fromkeys(columns, "max"))
    drawn, panels = _panels([0.95, 0.95, 0.95, 0.95], axis)
    contents = (
        ("pending", (Line("pending", "commands pending", COLOURS["purple"]),)),
        (
            "users",
            (
                Line("users", "users", svg.INK, "--"),
                Line("waiting", "users waiting for the platform", COLOURS["green"]),
            ),
        ),
        ("lag, ms", (Line("lag", "event-loop lag", COLOURS["orange"]),)),
        ("CPU, %", (Line("cpu", "CPU, share of one core", COLOURS["blue"]),)),
    )
    for panel, (label, lines) in zip(panels, contents, strict=True):
        _draw(panel, binned, lines, label, axis)
        _from_zero(panel, binned[[line.column for line in lines]], headroom=1.05)
    said = [
        f"{label} at most {figure(float(binned[column].max()))}{unit}"
        for column, label, unit in (
            ("pending", "commands pending", ""),
            ("users", "users", ""),
            ("waiting", "users waiting for the platform", ""),
            ("lag", "event-loop lag", " ms"),
            ("cpu", "CPU", " % of one core"),
        )
        if len(binned)
    ]
    caption = f"{_points(axis)} {_sentence(said)}"
    return _drawing(drawn, "generator", "Pending commands, users and the load generator", caption)


def _binned(frame: pd.DataFrame, axis: Axis, how: dict[str, str]) -> pd.DataFrame:
    """Return `how`'s columns by time in seconds, one row per `axis.step_s`, gaps left as NaN."""
    if not len(frame):
        return pd.DataFrame(columns=list(how), dtype=float)
    step_s = axis.step_s
    bins = np.floor_divide(frame["t_s"].to_numpy(dtype=float), step_s).astype("int64")
    binned = frame[list(how)].astype(float).groupby(bins).agg(how)
    binned = binned.reindex(range(int(bins.min()), int(bins.max()) + 1))
    return binned.set_axis((binned.index.to_numpy(dtype=float) + 0.5) * step_s)


def _panels(heights_in: Sequence[float], axis: Axis) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels above each other whose sides line up with every other figure's."""
    above_in, between_in, below_in = 0.25, 0.34, 0.42
    total_in = above_in + sum(heights_in) + between_in * (len(heights_in) - 1) + below_in
    drawn = Figure(figsize=(_WIDTH_IN, total_in))
    panels: list[Axes] = []
    top_in = total_in - above_in
    for height_in in heights_in:
        bottom = (top_in - height_in) / total_in
        panels.append(drawn.add_axes((_LEFT, bottom, _RIGHT - _LEFT, height_in / total_in)))
        top_in -= height_in + between_in
    for panel in panels:
        _time_axis(panel, axis)
        panel.tick_params(labelbottom=panel is panels[-1])
    panels[-1].set_xlabel("time since the run began (min:s)")
    return drawn, panels


def _time_axis(panel: Axes, axis: Axis) -> None:
    panel.set_xlim(axis.began_s, axis.ended_s)
    span_s = axis.ended_s - axis.began_s
    step_s = next((step for step in _STEPS_S if span_s / step <= 12), 2 * _STEPS_S[-1])
    panel.xaxis.set_major_locator(MultipleLocator(step_s))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda at_s, _: _clock(at_s)))
    for number, phase in enumerate(axis.phases):
        ended_s = axis.ended_s if phase.ended_ns is None else phase.ended_ns / 1e9
        shade = 0.10 if number % 2 == 0 else 0.04
        panel.axvspan(phase.began_ns / 1e9, ended_s, color=svg.INK, alpha=shade, linewidth=0)
    for event in axis.events:
        panel.axvline(event.at_ns / 1e9, color=svg.INK, linewidth=0.7, linestyle=":")


def _draw(panel: Axes, binned: pd.DataFrame, lines: Sequence[Line], label: str, axis: Axis) -> None:
    if not binned.notna().to_numpy().any():
        middle_s = (axis.began_s + axis.ended_s) / 2
        panel.text(
            middle_s,
            0.5,
            "nothing was measured",
            transform=panel.get_xaxis_transform(),
            ha="center",
            va="center",
        )
    times_s = binned.index.to_numpy(dtype=float)
    marker = "." if len(binned) <= 60 else ""
    for line in lines:
        values = binned[line.column].to_numpy(dtype=float)
        panel.plot(
            times_s,
            values,
            color=line.colour,
            linestyle=line.dashes,
            label=line.label,
            marker=marker,
            markersize=3,
            zorder=3 if line.colour == svg.INK else 2,  # what was meant, over what was done
        )
    panel.set_ylabel(label)
    panel.yaxis.set_label_coords(-0.055, 0.5)  # in line with every other panel's
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    panel.grid(axis="y", color=svg.INK, alpha=0.15, linewidth=0.6)
    # The labels stand above the panel, where no line can run into them.
    panel.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 0.99),
        ncols=len(lines),
        borderaxespad=0,
        handlelength=2.2,
        columnspacing=1.6,
    )


def _from_zero(panel: Axes, shown: pd.DataFrame, headroom: float) -> None:
    # Without data, or with nothing but zeros, matplotlib would show hundredths of a command.
    highest = float(np.nanmax(shown.to_numpy(dtype=float), initial=0))
    panel.set_ylim(bottom=0, top=max(1.0, highest * headroom))


def _log_scale(panel: Axes, binned: pd.DataFrame) -> None:
    panel.set_yscale("log")
    low, high = binned.min().min(), binned.max().max()
    if pd.isna(low):
        low, high = 1.0, 1000.0
    floor = 10.0 ** math.floor(math.log10(low))
    ceiling = 10.0 ** math.ceil(math.log10(high))
    panel.set_ylim(floor, ceiling if ceiling > floor else floor * 10)
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    panel.yaxis.set_minor_formatter(NullFormatter())


def _name_phases(panel: Axes, axis: Axis) -> None:
    """Write each phase's number in its band, and its name where the band is wide enough."""
    span_s = axis.ended_s - axis.began_s
    letters_in_all = 125  # of this size, over the panel's whole width
    for number, phase in enumerate(axis.phases, start=1):
        ended_s = axis.ended_s if phase.ended_ns is None else phase.ended_ns / 1e9
        began_s = phase.began_ns / 1e9
        name = visible(f"{number} {phase.name}")
        fits = len(name) <= letters_in_all * (ended_s - began_s) / span_s
        panel.text(
            (began_s + ended_s) / 2,
            0.97,
            name if fits else str(number),
            transform=panel.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=8.5,
        )


def _tick(value: float) -> str:
    """Write the label of a tick: no more digits than it takes, with thousands separators."""
    return f"{value:,.0f}" if abs(value) >= 1 and value == int(value) else f"{value:g}"


def _clock(at_s: float) -> str:
    whole = round(at_s)
    hours, rest = divmod(abs(whole), 3600)
    sign = "-" if whole < 0 else ""
    minutes, seconds = divmod(rest, 60)
    return f"{sign}{hours}:{minutes:02}:{seconds:02}" if hours else f"{sign}{minutes}:{seconds:02}"


def _points(axis: Axis) -> str:
    marks = " Dotted lines are warnings and the request to stop." if axis.events else ""
    return f"Each point stands for {duration(axis.step_s)}.{marks}"


def _sentence(said: Sequence[str]) -> str:
    text = "; ".join(said) or "nothing was measured"
    return f"{sentence_case(text)}."


def _drawing(drawn: Figure, key: str, title: str, caption: str) -> Drawing:
    return Drawing(key, title, caption, svg.inline(drawn, f"figure-{key}", title, caption))
