"""Each defect of the sandbox is the one cause that is named, with the exact number of commands."""

from __future__ import annotations

import pytest

from e2e_data.exits import Exit
from reports.invariants import INVARIANTS
from reports.judgement import Class
from reports.lines import LineLog
from reports.timeline import REPLIES_CUT, Event
from sandbox import defects
from tests.defective import Defective
from tests.judgements import causes, findings, statuses
from tests.matrix import MATRIX

SEEDS = (0,)
IN_PROCESS = [n for n, expected in MATRIX.items() if expected.in_process and expected.finding]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", IN_PROCESS)
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
@pytest.mark.parametrize(
    "name", [defects.LOSE, defects.APPLY_ON_RETRY, defects.LOSE_EVENT, defects.LOSE_REPLY]
)
def test_the_same_platform_without_defects_is_right(tmp_path, seed, name):
    """What the matrix accuses is the defect, and not the platform that has it."""
    judgement = Defective(tmp_path / "run", name, MATRIX[name].off(), seed).judge()
    assert findings(judgement) == {}
    assert judgement.exit is Exit.GOOD


def test_an_event_that_comes_twice_is_counted_and_no_fault(tmp_path):
    """Under the same id at another offset it is the same event: delivery is at least once."""
    name = defects.REPEAT_EVENT
    history = Defective(tmp_path / "run", name, MATRIX[name])
    judgement = history.judge()
    assert findings(judgement) == {}
    assert judgement.exit is Exit.GOOD
    pipeline = next(check for check in judgement.checks if check.invariant == "pipeline")
    assert pipeline.note == f"{len(history.struck)} events came once more under the same id"


@pytest.mark.parametrize("name", [defects.LOSE_EVENT, defects.LOSE_REPLY])
def test_what_was_decided_and_never_told_is_lost_after_the_platform(tmp_path, name):
    """By the book it took effect, so it is neither unknown nor lost in the platform."""
    history = Defective(tmp_path / "run", name, MATRIX[name])
    classes = history.classes()
    lost = {key for key, one in classes.items() if one is Class.LOST_AFTER}
    assert lost == history.struck


def test_a_reply_that_may_have_gone_with_its_connection_is_not_called_lost(tmp_path):
    """The tester's own connection broke: what the platform sent may have been on it."""
    name = defects.LOSE_REPLY
    history = Defective(tmp_path / "run", name, MATRIX[name])
    log = LineLog(history.directory.timeline)
    log.write(Event(1, "warning", note=f"IBM MQ: {REPLIES_CUT}"))
    log.close()
    judgement = history.judge()
    assert findings(judgement) == {}


def test_the_rejections_that_the_sets_cannot_tell_are_told_by_the_replay_alone(tmp_path):
    """A platform that rejects whatever is undetermined is within all sets, and still wrong."""
    name = defects.REJECT_UNDETERMINED
    judgement = Defective(tmp_path / "run", name, MATRIX[name]).judge()
    assert statuses(judgement)["6a"] == "holds"
    assert statuses(judgement)["6b"] == "violated"


def test_every_invariant_has_a_defect_that_trips_it():
    """But 3: a platform cannot know an id that was never sent; there the grants are tampered with."""
    tripped = {expected.invariant for expected in MATRIX.values() if expected.invariant}
    assert tripped | {"3", *BEYOND_EVIDENCE} == {check.number for check in INVARIANTS}


BEYOND_EVIDENCE = {"4b": defects.NO_POSTINGS}
"""Its findings always have a cause that another invariant names."""


@pytest.mark.parametrize("invariant", BEYOND_EVIDENCE)
def test_a_balance_beyond_the_evidence_follows_from_what_is_named(tmp_path, invariant):
    """Money that was observed to be settled and is not there: seen, and put down to its cause."""
    name = BEYOND_EVIDENCE[invariant]
    judgement = Defective(tmp_path / "run", name, MATRIX[name]).judge()
    assert statuses(judgement)[invariant] == "violated"
    (check,) = (check for check in judgement.checks if check.invariant == invariant)
    assert {one.consequence_of for one in check.findings} == {MATRIX[name].finding}


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
