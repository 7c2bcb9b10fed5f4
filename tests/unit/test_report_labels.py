"""The tables of labels, behaviours and regions, and what is said where there is nothing to show."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports import tables
from reports.html import to_html
from reports.judgement import LabelRow
from reports.markdown import to_markdown
from reports.paragraph import paragraph
from tests import samples
from tests.pages import page_of

SPECIAL = samples.special()
JUDGEMENT = SPECIAL.judgement


def test_a_label_has_each_class_that_occurs_in_their_order():
    """Commands, the classes in the order of the other tables, and the responses that can be shown."""
    frame = tables.labels(JUDGEMENT)
    assert list(frame.columns) == [
        *("Label", "Commands", "Settled", "Settled late", "Rejected", "Answered as invalid"),
        *("Wrong outcome", "Response p50", "Response p99"),
    ]
    rows = {row[0]: row[1:] for row in frame.itertuples(index=False)}
    assert rows["None"] == ("5,605", "5,395", "", "210", "", "", "12.5", "31.2")
    assert rows["Zero"] == ("211", "", "", "", "209", "2", "12.5", "29.5")
    assert rows["Unknown account"][-1] == "—"


def test_detection_and_false_alarms_are_counts_and_rates():
    """A rate never stands without the counts that it is of."""
    [row] = tables.patterns(JUDGEMENT).to_dict("records")
    assert row == {
        "Label": "Velocity",
        "Labelled": "124",
        "Detected": "93",
        "Detection rate": "75.0 %",
        "Others": "5,066",
        "False alarms": "38",
        "False-alarm rate": "0.8 %",
    }


def test_a_rate_of_nothing_is_no_rate():
    """Where every payment has the label, there are no others to raise a false alarm."""
    pattern = replace(JUDGEMENT.patterns[0], others=0, false_alarms=0)
    [row] = tables.patterns(replace(JUDGEMENT, patterns=(pattern,))).to_dict("records")
    assert row["False-alarm rate"] == "—"


PLAIN = replace(JUDGEMENT, labels=(LabelRow("zero", 1, {}, 0, None, None),), patterns=())
UNFLAGGED = "No flags were given: whether behaviours are detected is not known."


@pytest.mark.parametrize(
    ("judgement", "said"),
    [
        (JUDGEMENT, ""),
        (PLAIN, ""),
        (replace(JUDGEMENT, patterns=(), flagged=0), UNFLAGGED),
        (
            replace(JUDGEMENT, patterns=()),
            "No payment with a behaviour was observed complete, so nothing could be detected.",
        ),
    ],
    ids=["shown", "no behaviour", "no flags", "no payment"],
)
def test_missing_detection_is_explained(judgement, said):
    """A pool without behaviours needs no word; one with them is never left without any."""
    assert tables.without_patterns(judgement) == said
    is_sample = judgement is JUDGEMENT
    page = page_of("special") if is_sample else to_html(replace(SPECIAL, judgement=judgement))
    assert (said in page) if said else (UNFLAGGED not in page)
    has_section = bool(said or judgement.patterns)
    assert ("<h3>Behaviours</h3>" in page) is has_section
    assert ("## Behaviours" in to_markdown(judgement)) is has_section


def test_regions_are_told_apart():
    """What of the pool belongs to each region, how it went there, and what went to others."""
    north, south = tables.regions(JUDGEMENT).to_dict("records")
    assert north == {
        "Region": "north",
        "Accounts": "120",
        "Sent": "2,400",
        "Rate": "40.0/s",
        "Errors": "0 %",
        "Response p50": "4.20 ms",
        "Response p99": "19.5 ms",
        "Completion p99": "81.0 ms",
        "Payments": "2,160",
        "Settled": "2,000",
        "To other regions": "1,080",
        "Their completion p99": "95.5 ms",
    }
    assert (south["Errors"], south["Their completion p99"]) == ("0.250 %", "—")


@pytest.mark.parametrize("name", ["<h3>By label</h3>", "<h3>By region</h3>", "<h3>Behaviours</h3>"])
def test_a_page_without_labels_has_no_section_for_them(name):
    """Each section is there where it has something to say."""
    assert name in page_of("special")
    assert name not in page_of("good")


def test_cases_show_the_label_where_any_has_one():
    """The finding's cases name what is particular; a finding of plain commands has no such column."""
    finding = next(f for check in JUDGEMENT.checks for f in check.findings)
    assert list(tables.filled(tables.cases(finding))["Label"]) == ["zero", "—"]
    plain = next(f for check in samples.bad().judgement.checks for f in check.findings)
    assert "Label" not in tables.filled(tables.cases(plain))


@pytest.mark.parametrize(
    ("count", "said"), [(209, "209 hostile commands"), (1, "1 hostile command")]
)
def test_answers_as_invalid_are_told_as_success(count, said):
    """The first paragraph says that they were meant to be."""
    judgement = replace(JUDGEMENT, classes={"answered as invalid": {"payment": count}})
    were = "was" if count == 1 else "were"
    sentence = f"{said} could not be understood and {were} answered so: that is success, too."
    assert sentence in paragraph(judgement, 9.0)
