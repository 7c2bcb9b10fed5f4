"""The book against the run: times and ids that it must not have, money beyond it, and who else is in it."""

from __future__ import annotations

import dataclasses

import pyarrow.compute as pc
import pyarrow.parquet as pq

from e2e_data.exits import Exit
from tests.books import write_book
from tests.fates import Fate
from tests.judgements import causes, check, finding, findings, statuses, total, violated
from tests.plain_runs import NEVER, POOL, SURE, run
from tests.times import MS


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
