"""Whole runs, judged: what the judge says of a platform that is right, and of one that is not."""

from __future__ import annotations

import re

import pytest

from e2e_data.commands import Channel
from e2e_data.exits import Exit
from reports.judgement import Class
from tests.books import write_book
from tests.fates import Fate
from tests.judgements import ALL, causes, finding, findings, statuses, total, violated
from tests.plain_runs import FUNDING, NEVER, POOL, SURE, run

GOOD = {
    Fate.UNANSWERED: Class.RECOVERED,
    Fate.SILENT: Class.RECOVERED,
    Fate.VANISHED: Class.UNKNOWN,
    Fate.REFUSED: Class.REFUSED,
    Fate.NOT_SENT: Class.REFUSED,
    Fate.BLOCKED: Class.BLOCKED,
    Fate.LATE: Class.SETTLED_LATE,
    Fate.UNGRANTED: Class.NOT_SENT,
}
"""What happens with a correct platform -> the class of the command."""

BAD = [
    # fate, commands, class, finding, violated invariants
    (Fate.LOST, SURE, Class.LOST, "lost in the platform", "1"),
    (Fate.PENDING, SURE, Class.PENDING, "never decided", "1"),
    (Fate.TWICE, SURE, Class.DUPLICATED, "applied more than once", "2 4a 4b"),
    (Fate.TWICE, FUNDING, Class.DUPLICATED, "applied more than once", "2 4a 4b"),
    (Fate.ROW_TWICE, SURE, Class.DUPLICATED, "applied more than once", "2 5 6b 8"),
    (Fate.WRONG_AMOUNT, SURE, Class.WRONG_AMOUNT, "wrong amount", "4a 4b"),
    (Fate.WRONG_AMOUNT, FUNDING, Class.WRONG_AMOUNT, "wrong amount", "4a 4b"),
    (Fate.WRONG_CURRENCY, SURE, Class.WRONG_AMOUNT, "wrong amount", "4a"),
    (Fate.WRONG_OUTCOME, NEVER, Class.WRONG_OUTCOME, "limit exceeded", "5 6a 6b"),
    (Fate.UNEXPECTED, SURE, Class.UNEXPECTED, "unexpected", "3 4b"),
    (Fate.TWO_OUTCOMES, SURE, Class.WRONG_OUTCOME, "outcome taken back", "1 7"),
    (Fate.TAKEN_BACK, SURE, Class.WRONG_OUTCOME, "outcome taken back", "1 4b 6b 7"),
    (
        Fate.REFUSED_YET_DONE,
        SURE,
        Class.WRONG_OUTCOME,
        "applied, though answered without effect",
        "4b 6a",
    ),
    (Fate.TAMPERED, SURE, Class.SETTLED, "balance step without postings", "2 4a 4b"),
    (Fate.ROW_GONE, SURE, Class.LOST, "lost in the platform", "1 2 4a 8"),
    (Fate.ACCOUNT_MISSING, [(0, 1)], Class.SETTLED, "account missing in the book", "4a 4b"),
    (Fate.ACCOUNT_TWICE, [(0, 1)], Class.DUPLICATED, "applied more than once", "2"),
    (Fate.ACCOUNT_CURRENCY, [(0, 1)], Class.SETTLED, "account in the wrong currency", "4a"),
]


def test_a_right_run_is_found_right(tmp_path):
    """Where the platform is right, every invariant holds, and the run exits with 0."""
    judgement = run(tmp_path).judge()
    assert statuses(judgement) == dict.fromkeys(ALL, "holds")
    assert findings(judgement) == {}
    assert judgement.exit is Exit.GOOD
    assert judgement.verdict.startswith("RIGHT, and as fast as asked")
    assert judgement.reasons == ()


