"""The verdict as JUnit XML: one test case per invariant, per SLO and per fitness rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from e2e_data.exits import Exit
from reports.answers import headline
from reports.hostile import visible
from reports.judgement import Case, Check, Finding, FitnessResult, Judgement, SloResult, Status
from reports.quantities import NOTHING, count, counted, measured, moment
from reports.tables import described, named_cases

_FAILING = {Status.VIOLATED, Status.UNKNOWN}


@dataclass(frozen=True, slots=True)
class TestCase:
    """What a test case says; `message` and `evidence` are shown where it did not pass."""

    __test__ = False  # pytest collects by name

    name: str
    status: Status
    message: str
    evidence: str = ""


def to_junit(judgement: Judgement) -> bytes:
    """Return the XML as UTF-8.

    VIOLATED is a failure, UNKNOWN an error and NOT_ASKED skipped: none of them ever passes. A run
    that is not good though no check of it failed (one that was interrupted, or judged by nothing)
    gets a case of its own, for pipelines take a file without failures for a success.
    """
    suites: dict[str, list[TestCase]] = {
        "invariants": [_invariant(check) for check in judgement.checks],
        "slos": [_slo(result) for result in judgement.slos],
        "fitness": [_rule(result) for result in judgement.fitness],
    }
    failed = any(case.status in _FAILING for cases in suites.values() for case in cases)
    if judgement.exit is not Exit.GOOD and not failed:
        word, _ = headline(judgement)
        message = f"{word}: {judgement.verdict}"
        reasons = "\n".join(visible(reason) for reason in judgement.reasons)
        suites["run"] = [TestCase("the run is good", Status.UNKNOWN, message, reasons)]
    everything = [case for cases in suites.values() for case in cases]
    name = f"paystorm {judgement.plan_name} {judgement.run_id}"
    root = ET.Element("testsuites", {"name": visible(name), **_counts(everything)})
    for suite, cases in suites.items():
        element = ET.SubElement(root, "testsuite", {"name": suite, **_counts(cases)})
        for case in cases:
            _append(element, visible(f"paystorm.{judgement.plan_name}.{suite}"), case)
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _counts(cases: Iterable[TestCase]) -> dict[str, str]:
    statuses = [case.status for case in cases]
    return {
        "tests": str(len(statuses)),
        "failures": str(statuses.count(Status.VIOLATED)),
        "errors": str(statuses.count(Status.UNKNOWN)),
        "skipped": str(statuses.count(Status.NOT_ASKED)),
    }


def _append(suite: ET.Element, class_name: str, case: TestCase) -> None:
    attributes = {"classname": class_name, "name": visible(case.name)}
    element = ET.SubElement(suite, "testcase", attributes)
    message = visible(case.message)
    if case.status is Status.VIOLATED:
        ET.SubElement(element, "failure", {"message": message}).text = case.evidence
    elif case.status is Status.UNKNOWN:
        told = {"message": f"unknown: {message}"}
        ET.SubElement(element, "error", told).text = case.evidence
    elif case.status is Status.NOT_ASKED:
        ET.SubElement(element, "skipped", {"message": message})


def _invariant(check: Check) -> TestCase:
    found = "; ".join(f"{finding.name}: {count(finding.count)}" for finding in check.findings)
    message = "; ".join(part for part in (found, check.note) if part) or check.status.value
    lines = [f"{counted(check.examined, 'command or account', 'commands or accounts')} examined"]
    for finding in check.findings:
        lines += _finding(finding)
    name = f"{check.invariant}. {check.title}"
    return TestCase(name, check.status, message, "\n".join(lines))


def _slo(result: SloResult) -> TestCase:
    told = f"measured {measured(result.measured, result.unit)}"
    samples = counted(result.samples, "sample")
    message = "; ".join(part for part in (told, samples, result.note) if part)
    return TestCase(result.title, result.status, message)


def _rule(result: FitnessResult) -> TestCase:
    return TestCase(result.title, result.status, result.note or result.status.value)


def _finding(finding: Finding) -> Iterator[str]:
    yield visible(f"{finding.name}: {described(finding)}")
    for name, case in named_cases(finding):
        yield f"  {name}: {visible(_case(case))}"


def _case(case: Case) -> str:
    return (
        f"{case.text} (command {case.command_id}, account {case.account_id or NOTHING}, "
        f"{case.kind}{case.label and f', {case.label}'}, channel {case.channel or NOTHING}, "
        f"phase {case.phase or NOTHING}, "
        f"shard {case.shard} index {case.index}, intended {moment(case.intended_ns)}, "
        f"sent {moment(case.sent_ns)}, acknowledged {moment(case.acknowledged_ns)}, "
        f"completed {moment(case.completed_ns)})"
    )
