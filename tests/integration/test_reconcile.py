"""Whole runs, judged: what the judge says of a platform that is right, and of one that is not."""

from __future__ import annotations

import dataclasses
import re

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.exits import Exit
from e2e_data.platform import Acknowledged
from e2e_data.problems import Problems
from e2e_data.sequence import interleave
from reports.evidence import RunEvidence
from reports.grants import Grant, GrantLog
from reports.invariants import INVARIANTS, BookIsExact, OutcomeInSet
from reports.journal import Fact, Journal
from reports.judgement import Class, Status
from reports.reconcile import reconcile
from reports.rundir import RunDirectory
from reports.slos import Fitness, Slo
from tests.books import write_book
from tests.fates import Fate, Options
from tests.histories import History
from tests.judgements import causes, check, finding, findings, statuses
from tests.times import MS
from tests.tiny_pools import keys_of, tiny_pool

POOL = tiny_pool()[0]
SURE = keys_of(POOL, Kind.PAYMENT, Outcome.SETTLED)
"""Payments that must be settled, whatever the order."""
NEVER = keys_of(POOL, Kind.PAYMENT, Outcome.REJECTED)
"""Payments that must be rejected."""
FUNDING = keys_of(POOL, Kind.FUNDING)
ALL = ("1", "2", "3", "4a", "4b", "5", "6a", "6b", "7", "8")

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


def run(tmp_path, fates=None, **options):
    return History(tmp_path / "run", fates, Options(**options))


def total(judgement, name=None):
    if name is not None:
        return judgement.class_total(name)
    return sum(sum(counts.values()) for counts in judgement.classes.values())


def violated(judgement):
    return " ".join(c.invariant for c in judgement.checks if c.status is Status.VIOLATED)


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


def test_a_decision_before_its_command_was_sent_is_impossible(tmp_path):
    """Beyond what the clocks may be off, a decision lies between sent and completed."""
    history = run(tmp_path)
    record = history.record
    for off_ms, found in ((-900, {}), (-2000, {"decided at an impossible time": len(POOL)})):
        moved = record.model_copy(update={"epoch_utc_ns": record.epoch_utc_ns - off_ms * MS})
        history.directory.write_record(moved)
        assert causes(history.judge()) == found


def test_what_was_told_is_compared_with_the_book(tmp_path):
    """Another reason than the book's, or another account, is told, and is no wrong outcome."""
    history = run(tmp_path)
    path = history.directory.book / "commands.parquet"
    table = pq.read_table(path)
    told = pc.if_else(pc.equal(table["reason"], ""), "", "INSUFFICIENT_FUNDS")
    at = table.schema.get_field_index("reason")
    pq.write_table(table.set_column(at, "reason", told), path)
    judgement = history.judge()
    assert causes(judgement) == {
        "told another reason than the book's": len(NEVER), "wrong reason": len(NEVER),
    }  # fmt: skip
    assert statuses(judgement)["7"] == "violated"


def test_another_account_id_than_the_books_is_told(tmp_path):
    """An account was told to be one, and the book has it as another."""
    history = run(tmp_path)
    path = history.directory.bindings / "w0.jsonl"
    first, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first.replace(b"00000000-", b"10000000-"), *rest]))
    assert causes(history.judge()) == {"told another account than the book's": 1}


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


def test_foreign_commands_are_counted_and_blamed_on_nobody(tmp_path):
    """Another run on the same platform is foreign: counted, and no fault; clearing is not compared."""
    judgement = run(tmp_path, foreign=2).judge()
    assert judgement.foreign == 8
    assert findings(judgement) == {}
    assert judgement.exit is Exit.GOOD
    assert total(judgement) == len(POOL)


def test_a_foreign_command_on_our_account_puts_its_balance_off(tmp_path):
    """Steps that others made are not called unexplained, but the account's balance is off."""
    judgement = run(tmp_path, foreign=1, foreign_on_ours=True).judge()
    assert causes(judgement) == {"balance off": 1}
    assert violated(judgement) == "4a 4b"
    assert findings(judgement)["balance beyond the evidence (balance off)"][2] == "balance off"


