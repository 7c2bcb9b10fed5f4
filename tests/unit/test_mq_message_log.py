"""The message log: what survives a restart, and what a crash or a full disk leaves behind."""

from __future__ import annotations

import errno
import os

import pytest

from sandbox import message_log
from sandbox.message_log import MessageLog
from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.queues import Definition
from tests.mq_parts import TENTHS, Clock, Program, manager, md_of

LASTING = {"persistence": codes.MQPER_PERSISTENT}
SYNC = codes.MQPMO_SYNCPOINT
SYNC_GET = codes.MQGMO_SYNCPOINT
QUEUES = (Definition("Q"), Definition("OTHER"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "messages.log"


class Life:
    """One life of a queue manager with a log, until it is killed."""

    def __init__(self, path, clock=None):
        self.log = MessageLog(path)
        self.manager = manager(*QUEUES, log=self.log, clock=clock or Clock())
        self.program = Program(self.manager)

    def killed(self):
        """End as `kill -9` does: nothing is said to anybody, the file is as it is."""
        self.log.close()

    def bodies(self):
        found = []
        while (body := self.program.get()) is not None:
            found.append(body)
        return found


def test_persistent_messages_are_there_again_and_others_are_not(path):
    """In their order, with ids, priority and all."""
    life = Life(path)
    put, _ = life.program.put(b"a", **LASTING, correl_id=b"c" * 24)
    life.program.put(b"fleeting")
    life.program.put(b"b", **LASTING)
    life.program.put(b"urgent", **LASTING, priority=9)
    life.killed()
    life = Life(path)
    got = life.program.got(correl_id=b"c" * 24)
    assert (got.body, md_of(got)) == (b"a", put)
    assert life.bodies() == [b"urgent", b"b"]
    life.killed()
    assert Life(path).bodies() == []


def test_what_was_not_committed_is_as_if_it_had_not_been(path):
    """Puts are not there; messages that were got are, at their old places."""
    life = Life(path)
    for body in (b"a", b"b"):
        life.program.put(body, **LASTING)
    life.program.put(b"c", SYNC, **LASTING)
    assert life.program.get(SYNC_GET) == b"a"
    life.killed()
    assert Life(path).bodies() == [b"a", b"b"]


def test_a_committed_unit_of_work_is_there_as_a_whole(path):
    """Its puts on every queue, and its gets."""
    life = Life(path)
    life.program.put(b"a", **LASTING)
    other = Program(life.manager, "OTHER")
    other.session = life.program.session
    other.handle, _ = other.session.open(1, codes.MQOO_OUTPUT, b"OTHER", b"", b"")
    life.program.get(SYNC_GET)
    life.program.put(b"b", SYNC, **LASTING)
    other.put(b"c", SYNC, **LASTING)
    life.program.session.commit()
    life.killed()
    life = Life(path)
    assert life.bodies() == [b"b"]
    assert Program(life.manager, "OTHER").get() == b"c"


def test_backouts_are_still_counted(path):
    """A poison message does not get three more lives from each restart."""
    life = Life(path)
    life.program.put(b"poison", **LASTING)
    for _ in range(2):
        life.program.get(SYNC_GET)
        life.program.session.back()
    life.killed()
    assert md_of(Life(path).program.got()).backout_count == 2


def test_a_get_that_was_undone_is_undone_after_a_restart_too(path):
    """The program never saw the message."""
    life = Life(path)
    life.program.put(b"a", **LASTING)
    life.program.get()
    life.program.session.put_back()
    life.killed()
    assert Life(path).bodies() == [b"a"]


def test_expiry_goes_on_while_nobody_runs(path):
    """What expired meanwhile is gone; what did not has less time left."""
    clock = Clock()
    life = Life(path, clock)
    life.program.put(b"soon", **LASTING, expiry=1 * TENTHS)
    life.program.put(b"later", **LASTING, expiry=9 * TENTHS)
    life.killed()
    clock.forward(5)
    life = Life(path, clock)
    got = life.program.got()
    assert (got.body, md_of(got).expiry) == (b"later", 4 * TENTHS)
    assert life.program.get() is None


def test_messages_of_a_queue_that_is_defined_no_more_are_kept(path):
    """The queue is there again, for what is on it."""
    life = Life(path)
    Program(life.manager, "OTHER").put(b"a", **LASTING)
    life.killed()
    assert Program(manager(log=MessageLog(path)), "OTHER").get() == b"a"


def test_new_messages_come_after_those_that_were_there(path):
    """Also in the next life, and the one after."""
    for number in range(3):
        life = Life(path)
        life.program.put(str(number).encode(), **LASTING)
        life.killed()
    assert Life(path).bodies() == [b"0", b"1", b"2"]


@pytest.mark.parametrize("cut", [1, 10, 400, 430])
def test_a_record_that_was_cut_off_never_was(path, caplog, cut):
    """What was committed before it is there, and what comes after it can be read."""
    life = Life(path)
    life.program.put(b"a", **LASTING)
    whole = path.stat().st_size
    life.program.put(b"b", **LASTING)
    life.killed()
    os.truncate(path, whole + cut)
    life = Life(path)
    assert f"the last {cut} bytes" in caplog.text
    life.program.put(b"c", **LASTING)
    life.killed()
    assert Life(path).bodies() == [b"a", b"c"]


def test_a_record_that_was_damaged_ends_the_log(path, caplog):
    """By its check sum."""
    life = Life(path)
    life.program.put(b"a", **LASTING)
    life.killed()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert Life(path).bodies() == []
    assert "no whole record" in caplog.text


def test_the_file_does_not_grow_with_what_went_through(path, monkeypatch):
    """It is written anew when most of it is about messages that are gone."""
    monkeypatch.setattr(message_log, "_SPARE_BYTES", 10_000)
    life = Life(path)
    life.program.put(b"stays", **LASTING)
    for _ in range(200):
        life.program.put(b"x" * 100, **LASTING, priority=1)
        life.program.get()
    assert path.stat().st_size < 20_000
    life.killed()
    assert Life(path).bodies() == [b"stays"]


def test_expired_messages_leave_the_file_too(path, monkeypatch):
    """Nobody ever gets them, and still they are gone from it."""
    monkeypatch.setattr(message_log, "_SPARE_BYTES", 5_000)
    clock = Clock()
    life = Life(path, clock)
    for _ in range(200):
        life.program.put(b"", **LASTING, expiry=1 * TENTHS)
        clock.forward(1)
        life.program.depth()
    assert path.stat().st_size < 10_000


def test_a_full_disk_is_told_and_nothing_is_half_done(path, monkeypatch, caplog):
    """2102; the message is not there, the unit of work still is, and the file is whole."""
    life = Life(path)
    life.program.put(b"a", **LASTING)
    life.program.get(SYNC_GET)
    life.program.put(b"b", SYNC, **LASTING)
    write = os.write
    with monkeypatch.context() as patch:

        def full(file, content):
            write(file, content[:5])
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(os, "write", full)
        for call in (lambda: life.program.put(b"c", **LASTING), life.program.session.commit):
            with pytest.raises(Failed) as failed:
                call()
            assert failed.value.reason == codes.MQRC_RESOURCE_PROBLEM
        life.program.session.back()
    assert "No space left" in caplog.text
    assert "backed out" in caplog.text
    assert life.program.depth() == 1
    life.program.put(b"d", **LASTING)
    life.killed()
    assert Life(path).bodies() == [b"a", b"d"]


def test_only_one_queue_manager_has_the_file(path):
    """The second is refused, until the first has let go of it."""
    first = MessageLog(path)
    with pytest.raises(BlockingIOError):
        MessageLog(path)
    first.close()
    MessageLog(path).close()


def test_another_file_is_left_alone(path):
    """It may be somebody's."""
    path.write_text("dear diary")
    with pytest.raises(ValueError, match="is not a message log"):
        MessageLog(path)
    assert path.read_text() == "dear diary"
