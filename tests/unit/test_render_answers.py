"""The three answers, the paragraph for a manager, and numbers as people read them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e2e_data.exits import Exit
from reports.answers import answers, fast, headline, limits, right
from reports.judgement import Check, FitnessResult, SloResult, Status
from reports.paragraph import length_s, paragraph
from reports.quantities import duration, milliseconds, moment, money, significant
from tests import samples

GOOD = samples.good().judgement


def _words(sample):
    return [answer.word for answer in answers(sample.judgement, sample.timeline[0])]


def test_the_answers_of_the_samples():
    assert _words(samples.good()) == ["Yes", "Yes", "Nothing seen"]
    assert _words(samples.bad()) == ["No", "No", "The platform, or too few users"]
    assert _words(samples.empty()) == ["Not shown", "Not shown", "Not known"]
    assert _words(samples.bare()) == ["Not shown", "Not asked", "Not known"]


@pytest.mark.parametrize(
    ("statuses", "word"),
    [
        ([], "Not shown"),
        ([Status.NOT_ASKED], "Not shown"),
        ([Status.HOLDS, Status.NOT_ASKED], "Yes"),
        ([Status.HOLDS, Status.UNKNOWN], "Not shown"),
        ([Status.UNKNOWN, Status.VIOLATED], "No"),
    ],
)
def test_right_only_where_every_invariant_that_was_asked_holds(statuses, word):
    checks = tuple(Check(str(no), f"rule {no}", status, 1) for no, status in enumerate(statuses))
    assert right(replace(GOOD, checks=checks)).word == word


def test_speed_measured_by_an_unfit_generator_says_so():
    unfit = replace(GOOD, fitness=(FitnessResult("lag", Status.VIOLATED, ""),))
    assert "not shown to be fit" in fast(unfit).text
    assert limits(unfit, samples.good().timeline[0]).word == "The generator"


def test_an_slo_without_a_measurement_is_not_met():
    slos = (SloResult("a", Status.HOLDS, 1.0, 9), SloResult("b", Status.UNKNOWN, None, 0))
    assert fast(replace(GOOD, slos=slos)).word == "Not shown"


def test_wrong_is_told_apart_from_not_shown_to_be_right():
    assert headline(samples.bad().judgement) == ("Not right", "bad")
    assert headline(samples.bare().judgement) == ("Not shown to be right", "warn")
    assert headline(replace(GOOD, exit=Exit.GOOD)) == ("Good", "good")


def test_the_paragraph_of_a_good_run():
    assert paragraph(GOOD, length_s(GOOD)) == (
        "6,000 of the pool's 6,000 commands were sent over 1 min 30 s. Settled payments moved "
        "98,765.43 EUR, 4,500,000 JPY and 1,234,567.89 USD. By the plan's prices the run cost 12.50: "
        "2,446.18 for a million settled payments. 288 commands had to be rejected and were: that "
        "counts as success."
    )


def test_a_phase_without_an_end_lasted_until_the_last_second_that_was_seen():
    cut = replace(GOOD, phases=(replace(GOOD.phases[0], ended_ns=None),))
    assert length_s(cut) is None
    assert length_s(cut, last_seen_s=7.0) == 7.0
    assert length_s(replace(GOOD, phases=())) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((None, "—"), (float("nan"), "—"), (0.0, "0"), (0.0421, "0.0421"), (4.217, "4.22")),
        *((42.17, "42.2"), (421.7, "422"), (4217.0, "4,217"), (9.999, "10.00")),
    ],
)
def test_three_significant_digits(value, text):
    assert significant(value) == text


def test_units():
    assert milliseconds(42.17) == "42.2 ms"
    assert milliseconds(None) == "—"
    assert [duration(s) for s in (0.25, 9, 59.6, 123.4, 7260)] == [
        *("0.250 s", "9 s", "1 min 0 s", "2 min 3 s", "2 h 1 min"),
    ]
    assert moment(1_234_567_890) == "1.235 s"
    assert money(5_000_000, "USD") == "50,000.00 USD"
    assert money(-5, "USD") == "-0.05 USD"
    assert money(1234, "JPY") == "1,234 JPY"
    assert money(1234, "ZZZ") == "1,234 minor units of ZZZ"


def test_a_few_late_arrivals_name_no_limit() -> None:
    """Below one arrival in a hundred, waiting for a user says nothing about platform or users."""
    run = samples.good()
    last = run.timeline[0][-1]
    words = {0: "Nothing seen", 200: "Hardly anything", 50: "The platform, or too few users"}
    for share, word in words.items():
        overdue = last.due // share if share else 0
        seconds = [*run.timeline[0][:-1], replace(last, overdue=overdue, dropped=0)]
        assert limits(run.judgement, seconds).word == word
