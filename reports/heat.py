"""How long things took over time: a heat map, and percentiles out of the same cells."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from reports.drawing import COLOURS, tick
from reports.seconds import at_share
from reports.time_axis import Axis

ROWS = 48
"""Rows of a heat map, from the lowest power of ten to the highest."""
FAINTEST = 0.14
"""How opaque a cell is that has one command in it."""


def percentiles(heat: pd.DataFrame, step_s: int, shares: Mapping[str, float]) -> pd.DataFrame:
    """Return percentiles in ms, by nearest rank, one row per step and indexed by its middle.

    `heat` has t_s, took_ms and count; steps in which nothing ended are NaN.
    """
    if not len(heat):
        return pd.DataFrame(columns=list(shares), dtype=float)
    steps = heat["t_s"].to_numpy(np.int64) // step_s
    order = np.lexsort((heat["took_ms"].to_numpy(), steps))
    first = int(steps.min())
    steps, took_ms = steps[order] - first, heat["took_ms"].to_numpy(float)[order]
    counts = heat["count"].to_numpy(np.int64)[order]
    found = pd.DataFrame(index=(np.arange(int(steps.max()) + 1) + first + 0.5) * step_s)
    for name, share in shares.items():
        there, rows = at_share(steps, counts, share)
        found[name] = np.nan
        found.iloc[there, -1] = took_ms[rows]
    return found


def draw(panel: Axes, heat: pd.DataFrame, axis: Axis) -> None:
    """Draw a heat map over a panel's time axis; its values are logarithms of ms."""
    shown = heat[heat["took_ms"] > 0]
    low, high = _decades(shown["took_ms"])
    panel.set_ylim(low, high)
    panel.yaxis.set_major_locator(FixedLocator(range(low, high + 1)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(10.0**value)))
    if not len(shown):
        return
    first = int(axis.began_s // axis.step_s)
    steps = shown["t_s"].to_numpy(np.int64) // axis.step_s - first
    rows = (np.log10(shown["took_ms"].to_numpy(float)) - low) / (high - low) * ROWS
    image = np.zeros((ROWS, max(int(steps.max()) + 1, 1)))
    inside = np.clip(rows.astype(np.int64), 0, ROWS - 1)
    np.add.at(image, (inside, steps), shown["count"].to_numpy(float))
    panel.imshow(
        _coloured(image),
        origin="lower",
        aspect="auto",
        extent=(first * axis.step_s, (first + image.shape[1]) * axis.step_s, low, high),
        zorder=1,
    )
    panel.set_xlim(axis.began_s, axis.ended_s)


def _decades(took_ms: pd.Series[float]) -> tuple[int, int]:
    """Return the powers of ten that everything lies between."""
    if not len(took_ms):
        return 0, 3
    low = math.floor(math.log10(float(took_ms.min())))
    return low, max(math.ceil(math.log10(float(took_ms.max()))), low + 1)


def _coloured(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return one colour, the more opaque the more there is: it shows on light and on dark."""
    opacity = np.log1p(image) / math.log1p(float(image.max()))
    rgba = np.zeros((*image.shape, 4))
    rgba[..., :3] = to_rgb(COLOURS["blue"])
    rgba[..., 3] = np.where(image > 0, FAINTEST + (1 - FAINTEST) * opacity, 0)
    return np.round(rgba * 255).astype(np.uint8)
