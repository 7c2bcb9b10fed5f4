"""The journal: every fact comes back from Parquet, and whatever goes wrong costs little."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_data.commands import Channel, Outcome
from e2e_data.platform import Acknowledged
from reports.journal import ROW, SCHEMA, TEXT_LENGTH_MAX, TEXTS_MAX, Fact, Journal

TIMES = st.integers(-(2**63), 2**63 - 1)
FACTS = st.tuples(
    st.sampled_from([fact for fact in Fact if fact is not Fact.SENT]),
    st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.integers(0, 255),
    st.integers(0, 255),
    st.sampled_from(Channel),
    TIMES,
    st.integers(0, 255),
    st.text(max_size=TEXT_LENGTH_MAX),
)


def rows(directory):
    return [
        row
        for path in sorted(directory.glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


def test_a_sent_fact_comes_back(tmp_path):
    """Sent carries all that only the sender knows: when it was due, and when a user was free."""
    journal = Journal(tmp_path, "w")
    journal.sent((1, 2, 3), 4, 5, Channel.KAFKA, at_ns=30, intended_ns=10, free_ns=-20)
    assert len(journal) == 1
    assert journal.flush() == 1
    assert rows(tmp_path) == [
        {
            "fact": Fact.SENT, "lap": 1, "shard": 2, "index": 3, "attempt": 4, "phase": 5,
            "channel": Channel.KAFKA, "code": 0, "reason": "", "flags": "", "at_ns": 30, "intended_ns": 10,
            "free_ns": -20,
        }
    ]  # fmt: skip


@settings(max_examples=25)
@given(st.lists(FACTS, min_size=1, max_size=8))
def test_every_other_fact_comes_back(tmp_path_factory, facts):
    """Each kind of fact, with any code, time and reason, is read as it was written, in order."""
    directory = tmp_path_factory.mktemp("journal")
    journal = Journal(directory, "w")
    for fact, place, attempt, phase, channel, at_ns, code, reason in facts:
        journal.add(fact, place, attempt, phase, channel, at_ns=at_ns, code=code, reason=reason)
    assert journal.flush() == len(facts)
    found = [
        (
            Fact(row["fact"]), (row["lap"], row["shard"], row["index"]), row["attempt"],
            row["phase"], Channel(row["channel"]), row["at_ns"], row["code"], row["reason"],
        )
        for row in rows(directory)
    ]  # fmt: skip
    assert found == facts


def add(journal, reason="", index=0):
    journal.add(
        Fact.ACKNOWLEDGED, (0, 0, index), 0, 0, Channel.HTTP, at_ns=1,
        code=Acknowledged.REFUSED, reason=reason,
    )  # fmt: skip


def test_facts_are_written_in_chunks(tmp_path):
    """Each flush is a file of its own, numbered from 0, and the rows keep their order."""
    journal = Journal(tmp_path, "w1")
    for index in range(5):
        add(journal, f"reason {index}", index)
        if index in (1, 4):
            journal.flush()
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "w1-000000.parquet",
        "w1-000001.parquet",
    ]
    assert [(row["index"], row["reason"]) for row in rows(tmp_path)] == [
        (index, f"reason {index}") for index in range(5)
    ]
    assert pq.read_schema(tmp_path / "w1-000000.parquet").equals(SCHEMA)


def test_flushing_nothing_writes_nothing(tmp_path):
    """No facts, no file; a second flush after one that wrote adds none either."""
    journal = Journal(tmp_path, "w")
    assert journal.flush() == 0
    assert list(tmp_path.iterdir()) == []
    add(journal)
    assert (journal.flush(), journal.flush(), len(journal)) == (1, 0, 0)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_reason_is_stored_once(tmp_path):
    """A million refusals for one reason cost a number each."""
    journal = Journal(tmp_path, "w")
    for index in range(100):
        add(journal, "HTTP 429", index)
    journal.flush()
    column = pq.read_table(tmp_path / "w-000000.parquet")["reason"].combine_chunks()
    assert column.dictionary.to_pylist() == ["", "HTTP 429"]
    assert column.to_pylist() == ["HTTP 429"] * 100


def test_reasons_are_bounded_in_number(tmp_path):
    """Reasons come from the network: beyond a thousand they are all one."""
    journal = Journal(tmp_path, "w")
    for index in range(3 * TEXTS_MAX):
        add(journal, f"reason {index}", index)
    add(journal, "reason 0", 0)
    journal.flush()
    found = [row["reason"] for row in rows(tmp_path)]
    assert found[: TEXTS_MAX - 1] == [f"reason {i}" for i in range(TEXTS_MAX - 1)]
    assert set(found[TEXTS_MAX - 1 : -1]) == {"(a further reason)"}
    assert found[-1] == "reason 0"


def test_reasons_are_bounded_in_length(tmp_path):
    """A page of HTML is no reason: what is too long is cut."""
    journal = Journal(tmp_path, "w")
    add(journal, "x" * 100_000)
    journal.flush()
    assert rows(tmp_path)[0]["reason"] == "x" * TEXT_LENGTH_MAX


def test_flags_are_kept_beside_the_reason(tmp_path):
    """A completion's flags are one text, in a table of their own: reasons do not crowd them out."""
    journal = Journal(tmp_path, "w")
    for index in range(TEXTS_MAX):
        add(journal, f"reason {index}", index)
    place = (0, 0, 1)
    for flags in (("ROUND", "VELOCITY"), (), ("ROUND", "VELOCITY")):
        journal.add(
            Fact.COMPLETED, place, 0, 0, Channel.HTTP, at_ns=1, code=Outcome.SETTLED, flags=flags
        )
    journal.flush()
    column = pq.read_table(tmp_path / "w-000000.parquet")["flags"].combine_chunks()
    assert column.dictionary.to_pylist() == ["", "ROUND,VELOCITY"]
    assert column.to_pylist()[-3:] == ["ROUND,VELOCITY", "", "ROUND,VELOCITY"]


