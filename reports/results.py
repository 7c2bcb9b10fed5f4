"""What the judge wrote of a run: all that reports and comparisons are made of, without judging again.

summary.json              the judgement (reports/schemas/summary.schema.json)
metrics.parquet           what happened in each second, by phase, channel and kind
latency/heat.parquet      how often something took so long in each step of the run
latency/latencies.hlog    the latencies' histograms
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from e2e_data.problems import Problems, of_validation
from reports.dataset import readable
from reports.hdr import Histogram
from reports.judgement import Judgement
from reports.latency_log import FILE_NAME, read_log
from reports.rundir import RunDirectory, RunRecord
from reports.seconds import HEAT, METRICS
from reports.server_metrics import COLUMNS, read_server_metrics
from reports.timeline import Event, Second, read_timeline

SUMMARY, METRICS_FILE, HEAT_FILE = "summary.json", "metrics.parquet", "latency/heat.parquet"


@dataclass(frozen=True, slots=True)
class Results:
    """A judged run."""

    judgement: Judgement
    metrics: pd.DataFrame
    """As `Seconds.table` has it."""
    heat: pd.DataFrame
    """As `Seconds.heat` has it."""
    timeline: tuple[list[Second], list[Event]]
    """As `read_timeline` gives it."""
    histograms: dict[str, Histogram] = field(default_factory=dict)
    """By the tags of the latency log."""
    record: RunRecord | None = None
    server: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(COLUMNS)))
    """As `read_server_metrics` gives it."""

    @property
    def last_seen_s(self) -> float:
        """The last second since the run's epoch of which anything is known."""
        rows, _ = self.timeline
        last_s = float(self.metrics["t_s"].max()) + 1 if len(self.metrics) else 0.0
        return max(last_s, rows[-1].at_ns / 1e9 if rows else 0.0)


def are_there(directory: RunDirectory) -> bool:
    """Tell whether a run was judged."""
    names = (SUMMARY, METRICS_FILE, HEAT_FILE, f"latency/{FILE_NAME}")
    return all((directory.path / name).is_file() for name in names)


def read_results(directory: RunDirectory) -> Results:
    """Read what was written of a run. Raises Problems where it was not judged, or is damaged."""
    if not are_there(directory):
        remedy = f"judge it: paystorm reconcile {directory.path}"
        raise Problems([f"{directory.path} was not judged yet, or not by this version; {remedy}"])
    return Results(
        judgement=read_judgement(directory),
        metrics=_read_table(directory, METRICS_FILE, METRICS),
        heat=_read_table(directory, HEAT_FILE, HEAT),
        timeline=read_timeline(directory.timeline),
        histograms=read_log(directory.latency / FILE_NAME),
        record=directory.record(),
        server=read_server_metrics(directory),
    )


def read_judgement(directory: RunDirectory) -> Judgement:
    """Read summary.json. Raises Problems that say what is wrong with it."""
    path = directory.path / SUMMARY
    try:
        return _judgements().validate_json(path.read_bytes())
    except ValidationError as error:
        raise of_validation(str(path), error) from error


@cache
def _judgements() -> TypeAdapter[Judgement]:
    return TypeAdapter(Judgement)


def write_tables(directory: RunDirectory, results: Results) -> None:
    """Write metrics.parquet and latency/heat.parquet, each atomically."""
    (directory.path / HEAT_FILE).parent.mkdir(exist_ok=True)
    for name, frame in ((METRICS_FILE, results.metrics), (HEAT_FILE, results.heat)):
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        directory.write(name, buffer.getvalue())


def _read_table(directory: RunDirectory, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    path = directory.path / name
    with readable(path):
        frame = pd.read_parquet(path)
    missing = sorted(set(columns) - {str(column) for column in frame.columns})
    if missing:
        raise Problems([f"{path} lacks {', '.join(missing)}; judge the run again to write it anew"])
    return frame[list(columns)]