def test_a_clearing_account_that_is_off_violates_4a(tmp_path):
    """Both legs are exact: money that is missing in clearing is found though every account is right."""
    history = run(tmp_path)
    history.ledger._clearing["USD"] += 1
    write_book(history, history.directory)
    judgement = history.judge()
    assert violated(judgement) == "4a"
    assert findings(judgement) == {}
    note = check(judgement, "4a").note
    stands = history.ledger._clearing["USD"]
    assert note == f"clearing-USD stands at {stands} minor units, not {stands - 1}"
    assert judgement.reasons == (f"invariant 4a violated: {note}",)


def test_ids_of_this_run_beyond_its_pool_violate_3(tmp_path):
    """A command of the book with this run's key, for an index that the pool has not, is not ours."""
    history = run(tmp_path)
    sure = history.entry(SURE[0])
    stranger = history.ids.command_ids(0, 1, [5000])[0]
    history.ledger._entries[stranger] = dataclasses.replace(
        sure, command=dataclasses.replace(sure.command, command_id=stranger)
    )
    write_book(history, history.directory)
    judgement = history.judge()
    assert violated(judgement) == "3"
    assert check(judgement, "3").note == (
        "1 commands of the book have ids of this run, beyond its pool"
    )


def test_what_was_granted_and_never_sent_must_not_be_decided(tmp_path):
    """By a complete journal it never left: decided all the same, it violates invariant 3."""
    history = run(tmp_path, {SURE[0]: Fate.NOT_SENT})
    blocked = run(tmp_path / "other", {SURE[0]: Fate.UNEXPECTED})
    row = blocked.entry(SURE[0])
    history.ledger._entries[row.command.command_id] = row
    history.ledger._accounts[row.account_id].balance += row.decision.postings[0].minor
    history.ledger._clearing[row.decision.postings[1].currency] += row.decision.postings[1].minor
    write_book(history, history.directory)
    judgement = history.judge()
    assert set(causes(judgement)) >= {"decided, but never sent"}
    assert findings(judgement)["decided, but never sent"][:2] == ("3", 1)
    text = finding(judgement, "decided, but never sent").first.text
    assert text.endswith("it was never sent (connection refused)")


# -- kill -9 ------------------------------------------------------------------------------------


def test_a_killed_worker_leaves_three_kinds_of_commands(tmp_path):
    """Surely not sent, perhaps sent and journaled add up to the pool; nothing is called unexpected."""
    cut = [key for key in keys_of(POOL, Kind.PAYMENT) if key[0] == 1][-2:]
    history = run(tmp_path, dict.fromkeys(cut, Fate.UNGRANTED), crashed=True, drained=False)
    judgement = history.judge()
    last = POOL.shard_counts(1)
    assert judgement.surely_not_sent == 2
    assert judgement.perhaps_sent == last.funding + last.payment - 2
    assert judgement.journaled == len(POOL) - last.funding - last.payment
    assert judgement.surely_not_sent + judgement.perhaps_sent + judgement.journaled == 36
    assert findings(judgement) == {}
    # What the book and the grants say needs no journal; only the drain is not known.
    assert statuses(judgement).pop("1") == "unknown"
    assert {status for no, status in statuses(judgement).items() if no != "1"} == {"holds"}
    assert judgement.exit is Exit.NOT_RIGHT
    found = history.classes()
    assert [found[key] for key in cut] == [Class.NOT_SENT] * 2
    doubtful = {found[1, i] for i in range(4, len(POOL.shard(1))) if (1, i) not in cut}
    assert doubtful == {Class.RECOVERED}
    dead = next(rule for rule in judgement.fitness if rule.title.endswith("died"))
    sent, lost = judgement.journaled, judgement.perhaps_sent
    told = f"died: w1; latency covers {sent} of {sent + lost} commands"
    assert (dead.status, dead.note) == (Status.VIOLATED, told)


def test_a_killed_worker_without_a_book_leaves_unknown_commands(tmp_path):
    """Without a book, what was perhaps sent is unknown, not unsent."""
    history = run(tmp_path, crashed=True, drained=False, has_book=False)
    found = history.classes()
    assert {found[1, index] for index in range(4, len(POOL.shard(1)))} == {Class.UNKNOWN}


@pytest.mark.parametrize("has_book", [True, False])
def test_sent_without_any_further_fact_is_unknown_or_recovered(tmp_path, has_book):
    """The answer was in the chunk that was lost: the command is not counted as never sent."""
    history = run(tmp_path, crashed=True, drained=False, has_book=has_book)
    key = next(key for key in FUNDING if key[0] == 1)
    journal = Journal(history.directory.journal, "w9")
    journal.sent((0, *key), 0, 2, Channel.HTTP, at_ns=9 * MS, intended_ns=9 * MS, free_ns=0)
    journal.flush()
    assert history.classes()[key] is (Class.RECOVERED if has_book else Class.UNKNOWN)


