"""A search as it is judged: each step by itself, and what all of them come to."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from reports.judgement import Status
from reports.render import write_all
from reports.rundir import PhaseRecord, RunDirectory, RunRecord
from reports.search import Searches, confidence_percent, search_result
from reports.slos import Slo
from reports.steps import Step, read_steps
from tests import samples
from tests.unit.test_latencies import MS, PHASES, S, frame

QUICK = Slo(latency="response", percentile=50, below_ms=100)


def record(*slos: Slo, warm_up_s: float = 0) -> RunRecord:
    """Return the record of a run whose second phase searches from 10/s."""
    search = PHASES[1].model_copy(update={"search_from_per_s": 10, "warm_up_s": warm_up_s})
    return RunRecord(
        run_id="r", plan_name="p", plan={}, phases=(PHASES[0], search), completion_deadline_s=30,
        slos=slos, key="0" * 32, nonce=1, host="h", embedded_sandbox=False, versions={}, epoch_utc_ns=0,
    )  # fmt: skip


def step(rate: int, from_s: int) -> Step:
    return Step("payments", rate, from_s * S, (from_s + 5) * S, "")


def commands(
    from_s: int, *took_ms: float | None, phase: int = 1, **columns: object
) -> pd.DataFrame:
    """Return commands due every 100 ms from then on, answered after so long; None is never."""
    rows = [
        (phase, due, 0, due, None if took is None else due + took, None)
        for due, took in ((1000 * from_s + 100 * n, took) for n, took in enumerate(took_ms))
    ]
    return frame(*rows).assign(wrong=False, **columns)


def found(steps, *frames, slos=(QUICK,), warm_up_s=0):
    searches = Searches(record(*slos, warm_up_s=warm_up_s), steps)
    for each in frames:
        searches.take(each)
    [row] = searches.rows()
    return row


FAST, SLOW = [9] * 20, [900] * 20


def test_the_highest_rate_that_held_is_found():
    """Each step is asked by itself, whatever the others were."""
    row = found(
        [step(10, 10), step(20, 20), step(40, 30)],
        commands(10, *FAST), commands(20, *FAST), commands(30, *SLOW),
    )  # fmt: skip
    assert (row.highest_per_s, row.too_high_per_s) == (20, 40)
    assert row.missed == "response p50 below 100 ms (900 ms)"
    result = search_result(row)
    assert (result.status, result.measured, result.unit) == (Status.HOLDS, 20, "/s")
    assert result.note.startswith("20/s held in 1 of 1 tries (confidence 50 %); 40/s did not: ")


def test_a_rate_holds_that_held_in_most_of_its_tries():
    """One hiccup is forgiven; of two tries it is not: that is no majority."""
    steps = [step(10, 10), step(20, 20), step(20, 30), step(20, 40)]
    frames = [commands(10, *FAST), commands(20, *FAST), commands(30, *SLOW), commands(40, *FAST)]
    assert found(steps, *frames).highest_per_s == 20
    assert found(steps[:3], *frames[:3]).highest_per_s == 10


def test_a_rate_above_one_that_was_too_high_does_not_count():
    """Luck at a higher rate is not what anybody can rely on."""
    row = found([step(10, 10), step(20, 20), step(40, 30)],
                commands(10, *FAST), commands(20, *SLOW), commands(30, *FAST))  # fmt: skip
    assert (row.highest_per_s, row.too_high_per_s) == (10, 20)


def test_the_first_rate_has_to_hold():
    """Otherwise the search is an SLO that was missed; without any step it is unknown."""
    row = found([step(10, 10)], commands(10, *SLOW))
    assert search_result(row).status is Status.VIOLATED
    assert search_result(found([])).status is Status.UNKNOWN


def test_what_was_due_in_a_steps_warm_up_is_left_out():
    """Of each step by itself, from its own beginning."""
    row = found([step(10, 10), step(20, 20)], commands(10, *[900] * 15, *[9] * 10),
                commands(20, *[900] * 15, *[9] * 10), warm_up_s=1.5)  # fmt: skip
    assert row.highest_per_s == 20


@pytest.mark.parametrize(
    ("frame_of", "said"),
    [
        (commands(10, *FAST).assign(wrong=True), "20 commands were lost, doubled or wrong"),
        (commands(10, *FAST).assign(sent_ns=lambda f: f["ready_ns"] + 200 * MS),
         "the generator did not keep up: lag p99 below 100 ms"),
        (commands(10, *[None] * 20), "response p50 below 100 ms "
         "(20 commands had no end, so the percentile is more than was seen)"),
        (commands(30, *FAST), "nothing was sent"),
    ],
)  # fmt: skip
def test_why_a_rate_is_too_high(frame_of, said):
    """A wrong command, a generator that was late, silence, or nothing at all."""
    row = found(
        [step(10, 10)], pd.concat([frame_of] * 5) if said.startswith("the gen") else frame_of
    )
    assert row.highest_per_s is None
    assert row.missed == said


def test_slos_of_other_phases_are_asked_of_those_alone():
    """Their commands are handed on; those of the search are not."""
    searches = Searches(record(QUICK), [step(10, 10)])
    both = pd.concat([commands(10, *FAST), commands(1, 9, 9, phase=0)])
    rest = searches.take(both)
    assert rest["phase"].unique().tolist() == [0]


@pytest.mark.parametrize(
    ("held", "tries", "percent"), [(1, 1, 50), (3, 3, 87.5), (2, 3, 50), (5, 5, 96.875)]
)
def test_confidence_grows_with_repetition(held, tries, percent):
    """The sign test: how improbable so many would be of a rate that holds one time in two."""
    assert confidence_percent(held, tries) == percent


def test_steps_are_read_back(tmp_path):
    """As the run wrote them; no file is no search."""
    path = tmp_path / "steps.jsonl"
    assert read_steps(path) == []
    wrote = step(10, 1)
    path.write_text(json.dumps({name: getattr(wrote, name) for name in wrote.__slots__}) + "\n")
    assert read_steps(path) == [wrote]


def test_the_report_has_a_curve_and_a_row_for_each_step(tmp_path):
    """In the page as a figure with its meaning in words, and as a table in both reports."""
    row = found([step(10, 10), step(20, 20)], pd.concat([commands(10, *FAST)] * 5),
                pd.concat([commands(20, *SLOW)] * 5))  # fmt: skip
    good = samples.good()
    judgement = replace(good.judgement, searches=(row,))
    write_all(RunDirectory(tmp_path), replace(good, judgement=judgement))
    page, text = ((tmp_path / name).read_text() for name in ("report.html", "report.md"))
    assert 'id="figure-search-0' in page
    assert "Search: payments" in page
    assert "The dotted line is what was found: 10/s held" in page
    assert "| payments | 20.000 s | 20 | 100 |" in text
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["searches"][0]["highest_per_s"] == 10


def test_a_phase_that_searches_is_known_by_its_first_rate():
    """The record says it, so that it can be judged without the plan."""
    assert PhaseRecord(name="x", sends=()).search_from_per_s == 0
