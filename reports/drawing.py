"""What all figures of a report have in common: their style, their lines, and how they become SVG."""

from __future__ import annotations

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
from matplotlib.ticker import FuncFormatter

from reports import svg
from reports.quantities import sentence_case

COLOURS = {"blue": "#3b7fd4", "orange": "#d0690f", "green": "#2b9160", "purple": "#a45fc4"}
"""Mid-tones that stand out from a white page and from a dark one alike."""

WIDTH_IN = 10.0
LEFT, RIGHT = 0.07, 0.985
NOTHING_MEASURED = "nothing was measured"

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
    "image.interpolation": "none",
    "image.composite_image": False,
}


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
    told: str = ""
    """What words call it, where its label is shortened."""


@contextmanager
def drawing_style() -> Iterator[None]:
    """Start from matplotlib's defaults, so that a user's own settings change no report."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def inlined(drawn: Figure, key: str, title: str, caption: str) -> Drawing:
    """Return a figure as it stands in a page."""
    return Drawing(key, title, caption, svg.inline(drawn, f"figure-{key}", title, caption))


def tick(value: float) -> str:
    """Write the label of a tick: no more digits than it takes, with thousands separators."""
    return f"{value:,.0f}" if abs(value) >= 1 and value == int(value) else f"{value:g}"


def plot(panel: Axes, table: pd.DataFrame, lines: Sequence[Line]) -> None:
    """Draw lines over the index of a table; say so where there is nothing to draw."""
    if not table[[line.column for line in lines]].notna().to_numpy().any():
        say_nothing(panel)
    at = table.index.to_numpy(dtype=float)
    for line in lines:
        panel.plot(
            at,
            table[line.column].to_numpy(dtype=float),
            color=line.colour,
            linestyle=line.dashes,
            label=line.label,
            marker="." if len(table) <= 60 else "",
            markersize=3,
            zorder=3 if line.colour == svg.INK else 2,  # what was meant, over what was done
        )


def say_nothing(panel: Axes) -> None:
    """Write into an empty panel that there is nothing."""
    panel.text(0.5, 0.5, NOTHING_MEASURED, transform=panel.transAxes, ha="center", va="center")


def finish(panel: Axes, label: str) -> None:
    """Label a panel's values, and put its legend above it, where no line can run into it."""
    panel.set_ylabel(label)
    panel.yaxis.set_label_coords(-0.055, 0.5)  # in line with every other panel's
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
    panel.grid(axis="y", color=svg.INK, alpha=0.15, linewidth=0.6)
    handles, _ = panel.get_legend_handles_labels()
    if handles:
        panel.legend(
            loc="lower right",
            bbox_to_anchor=(1.0, 0.99),
            ncols=len(handles),
            borderaxespad=0,
            handlelength=2.2,
            columnspacing=1.6,
        )


def from_zero(panel: Axes, shown: pd.DataFrame, headroom: float = 1.05) -> None:
    """Let a panel's values begin at zero."""
    # Without data, or with nothing but zeros, matplotlib would show hundredths of a command.
    highest = float(np.nanmax(shown.to_numpy(dtype=float), initial=0))
    panel.set_ylim(bottom=0, top=max(1.0, highest * headroom))


def sentence(said: Sequence[str]) -> str:
    """Return parts of a caption as one sentence."""
    return f"{sentence_case('; '.join(said) or NOTHING_MEASURED)}."
