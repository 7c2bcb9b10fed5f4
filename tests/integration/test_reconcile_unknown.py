"""What nobody knows, or nobody is asked, is no pass: no drain, no book, no order, a check that crashed."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e2e_data.exits import Exit
from reports.invariants import BookIsExact, OutcomeInSet
from reports.judgement import Class, Status
from tests.fates import Fate
from tests.judgements import ALL, causes, check, findings, statuses
from tests.plain_runs import NEVER, SURE, run


def test_an_unanswered_command_that_the_book_has_undecided_is_pending(tmp_path):
    """What is in the book without a decision is pending, whether it was acknowledged or not."""
    history = run(tmp_path, {SURE[0]: Fate.PENDING}, drained=False)
    judgement = history.judge()
    assert history.classes()[SURE[0]] is Class.PENDING
    assert findings(judgement) == {}
    assert statuses(judgement)["1"] == "unknown"


def test_nothing_is_called_lost_before_the_drain(tmp_path):
    """Not drained, a command without an outcome is pending, and invariant 1 is UNKNOWN."""
    history = run(tmp_path, {SURE[0]: Fate.LOST}, drained=False)
    judgement = history.judge()
    assert history.classes()[SURE[0]] is Class.PENDING
    assert findings(judgement) == {}
    assert statuses(judgement) == {**dict.fromkeys(ALL, "holds"), "1": "unknown"}
    assert check(judgement, "1").note == "the run was not drained"
    assert judgement.exit is Exit.NOT_RIGHT
    assert judgement.verdict == "NOT SHOWN TO BE RIGHT: evidence is missing"


def test_without_the_book_what_needs_it_is_unknown(tmp_path):
    """A missing statement is never a pass: 2, 3, 4a and 4b are UNKNOWN, and the exit is 20."""
    judgement = run(tmp_path, {SURE[0]: Fate.TWICE}, has_book=False).judge()
    assert statuses(judgement) == {
        **dict.fromkeys(ALL, "unknown"), "1": "holds", "6a": "holds",
    }  # fmt: skip
    assert "no statement" in check(judgement, "4a").note
    assert check(judgement, "4a").examined == 0
    assert judgement.exit is Exit.NOT_RIGHT


def test_without_the_book_two_outcomes_are_a_wrong_outcome(tmp_path):
    """A command that was observed settled and rejected is never counted as not sent."""
    history = run(tmp_path, {SURE[0]: Fate.TWO_OUTCOMES}, has_book=False)
    assert history.classes()[SURE[0]] is Class.WRONG_OUTCOME
    assert causes(history.judge()) == {"two outcomes": 1}


def test_what_an_adapter_cannot_provide_is_not_asked(tmp_path):
    """Without statements by declaration, the verdict says which invariants were not asked."""
    adapter = tmp_path / "mine.py"
    adapter.write_text(
        "from e2e_data.platform import Platform\n"
        "class Mine(Platform):\n"
        "    has_statements = False\n"
    )
    judgement = run(tmp_path, has_book=False, platform=f"{adapter}:Mine").judge()
    assert {n for n, status in statuses(judgement).items() if status == "not asked"} == {
        "2", "3", "4a", "4b", "5", "6b", "7", "8",
    }  # fmt: skip
    assert judgement.exit is Exit.GOOD
    assert judgement.verdict.endswith("(not asked: invariants 2, 3, 4a, 4b, 5, 6b, 7, 8)")


def adapter(tmp_path, *lines):
    """Return an adapter of our own, as FILE:CLASS, with these lines in its rules."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from e2e_data.model.rules import Rules\n"
        "from e2e_data.platform import Platform\n"
        "class Own(Rules):\n"
        + "".join(f"    {line}\n" for line in lines)
        + "class Mine(Platform):\n    rules = Own()\n"
    )
    return f"{path}:Mine"


def test_without_an_order_what_depends_on_it_is_not_asked(tmp_path):
    """8 is not asked, and 5 and 6b say how much less they mean; nothing is unknown for it."""
    platform = adapter(tmp_path, "gives_order = False")
    judgement = run(tmp_path, platform=platform).judge()
    assert statuses(judgement) == {**dict.fromkeys(ALL, "holds"), "8": "not asked"}
    assert "gives no order" in check(judgement, "5").note
    assert re.search(r"either outcome is right for \d+ decisions", check(judgement, "6b").note)
    assert judgement.verdict.endswith("(not asked: invariants 8)")
    assert judgement.exit is Exit.GOOD


@pytest.mark.parametrize(
    ("column", "unknown"), [("account_seq", ["5", "6b", "8"]), ("decided_ns", ["5", "6b"])]
)
def test_an_order_or_times_that_were_declared_and_are_missing_make_unknown(
    tmp_path, column, unknown
):
    """What the adapter says that the book has, and it has not, is never a pass, nor a violation."""
    history = run(tmp_path)
    path = history.directory.book / "commands.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index(column)
    pq.write_table(table.set_column(at, column, pa.array([0] * len(table))), path)
    judgement = history.judge()
    assert findings(judgement) == {}
    assert [n for n, status in statuses(judgement).items() if status == "unknown"] == unknown
    assert judgement.exit is Exit.NOT_RIGHT


def test_a_rule_of_the_adapter_is_the_replays(tmp_path):
    """Where limits are exclusive by declaration, what was settled at exactly the limit is wrong."""
    platform = adapter(tmp_path, "insufficient_funds = 'NO_MONEY'", "limits_inclusive = True")
    assert run(tmp_path, platform=platform).judge().exit is Exit.GOOD
    limits = adapter(tmp_path, "limit_exceeded = {p: 'TOO_MUCH' for p in ('MINUTE', 'HOUR', 'DAY', "
                     "'WEEK', 'MONTH')}")  # fmt: skip
    judgement = run(tmp_path / "other", platform=limits).judge()
    assert causes(judgement) == {"wrong reason": len(NEVER)}
    assert check(judgement, "6b").status is Status.VIOLATED


@pytest.mark.parametrize("where", ["examine", "conclude"])
def test_a_check_that_raises_is_unknown(tmp_path, monkeypatch, where):
    """A check that crashes says so, and takes neither the others nor the run's report with it."""

    def broken(*_):
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr(BookIsExact, where, broken)
    judgement = run(tmp_path).judge()
    assert statuses(judgement) == {**dict.fromkeys(ALL, "holds"), "4a": "unknown"}
    assert "ZeroDivisionError('by hand')" in check(judgement, "4a").note
    assert judgement.exit is Exit.NOT_RIGHT


def test_a_crash_after_a_finding_is_told_with_it(tmp_path, monkeypatch):
    """A check that found something and then crashed is VIOLATED, and notes the crash."""
    examine = OutcomeInSet.examine

    def broken(self, judged):
        examine(self, judged)
        raise ZeroDivisionError

    monkeypatch.setattr(OutcomeInSet, "examine", broken)
    judgement = run(tmp_path, {NEVER[0]: Fate.WRONG_OUTCOME}).judge()
    assert statuses(judgement)["6a"] == "violated"
    assert "shard 0: ZeroDivisionError()" in check(judgement, "6a").note
