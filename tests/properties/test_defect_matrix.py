"""Each defect of the sandbox is the one cause that is named, with the exact number of commands."""

from __future__ import annotations

import pytest

from e2e_data.exits import Exit
from reports.invariants import INVARIANTS
from sandbox import defects
from tests.defective import Defective
from tests.histories import causes, findings, statuses
from tests.matrix import MATRIX

SEEDS = (0,)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [n for n, expected in MATRIX.items() if expected.in_process])
def test_a_defect_is_the_one_cause_that_is_named(tmp_path, name, seed):
    """Its finding, on exactly the commands that it struck; all else is a consequence of it."""
    expected = MATRIX[name]
    history = Defective(tmp_path / "run", name, expected, seed)
    judgement = history.judge()
    # An order is promised only where one was answered before the other was sent.
    hit = history.overtaken() if name == defects.REORDER else history.struck
    assert hit
    assert causes(judgement) == {expected.finding: len(hit)}
    assert {of for _, _, of in findings(judgement).values()} <= {"", expected.finding}
    assert statuses(judgement)[expected.invariant] == "violated"
    assert set(statuses(judgement).values()) <= {"holds", "violated"}
    assert judgement.exit is Exit.NOT_RIGHT
    assert judgement.verdict == f"NOT RIGHT: {expected.finding} ({len(hit)})"
    named = next(f for c in judgement.checks for f in c.findings if f.name == expected.finding)
    for case in (named.first, named.worst, named.last):
        assert (case.shard, case.index) in hit


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("special", [False, True])
def test_the_same_platform_without_defects_is_right(tmp_path, seed, special):
    """What the matrix accuses is the defect, and not the platform that has it."""
    expected = MATRIX[defects.APPLY_ON_RETRY if special else defects.LOSE]
    judgement = Defective(tmp_path / "run", defects.LOSE, expected.off(), seed).judge()
    assert findings(judgement) == {}
    assert judgement.exit is Exit.GOOD


def test_the_rejections_that_the_sets_cannot_tell_are_told_by_the_replay_alone(tmp_path):
    """A platform that rejects whatever is undetermined is within all sets, and still wrong."""
    name = defects.REJECT_UNDETERMINED
    judgement = Defective(tmp_path / "run", name, MATRIX[name]).judge()
    assert statuses(judgement)["6a"] == "holds"
    assert statuses(judgement)["6b"] == "violated"


def test_every_invariant_has_a_defect_that_trips_it():
    """But 3: a platform cannot know an id that was never sent; there the grants are tampered with."""
    tripped = {expected.invariant for expected in MATRIX.values()}
    assert tripped | {"3", "4b"} == {check.number for check in INVARIANTS}


def test_what_was_not_granted_is_unexpected(tmp_path):
    """Without the line of a grant, its commands are in the book and were never to be sent."""
    expected = MATRIX[defects.LOSE]
    history = Defective(tmp_path / "run", defects.LOSE, expected.off())
    log = history.directory.grants
    lines = log.read_bytes().splitlines(keepends=True)
    at = max(n for n, line in enumerate(lines) if b'"phase":2' in line)
    log.write_bytes(b"".join(lines[:at] + lines[at + 1 :]))
    judgement = history.judge()
    assert set(causes(judgement)) == {"unexpected"}
    assert statuses(judgement)["3"] == "violated"


def test_every_defect_is_in_the_matrix():
    """A defect that nothing is known to find is none to switch on."""
    assert {*MATRIX} == {*defects.DEFECTS}
