"""JUnit: what does not hold never passes, and whatever the network sent is XML."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from e2e_data.exits import Exit
from reports.judgement import Check, FitnessResult, SloResult, Status
from reports.junit import to_junit
from tests import samples

OUTCOMES = {
    Status.HOLDS: [],
    Status.VIOLATED: ["failure"],
    Status.UNKNOWN: ["error"],
    Status.NOT_ASKED: ["skipped"],
}


def _only(**changes):
    judgement = replace(samples.good().judgement, checks=(), slos=(), fitness=())
    return replace(judgement, **changes)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize(
    ("place", "make"),
    [
        ("checks", lambda status: Check("1", "one", status, 5, (), "why")),
        ("slos", lambda status: SloResult("fast", status, None, 0, "why")),
        ("fitness", lambda status: FitnessResult("fit", status, "why")),
    ],
)
def test_a_status_becomes_an_outcome(place, make, status):
    root = ET.fromstring(to_junit(_only(**{place: (make(status),)})))
    (case,) = root.iter("testcase")
    assert [child.tag for child in case] == OUTCOMES[status]
    for child in case:
        assert "why" in child.get("message")
        assert (child.get("message").startswith("unknown: ")) == (status is Status.UNKNOWN)


def test_one_case_per_invariant_slo_and_rule_and_the_counts_agree():
    judgement = samples.bad().judgement
    root = ET.fromstring(to_junit(judgement))
    assert [suite.get("name") for suite in root] == ["invariants", "slos", "fitness"]
    expected = [len(judgement.checks), len(judgement.slos), len(judgement.fitness)]
    assert [len(suite) for suite in root] == expected
    assert root.get("tests") == str(sum(expected))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert root.get(name) == str(len(list(root.iter(tag))))


def test_a_failure_cites_its_evidence():
    text = next(ET.fromstring(to_junit(samples.bad().judgement)).iter("failure")).text
    assert "lost in the platform: 12 cases" in text
    for part in (
        "first:",
        "worst:",
        "last:",
        "7d3c9a10-0000-8000-a000-000000000011",
        "sent 24.211",
    ):
        assert part in text


@pytest.mark.parametrize("ended", [Exit.INTERRUPTED, Exit.NOT_RIGHT, Exit.UNFIT])
def test_a_run_that_is_not_good_never_looks_like_a_success(ended):
    """Pipelines take a file without failures for a pass, and one without cases too."""
    root = ET.fromstring(to_junit(_only(exit=ended)))
    assert root.get("errors") == "1"


def test_text_from_the_network_is_xml_whatever_it_is():
    hostile = "<script>&]]>\x00\x08\x0b\x1b\ufffe\ud800\u2028"
    bad = samples.bad().judgement
    finding = replace(bad.checks[0].findings[0], name=hostile, first=samples.case(hostile, 1))
    check = replace(bad.checks[0], findings=(finding,), note=hostile)
    document = to_junit(replace(bad, checks=(check,), plan_name=hostile, run_id=hostile))
    failure = next(ET.fromstring(document).iter("failure"))
    shown = "<script>&]]>\\x00\\x08\\x0b\\x1b\\ufffe\\ud800\\u2028"
    assert failure.get("message") == f"{shown}: 12; {shown}"
    assert f"first: {shown} (command" in failure.text
