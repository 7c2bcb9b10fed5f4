"""The metrics: named by convention, documented, bounded, and what the run says."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from e2e_data import config
from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.platform import Acknowledged
from e2e_data.pool import Pool
from locustfiles.fleet.counts import Counts, Oldest
from locustfiles.fleet.facts import About
from locustfiles.fleet.figures import Figures, FleetFigures
from locustfiles.metrics import BOUNDS_S, MEASURES, View, families
from locustfiles.phases import State
from locustfiles.plans import load_plan
from reports.journal import Fact

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs/operations.md").read_text()
TYPES = {CounterMetricFamily: "counter", HistogramMetricFamily: "histogram"}
POOL = Pool.in_memory(config.load("smoke"), 7)
SMOKE = load_plan("smoke")


def director(**counts):
    """A director of three workers, one lost and one gone, in the second phase of `smoke`."""
    members = {name: SimpleNamespace(lost=name != "a", closed=name == "c") for name in "abc"}
    book = SimpleNamespace(held=lambda name: 2 if name == "a" else 1, active=5)
    return SimpleNamespace(
        plan=SMOKE,
        pool=POOL,
        directory=SimpleNamespace(name="the-run"),
        machine=SimpleNamespace(state=State.SENDING),
        clock=SimpleNamespace(now_ns=lambda: 12 * 10**9),
        phase_name="opening-credits",
        faults=set(),
        desk=SimpleNamespace(members=members, book=book),
        total=lambda: Counts(**counts),
    )


def view(figures=None, facts=(), verdict=None, **counts):
    fleet = FleetFigures()
    snapshot = (figures or Figures()).snapshot("a", 1)
    fleet.take({**snapshot, "facts": [[*about, count] for about, count in facts]})
    return View(director(**counts), fleet, verdict=verdict)


def samples(of: View) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the samples of all metrics by name and values of labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in families(of):
        for sample in family.samples:
            labels = tuple(sample.labels.values())
            assert labels not in found.setdefault(sample.name, {}), "a series twice"
            found[sample.name][labels] = sample.value
    return found


def test_a_fault_is_seen_as_long_as_it_is_on():
    """One series for each fault of the plan, so that a dashboard can mark when it was."""
    looked = view()
    looked.director.plan = load_plan("failure-recovery")
    looked.director.faults.add("kill the platform")
    on = samples(looked)["paystorm_fault_active"]
    assert {title for (title,), value in on.items() if value} == {"kill the platform"}
    assert len(on) > 3


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_names_follow_the_convention(measure):
    """One prefix, base units, _total for counters and for nothing else, and a sentence of help."""
    assert re.fullmatch(r"paystorm_[a-z_]+", measure.name)
    assert measure.name.endswith("_total") == (measure.type is CounterMetricFamily)
    assert not re.search(r"_(ms|millis|percent|minutes|us|ns)(_|$)", measure.name)
    assert measure.help.endswith(".")
    assert not any(label.startswith("__") or label in ("le", "job") for label in measure.labels)


def test_every_metric_is_documented_and_nothing_else():
    """The table has each metric with its type and labels."""
    rows = re.findall(r"^\| `(paystorm_\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \|$", DOCUMENT, re.M)
    told = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows}
    made = {
        measure.name: (TYPES.get(measure.type, "gauge"), measure.labels) for measure in MEASURES
    }
    assert told == made
    assert {text.strip() for *_, text in rows} == {measure.help for measure in MEASURES}


def test_before_the_first_run_there_is_nothing():
    """A scrape that comes early is answered, with no figures rather than wrong ones."""
    assert list(families(None)) == []


def test_figures_are_the_runs():
    """What the director and the fleet's figures say, in base units."""
    found = samples(view(due=9, overdue=2, lag_us=1500, cpu_permille=420, pending_now=3))
    assert found["paystorm_run_info"] == {("the-run", "smoke"): 1}
    assert found["paystorm_run_state"][("sending",)] == 1
    assert sum(found["paystorm_run_state"].values()) == 1
    assert found["paystorm_phase_sending"][("opening-credits",)] == 1
    assert sum(found["paystorm_phase_sending"].values()) == 1
    assert found["paystorm_arrivals_total"] == {(): 9}
    assert found["paystorm_arrivals_overdue_total"] == {(): 2}
    assert found["paystorm_loop_lag_seconds"] == {(): 0.0015}
    assert found["paystorm_cpu_ratio"] == {(): 0.42}
    assert found["paystorm_pending_commands"] == {(): 3}
    assert found["paystorm_oldest_pending_seconds"] == {(): 0}
    assert found["paystorm_workers"] == {("alive",): 1, ("lost",): 1, ("closed",): 1}
    assert found["paystorm_leases"] == {(): 4}
    assert found["paystorm_shards_active"] == {(): 5}
    assert found["paystorm_pool_commands"][("account",)] == POOL.count_of(Kind.ACCOUNT)


