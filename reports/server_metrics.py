"""What the platform's own monitoring says of a run: kept beside ours, and judged where it is asked.

server_metrics.parquet has the columns t_s (seconds since the run's epoch), name, series and value.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from e2e_data.problems import Problems
from reports.dataset import readable
from reports.growth import growth
from reports.judgement import PhaseRow, SloResult, Status
from reports.rundir import RunDirectory
from reports.server_metric import ServerMetric

FILE_NAME = "server_metrics.parquet"
COLUMNS = ("t_s", "name", "series", "value")
POINTS_MIN = 10
"""Fewer say nothing of growth."""
POINTS_MAX = 400
"""Of a longer series, each point is the median of several: slopes are taken of all pairs."""
CONFIDENCE = 0.95
HOUR_S = 3600.0


def write_server_metrics(directory: RunDirectory, table: pd.DataFrame) -> None:
    """Write what was fetched, atomically; `table` has COLUMNS."""
    buffer = io.BytesIO()
    table[list(COLUMNS)].to_parquet(buffer, index=False)
    directory.write(FILE_NAME, buffer.getvalue())


def read_server_metrics(directory: RunDirectory) -> pd.DataFrame:
    """Read what was fetched; empty where nothing was. Raises Problems for a damaged file."""
    path = directory.path / FILE_NAME
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    with readable(path):
        table = pd.read_parquet(path)
    if set(COLUMNS) - {str(name) for name in table.columns}:
        raise Problems([f"{path} has not the columns {', '.join(COLUMNS)}: restore the file"])
    return table[list(COLUMNS)]


def judge_server(
    metrics: Sequence[ServerMetric], table: pd.DataFrame, phases: Sequence[PhaseRow]
) -> Iterator[SloResult]:
    """Tell for each metric whether it held what is asked; what was not measured is UNKNOWN."""
    for metric in metrics:
        rows = _asked(metric, table, phases)
        series = [part for _, part in rows.groupby("series", sort=True)]
        for what, title in metric.titles.items():
            if not series:
                yield SloResult(title, Status.UNKNOWN, None, 0, "nothing was measured", metric.unit)
            elif what == "below":
                yield _below(metric, title, rows)
            elif what == "percent":
                yield _growth_percent(metric, title, series)
            else:
                yield _growth(metric, title, series)


def _asked(metric: ServerMetric, table: pd.DataFrame, phases: Sequence[PhaseRow]) -> pd.DataFrame:
    rows = table[(table["name"] == metric.name) & np.isfinite(table["value"].astype(float))]
    if metric.phase is None:
        return rows
    on = next((phase for phase in phases if phase.name == metric.phase), None)
    if on is None:
        return rows.iloc[:0]
    ended_s = np.inf if on.ended_ns is None else on.ended_ns / 1e9
    return rows[(rows["t_s"] >= on.began_ns / 1e9) & (rows["t_s"] <= ended_s)]


def _below(metric: ServerMetric, title: str, rows: pd.DataFrame) -> SloResult:
    assert metric.below is not None
    values = rows["value"].to_numpy(dtype=float)
    worst = rows.iloc[int(np.argmax(values))]
    value = float(values.max())
    status = Status.HOLDS if value < metric.below else Status.VIOLATED
    note = f"at {float(worst['t_s']):.0f} s" + (f", {worst['series']}" if worst["series"] else "")
    return SloResult(title, status, value, len(rows), note, metric.unit)


def _growth(metric: ServerMetric, title: str, series: Sequence[pd.DataFrame]) -> SloResult:
    """Judge the series that grows fastest, by Theil and Sen's slope with its interval.

    The median of the slopes of all pairs of points (P. K. Sen, JASA 63, 1968): jumps and outliers,
    as a collection of garbage makes them, do not move it.
    """
    unit = f"{metric.unit}/h".lstrip()
    limit = metric.grows_below_per_h
    assert limit is not None
    samples = sum(map(len, series))
    if min(map(len, series)) < POINTS_MIN:
        note = f"{min(map(len, series))} points are too few"
        return SloResult(title, Status.UNKNOWN, None, samples, note, unit)
    slope, low, high, name = max(_slope_per_h(part) for part in series)
    note = f"{low:.3g} to {high:.3g} {unit}" + (f", {name}" if name else "")
    status = Status.HOLDS if high < limit else Status.VIOLATED if low > limit else Status.UNKNOWN
    if status is Status.UNKNOWN:
        note += ": too short a time to tell"
    return SloResult(title, status, slope, samples, note, unit)


def _growth_percent(metric: ServerMetric, title: str, series: Sequence[pd.DataFrame]) -> SloResult:
    """Judge the series that may have grown most, by the same line as the generator's own memory."""
    limit, samples = metric.grows_below_percent, sum(map(len, series))
    assert limit is not None
    grown = []
    for part in series:
        ordered = part.sort_values("t_s").astype({"t_s": float, "value": float})
        found = growth(ordered["t_s"].tolist(), ordered["value"].tolist())
        if found is None:
            note = f"{len(part)} points are too few"
            return SloResult(title, Status.UNKNOWN, None, samples, note, "%")
        grown.append((found, str(part["series"].iloc[0])))
    worst, name = max(grown, key=lambda one: one[0].high_percent)
    status = worst.below(limit)
    note = worst.told(metric.unit) + (f", {name}" if name else "")
    return SloResult(title, status, worst.percent, samples, note, "%")


def _slope_per_h(part: pd.DataFrame) -> tuple[float, float, float, str]:
    # Loaded where it is asked for: it takes its time.
    from scipy.stats import theilslopes

    ordered = part.sort_values("t_s")
    bins = np.arange(len(ordered)) // -(-len(ordered) // POINTS_MAX)
    points = ordered[["t_s", "value"]].astype(float).groupby(bins).median()
    slope, _, low, high = theilslopes(points["value"], points["t_s"], CONFIDENCE)
    scale = HOUR_S
    return (
        float(slope) * scale,
        float(low) * scale,
        float(high) * scale,
        str(part["series"].iloc[0]),
    )