def test_half_a_surrogate_pair_loses_no_facts(tmp_path):
    """Some parsers let through what UTF-8 cannot say; the journal is written all the same."""
    journal = Journal(tmp_path, "w")
    add(journal, "bad \ud83d end")
    add(journal, "good", 1)
    assert journal.flush() == 2
    assert [row["reason"] for row in rows(tmp_path)] == ["bad ? end", "good"]


def test_a_failed_flush_loses_no_facts(tmp_path):
    """Where the disk is full for a moment, the rows wait, and the chunk's number is used again."""
    directory = tmp_path / "later"
    journal = Journal(directory, "w")
    add(journal, "one", 1)
    with pytest.raises(OSError, match="later"):
        journal.flush()
    assert len(journal) == 1
    add(journal, "two", 2)
    directory.mkdir()
    assert journal.flush() == 2
    assert [row["index"] for row in rows(directory)] == [1, 2]
    assert [path.name for path in directory.glob("w*")] == ["w-000000.parquet"]


def test_codes_and_outcomes_fit_a_row():
    """Every code that is written fits its byte, and a row is packed without gaps."""
    assert ROW.itemsize == 1 + 2 + 4 + 4 + 1 + 1 + 1 + 1 + 2 + 2 + 3 * 8
    assert max(*Acknowledged, sum(Outcome)) < 256


def test_what_is_recorded_while_a_chunk_is_written_is_in_the_next(tmp_path):
    """A chunk is cut off by whoever records, so that no record is in two, whichever thread writes."""
    journal = Journal(tmp_path, "w")
    add(journal, "one", 1)
    journal.cut()
    add(journal, "two", 2)
    assert (journal.write(), journal.write(), len(journal)) == (1, 0, 1)
    assert journal.flush() == 1
    assert [row["index"] for row in rows(tmp_path)] == [1, 2]
