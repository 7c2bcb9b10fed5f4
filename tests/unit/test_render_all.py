"""All five files are written, whatever was seen of the run."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from reports import tables
from reports.render import write_all
from reports.results import read_judgement
from reports.rundir import RunDirectory
from reports.seconds import METRICS
from tests import samples

FILES = {
    *("summary.json", "findings.json", "report.html", "report.md", "junit.xml"),
    *("metrics.parquet", "latency"),
}


def _write(directory, sample):
    write_all(RunDirectory(directory), sample)


def test_summary_is_the_judgement(tmp_path):
    sample = samples.bad()
    _write(tmp_path, sample)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["exit"] == 20
    assert summary["classes"]["lost in the platform"] == {"payment": 12}
    assert summary["checks"][0]["findings"][0]["worst"]["completed_ns"] is None
    assert set(summary) == set(sample.judgement.__dataclass_fields__)
    findings = json.loads((tmp_path / "findings.json").read_text())
    assert [check["invariant"] for check in findings] == ["1", "2"]


def test_numbers_and_text_that_json_lacks(tmp_path):
    sample = samples.good()
    slo = replace(sample.judgement.slos[0], measured=float("nan"), note="\ud800")
    _write(tmp_path, replace(sample, judgement=replace(sample.judgement, slos=(slo,))))
    (told,) = json.loads((tmp_path / "summary.json").read_text())["slos"]
    assert (told["measured"], told["note"]) == (None, "\ufffd")


@pytest.mark.parametrize(
    ("metrics", "heat"),
    [
        (samples.empty().metrics, samples.empty().heat),
        (samples.good().metrics.iloc[:1], samples.good().heat.iloc[:1]),
        (samples.good().metrics.iloc[::7], samples.good().heat.assign(took_ms=0.0)),
        (samples.empty().metrics, samples.good().heat.iloc[::7]),
    ],
    ids=["none", "one second", "gaps", "no counts"],
)
def test_seconds_may_be_few(metrics, heat, tmp_path):
    _write(tmp_path, replace(samples.good(), metrics=metrics, heat=heat))
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["good", "bad", "special", "empty", "bare"])
def test_every_file_is_there_and_what_was_written_is_read_back(name, tmp_path):
    """Reports and comparisons are made of the files as of the judge's own figures."""
    results = getattr(samples, name)()
    directory = RunDirectory(tmp_path)
    write_all(directory, results)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert read_judgement(directory) == results.judgement
    metrics = pd.read_parquet(tmp_path / "metrics.parquet")
    assert list(metrics.columns) == list(METRICS)
    assert metrics["sent"].sum() == results.metrics["sent"].sum()


def test_phases_may_lack_an_end_and_a_sample(tmp_path):
    sample = samples.good()
    phase = replace(sample.judgement.phases[0], ended_ns=None, sent=0, rate_per_s=float("nan"))
    latency = replace(sample.judgement.latencies[0], count=0, censored=9, percentiles_ms={})
    judgement = replace(sample.judgement, phases=(phase,), latencies=(latency,))
    _write(tmp_path, replace(sample, judgement=judgement))


def test_totals_of_the_classes_add_up_to_the_pool():
    for sample in (samples.good(), samples.bad(), samples.empty(), samples.bare()):
        counts = tables.class_counts(sample.judgement)
        assert counts.loc["total", "total"] == sample.judgement.commands
        assert tables.classes_gap(sample.judgement) == ""


def test_many_warnings_do_not_bury_the_report():
    events = samples.good().timeline[1] * 100
    shown = tables.events(events)
    assert len(shown) == tables.EVENTS_MAX + 1
    assert (
        shown.iloc[-1]["Note"] == f"{len(events) - tables.EVENTS_MAX:,} more are in timeline.jsonl"
    )