def test_the_figures_of_a_right_run(tmp_path):
    """Classes, expected rejections and money moved are those of the pool, to the minor unit."""
    history = run(tmp_path)
    judgement = history.judge()
    assert judgement.commands == len(POOL) == total(judgement) == 36
    assert total(judgement, Class.SETTLED) == 31
    assert total(judgement, Class.REJECTED) == judgement.expected_rejections == len(NEVER) == 5
    moved: dict[str, int] = {}
    for shard, index in SURE:
        command = POOL.shard(shard).command(index)
        code = command.account.currency
        moved[code] = moved.get(code, 0) + command.amount_minor
    assert judgement.settled_minor == moved
    assert judgement.foreign == 0
    assert [check.examined for check in judgement.checks] == [36, 36, 36, 4, 4, 36, 36, 36, 36, 36]


@pytest.mark.parametrize(("fate", "name"), GOOD.items(), ids=str)
def test_what_a_network_does_is_no_fault_of_the_platform(tmp_path, fate, name):
    """A refusal, a lost answer, a late outcome or an unsent command has its class, and no finding."""
    keys = [SURE[1], SURE[-2]]
    history = run(tmp_path, dict.fromkeys(keys, fate))
    judgement = history.judge()
    assert findings(judgement) == {}
    assert judgement.exit is Exit.GOOD
    assert sorted(key for key, found in history.classes().items() if found is name) == sorted(keys)
    assert total(judgement, name) == 2
    assert total(judgement) == len(POOL)


@pytest.mark.parametrize(
    ("fate", "keys", "name", "fault", "invariants"), BAD, ids=lambda value: str(value)[:40]
)
def test_every_defect_is_named_as_the_cause(tmp_path, fate, keys, name, fault, invariants):
    """For each defect: its finding is the only cause, on the hit commands, and 20 is the exit."""
    hit = sorted({keys[0], keys[-1]})
    history = run(tmp_path, dict.fromkeys(hit, fate))
    judgement = history.judge()
    assert causes(judgement) == {fault: len(hit)}
    assert {of for _, _, of in findings(judgement).values()} <= {"", fault}
    assert violated(judgement) == invariants
    assert set(statuses(judgement).values()) == {"holds", "violated"}
    assert judgement.exit is Exit.NOT_RIGHT
    assert judgement.verdict == f"NOT RIGHT: {fault} ({len(hit)})"
    assert all(reason.split()[1] in invariants.split() for reason in judgement.reasons)
    assert total(judgement) == len(POOL)
    found = history.classes()
    if name is not Class.SETTLED:
        assert sorted(key for key, each in found.items() if each is name) == hit
    assert all(found[key] is name for key in hit)
    assert dict(finding_keys(judgement, fault)) == {history.command_id(key): key for key in hit}


def finding_keys(judgement, fault):
    found = finding(judgement, fault)
    return [(c.command_id, (c.shard, c.index)) for c in (found.first, found.worst, found.last)]


def test_a_finding_cites_the_first_the_worst_and_the_last_case(tmp_path):
    """Of three lost payments the evidence is the first sent, the greatest amount, the last sent."""
    history = run(tmp_path, dict.fromkeys(SURE[:6], Fate.LOST), spread=False)
    found = finding(history.judge(), "lost in the platform")
    amounts = {key: POOL.shard(key[0]).command(key[1]).amount_minor for key in SURE[:6]}
    assert found.count == 6
    assert (found.worst.shard, found.worst.index) == max(amounts, key=amounts.__getitem__)
    assert found.first.sent_ns < found.last.sent_ns
    case = found.first
    assert case.kind == "payment"
    assert case.phase == "payments"
    assert case.channel == "HTTP"
    assert case.completed_ns is None
    assert case.intended_ns <= case.sent_ns < case.acknowledged_ns
    number = int(POOL.shard(case.shard).account_number[case.index])
    assert case.account_id == history._bound[case.shard, number]
    assert case.text == (
        f"acknowledged by the platform at {case.acknowledged_ns / 1e9:.3f} s; it is not in the book"
    )


