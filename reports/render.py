"""Writing a judgement down: for people, for pipelines and for the next comparison."""

from __future__ import annotations

import pandas as pd

from reports.html import to_html
from reports.judgement import Judgement
from reports.junit import to_junit
from reports.markdown import to_markdown
from reports.plain import to_json
from reports.rundir import RunDirectory
from reports.timeline import Event, Second


def write_all(
    directory: RunDirectory,
    judgement: Judgement,
    seconds: pd.DataFrame,
    timeline: tuple[list[Second], list[Event]],
) -> None:
    """Write summary.json, findings.json, junit.xml, report.md and report.html, each atomically.

    `seconds` has one row per second of the run and the columns t_s (since the run's epoch), phase,
    intended, sent, acknowledged, completed (counts in that second), response_p50_ms,
    response_p99_ms, completion_p50_ms and completion_p99_ms (NaN where nothing was measured); it
    may be empty. `timeline` is what `read_timeline` gives. What pipelines read is written first, so
    that it is there whatever becomes of the page.
    """
    directory.write("summary.json", to_json(judgement))
    found = [check for check in judgement.checks if check.findings]
    directory.write("findings.json", to_json(found))
    directory.write("junit.xml", to_junit(judgement))
    rows, _ = timeline
    last_seen_s = max(
        float(seconds["t_s"].max()) + 1 if len(seconds) else 0.0,
        rows[-1].at_ns / 1e9 if rows else 0.0,
    )
    directory.write("report.md", to_markdown(judgement, last_seen_s).encode())
    directory.write("report.html", to_html(judgement, seconds, timeline, last_seen_s).encode())
