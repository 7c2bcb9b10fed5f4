"""What a judgement says, as tests ask it."""

from __future__ import annotations

from reports.judgement import Check, Class, Finding, Judgement, Status

ALL = ("1", "2", "3", "4a", "4b", "5", "6a", "6b", "7", "8")
"""The invariants, by number."""


def findings(judgement: Judgement) -> dict[str, tuple[str, int, str]]:
    """Return finding -> (invariant, count, consequence of)."""
    return {
        finding.name: (check.invariant, finding.count, finding.consequence_of)
        for check in judgement.checks
        for finding in check.findings
    }


def causes(judgement: Judgement) -> dict[str, int]:
    """Return name -> count of the findings that are no consequence of another."""
    return {name: many for name, (_, many, of) in findings(judgement).items() if not of}


def statuses(judgement: Judgement) -> dict[str, str]:
    """Return invariant -> status."""
    return {check.invariant: str(check.status) for check in judgement.checks}


def finding(judgement: Judgement, name: str) -> Finding:
    """Return the finding of a name."""
    return next(f for check in judgement.checks for f in check.findings if f.name == name)


def check(judgement: Judgement, invariant: str) -> Check:
    """Return the check of an invariant."""
    return next(check for check in judgement.checks if check.invariant == invariant)


def total(judgement: Judgement, name: Class | None = None) -> int:
    """Return how many commands have a class, or have this one."""
    if name is not None:
        return judgement.class_total(name)
    return sum(sum(counts.values()) for counts in judgement.classes.values())


def violated(judgement: Judgement) -> str:
    """Return the invariants that are violated."""
    return " ".join(c.invariant for c in judgement.checks if c.status is Status.VIOLATED)
