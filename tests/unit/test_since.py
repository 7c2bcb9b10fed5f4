"""What changed since last time: facts are called new or gone, figures only stand side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e2e_data.exits import Exit
from reports.html import to_html
from reports.judgement import ErrorRow, Status
from reports.markdown import to_markdown
from reports.previous import LookedBack
from reports.since import NO_EARLIER, PASSED_MAX, ROWS_MAX, since
from tests import samples

GOOD, BAD = samples.good(), samples.bad()
HOSTILE = "<script>alert(1)</script>"


def changed(then, now):
    """Return what changed between two sample runs."""
    return since(samples.looked_back(then, now))


def rows(found, caption):
    """Return the rows of the table whose caption begins so; none where it is not there."""
    frames = [frame for name, frame in found.tables if name.startswith(caption)]
    return [tuple(row) for frame in frames for row in frame.itertuples(index=False)]


def judged(sample, **fields):
    """Return a sample with another judgement."""
    return replace(sample, judgement=replace(sample.judgement, **fields))


def test_a_first_run_says_so_in_a_line():
    """No table, no caveat; and what was passed over, with how many more."""
    looked = samples.looked_back(GOOD, GOOD)
    names = tuple(f"run {number} was not judged" for number in range(PASSED_MAX + 2))
    assert since(LookedBack(looked.now)) == NO_EARLIER
    found = since(LookedBack(looked.now, None, names))
    assert (found.answer.word, found.tables, found.caveat) == ("No earlier run", (), "")
    assert found.passed_over == (*names[:PASSED_MAX], "and 2 earlier runs more")


@pytest.mark.parametrize(
    ("then", "now", "word", "tone"),
    [
        (GOOD, BAD, "New faults", "bad"),
        (BAD, GOOD, "Another verdict", "good"),
        (GOOD, GOOD, "The same verdict", "none"),
        (BAD, BAD, "The same verdict", "none"),
        (GOOD, judged(GOOD, exit=Exit.SLOW), "Another verdict", "warn"),
        (BAD, judged(BAD, checks=BAD.judgement.checks[:1]), "The same verdict", "none"),
    ],
)
def test_the_answer_in_a_word(then, now, word, tone):
    """New findings come first, then the verdict; it is never by figures."""
    answer = changed(then, now).answer
    assert (answer.word, answer.tone) == (word, tone)


def test_a_finding_is_new_gone_or_still_there():
    """Each is named once, with its cases in both runs."""
    found = rows(changed(BAD, GOOD), "Findings")
    assert ("gone", "lost in the platform (invariant 1)", "12 cases", "—") in found
    found = rows(changed(GOOD, BAD), "Findings")
    assert ("new", "settled twice (invariant 2)", "—", "1 case") in found
    assert {row[0] for row in rows(changed(BAD, BAD), "Findings")} == {"still there"}
    assert rows(changed(GOOD, GOOD), "Findings") == []


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.NOT_ASKED])
def test_what_nobody_looked_for_is_not_gone(status):
    """A check that could not be answered this time tells nothing of the fault that it found last time."""
    unknown = tuple(
        replace(check, status=status) if check.invariant == "1" else check
        for check in GOOD.judgement.checks
    )
    now = judged(GOOD, checks=unknown)
    found = rows(changed(BAD, now), "Findings")
    assert ("not known", "lost in the platform (invariant 1)", "12 cases", "not shown") in found
    assert "1 not known" in changed(BAD, now).answer.text


def test_checks_that_answer_the_same_are_left_out_and_objectives_are_not():
    """Of each objective both measurements stand there."""
    found = rows(changed(GOOD, BAD), "Checks")
    assert ("7. Replies and events agree with the book", "holds", "unknown") in found
    assert ("response p99 below 200 ms", "holds (87.4 ms)", "violated (1,204 ms)") in found
    assert ("completion p99.9 below 5000 ms", "not asked", "unknown") in found
    assert not any(row[0].startswith("3.") for row in found)
    assert len(rows(changed(GOOD, GOOD), "Checks")) == len(GOOD.judgement.slos)


def test_latencies_stand_side_by_side():
    """By phase, channel and kind, in ms; a percentile without an end has no ratio."""
    found = {row[:3]: row[4:] for row in rows(changed(GOOD, BAD), "Latencies")}
    assert found["response", "payments", "MQ"] == (
        *("16.2 → 97.5", "42.2 → 254", "69.9 → 419", "+500.0 %"),
    )
    assert found["completion", "payments", "MQ"][2:] == ("537 → > 6,739", "—")
    assert {row[0] for row in found} == {"response", "completion"}


def test_a_phase_of_several_channels_has_a_row_for_all_of_them():
    """First of its phase, of all samples together; left out where one of the runs cannot tell it."""
    found = [row[:4] for row in rows(changed(GOOD, BAD), "Latencies") if row[0] == "response"]
    at = found.index(("response", "payments", "all", "all"))
    assert found[at + 1] == ("response", "payments", "HTTP", "payment")
    assert [row[1] for row in found].count("accounts") == 1
    told = {row[:3]: row[4] for row in rows(changed(GOOD, BAD), "Latencies")}
    whole, http, kafka = (
        float(told["response", "payments", channel].split()[0])
        for channel in ("all", "HTTP", "KAFKA")
    )
    assert http < whole < kafka
    assert "all" not in {row[2] for row in rows(changed(replace(GOOD, histograms={}), BAD), "Lat")}


def test_what_only_one_run_has_stands_beside_nothing():
    """A phase that was not reached, a class and an error that did not occur."""
    judgement = GOOD.judgement
    short = judged(GOOD, phases=judgement.phases[:1], latencies=judgement.latencies[:1])
    found = changed(short, BAD)
    assert ("payments", "—", "83.1", "—") in rows(found, "Commands sent")
    assert "— → 90.0" in {row[4] for row in rows(found, "Latencies")}
    assert ("Lost in the platform", "0", "12", "+12") in rows(found, "Commands by class")
    lost = ("Lost in the platform", "payments", "MQ", "payment", "—", "0", "12", "+12")
    assert lost in rows(found, "Errors")


def test_no_run_is_called_faster_or_slower():
    """One earlier run proves nothing: the way to a claim is named, and where figures do not count."""
    unfit = tuple(replace(rule, status=Status.VIOLATED) for rule in GOOD.judgement.fitness)
    found = changed(judged(GOOD, fitness=unfit), BAD)
    assert "proves no difference in speed" in found.caveat
    assert "paystorm compare" in found.caveat
    assert "not shown to be fit last time: its figures do not count" in found.caveat
    text = to_markdown(BAD.judgement, 0, found)
    assert "faster" not in text
    assert "slower" not in text


def test_what_surrounded_the_runs_and_differs_is_listed():
    found = changed(GOOD, GOOD)
    assert found.settings == (
        "machine: host-0 last time, host-1 this time",
        "paystorm: 0.1.0 last time, 0.2.0 this time",
    )


def test_another_run_cannot_bury_or_spoil_this_ones_report():
    """Its names are shown as text, its rows are bounded, and numbers that are none break nothing."""
    errors = tuple(
        ErrorRow(None, HOSTILE, HOSTILE, HOSTILE, f"{HOSTILE}|{n}", n) for n in range(200)
    )
    odd = tuple(
        replace(row, phase=HOSTILE, percentiles_ms={"p99": value, "max": float("nan")})
        for row, value in zip(
            GOOD.judgement.latencies,
            [0.0, -1.0, float("inf"), float("nan"), 1e308] * 9,
            strict=False,
        )
    )
    phases = tuple(
        replace(row, name=HOSTILE, rate_per_s=float("inf")) for row in BAD.judgement.phases
    )
    found = changed(judged(BAD, errors=errors, latencies=odd, phases=phases), GOOD)
    assert len(rows(found, "Errors")) == ROWS_MAX + 1
    assert rows(found, "Errors")[-1][0] == f"{200 - ROWS_MAX} rows more"
    for text in (to_html(GOOD, found), to_markdown(GOOD.judgement, 0, found)):
        assert "<script" not in text
