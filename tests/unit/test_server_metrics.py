"""The platform's own metrics: fetched once a run has ended, judged by level and by growth."""

from __future__ import annotations

import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from rich.console import Console

from locustfiles import endings
from locustfiles.outline import show
from locustfiles.plan_parts.server import Server
from locustfiles.plans import load_plan
from locustfiles.prometheus import SERIES_MAX, fetch
from reports.html import to_html
from reports.judgement import Status
from reports.rundir import RunDirectory
from reports.server_metric import ServerMetric
from reports.server_metrics import (
    COLUMNS,
    judge_server,
    read_server_metrics,
    write_server_metrics,
)
from tests import samples
from tests.prometheus import answering, series, success

EPOCH_UTC_NS = 1_795_176_000 * 10**9
EPOCH_S = EPOCH_UTC_NS / 1e9
PHASES = samples.good().judgement.phases
MEMORY = {"name": "memory", "query": "memory_bytes", "unit": "MB"}


def table(values, *, name="memory", one="", step_s=10.0):
    """Return a series of values, one every `step_s`."""
    rows = [(n * step_s, name, one, float(value)) for n, value in enumerate(values)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def judged(metric, found):
    """Return the one answer for a metric."""
    (result,) = judge_server([ServerMetric(**MEMORY, **metric)], found, PHASES)
    return result


@pytest.mark.parametrize(
    ("values", "status"), [([5, 9.9, 7], Status.HOLDS), ([5, 10, 7], Status.VIOLATED)]
)
def test_a_metric_stays_below_its_bound_at_every_step(values, status):
    """The highest value counts, and it is told when that was."""
    result = judged({"below": 10}, table(values))
    assert (result.status, result.measured, result.unit) == (status, max(values), "MB")
    assert result.note == "at 10 s"
    assert result.title == "memory below 10 MB"


@pytest.mark.parametrize("what", [{"below": 10}, {"grows_below_per_h": 5}])
@pytest.mark.parametrize("found", [table([]), table([1] * 50, name="cpu"), table([np.nan] * 50)])
def test_what_was_not_measured_is_unknown(what, found):
    """Missing is not passed: it counts as an SLO that was missed."""
    assert judged(what, found).status is Status.UNKNOWN


def test_only_the_phase_that_is_asked_for_counts():
    """Before it began, and after it ended, a metric may be as it likes."""
    found = table([99] * 2 + [1] * 7 + [99] * 10)
    assert judged({"below": 10, "phase": "payments"}, found).status is Status.VIOLATED
    payments = next(phase for phase in PHASES if phase.name == "payments")
    inside = found[(found["t_s"] * 1e9 >= payments.began_ns) & (found["t_s"] < 89)]
    assert judged({"below": 10, "phase": "payments"}, inside).status is Status.HOLDS
    assert judged({"below": 10, "phase": "none"}, found).status is Status.UNKNOWN


def leaking(per_h, *, noise=1.0, hours=1.0, seed=3):
    """Return a metric that grows, with noise and with jumps up and down as collections make them."""
    at_h = np.arange(0, hours, 10 / 3600)
    drawn = np.random.default_rng(seed)
    values = 500 + per_h * at_h + drawn.normal(0, noise, len(at_h))
    values[drawn.random(len(at_h)) < 0.05] += 80
    return table(values)


def test_a_leak_is_found_through_noise_and_jumps():
    """The slope of the series is told with its interval, in its unit an hour."""
    result = judged({"grows_below_per_h": 5}, leaking(20))
    assert result.status is Status.VIOLATED
    assert result.measured == pytest.approx(20, abs=2)
    assert result.unit == "MB/h"
    assert re.match(r"1\d.* to 2\d.* MB/h", result.note)


def test_no_leak_is_seen_where_there_is_none():
    assert judged({"grows_below_per_h": 5}, leaking(0)).status is Status.HOLDS


def test_too_short_a_time_tells_nothing_of_growth():
    """Neither a leak nor none: UNKNOWN, and why."""
    short = judged({"grows_below_per_h": 5}, leaking(0, noise=20, hours=0.05))
    assert short.status is Status.UNKNOWN
    assert "too short a time" in short.note
    assert "too few" in judged({"grows_below_per_h": 5}, table([1] * 9)).note


def test_the_series_that_grows_fastest_counts():
    """One process that leaks is not hidden by nine that do not."""
    both = pd.concat([leaking(0).assign(series="pod=a"), leaking(30).assign(series="pod=b")])
    result = judged({"grows_below_per_h": 5}, both)
    assert result.status is Status.VIOLATED
    assert "pod=b" in result.note


@pytest.mark.parametrize(
    ("series", "status"),
    [
        (leaking(0, hours=8), Status.HOLDS),
        # From 505 after the first tenth: 8 MB an hour are 11.4 % in the 7.2 hours that are left.
        (leaking(8, hours=8), Status.VIOLATED),
        (leaking(5, hours=8), Status.HOLDS),
        (leaking(6, noise=400, hours=8), Status.UNKNOWN),
        (leaking(-20, hours=8), Status.HOLDS),
        (table([500] * 30), Status.UNKNOWN),
        (table([0] * 300), Status.UNKNOWN),
    ],
)
def test_memory_may_grow_by_so_many_percent(series, status):
    """By the fitted line: even the upper end of its confidence has to be below; too little is UNKNOWN."""
    result = judged({"grows_below_percent": 10}, series)
    assert (result.status, result.unit) == (status, "%")
    assert result.title == "memory grows by less than 10 %"


def test_the_growth_is_told_with_its_confidence():
    """In percent, with what the line begins and ends with, of the series that may have grown most."""
    at_h = np.arange(0, 8, 10 / 3600)
    both = pd.concat(
        [
            table(500 + 0 * at_h).assign(series="pod=a"),
            table(500 + 10 * at_h).assign(series="pod=b"),
        ]
    )
    result = judged({"grows_below_percent": 10}, both)
    # The first tenth is left out: 508 to 580.
    assert result.measured == pytest.approx(100 * 72 / 508, abs=0.01)
    assert result.note == "+14.2 % in 7.20 h (95 %: +14.2 to +14.2), from 508 to 580 MB, pod=b"


def test_a_warm_up_of_a_tenth_is_no_leak():
    """Caches fill: what grows at first and stays is none."""
    at_h = np.arange(0, 8, 10 / 3600)
    assert judged({"grows_below_percent": 10}, table(np.minimum(400 + 200 * at_h, 500))).status is (
        Status.HOLDS
    )


def test_the_shipped_soak_watches_the_platforms_memory_where_it_is_exported():
    """Its address is optional: without one nothing is asked, and both plan and run say so."""
    plan = load_plan("soak")
    (metric,) = plan.server.metrics
    assert (plan.server.prometheus, metric.grows_below_percent) == (None, 10)
    console = Console(width=200, file=io.StringIO())
    show(plan, None, console)
    assert "asked: memory of the platform grows by less than 10 % (phase payments), once" in (
        console.file.getvalue()
    )
    there = load_plan("soak", ['server.prometheus="http://prometheus:9090"'])
    assert there.server.prometheus == "http://prometheus:9090"
    told = []
    directory = SimpleNamespace(event=lambda *event, note: told.append((*event, note)))
    endings.end(
        SimpleNamespace(
            plan=plan,
            directory=None,
            clock=None,
            event=directory.event,
            desk=SimpleNamespace(term=1),
        )
    )
    assert told == [("warning", endings.NOT_ASKED)]


def test_what_was_fetched_is_kept_and_shown(tmp_path):
    """On the run's own axis, named, whatever the network put into the names of series."""
    found = table([1, 5, 3], one="pod=<script>alert(1)</script>")
    directory = RunDirectory(tmp_path)
    assert read_server_metrics(directory).empty
    write_server_metrics(directory, found)
    pd.testing.assert_frame_equal(read_server_metrics(directory), found, check_dtype=False)
    run = samples.good()
    html = to_html(samples.replace(run, server=found))
    assert "memory: pod=&lt;script&gt;alert(1)&lt;/script&gt; at most 5" in html
    assert "<script" not in html


# -- asking Prometheus -------------------------------------------------------------------------


def server(url, *metrics, **more):
    return Server(prometheus=url, metrics=metrics or (MEMORY,), **more)


def test_the_run_s_time_is_asked_for_and_times_are_the_run_s():
    """From its epoch to its end, in steps of a second at least; times count from the epoch."""
    found = series({"pod": "a"}, [(EPOCH_S + 1, "5"), (EPOCH_S + 2, "NaN")])
    with answering(lambda _: success(found)) as prometheus:
        rows, problems = fetch(server(prometheus.url), EPOCH_UTC_NS, 60 * 10**9)
    assert problems == []
    assert rows["t_s"].tolist() == [1, 2]
    assert rows["series"].unique().tolist() == ["pod=a"]
    (asked,) = prometheus.queries
    assert asked["query"] == "memory_bytes"
    assert float(asked["end"]) - float(asked["start"]) == 60
    assert asked["step"] == "1"
    assert prometheus.tokens == [None]


def test_a_day_has_no_more_points_than_an_hour():
    with answering(lambda _: success()) as prometheus:
        fetch(server(prometheus.url), EPOCH_UTC_NS, 24 * 3600 * 10**9)
    assert int(prometheus.queries[0]["step"]) >= 40


def test_a_token_comes_from_the_environment_and_follows_no_redirect(monkeypatch):
    """It is for the address that the plan names, and for no other."""
    monkeypatch.setenv("PROM_TOKEN", "s3cret")
    with answering(lambda _: success()) as other:
        away = (302, {"Location": other.url}, b"")
        with answering(lambda _: away) as prometheus:
            asked = server(prometheus.url, token="env:PROM_TOKEN")
            _, problems = fetch(asked, EPOCH_UTC_NS, 10**9)
    assert prometheus.tokens == ["Bearer s3cret"]
    assert other.queries == []
    assert "answered with 302" in problems[0]
    assert "s3cret" not in str(problems) + repr(asked)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((400, {}, json.dumps({"error": "parse error: \x1b[2J"}).encode()), "parse error"),
        ((502, {}, b"<html>"), "answered with 502"),
        ((200, {}, b"<html>"), "is not JSON"),
        ((200, {}, b"[]"), "not Prometheus's"),
        ((200, {}, b'{"status":"success","data":{"result":[{"metric":1}]}}'), "not Prometheus's"),
        ((200, {}, b'{"status":"error","errorType":"x","error":"too much"}'), "too much"),
        (success(*[series({"n": str(n)}, []) for n in range(SERIES_MAX + 1)]), "11 series"),
        (success(), "no result"),
    ],
)
def test_what_cannot_be_had_is_told_and_the_rest_is_taken(answer, told):
    """One metric's failure costs no other; nothing of it reaches a terminal raw."""
    good = series({}, [(EPOCH_S, "1")])
    metrics = (MEMORY, {"name": "cpu", "query": "cpu"})
    answers = lambda asked: success(good) if asked["query"] == "cpu" else answer  # noqa: E731
    with answering(answers) as prometheus:
        rows, problems = fetch(server(prometheus.url, *metrics), EPOCH_UTC_NS, 10**9)
    assert rows["name"].tolist() == ["cpu"]
    (problem,) = problems
    assert problem.startswith("server metric 'memory': ")
    assert told in problem
    assert "\x1b" not in problem


def test_a_prometheus_that_is_not_there_is_told():
    with answering(lambda _: success()) as prometheus:
        pass
    _, problems = fetch(server(prometheus.url), EPOCH_UTC_NS, 10**9)
    assert "cannot be asked" in problems[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"prometheus": "ftp://x"},
        {"prometheus": "http://user:secret@x"},
        {"token": "s3cret"},
        {"metrics": ()},
        {"metrics": (MEMORY, MEMORY)},
        {"metrics": ({**MEMORY, "below": "x"},)},
        {"metrics": ({**MEMORY, "belwo": 1},)},
    ],
)
def test_a_plan_that_cannot_be_asked_for_is_refused(wrong):
    with pytest.raises(ValidationError):
        Server(**{"prometheus": "http://127.0.0.1:9090", "metrics": (MEMORY,), **wrong})
