"""Latencies as percentile curves to p99.99, and what came of what was intended."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from reports import svg
from reports.drawing import (
    COLOURS,
    LEFT,
    RIGHT,
    WIDTH_IN,
    Drawing,
    inlined,
    say_nothing,
    sentence,
    tick,
)
from reports.hdr import Histogram
from reports.hostile import visible
from reports.quantities import count, counted, milliseconds
from reports.slos import Latency
from reports.time_axis import Axis

CURVES_MAX = 8
"""More could not be told apart; the tables have them all."""
TOLD_MAX = 3
"""Curves of each latency that the caption tells of, the first of each label."""
_NINES = np.concatenate([np.linspace(0, 1, 40, endpoint=False), np.linspace(1, 4, 121)])
"""Where curves have points: p0 is 0, p90 is 1, p99 is 2, p99.99 is 4."""
NAMED_NINES = {"p50": -math.log10(0.5), "p90": 1, "p99": 2, "p99.9": 3, "p99.99": 4}
_DASHES = ("-", "--")


@dataclass(frozen=True, slots=True)
class Curve:
    """A distribution to be drawn; `censored` commands took longer than anything that was seen."""

    label: str
    histogram: Histogram
    censored: int = 0

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return nines and ms, as far as the samples can show a percentile."""
        size = self.histogram.count + self.censored
        ranks = np.maximum(np.ceil(np.round(size * (1 - 10.0**-_NINES), 6)), 1).astype(np.int64)
        # One sample has to lie beyond, or the maximum would pose as a percentile.
        shown = (ranks <= self.histogram.count) & (size * 10.0**-_NINES >= 1 - 1e-9)
        return _NINES[shown], self.histogram.at_ranks(ranks[shown]) / 1e6


def percentiles(
    curves: Mapping[Latency, Sequence[Curve]],
    most: int = CURVES_MAX,
    key: str = "percentiles",
    title: str = "Percentiles of response and completion",
) -> Drawing:
    """Draw the curves of each latency, at most so many: the ones with most samples.

    Curves of the same label look the same.
    """
    shown = {
        name: sorted(of, key=lambda curve: -curve.histogram.count)[:most]
        for name, of in curves.items()
    }
    labels = list(dict.fromkeys(curve.label for of in shown.values() for curve in of))
    legend_in = 0.22 * math.ceil(len(labels) / 2)
    height_in = 0.3 + 2.7 + 0.5 + legend_in
    drawn = Figure(figsize=(WIDTH_IN, height_in))
    width = (RIGHT - LEFT - 0.08 * len(shown)) / max(len(shown), 1)  # the last label reaches out
    for number, (name, of) in enumerate(shown.items()):
        bottom = (0.5 + legend_in) / height_in
        left = LEFT + number * (width + 0.08)
        panel = drawn.add_axes((left, bottom, width, 2.7 / height_in))
        _draw_curves(panel, of, labels)
        panel.set_title(f"{name}, ms", fontsize=9, loc="left")
    _legend(drawn, labels)
    said = [
        f"{name} of {curve.label}: {told}"
        for name, of in shown.items()
        for curve in list({one.label: one for one in reversed(of)}.values())[-TOLD_MAX:][::-1]
        if (told := _told(curve))
    ]
    more = max(len(of) for of in curves.values()) - most if curves else 0
    rest = (
        f" {counted(more, 'further curve')} would have too few samples to see." if more > 0 else ""
    )
    caption = (
        f"{sentence(said)} A curve ends where one sample lies beyond it, or where commands without "
        f"an end begin.{rest}"
    )
    return inlined(drawn, key, title, caption)


