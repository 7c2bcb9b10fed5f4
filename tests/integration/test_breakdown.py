"""What is counted for the report: errors by class and reason, rejections, bands, metrics, cost."""

from __future__ import annotations

import pytest

from e2e_data.commands import Kind, Outcome
from reports import breakdown
from reports.judgement import Class
from reports.latency_log import write_log
from reports.reconcile import reconcile
from reports.render import write_all
from reports.results import read_results
from tests.fates import Fate
from tests.histories import History
from tests.tiny_pools import keys_of, tiny_pool

SURE = keys_of(tiny_pool()[0], Kind.PAYMENT, Outcome.SETTLED)


@pytest.fixture
def judged(tmp_path):
    """A run in which two commands were lost, one refused, and one never answered."""
    fates = dict(zip(SURE, (Fate.LOST, Fate.LOST, Fate.REFUSED, Fate.SILENT), strict=False))
    history = History(tmp_path / "run", fates)
    return history, reconcile(history.directory)


def test_errors_are_those_of_their_classes(judged):
    """Each class of errors, by place and reason: the counts are the classes' own."""
    _, found = judged
    judgement = found.results.judgement
    counted: dict[Class, int] = {}
    for row in judgement.errors:
        counted[row.name] = counted.get(row.name, 0) + row.count
    assert counted == {
        name: judgement.class_total(name) for name in (Class.LOST, Class.REFUSED, Class.RECOVERED)
    }
    assert {row.phase for row in judgement.errors} == {"payments"}
    counts = [row.count for row in judgement.errors]
    assert counts == sorted(counts, reverse=True)


def test_rejections_add_up_and_have_their_reasons(judged):
    """Every rejected command is under the reason that the book gives."""
    _, found = judged
    judgement = found.results.judgement
    rejected = judgement.class_total(Class.REJECTED) + judgement.class_total(Class.REJECTED_LATE)
    assert sum(row.count for row in judgement.rejections) == rejected > 0
    assert all(row.reason for row in judgement.rejections)
    assert sum(row.expected for row in judgement.rejections) == judgement.expected_rejections


def test_bands_hold_all_payments_and_the_highest_are_rejected(judged):
    """A payment is in one band of amounts; above the HOUR limit a limit-based account has no chance."""
    history, found = judged
    bands = found.results.judgement.bands
    assert len(bands) == len(history.pool.config.payment_bands)
    assert sum(row.payments for row in bands) == sum(
        history.pool.shard_counts(n).payment for n in range(len(history.pool.manifest.shards))
    )
    assert all(row.settled + row.rejected <= row.payments for row in bands)


def test_reasons_that_are_too_many_are_one(judged, monkeypatch):
    """Reasons come from the network: beyond a bound they are no longer told apart, and none is lost."""
    history, found = judged
    monkeypatch.setattr(breakdown, "KEYS_MAX", 1)
    monkeypatch.setattr(breakdown, "ROWS_MAX", 1)
    again = reconcile(history.directory).results.judgement
    for name in ("errors", "rejections"):
        before, after = getattr(found.results.judgement, name), getattr(again, name)
        assert sum(row.count for row in after) == sum(row.count for row in before)
        assert len(after) <= 2


def test_metrics_add_up_to_the_run(judged):
    """The rows of metrics.parquet have every command that was sent, and every error, once."""
    history, found = judged
    results = found.results
    write_log(history.directory, found.latencies, history.record)
    write_all(history.directory, results)
    again = read_results(history.directory)
    assert again.judgement == results.judgement
    assert again.metrics["sent"].sum() == sum(row.sent for row in results.judgement.phases)
    assert again.metrics["failed"].sum() == sum(row.count for row in results.judgement.errors)
    by_latency = again.heat.groupby("latency")["count"].sum()
    assert by_latency["response"] == again.metrics["acknowledged"].sum()
    assert by_latency["completion"] == again.metrics["completed"].sum()
    assert again.histograms.keys() == results.histograms.keys()


@pytest.mark.parametrize(
    ("budget", "whole"),
    [({}, None), ({"cost_per_command": 0.01}, 0.01), ({"cost_per_hour": 0.0, "cost": 5.0}, None)],
)
def test_a_run_costs_what_its_plan_s_prices_say(tmp_path, budget, whole):
    """By the command; without prices nothing is said of a cost."""
    history = History(tmp_path / "run")
    record = history.record.model_copy(update={"plan": {"budget": budget}})
    history.directory.write_record(record)
    judgement = reconcile(history.directory).results.judgement
    if whole is None:
        assert judgement.cost is None
        return
    settled = judgement.classes[Class.SETTLED]["payment"]
    assert judgement.cost.whole == pytest.approx(whole * judgement.journaled)
    assert judgement.cost.per_million_payments == pytest.approx(
        judgement.cost.whole / settled * 1e6
    )
