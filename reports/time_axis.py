"""The time axis that all panels of a run's story share: phases as bands, events as dotted lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from reports import svg
from reports.drawing import COLOURS, LEFT, RIGHT, WIDTH_IN
from reports.fault_row import FaultRow
from reports.hostile import visible
from reports.judgement import PhaseRow
from reports.seconds import step_s_of
from reports.timeline import (
    FAULT_BEGAN,
    FAULT_ENDED,
    PHASE_BEGAN,
    PHASE_ENDED,
    PHASE_SETTLES,
    RUN_ENDED,
    Event,
    Second,
)

_TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_ROUTINE = {
    *("run began", RUN_ENDED, PHASE_BEGAN, PHASE_SETTLES, PHASE_ENDED, "worker joined"),
    *(FAULT_BEGAN, FAULT_ENDED),
}
"""Events that the bands or other panels show."""
MARKS_MAX = 100
_ABOVE_IN, _BETWEEN_IN, _BELOW_IN = 0.25, 0.34, 0.42


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis, in seconds since the run's epoch."""

    began_s: float
    ended_s: float
    phases: tuple[PhaseRow, ...]
    events: tuple[Event, ...]
    """Those that are marked."""
    faults: tuple[FaultRow, ...] = ()

    @classmethod
    def of(
        cls,
        metrics: pd.DataFrame,
        rows: Sequence[Second],
        events: Sequence[Event],
        phases: Sequence[PhaseRow],
        faults: Sequence[FaultRow] = (),
    ) -> Axis:
        """Return an axis that has room for all that was seen of a run."""
        moments = [row.at_ns / 1e9 for row in rows] + [phase.began_ns / 1e9 for phase in phases]
        moments += [phase.ended_ns / 1e9 for phase in phases if phase.ended_ns is not None]
        if len(metrics):
            moments += [float(metrics["t_s"].min()), float(metrics["t_s"].max()) + 1]
        began_s = min(moments, default=0.0)
        ended_s = max([*moments, began_s + 1])
        marked = tuple(event for event in events if event.event not in _ROUTINE)[:MARKS_MAX]
        return cls(began_s, ended_s, tuple(phases), marked, tuple(faults))

    @property
    def step_s(self) -> int:
        """How many seconds one point of a figure stands for."""
        return step_s_of(self.ended_s)

    def binned(self, frame: pd.DataFrame, how: Mapping[str, str]) -> pd.DataFrame:
        """Return columns of a frame with t_s by time, one row per step, gaps left as NaN."""
        if not len(frame):
            return pd.DataFrame(columns=list(how), dtype=float)
        bins = np.floor_divide(frame["t_s"].to_numpy(dtype=float), self.step_s).astype("int64")
        binned = frame[list(how)].astype(float).groupby(bins).agg(dict(how))
        binned = binned.reindex(range(int(bins.min()), int(bins.max()) + 1))
        return binned.set_axis((binned.index.to_numpy(dtype=float) + 0.5) * self.step_s)


def panels(heights_in: Sequence[float], axis: Axis) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels above each other that share a time axis."""
    total_in = sum((_ABOVE_IN, *heights_in, _BETWEEN_IN * (len(heights_in) - 1), _BELOW_IN))
    drawn = Figure(figsize=(WIDTH_IN, total_in))
    made: list[Axes] = []
    top_in = total_in - _ABOVE_IN
    for height_in in heights_in:
        bottom = (top_in - height_in) / total_in
        made.append(drawn.add_axes((LEFT, bottom, RIGHT - LEFT, height_in / total_in)))
        top_in -= height_in + _BETWEEN_IN
    for panel in made:
        _time_axis(panel, axis)
        panel.tick_params(labelbottom=panel is made[-1])
    made[-1].set_xlabel("time since the run began (min:s)")
    return drawn, made


def _time_axis(panel: Axes, axis: Axis) -> None:
    panel.set_xlim(axis.began_s, axis.ended_s)
    span_s = axis.ended_s - axis.began_s
    step_s = next((step for step in _TICKS_S if span_s / step <= 12), 2 * _TICKS_S[-1])
    panel.xaxis.set_major_locator(MultipleLocator(step_s))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda at_s, _: clock(at_s)))
    for number, phase in enumerate(axis.phases):
        ended_s = axis.ended_s if phase.ended_ns is None else phase.ended_ns / 1e9
        shade = 0.10 if number % 2 == 0 else 0.04
        panel.axvspan(phase.began_ns / 1e9, ended_s, color=svg.INK, alpha=shade, linewidth=0)
    for fault in axis.faults:
        began_s, ended_s = fault.began_ns / 1e9, fault.ended_ns / 1e9
        panel.axvspan(began_s, ended_s, color=COLOURS["orange"], alpha=0.18, linewidth=0)
    for event in axis.events:
        panel.axvline(event.at_ns / 1e9, color=svg.INK, linewidth=0.7, linestyle=":")


def name_phases(panel: Axes, axis: Axis) -> None:
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


def clock(at_s: float) -> str:
    """Write seconds as people read a clock: 75 -> "1:15"."""
    whole = round(at_s)
    hours, rest = divmod(abs(whole), 3600)
    sign = "-" if whole < 0 else ""
    minutes, seconds = divmod(rest, 60)
    return f"{sign}{hours}:{minutes:02}:{seconds:02}" if hours else f"{sign}{minutes}:{seconds:02}"