def test_an_outcome_that_was_observed_counts_as_acknowledged(tmp_path):
    """Never answered, observed settled, and gone from the book: it is lost, and says when it was seen."""
    key = SURE[0]
    history = run(tmp_path, {key: Fate.UNANSWERED})
    del history.ledger._entries[history.command_id(key)]
    write_book(history, history.directory)
    judgement = history.judge()
    assert history.classes()[key] is Class.LOST
    assert causes(judgement) == {"lost in the platform": 1}
    case = finding(judgement, "lost in the platform").first
    assert case.acknowledged_ns is None
    assert case.text == (
        f"observed settled at {case.completed_ns / 1e9:.3f} s; it is not in the book"
    )


def test_texts_say_what_is_wrong_with_the_values(tmp_path):
    """A case tells the amounts, rows and outcomes that are wrong, and those that would be right."""
    shard, index = key = FUNDING[0]
    amount = int(POOL.shard(shard).amount_minor[index])
    judgement = run(
        tmp_path,
        {
            key: Fate.WRONG_AMOUNT,
            SURE[-1]: Fate.TWICE,
            NEVER[0]: Fate.WRONG_OUTCOME,
            SURE[0]: Fate.TAKEN_BACK,
            SURE[2]: Fate.REFUSED_YET_DONE,
        },
    ).judge()
    assert finding(judgement, "wrong amount").first.text == (
        f"legs of {amount + 1} and {-amount - 1} minor units, not {amount} and {-amount}"
    )
    twice = finding(judgement, "applied more than once").first.text
    assert twice == "the book has 1 rows and 4 legs for it"
    beyond = finding(judgement, "limit exceeded").first.text
    assert re.match(r"window: \d+, where \d+ or less is right; spent in its MINUTE", beyond)
    anyway = finding(judgement, "applied, though answered without effect").first.text
    assert anyway == "settled, though the answer said that it has no effect (HTTP 429)"
    back = finding(judgement, "outcome taken back").first.text
    assert back == "it was observed settled; the book has it rejected"


def test_what_only_a_broker_acknowledged_is_lost_before_the_platform(tmp_path):
    """The broker had it, the platform never showed it: whose fault that is, is said."""
    history = run(tmp_path, {SURE[0]: Fate.LOST}, channel=Channel.KAFKA)
    judgement = history.judge()
    assert history.classes()[SURE[0]] is Class.LOST_BEFORE
    assert causes(judgement) == {"lost before the platform": 1}
    assert (
        "acknowledged by a broker at" in finding(judgement, "lost before the platform").first.text
    )
    assert total(judgement) == len(POOL)


@pytest.mark.parametrize("dropped", [0, 2, 100])
def test_what_was_not_sent_for_want_of_an_arrival_is_told_apart(tmp_path, dropped):
    """So many commands as arrivals were dropped would have been sent; the others' turn never came."""
    judgement = run(tmp_path, dict.fromkeys(SURE[:5], Fate.UNGRANTED), dropped=dropped).judge()
    assert total(judgement, Class.DROPPED) == min(dropped, 5)
    assert total(judgement, Class.NOT_SENT) == 5 - min(dropped, 5)
    assert total(judgement) == len(POOL)
    assert findings(judgement) == {}


def test_several_defects_at_once_are_each_named(tmp_path):
    """Defects in different accounts do not hide each other."""
    fates = {SURE[0]: Fate.LOST, SURE[-1]: Fate.TWICE, NEVER[0]: Fate.WRONG_OUTCOME}
    judgement = run(tmp_path, fates).judge()
    assert causes(judgement) == {
        "lost in the platform": 1, "applied more than once": 1, "limit exceeded": 1,
    }  # fmt: skip


def test_a_command_of_two_faults_has_one_class_by_precedence(tmp_path):
    """A payment that must be rejected, settled twice, is counted once: as duplicated."""
    history = run(tmp_path, {NEVER[0]: Fate.WRONG_OUTCOME, NEVER[1]: Fate.TWICE})
    book = history.ledger
    assert book.find(history.command_id(NEVER[1])).status == "REJECTED"
    found = history.classes()
    assert found[NEVER[0]] is Class.WRONG_OUTCOME
    assert found[NEVER[1]] is Class.REJECTED
