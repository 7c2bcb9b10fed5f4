"""The log of what a broker was given: it is there again after a kill, up to what a crash cut off."""

from __future__ import annotations

import pytest

from sandbox.kafka_log import RequestLog

REQUESTS = [b"\x00\x00\x00\x07\x00\x00\x00\x01one", b"\x00\x08\x00\x07\x00\x00\x00\x02two"]


def written(path, *requests):
    log = RequestLog(path)
    found = list(log.requests)
    for request in requests:
        log.write(request)
    log.close()
    return found


def test_what_was_written_is_there_in_its_order(tmp_path):
    """Over any number of restarts."""
    path = tmp_path / "log"
    assert written(path, REQUESTS[0]) == []
    assert written(path, REQUESTS[1]) == REQUESTS[:1]
    assert written(path) == REQUESTS


@pytest.mark.parametrize("left", [1, 7, 9, 15])
def test_what_a_crash_cut_off_was_never_written(tmp_path, left):
    """And what comes after it is read again: it does not stand behind a torn record."""
    path = tmp_path / "log"
    written(path, REQUESTS[0])
    whole = path.stat().st_size
    written(path, REQUESTS[1])
    with path.open("rb+") as file:
        file.truncate(whole + left)
    assert written(path, REQUESTS[1]) == REQUESTS[:1]
    assert written(path) == REQUESTS


def test_a_file_that_is_something_else_stays_as_it_is(tmp_path):
    """Nobody's file is written over by a wrong name."""
    path = tmp_path / "book"
    path.write_bytes(b"SQLite format 3\0")
    with pytest.raises(ValueError, match="is not a broker's log"):
        RequestLog(path)
    assert path.read_bytes() == b"SQLite format 3\0"


def test_one_broker_uses_a_log_at_a_time(tmp_path):
    """Two would write over each other."""
    first = RequestLog(tmp_path / "log")
    with pytest.raises(BlockingIOError):
        RequestLog(tmp_path / "log")
    first.close()
    RequestLog(tmp_path / "log").close()
