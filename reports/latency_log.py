"""The latencies of a run as a histogram log, which HdrHistogram's own tools read (version 1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from e2e_data.commands import Channel, Kind
from e2e_data.problems import Problems
from reports.hdr import Histogram
from reports.judgement import Judgement
from reports.latencies import LATENCIES, Distribution, Group, Latencies
from reports.rundir import PhaseRecord, RunDirectory, RunRecord
from reports.slos import Latency

FILE_NAME = "latencies.hlog"
UNIT_NS = 1e6
"""Longest times are written in milliseconds, as HdrHistogram's logs of nanoseconds have them."""


def histograms_of(latencies: Latencies, phases: tuple[PhaseRecord, ...]) -> dict[str, Histogram]:
    """Return tag -> histogram, of all that has any."""
    return {
        tag_of(phases[group.phase].name, group, latency): latencies.of(group, latency).histogram
        for group in latencies.groups
        for latency in LATENCIES
    }


def write_log(directory: RunDirectory, latencies: Latencies, record: RunRecord) -> Path:
    """Write one histogram for each latency of each phase, channel and kind; return the file."""
    began_s = record.epoch_utc_ns / 1e9
    lasted_s = (record.ended_ns or 0) / 1e9
    when = datetime.fromtimestamp(began_s, UTC).isoformat(timespec="milliseconds")
    lines = [
        f"#[Latencies of run {quote(record.run_id)} in nanoseconds]",
        "#[Histogram log format version 1.3]",
        f"#[StartTime: {began_s:.3f} (seconds since epoch), {when}]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    for tag, histogram in histograms_of(latencies, record.phases).items():
        longest_ms = histogram.max_ns / UNIT_NS
        lines.append(f"Tag={tag},0.000,{lasted_s:.3f},{longest_ms:.6f},{histogram.encoded()}")
    directory.latency.mkdir(exist_ok=True)
    return directory.write(f"latency/{FILE_NAME}", "\n".join([*lines, ""]).encode())


def tag_of(phase: str, group: Group, latency: Latency) -> str:
    """Return a histogram's tag, such as "payments/HTTP/opening-credit/response"."""
    kind = Kind(group.kind).label.replace(" ", "-")
    return "/".join([quote(phase, safe=""), Channel(group.channel).name, kind, latency])


def of_phase(
    histograms: Mapping[str, Histogram], judgement: Judgement, phase: str, latency: Latency
) -> Distribution:
    """Return a latency over all channels and kinds of a phase."""
    whole, prefix = Histogram(), f"{quote(phase, safe='')}/"
    for tag, histogram in histograms.items():
        if tag.startswith(prefix) and tag.endswith(f"/{latency}"):
            whole.add(histogram)
    rows = (row for row in judgement.latencies if row.phase == phase)
    return Distribution(whole, sum(row.censored for row in rows if row.latency == latency))


def read_log(path: Path) -> dict[str, Histogram]:
    """Return tag -> histogram; of a tag that has several lines, their sum.

    Raises Problems, naming the line, where one cannot be read.
    """
    found: dict[str, Histogram] = {}
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        if not line.startswith("Tag="):
            continue
        try:
            tag, _, _, longest, encoded = line.removeprefix("Tag=").split(",")
            histogram = Histogram.decoded(encoded, round(float(longest) * UNIT_NS))
        except (ValueError, OverflowError) as error:
            raise Problems([f"{path}: line {number} cannot be read ({error})"]) from error
        found.setdefault(tag, Histogram()).add(histogram)
    return found
