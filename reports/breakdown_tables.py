"""Further tables of a report: the plan's faults, errors, rejections by reason, payments by band."""

from __future__ import annotations

import pandas as pd

from reports.judgement import Judgement
from reports.quantities import NOTHING, count, counted, measured, milliseconds, moment
from reports.tables import share, text_frame


def faults(judgement: Judgement) -> pd.DataFrame:
    """Return one row per fault that the plan brought about: how soon it showed, and was over."""
    rows = (
        (
            row.title,
            row.channel or "all",
            moment(row.began_ns),
            moment(row.ended_ns),
            "never" if row.noticed_ms is None else f"after {milliseconds(row.noticed_ms)}",
            "not seen" if row.recovered_ms is None else f"after {milliseconds(row.recovered_ms)}",
            measured(row.answered_percent, "%"),
            milliseconds(row.response_p99_before_ms),
            milliseconds(row.response_p99_during_ms),
            ", ".join(f"{count(many)} {name}" for name, many in row.during.items()) or NOTHING,
            milliseconds(row.shut_ms) if row.shut_ms else NOTHING,
            ", ".join(row.cascades) or NOTHING,
        )
        for row in judgement.faults
    )
    columns = (
        *("Fault", "Channel", "Began", "Ended", "Noticed", "Recovered", "Answered", "p99 before"),
        *("p99 during", "Incidents", "Shut", "Also disturbed"),
    )
    return text_frame(rows, columns)


def faults_read(judgement: Judgement) -> str:
    """Say how the table of faults counts, and how often commands were sent again."""
    were = "was" if judgement.retried == 1 else "were"
    return (
        "Noticed counts from a fault's beginning, recovered from its end, until things were as before "
        "it; shut is how long nothing was taken and each was turned away, as by an open circuit breaker. "
        f"{counted(judgement.retried, 'attempt')} {were} made again under the same command id."
    )


def errors(judgement: Judgement) -> pd.DataFrame:
    """Return one row per class, place and reason of errors, the most frequent first."""
    rows = (
        (
            (row.name.value if row.name else NOTHING).capitalize(),
            row.phase or NOTHING,
            row.channel or NOTHING,
            row.kind or NOTHING,
            count(row.count),
            row.reason or "nothing was said",
        )
        for row in judgement.errors
    )
    return text_frame(rows, ("Class", "Phase", "Channel", "Kind", "Commands", "Reason"))


def rejections(judgement: Judgement) -> pd.DataFrame:
    """Return one row per reason: Reason, Rejected, "Only correct outcome" (of how many it was)."""
    rows = (
        (row.reason or "none was given", count(row.count), count(row.expected))
        for row in judgement.rejections
    )
    return text_frame(rows, ("Reason", "Rejected", "Only correct outcome"))


def bands(judgement: Judgement) -> pd.DataFrame:
    """Return one row per band of payments: Amount, Payments, Settled, Rejected, Share rejected."""
    rows = (
        (
            row.band,
            count(row.payments),
            count(row.settled),
            count(row.rejected),
            share(row.rejected, row.payments),
        )
        for row in judgement.bands
    )
    return text_frame(rows, ("Amount", "Payments", "Settled", "Rejected", "Share rejected"))