def test_a_run_killed_before_its_first_chunk_can_be_judged(tmp_path):
    """Grants and nothing else: everything granted was perhaps sent, and the verdict is UNKNOWN."""
    history = run(tmp_path, drained=False, has_book=False, state="running", timeline=False)
    for path in history.directory.journal.glob("*.parquet"):
        path.unlink()
    lines = history.directory.grants.read_bytes().splitlines(keepends=True)
    grants = [line for line in lines if b"closed" not in line]
    history.directory.grants.write_bytes(b"".join(grants) + b'{"epoch":1,"wor')
    judgement = history.judge()
    assert judgement.perhaps_sent == len(POOL)
    assert judgement.exit is Exit.NOT_RIGHT
    assert judgement.verdict == ("NOT SHOWN TO BE RIGHT: evidence is missing - the run was cut off")


def test_a_chunk_that_was_being_written_is_passed_over(tmp_path):
    """A process that dies while it writes a chunk leaves half a file with a dot: it is no evidence."""
    history = run(tmp_path)
    (history.directory.journal / ".w0-000099.parquet").write_bytes(b"PAR1 half")
    assert history.judge().exit is Exit.GOOD


def test_a_damaged_chunk_is_named_with_the_remedy(tmp_path):
    """A journal that cannot be read is no verdict: the file and what to do are said."""
    history = run(tmp_path)
    path = sorted(history.directory.journal.glob("*.parquet"))[0]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(Problems, match=path.name) as raised:
        history.judge()
    assert "restore it, or delete it and accept UNKNOWN" in str(raised.value)


@pytest.mark.parametrize("name", ["journal", "book"])
def test_damage_inside_a_file_is_a_problem_too(tmp_path, name):
    """A flipped page is not a traceback: the evidence cannot be read."""
    history = run(tmp_path)
    for path in getattr(history.directory, name).glob("*.parquet"):
        content = bytearray(path.read_bytes())
        content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
        path.write_bytes(content)
    with pytest.raises(Problems, match="cannot be read"):
        history.judge()


@pytest.mark.parametrize("which", [0, -1])
def test_a_chunk_that_is_missing_makes_unknown(tmp_path, which):
    """Deleting a chunk, the last one too, costs certainty: its process counts as one that died."""
    history = run(tmp_path)
    chunks = sorted(history.directory.journal.glob("w0-*"))
    assert len(chunks) > 1
    chunks[which].unlink()
    judgement = history.judge()
    assert judgement.exit is Exit.UNFIT
    assert "died: w0" in judgement.fitness[3].note
    assert findings(judgement) == {}
    assert set(statuses(judgement).values()) == {"holds"}, "the book has every outcome"
    assert "went with its journal" in check(judgement, "7").note


@pytest.mark.parametrize("which", [0, -1])
def test_a_chunk_that_is_missing_makes_unknown_what_depends_on_it(tmp_path, which):
    """Without a book, an outcome that only the missing chunk had is not known to anybody."""
    history = run(tmp_path, has_book=False)
    sorted(history.directory.journal.glob("w0-*"))[which].unlink()
    judgement = history.judge()
    assert judgement.exit is Exit.NOT_RIGHT
    assert set(statuses(judgement).values()) == {"unknown"}
    assert re.search(
        r"w0 died before its journal was complete: \d+ commands are open",
        check(judgement, "6a").note,
    )


@pytest.mark.parametrize("name", ["journal/grants.jsonl", "timeline.jsonl", "bindings/w0.jsonl"])
def test_half_a_last_line_is_passed_over(tmp_path, name):
    """What a crash cut off was never finished, in every file of lines."""
    history = run(tmp_path)
    path = history.directory.path / name
    path.write_bytes(path.read_bytes() + b'{"event":"run en')
    assert history.judge().exit is Exit.GOOD