def _draw_curves(panel: Axes, curves: Sequence[Curve], labels: Sequence[str]) -> None:
    panel.set_xlim(0, 4)
    panel.xaxis.set_major_locator(FixedLocator(list(NAMED_NINES.values())))
    names = list(NAMED_NINES)
    panel.xaxis.set_major_formatter(FuncFormatter(lambda _, at: names[at or 0]))
    panel.set_yscale("log")
    lowest, highest = math.inf, 0.0
    for curve in curves:
        nines, took_ms = curve.points()
        if not len(nines):
            continue
        took_ms = np.maximum(took_ms, 1e-3)  # a logarithm has no place for 0
        number = labels.index(curve.label)
        panel.plot(nines, took_ms, **_look(number))
        lowest, highest = min(lowest, took_ms.min()), max(highest, took_ms.max())
    if not highest:
        say_nothing(panel)
        lowest, highest = 1.0, 1000.0
    floor = 10.0 ** math.floor(math.log10(lowest))
    panel.set_ylim(floor, max(10.0 ** math.ceil(math.log10(highest)), floor * 10))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.grid(axis="both", color=svg.INK, alpha=0.15, linewidth=0.6)


def _look(number: int) -> dict[str, Any]:
    colours = list(COLOURS.values())
    dashes = _DASHES[number // len(colours) % len(_DASHES)]
    return {"color": colours[number % len(colours)], "linestyle": dashes}


def _legend(drawn: Figure, labels: Sequence[str]) -> None:
    if not labels:
        return
    panel = drawn.axes[0]
    handles = [panel.plot([], [], **_look(number))[0] for number in range(len(labels))]
    shown = [visible(label) for label in labels]
    drawn.legend(handles, shown, loc="lower left", bbox_to_anchor=(LEFT, 0), ncols=2)


def _told(curve: Curve) -> str:
    nines, took_ms = curve.points()
    if not len(nines):
        return ""
    told = [
        f"{name} {milliseconds(float(took_ms[int(np.argmin(abs(nines - at)))]))}"
        for name, at in NAMED_NINES.items()
        if name in ("p50", "p99", "p99.99") and at <= nines[-1] + 1e-9
    ]
    return f"{', '.join(told)} of {counted(curve.histogram.count, 'sample')}" if told else ""


def throughput(metrics: pd.DataFrame, axis: Axis) -> Drawing:
    """Draw what was answered and completed in each step against what was intended in it."""
    how = dict.fromkeys(("intended", "acknowledged", "completed"), "sum")
    per_s = axis.binned(metrics, how).dropna() / axis.step_s
    per_s = per_s[per_s["intended"] > 0]
    drawn = Figure(figsize=(WIDTH_IN, 3.4))
    panel = drawn.add_axes((LEFT, 0.42 / 3.4, RIGHT - LEFT, 2.73 / 3.4))
    most = max(1.0, float(np.nanmax(per_s.to_numpy(dtype=float), initial=0)) * 1.05)
    panel.plot([0, most], [0, most], color=svg.INK, linestyle="--", label="as intended")
    for column, label, colour, marker in (
        ("acknowledged", "answered", "blue", "o"),
        ("completed", "completed", "orange", "x"),
    ):
        panel.plot(
            per_s["intended"],
            per_s[column],
            color=COLOURS[colour],
            linestyle="",
            marker=marker,
            markersize=4,
            label=label,
            alpha=0.75,
        )
    if not len(per_s):
        say_nothing(panel)
    panel.set_xlim(0, most)
    panel.set_ylim(0, most)
    for each in (panel.xaxis, panel.yaxis):
        each.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    panel.set_xlabel("intended, commands per second")
    panel.set_ylabel("answered, completed")
    panel.yaxis.set_label_coords(-0.055, 0.5)
    panel.grid(color=svg.INK, alpha=0.15, linewidth=0.6)
    panel.legend(loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=3, borderaxespad=0)
    caption = (
        f"{sentence(list(_kept_up(per_s)))} Each point is a step of time; what falls below the "
        "dashed line was held back, and comes back above it when it is caught up with."
    )
    return inlined(drawn, "throughput", "Throughput against what was intended", caption)


def _kept_up(per_s: pd.DataFrame) -> Iterator[str]:
    if not len(per_s):
        return
    top = per_s[per_s["intended"] >= per_s["intended"].quantile(0.9)]
    yield (
        f"in the busiest tenth of the run {count(round(float(top['intended'].mean())))} commands per "
        f"second were intended, {count(round(float(top['acknowledged'].mean())))} answered and "
        f"{count(round(float(top['completed'].mean())))} completed"
    )
