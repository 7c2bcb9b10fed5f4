"""What a judgement says, as tests ask it."""

from __future__ import annotations

from reports.judgement import Check, Finding, Judgement


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