@pytest.mark.parametrize("name", ["journal/grants.jsonl", "timeline.jsonl", "bindings/w0.jsonl"])
@pytest.mark.parametrize("line", [b"not json", b"[1]", b'{"what":"is this"}'])
def test_a_whole_line_that_is_no_row_is_a_problem(tmp_path, name, line):
    """Damage in the middle of a file of lines is named with the file, and never a traceback."""
    history = run(tmp_path)
    path = history.directory.path / name
    path.write_bytes(line + b"\n" + path.read_bytes())
    with pytest.raises(Problems, match=path.name):
        history.judge()


# -- the verdict --------------------------------------------------------------------------------


def with_record(history, **update):
    history.directory.write_record(history.record.model_copy(update=update))
    return history


SLOW_SLO = Slo(latency="response", percentile=50, below_ms=0.000001)
NO_LAG = Fitness(lag_percentile=50, lag_below_ms=1e-9)


def test_an_slo_that_was_missed_exits_with_10(tmp_path):
    """Right but slow is 10, and the line says so."""
    judgement = with_record(run(tmp_path), slos=(SLOW_SLO,)).judge()
    assert judgement.exit is Exit.SLOW
    assert judgement.verdict == "RIGHT, but too slow: an SLO was missed"


def test_an_unfit_generator_beats_a_missed_slo(tmp_path):
    """A generator that held commands back itself cannot judge speed: 30."""
    judgement = with_record(run(tmp_path), slos=(SLOW_SLO,), fitness=NO_LAG).judge()
    assert judgement.exit is Exit.UNFIT
    assert judgement.verdict == "NO JUDGEMENT: the load generator was not fit to judge"


def test_what_is_wrong_beats_an_unfit_generator(tmp_path):
    """Lost money stays lost, however badly the generator did: 20."""
    history = with_record(run(tmp_path, {SURE[0]: Fate.LOST}), fitness=NO_LAG, slos=(SLOW_SLO,))
    judgement = history.judge()
    assert judgement.exit is Exit.NOT_RIGHT
    assert [reason.split()[0] for reason in judgement.reasons] == ["invariant", "generator:", "SLO"]


def test_a_missing_timeline_makes_the_generator_unfit(tmp_path):
    """The generator's own evidence is evidence: without it there is no judgement."""
    assert run(tmp_path, timeline=False).judge().exit is Exit.UNFIT


def test_a_run_that_was_interrupted_says_so(tmp_path):
    """The line of an interrupted run cannot be taken for that of a whole one."""
    judgement = run(tmp_path, state="interrupted").judge()
    assert judgement.verdict.endswith(" - the run was interrupted")


def test_judging_changes_nothing_and_can_be_repeated(tmp_path):
    """The same directory gives the same judgement, however often and wherever it is judged."""
    history = run(tmp_path, {SURE[0]: Fate.LOST})
    first = history.judge()
    moved = history.directory.path.rename(tmp_path / "elsewhere")
    assert reconcile(RunDirectory.open(moved)).results.judgement == first


def test_groups_of_shards_make_no_difference(tmp_path, monkeypatch):
    """Shards are loaded in groups to bound memory: one at a time gives the same judgement."""
    history = run(tmp_path, {SURE[0]: Fate.LOST, SURE[-1]: Fate.TWICE})
    first = history.judge()
    monkeypatch.setattr("reports.evidence.GROUP_COMMANDS", 1)
    assert history.judge() == first


def test_every_invariant_has_its_own_number():
    """The report and the documents name an invariant by its number."""
    assert tuple(invariant.number for invariant in INVARIANTS) == ALL


# -- sent again -------------------------------------------------------------------------------

AGAIN = FUNDING[0]
"""A command that worker w0 sent, and that w9 may have sent again."""


def sent_again(tmp_path, *facts, lost=True, blocked=False, **options):
    """Return a history in which w0's journal is cut, and w9 sent a command again with these facts.

    One that is `blocked` was not sent again: the account was not known to be there any more.
    """
    history = run(tmp_path, **options)
    grants = GrantLog(history.directory.grants)
    shard, index = AGAIN
    counts = POOL.shard_counts(shard)
    order = interleave([counts.range_of(kind) for kind in (Kind.FUNDING, Kind.PAYMENT)]).tolist()
    at = order.index(index)
    grants.write(Grant(99, "w9", 0, shard, 2, at, at + 1, 0, 1))
    journal = Journal(history.directory.journal, "w9")
    if lost:
        for path in history.directory.journal.glob(f"w{shard}-*"):
            path.unlink()
    late_ns = 40_000 * MS
    if blocked:
        journal.add(Fact.BLOCKED, (0, *AGAIN), 1, 2, Channel.HTTP, at_ns=late_ns, reason="no id")
    else:
        journal.sent(
            (0, *AGAIN), 1, 2, Channel.HTTP, at_ns=late_ns, intended_ns=late_ns, free_ns=late_ns
        )
    for number, (fact, code) in enumerate(facts, 1):
        journal.add(fact, (0, *AGAIN), 1, 2, Channel.HTTP, at_ns=late_ns + number * MS, code=code)
    journal.flush()
    grants.write_closed("w9", journal.chunks)
    grants.close()
    return history


