"""How soon after a burst answers are as fast as they were before it, second by second."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from statistics import median
from typing import Any

import pandas as pd

from reports.judgement import PhaseRow

BEFORE_S = 10
"""So many seconds before the first burst say what is usual; or as many as there are."""
SLACK = 2.0
SLACK_MS = 10.0
"""As fast as before is at most twice as slow, and some milliseconds always."""
STEADY_S = 3
"""It has to stay so for so many seconds."""


def with_recovery(
    rows: Iterable[PhaseRow], plan: Mapping[str, Any], metrics: pd.DataFrame
) -> Iterator[PhaseRow]:
    """Yield phases with how they recovered from their bursts.

    `plan` is the run's record of it, `metrics` what `Seconds.table` gives; the slowest channel and kind
    of a second stand for it.
    """
    for row in rows:
        mine = metrics[metrics["phase"] == row.name] if len(metrics) else metrics
        slowest = pd.DataFrame(mine, columns=["t_s", "response_p99_ms"]).groupby("t_s").max()
        phase = plan.get("phases", {}).get(row.name, {})
        told = recovery_note(phase, row.began_ns / 1e9, slowest.reset_index())
        yield replace(row, note="; ".join(filter(None, (row.note, told))))


def recovery_note(phase: Mapping[str, Any], began_s: float, seconds: pd.DataFrame) -> str:
    """Say how a phase recovered from its bursts; empty where it has none, or nothing was measured.

    `phase` is the plan's, `began_s` when its first arrival was due; `seconds` has t_s and response_p99_ms.
    """
    if phase.get("profile") != "burst" or seconds.empty:
        return ""
    took = dict(zip(seconds["t_s"], seconds["response_p99_ms"], strict=True))
    ends_s = min(began_s + float(phase.get("duration_s") or 1e9), float(seconds["t_s"].max()))
    found = list(
        _recoveries(took, began_s, ends_s, float(phase["every_s"]), float(phase["burst_s"]))
    )
    within = [one for one in found if one is not None]
    if not found:
        return ""
    said = [f"after {len(within)} of {len(found)} bursts answers were as fast as before"]
    if within:
        said.append(f"within {median(within):.0f} s (median), {max(within):.0f} s at most")
    return ", ".join(said)


def _recoveries(
    took: Mapping[float, float], began_s: float, ends_s: float, every_s: float, burst_s: float
) -> Iterator[float | None]:
    """Yield for each burst how many seconds it took; None where the next one came before."""
    # As it was before the first: what never recovered from one is no measure for the next.
    starts = int(began_s + every_s - burst_s)
    first = max(starts - BEFORE_S, int(began_s) + 1)
    usual = [took[s] for s in range(first, starts) if s in took and not math.isnan(took[s])]
    if not usual:
        return
    limit_ms = max(SLACK * median(usual), median(usual) + SLACK_MS)
    over_s = began_s + every_s
    while over_s + STEADY_S < ends_s:
        yield _recovered(took, over_s, min(over_s + every_s - burst_s, ends_s), limit_ms)
        over_s += every_s


def _recovered(
    took: Mapping[float, float], over_s: float, until_s: float, limit_ms: float
) -> float | None:
    good = 0
    for second in range(int(over_s), int(until_s)):
        good = good + 1 if took.get(second, limit_ms + 1) <= limit_ms else 0
        if good == STEADY_S:
            return max(second + 1 - STEADY_S - over_s, 0.0)
    return None
