"""Locust's own statistics as CSV files in the run directory, as `locust --csv` writes them."""

from __future__ import annotations

import csv
from pathlib import Path

import gevent
from locust.env import Environment
from locust.stats import PERCENTILES_TO_REPORT, StatsCSVFileWriter

PREFIX = "locust"


class LocustCsvs:
    """Writes `locust_stats.csv`, `_stats_history.csv`, `_failures.csv` and `_exceptions.csv`."""

    def __init__(self, environment: Environment, directory: Path) -> None:
        """Begin to write, every second."""
        self._prefix = directory / PREFIX
        self._writer = StatsCSVFileWriter(
            environment, PERCENTILES_TO_REPORT, str(self._prefix), full_history=True
        )
        self._greenlet = gevent.spawn(self._writer)

    def close(self) -> None:
        """Stop, and write the final figures: the last second's are not in the files yet."""
        self._greenlet.kill()
        self._writer.close_files()
        for name, write in (
            ("stats", self._writer.requests_csv),
            ("failures", self._writer.failures_csv),
            ("exceptions", self._writer.exceptions_csv),
        ):
            path = self._prefix.with_name(f"{PREFIX}_{name}.csv")
            with path.open("w", newline="", encoding="utf-8") as file:
                write(csv.writer(file))