def evidence_of(history):
    shards = RunEvidence(history.directory, POOL).shards()
    return next(one for one in shards if one.shard.number == AGAIN[0])


def test_what_was_sent_again_and_answered_is_no_doubt(tmp_path):
    """The second attempt's answer settles it, although the first worker's journal is gone."""
    history = sent_again(
        tmp_path,
        (Fact.ACKNOWLEDGED, Acknowledged.ACCEPTED),
        (Fact.COMPLETED, Outcome.SETTLED),
    )
    seen = evidence_of(history)
    assert not seen.in_doubt[AGAIN[1]]
    assert history.classes()[AGAIN] is Class.SETTLED
    others = {history.classes()[key] for key in FUNDING if key[0] == AGAIN[0] and key != AGAIN}
    assert others == {Class.RECOVERED}


def test_a_second_attempt_that_was_refused_leaves_the_first_in_doubt(tmp_path):
    """One refusal says nothing of an attempt that nobody was told of."""
    history = sent_again(tmp_path, (Fact.ACKNOWLEDGED, Acknowledged.REFUSED), has_book=False)
    assert history.classes()[AGAIN] is Class.UNKNOWN


@pytest.mark.parametrize("fact", [Fact.NOT_SENT, Fact.UNANSWERED])
def test_a_second_attempt_without_an_answer_leaves_it_open(tmp_path, fact):
    """Whether the connection was refused or cut, the first attempt may have taken effect."""
    history = sent_again(tmp_path, (fact, 0), has_book=False)
    assert history.classes()[AGAIN] is Class.UNKNOWN


@pytest.mark.parametrize("has_book", [True, False])
def test_what_was_not_sent_again_may_have_been_sent_before(tmp_path, has_book):
    """Who blocks it speaks for himself: the book may have it from the worker that was lost."""
    history = sent_again(tmp_path, blocked=True, has_book=has_book)
    assert history.classes()[AGAIN] is (Class.RECOVERED if has_book else Class.UNKNOWN)
    if has_book:
        assert findings(history.judge()) == {}


def test_what_a_lost_worker_itself_blocked_was_not_sent(tmp_path):
    """Its journal says that it did not send it, so nothing is in doubt."""
    history = run(tmp_path, crashed=True, drained=False, has_book=False)
    key = next(key for key in FUNDING if key[0] == 1)
    journal = Journal(history.directory.journal, "w9")
    journal.add(Fact.BLOCKED, (0, *key), 0, 2, Channel.HTTP, at_ns=9 * MS, reason="no id")
    journal.flush()
    assert history.classes()[key] is Class.BLOCKED


def test_times_are_of_one_attempt(tmp_path):
    """Sent and answered belong together: a lost worker's seconds are not the platform's."""
    history = sent_again(tmp_path, (Fact.ACKNOWLEDGED, Acknowledged.ACCEPTED), lost=False)
    seen, index = evidence_of(history).seen, AGAIN[1]
    assert seen.sent_ns[index] < 40_000 * MS, "the first attempt was accepted, and earlier"
    assert seen.acknowledged_ns[index] - seen.sent_ns[index] < 1000 * MS
    alone = sent_again(tmp_path / "alone", (Fact.ACKNOWLEDGED, Acknowledged.ACCEPTED))
    seen = evidence_of(alone).seen
    assert seen.acknowledged_ns[index] - seen.sent_ns[index] == MS


def test_the_answer_that_says_most_counts(tmp_path):
    """An attempt that was accepted outweighs one whose answer was lost, whichever came first."""
    history = sent_again(tmp_path, (Fact.UNANSWERED, 0), lost=False)
    assert history.classes()[AGAIN] is Class.SETTLED
