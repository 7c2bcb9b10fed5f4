"""Units of work: what is put or got in one counts once it is committed, or never was."""

from __future__ import annotations

from sandbox import mq_session
from sandbox.mq_session import Session
from sandbox.mqbinding import codes
from sandbox.queue_manager import UNCOMMITTED_MAX
from sandbox.queues import Definition
from tests.mq_parts import SYNC_GET, SYNC_PUT, Program, manager, md_of, reason_of


def test_a_put_in_a_unit_is_seen_when_it_is_committed():
    """Not before; but it counts in the depth at once."""
    of = manager()
    writer, reader = Program(of), Program(of)
    writer.put(b"a", SYNC_PUT)
    assert reader.get() is None
    assert reader.depth() == 1
    writer.session.commit()
    assert reader.get() == b"a"


def test_a_put_that_is_backed_out_never_was():
    """Nobody sees it, and its room is free again."""
    of = manager(Definition("Q", depth_max=1))
    writer = Program(of)
    writer.put(b"a", SYNC_PUT)
    writer.session.back()
    assert writer.depth() == 0
    writer.put(b"b")
    assert writer.get() == b"b"


def test_a_get_that_is_backed_out_comes_again_and_is_counted():
    """At its old place, with one backout more each time."""
    program = Program(manager())
    for body in (b"a", b"b"):
        program.put(body)
    for backouts in range(3):
        got = program.got(SYNC_GET)
        assert (got.body, md_of(got).backout_count) == (b"a", backouts)
        assert program.depth() == 1
        program.session.back()
    assert program.got(SYNC_GET).body == b"a"
    program.session.commit()
    assert program.get() == b"b"


def test_what_is_backed_out_goes_to_who_waits_in_its_order():
    """The earlier message first, whichever of them was got first."""
    of = manager()
    program, waiting = Program(of), Program(of)
    for letter in (b"a", b"b"):
        program.put(letter, correl_id=letter * 24)
    for letter in (b"b", b"a"):
        program.get(SYNC_GET, correl_id=letter * 24)
    results, _ = waiting.wait(codes.MQGMO_WAIT)
    program.session.back()
    assert [got.body for got in results] == [b"a"]


def test_a_lost_connection_backs_out_and_a_disconnect_commits():
    """As MQ does: what a program that ends in good order has done counts."""
    of = manager()
    reader = Program(of)
    for end, left in ((Session.abandon, [b"old"]), (Session.disconnect, [b"new"])):
        program = Program(of)
        if end is Session.abandon:
            program.put(b"old")
        assert program.got(SYNC_GET).body == b"old"
        program.put(b"new", SYNC_PUT)
        end(program.session)
        assert [reader.queue.find((None, None)).body] == left
    assert of.sessions == 1


def test_a_unit_of_work_has_a_bound():
    """2024 for what goes beyond it; the unit itself can still be committed."""
    of = manager(Definition("Q", depth_max=UNCOMMITTED_MAX + 10))
    program = Program(of)
    program.put(b"not in it")
    for _ in range(UNCOMMITTED_MAX):
        program.put(b"", SYNC_PUT)
    assert reason_of(program.put, b"", SYNC_PUT) == codes.MQRC_SYNCPOINT_LIMIT_REACHED
    assert reason_of(program.get, SYNC_GET) == codes.MQRC_SYNCPOINT_LIMIT_REACHED
    program.session.commit()
    assert program.depth() == UNCOMMITTED_MAX + 1


def test_a_wait_ends_where_its_unit_has_no_room_for_the_message(monkeypatch):
    """2024, and the message is there for others."""
    monkeypatch.setattr(mq_session, "UNCOMMITTED_MAX", 1)
    of = manager()
    program, other = Program(of), Program(of)
    program.put(b"in the unit", SYNC_PUT)
    results, _ = program.wait(codes.MQGMO_WAIT | SYNC_GET)
    other.put(b"a")
    assert [failed.reason for failed in results] == [codes.MQRC_SYNCPOINT_LIMIT_REACHED]
    assert other.get() == b"a"


def test_a_get_whose_answer_nobody_took_is_undone():
    """The message is back at its place and not counted as backed out, in a unit or not."""
    for options in (0, SYNC_GET):
        program = Program(manager())
        program.put(b"a")
        program.put(b"b")
        assert program.get(options) == b"a"
        program.session.put_back()
        program.session.put_back()
        program.session.commit()
        got = program.got()
        assert (got.body, md_of(got).backout_count) == (b"a", 0)
        assert program.get() == b"b"


def test_only_persistent_messages_are_in_the_unit_where_that_is_asked():
    """MQGMO_SYNCPOINT_IF_PERSISTENT."""
    program = Program(manager())
    program.put(b"fleeting")
    program.put(b"lasting", persistence=codes.MQPER_PERSISTENT)
    for _ in range(2):
        program.get(codes.MQGMO_SYNCPOINT_IF_PERSISTENT)
    program.session.back()
    assert program.get() == b"lasting"
    assert program.get() is None
