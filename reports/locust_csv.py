"""Locust's own CSV files, read with what they hold: of any locustfile, not only ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from e2e_data.problems import Problems

STATS, HISTORY, FAILURES = "_stats.csv", "_stats_history.csv", "_failures.csv"
PERCENTILES = ("50%", "90%", "95%", "99%", "99.9%", "99.99%", "100%")
_STATS_NEEDED = ("Type", "Name", "Request Count", "Failure Count", "Requests/s")
_HISTORY_NEEDED = ("Timestamp", "Name", "User Count", "Requests/s", "Failures/s")
_FAILURES_NEEDED = ("Method", "Name", "Error", "Occurrences")
AGGREGATED = "Aggregated"
_WORDS = ("Type", "Name", "Method", "Error")


@dataclass(frozen=True, slots=True)
class LocustRun:
    """What Locust wrote with `--csv PREFIX`."""

    prefix: str
    stats: pd.DataFrame
    """One row per request, and one for all: those of _STATS_NEEDED, and what there is of PERCENTILES
    in ms."""
    history: pd.DataFrame
    """One row per second over all requests: t_s, users, requests, failures (per second) and what there
    is of PERCENTILES (ms, of the last ten seconds); empty where there is no such file."""
    failures: pd.DataFrame
    """Method, Name, Error and Occurrences, the most frequent first."""

    @property
    def requests(self) -> int:
        """How many requests were made."""
        return int(self._whole["Request Count"])

    @property
    def failed(self) -> int:
        """How many of them failed, by what Locust calls so."""
        return int(self._whole["Failure Count"])

    @property
    def _whole(self) -> pd.Series:
        return self.stats[self.stats["Name"] == AGGREGATED].iloc[-1]


def prefixes(directory: Path) -> list[str]:
    """Return what `--csv` was called with, of all files in a directory."""
    return sorted(path.name.removesuffix(STATS) for path in directory.glob(f"*{STATS}"))


def read_locust(directory: Path, prefix: str) -> LocustRun:
    """Read the files of a prefix. Raises Problems, naming file and columns, where one is no such file."""
    stats_path = directory / f"{prefix}{STATS}"
    stats = _read(stats_path, _STATS_NEEDED)
    if not (stats["Name"] == AGGREGATED).any():
        raise Problems(
            [f"{stats_path} has no row {AGGREGATED!r}: Locust did not finish writing it"]
        )
    failures = _optional(directory / f"{prefix}{FAILURES}", _FAILURES_NEEDED)
    return LocustRun(
        prefix=prefix,
        stats=stats,
        history=_history(directory / f"{prefix}{HISTORY}"),
        failures=failures.sort_values("Occurrences", ascending=False, kind="stable"),
    )


def _history(path: Path) -> pd.DataFrame:
    told = _optional(path, _HISTORY_NEEDED)
    whole = told[told["Name"] == AGGREGATED].dropna(subset=["Timestamp"])
    began_s = whole["Timestamp"].min() if len(whole) else 0
    columns = {
        "t_s": whole["Timestamp"] - began_s,
        "users": whole["User Count"],
        "requests": whole["Requests/s"],
        "failures": whole["Failures/s"],
    }
    percentiles = {name: whole[name] for name in PERCENTILES if name in whole}
    return pd.DataFrame({**columns, **percentiles})


def _optional(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    if path.is_file():
        return _read(path, needed)
    return pd.DataFrame(
        {name: pd.Series(dtype=object if name in _WORDS else float) for name in needed}
    )


def _read(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    """Read a file; what is no number in a column of numbers, such as "N/A", is missing."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise Problems([f"{path} cannot be read as CSV ({error})"]) from error
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise Problems([f"{path} has no column {', '.join(missing)}: it is none of Locust's files"])
    for name in frame.columns:
        if name not in _WORDS:
            frame[name] = pd.to_numeric(frame[name], errors="coerce")
    return frame
