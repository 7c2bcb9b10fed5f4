"""Files of lines, grants, the timeline and run.json: written whole, and read after a crash."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from e2e_data.problems import Problems
from reports.grants import Grant, GrantLog, read_grants
from reports.lines import LineLog, read_lines
from reports.rundir import RunDirectory
from reports.timeline import Event, Second, read_timeline
from tests.histories import History

GRANT = Grant(1, "w0", 0, 3, 2, 10, 20, 99)
SECOND = Second(1, "payments", *range(11), 1.5, 2.5)


def test_lines_come_back_in_order(tmp_path):
    """Dataclasses and dictionaries become lines, and are appended to what is there."""
    path = tmp_path / "a.jsonl"
    for entry in ({"n": 1}, GRANT):
        log = LineLog(path)
        log.write(entry)
        log.close()
    assert list(read_lines(path)) == [{"n": 1}, asdict(GRANT)]


def test_a_line_is_there_when_write_returns(tmp_path):
    """Nothing is kept back in a buffer: a kill -9 right after loses no line."""
    log = LineLog(tmp_path / "a.jsonl")
    log.write({"n": 1})
    assert (tmp_path / "a.jsonl").read_bytes() == b'{"n":1}\n'
    log.close()


@pytest.mark.parametrize("half", [b"{", b'{"n":2}', b'{"n":2}\r', b"\xff"])
def test_half_a_last_line_is_not_read(tmp_path, half):
    """What has no line end was never finished, even where it looks whole."""
    (tmp_path / "a.jsonl").write_bytes(b'{"n":1}\n' + half)
    assert list(read_lines(tmp_path / "a.jsonl")) == [{"n": 1}]


def test_no_file_has_no_lines(tmp_path):
    """A run that was killed at once left nothing."""
    assert list(read_lines(tmp_path / "a.jsonl")) == []
    assert read_timeline(tmp_path / "a.jsonl") == ([], [])
    assert read_grants(tmp_path / "a.jsonl").open_workers == frozenset()


@pytest.mark.parametrize("line", [b"nonsense", b"7", b"[]", b'{"n":\xff}', b""])
def test_a_damaged_line_is_named(tmp_path, line):
    """A whole line that is no object was changed by somebody: file and line are told."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"n":1}\n' + line + b"\n")
    with pytest.raises(Problems, match=r"a\.jsonl: line 2 cannot be read .*: restore the file"):
        list(read_lines(path))


def test_grants_come_back_with_who_closed(tmp_path):
    """A worker with grants that never closed its journal is open: its commands are in doubt."""
    log = GrantLog(tmp_path / "g.jsonl")
    other = Grant(2, "w1", 0, 4, 2, 0, 5, 100)
    log.write(GRANT)
    log.write(other)
    log.write_closed("w1", 3)
    log.close()
    book = read_grants(tmp_path / "g.jsonl")
    assert book.grants == (GRANT, other)
    assert book.closed == {"w1": 3}
    assert book.open_workers == {"w0"}


def test_the_timeline_keeps_rows_and_events_apart(tmp_path):
    """Both stand in one file in the order they happened."""
    log = LineLog(tmp_path / "t.jsonl")
    events = [Event(0, "run began"), Event(5, "phase ended", "payments", "2 were pending")]
    for entry in (events[0], SECOND, events[1]):
        log.write(entry)
    assert read_timeline(tmp_path / "t.jsonl") == ([SECOND], events)


@pytest.mark.parametrize("read", [read_grants, read_timeline])
def test_a_row_with_other_fields_is_a_problem(tmp_path, read):
    """Another version's file, or somebody's edit, is told and not guessed at."""
    (tmp_path / "a.jsonl").write_bytes(b'{"epoch":1}\n')
    with pytest.raises(Problems, match=r"a\.jsonl: .* cannot be read"):
        read(tmp_path / "a.jsonl")


def test_a_new_run_directory_is_the_latest(tmp_path):
    """Each run has a directory of its own below its plan; `latest` points to the newest."""
    first = RunDirectory.create(tmp_path, "smoke")
    second = RunDirectory.create(tmp_path, "smoke")
    assert first.path != second.path
    assert (tmp_path / "smoke" / "latest").resolve() == second.path.resolve()
    assert all(place.is_dir() for place in (second.journal, second.book, second.bindings))
    assert second.name.endswith(second.path.name)


def test_a_directory_that_cannot_be_made_is_a_problem(tmp_path):
    """--runs-dir below a file is told with the value and the remedy."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Problems, match="choose a directory that can be written"):
        RunDirectory.create(tmp_path / "file", "smoke")


def test_a_record_comes_back(tmp_path):
    """run.json says all that the judge needs, and nothing of it is lost."""
    history = History(tmp_path / "run")
    record = history.record
    history.directory.write_record(record)
    assert history.directory.record() == record
    assert record.ids == history.ids


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"format":1', '"format":2', "format = 2"),
        ('"key":"00', '"key":"zz', "key = "),
        ('"nonce":', '"nonce":-', "nonce = -"),
        ('"drained":true', '"drained":"perhaps"', "drained = 'perhaps'"),
        ('"run_id":"a-run",', "", "run_id: Field required"),
        ("{", "[", "is not JSON"),
    ],
)
def test_a_damaged_record_is_a_problem(tmp_path, old, new, said):
    """Each fault of run.json is told with the file, the setting and the value."""
    history = History(tmp_path / "run")
    path = history.directory.path / "run.json"
    text = history.record.model_dump_json()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(Problems) as raised:
        history.directory.record()
    assert str(path) in str(raised.value)
    assert said in str(raised.value)
