"""A trace: how many arrivals there were in each second of a real day, read from a CSV file.

A plan that is loaded has the levels themselves, as a text such as "12 14*3 0*10": 12/s for a second,
14/s for three, nothing for ten.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from e2e_data.problems import Problems

ROWS_MAX = 200_000
"""A day has 86,400 seconds."""
_LEVEL = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(?:\*(\d{1,9}(?:\.\d{1,9})?))?", re.ASCII)
_CLOCK = re.compile(r"(\d{1,3}):(\d\d)(?::(\d\d(?:\.\d{1,9})?))?", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)


def read_levels(text: str) -> list[tuple[Fraction, float]]:
    """Return the levels (per second, seconds) that `text` tells. Raises ValueError where it is none."""
    levels = []
    for word in text.split():
        match = _LEVEL.fullmatch(word)
        if match is None:
            raise ValueError('name a CSV file, such as "day.csv"')
        levels.append((Fraction(match[1]), float(match[2] or 1)))
    if not any(per_s for per_s, _ in levels):
        raise ValueError("it has no arrival at all")
    if not all(lasts_s for _, lasts_s in levels):
        raise ValueError("a level of it takes no time")
    return levels


def load_trace(path: Path) -> str:
    """Return the levels of a CSV file as `read_levels` reads them. Raises Problems."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns = rows.fieldnames or ()
            if not {"time", "per_s"} <= set(columns):
                shown = ", ".join(columns) or "none"
                raise Problems([f"{path}: give it the columns time and per_s; it has {shown}"])
            return " ".join(_levels(path, list(_read(path, rows))))
    except OSError as error:
        raise Problems([f"{path}: {error.strerror}: name the CSV file of a trace"]) from error
    except UnicodeDecodeError as error:
        raise Problems([f"{path} is not text in UTF-8: {error.reason}"]) from error
    except csv.Error as error:
        raise Problems([f"{path} is not CSV: {error}"]) from error


def _read(path: Path, rows: csv.DictReader[str]) -> Iterator[tuple[Fraction, str]]:
    """Yield time in seconds and rate of each row."""
    wrong = []
    for number, row in enumerate(rows):
        if number >= ROWS_MAX:
            raise Problems([f"{path}: it has more than {ROWS_MAX:,} rows; give it fewer"])
        at_s, per_s = _seconds(row["time"] or ""), (row["per_s"] or "").strip()
        if at_s is None:
            wrong.append(f"line {rows.line_num}: time {row['time']!r}: write 13:05:09, or seconds")
        elif not _LEVEL.fullmatch(per_s) or "*" in per_s:
            wrong.append(
                f"line {rows.line_num}: per_s {row['per_s']!r}: write a number of arrivals"
            )
        else:
            yield at_s, per_s
    if wrong:
        more = f" (and {len(wrong) - 1} more lines)" if len(wrong) > 1 else ""
        raise Problems([f"{path}: {wrong[0]}{more}"])


def _levels(path: Path, rows: Sequence[tuple[Fraction, str]]) -> Iterator[str]:
    """Yield each rate with its time: until the next row; of the last, as long as the one before."""
    times = [at_s for at_s, _ in rows]
    for before, after in pairwise(times):
        if after <= before:
            raise Problems([f"{path}: the time {float(after):g} s comes after {float(before):g} s"])
    if not any(Fraction(per_s) for _, per_s in rows):
        raise Problems([f"{path}: it has no arrival at all"])
    lasts = [after - before for before, after in pairwise(times)]
    lasts.append(lasts[-1] if lasts else Fraction(1))
    for (_, per_s), lasts_s in _merged(rows, lasts):
        seconds = f"{float(lasts_s):.9f}".rstrip("0").rstrip(".")
        yield per_s if seconds == "1" else f"{per_s}*{seconds}"


def _merged(
    rows: Sequence[tuple[Fraction, str]], lasts: Sequence[Fraction]
) -> Iterator[tuple[tuple[Fraction, str], Fraction]]:
    """Make one of rows with the same rate."""
    held, held_s = rows[0], lasts[0]
    for row, lasts_s in zip(rows[1:], lasts[1:], strict=True):
        if row[1] == held[1]:
            held_s += lasts_s
        else:
            yield held, held_s
            held, held_s = row, lasts_s
    yield held, held_s


def _seconds(text: str) -> Fraction | None:
    """Return a time of day, or a number of seconds, in seconds."""
    clock = _CLOCK.fullmatch(text.strip())
    if clock is not None:
        hours, minutes, seconds = clock.groups()
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds or 0)
    return Fraction(text.strip()) if _NUMBER.fullmatch(text.strip()) else None
