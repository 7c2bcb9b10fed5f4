"""What docs/judge.md says of causes is what the judge does."""

from __future__ import annotations

import re
from pathlib import Path

from e2e_data.platform import Platform
from reports import causes
from reports.amounts import AMOUNT_FAULTS
from reports.invariants import INVARIANTS
from reports.model import RULE_FAULTS

JUDGE = (Path(__file__).resolve().parents[2] / "docs" / "judge.md").read_text("utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| (\d[ab]?) \| ([^|]+) \|$", JUDGE, re.M)


def test_the_causes_are_listed_in_their_order_of_precedence():
    """A command's cause is the first that applies, in the document as in the judge."""
    assert [name for name, *_ in ROWS] == [
        *(causes.DUPLICATED, *AMOUNT_FAULTS, causes.TAKEN_BACK, causes.APPLIED_ANYWAY),
        *(*RULE_FAULTS, causes.LOST_UPDATE, causes.STEP),
    ]


def test_each_cause_belongs_to_an_invariant():
    """The numbers are those of checks that there are."""
    assert {number for _, number, _ in ROWS} <= {check.number for check in INVARIANTS}


def test_the_clock_of_the_platform_is_the_adapters():
    """How far it may be off is what the default adapter says."""
    assert f"`clock_off_ms` ({Platform.clock_off_ms})" in JUDGE
