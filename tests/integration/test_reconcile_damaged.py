"""Evidence that is cut off, damaged or missing: passed over, a problem with its file, or UNKNOWN."""

from __future__ import annotations

import re

import pytest

from e2e_data.exits import Exit
from e2e_data.problems import Problems
from tests.judgements import check, findings, statuses
from tests.plain_runs import run


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