def test_the_oldest_pending_command_has_an_age():
    """However many there are: an alert is for the one that waits for the longest."""
    oldest = Oldest(7 * 10**9, 0, 1, 2, Kind.PAYMENT, 2, Channel.MQ)
    assert samples(view(oldest=oldest))["paystorm_oldest_pending_seconds"] == {(): 5}


def test_facts_are_counted_by_scope():
    """Each fact has its counter; codes become what they mean."""
    scope = (2, Channel.MQ, Kind.PAYMENT)
    facts = [
        (About(Fact.SENT, *scope, 0), 10),
        (About(Fact.ACKNOWLEDGED, *scope, Acknowledged.REFUSED), 4),
        (About(Fact.ACKNOWLEDGED, *scope, 77), 1),
        (About(Fact.COMPLETED, *scope, Outcome.DEAD_LETTERED), 3),
        (About(Fact.UNANSWERED, 9, Channel.HTTP, Kind.ACCOUNT, 0), 2),
        (About(Fact.UNANSWERED, 200, Channel.HTTP, Kind.ACCOUNT, 0), 1),
    ]
    found = samples(view(facts=facts))
    at = ("payments", "mq", "payment")
    assert found["paystorm_sent_total"] == {at: 10}
    assert found["paystorm_acknowledged_total"] == {(*at, "refused"): 4, (*at, "other"): 1}
    assert found["paystorm_completed_total"] == {(*at, "dead-lettered"): 3}
    assert found["paystorm_unanswered_total"] == {("other", "http", "account"): 3}


@settings(deadline=None)
@given(st.lists(st.integers(0, 40 * 10**9), min_size=1))
def test_a_histograms_buckets_hold_what_is_surely_below_their_bounds(times_ns):
    """Cumulative, nothing above its bound is in, and what is more than 0.8 % below it is not out."""
    figures = Figures()
    for time_ns in times_ns:
        figures.add(0, Kind.ACCOUNT, time_ns)
    found = samples(view(figures))
    at = ("accounts", "http", "account", "")
    buckets = found["paystorm_response_seconds_bucket"]
    times_s = np.array(times_ns) / 1e9
    for bound in BOUNDS_S:
        count = buckets[(*at, str(bound))]
        assert (times_s <= bound / 1.0079 - 1.1e-6).sum() <= count <= (times_s <= bound).sum()
    assert buckets[(*at, "+Inf")] == len(times_ns)
    assert found["paystorm_response_seconds_count"][at] == len(times_ns)
    assert found["paystorm_response_seconds_sum"][at] == pytest.approx(times_s.sum())


def test_responses_are_told_by_region():
    """A region by its name; nothing where the pool has none; and what is no region of it is other."""
    figures = Figures()
    for region, took_ms in ((1, 5), (2, 50), (2, 60), (7, 1)):
        figures.add(0, Kind.ACCOUNT, took_ms * 1_000_000, region=region)
    seen = view(figures)
    config = SimpleNamespace(regions=("north", "south"))
    seen.director.pool = SimpleNamespace(config=config, count_of=lambda _: 0)
    found = samples(seen)["paystorm_response_seconds_count"]
    at = ("accounts", "http", "account")
    assert found == {(*at, "north"): 1, (*at, "south"): 2, (*at, "other"): 1}


def test_errors_of_regions_are_those_of_the_verdict():
    """Once it is there; a region that nothing was sent to has none, which is not nought."""
    rows = [{"region": "north", "error_percent": 2.5}, {"region": "south", "error_percent": None}]
    assert samples(view(verdict={"exit": 0, "regions": rows}))["paystorm_region_error_ratio"] == {
        ("north",): 0.025
    }
    assert "paystorm_region_error_ratio" not in samples(view())


def test_the_verdict_is_shown_once_it_is_there():
    """Each invariant, SLO and rule of fitness has one status; without a verdict there is none."""
    assert not [name for name in samples(view()) if "status" in name or "exit" in name]
    finding = {"count": 3}
    verdict = {
        "exit": 20,
        "checks": [
            {"invariant": "1", "status": "violated", "findings": [finding, finding]},
            {"invariant": "2", "status": "holds", "findings": []},
        ],
        "slos": [{"title": "p99", "status": "unknown"}],
        "fitness": [{"title": "lag", "status": "holds"}],
    }
    found = samples(view(verdict=verdict))
    assert found["paystorm_exit_code"] == {(): 20}
    assert found["paystorm_findings"] == {("1",): 6, ("2",): 0}
    on = {labels for labels, value in found["paystorm_invariant_status"].items() if value}
    assert on == {("1", "violated"), ("2", "holds")}
    assert found["paystorm_slo_status"][("p99", "unknown")] == 1
    assert found["paystorm_fitness_status"][("lag", "holds")] == 1
