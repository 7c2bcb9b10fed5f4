"""Gets: what is waited for, browsed, matched and converted, and what is refused."""

from __future__ import annotations

from struct import pack

import pytest

from sandbox.conversion import FORMAT_RFH2, FORMAT_STRING
from sandbox.mqbinding import codes
from tests.mq_parts import FIRST, NEXT, SYNC_GET, Program, manager, md_of, reason_of


def test_a_message_that_does_not_fit_stays_unless_a_part_will_do():
    """2080 and it stays, 2079 and it is gone; both say how long it is."""
    program = Program(manager())
    program.put(b"twelve bytes")
    failed = program.got(room=6)
    assert (failed.completion, failed.reason) == (1, codes.MQRC_TRUNCATED_MSG_FAILED)
    assert (failed.body, failed.length) == (b"twelve", 12)
    assert program.depth() == 1
    taken = program.got(codes.MQGMO_ACCEPT_TRUNCATED_MSG, room=6)
    assert (taken.completion, taken.reason) == (1, codes.MQRC_TRUNCATED_MSG_ACCEPTED)
    assert program.depth() == 0


def test_a_message_that_is_waited_for_may_not_fit_either():
    """The wait ends with 2080, and the message is left for another get."""
    program = Program(manager())
    results, _ = program.wait(codes.MQGMO_WAIT, room=2)
    program.put(b"four")
    assert [got.reason for got in results] == [codes.MQRC_TRUNCATED_MSG_FAILED]
    assert program.get() == b"four"


def test_a_wait_ends_with_the_message_that_it_wants():
    """In the unit of work, if that was asked; later messages are not its business."""
    of = manager()
    program, writer = Program(of), Program(of)
    results, _ = program.wait(codes.MQGMO_WAIT | SYNC_GET, correl_id=b"c" * 24)
    writer.put(b"not this")
    writer.put(b"this", correl_id=b"c" * 24)
    writer.put(b"nor this", correl_id=b"c" * 24)
    assert [got.body for got in results] == [b"this"]
    assert program.depth() == 2
    program.session.back()
    assert program.depth() == 3


def test_a_wait_that_was_given_up_takes_nothing():
    """The message stays for who wants it."""
    program = Program(manager())
    results, get = program.wait(codes.MQGMO_WAIT)
    get.give_up()
    program.put(b"a")
    assert results == []
    assert program.get() == b"a"


def test_browsing_moves_a_cursor_and_takes_nothing():
    """First, next, under it, and off with the message under it."""
    program = Program(manager())
    for body in (b"a", b"b", b"c"):
        program.put(body)
    assert [program.get(FIRST), program.get(NEXT)] == [b"a", b"b"]
    assert program.get(codes.MQGMO_BROWSE_MSG_UNDER_CURSOR) == b"b"
    assert program.get(codes.MQGMO_MSG_UNDER_CURSOR) == b"b"
    assert reason_of(program.get, codes.MQGMO_MSG_UNDER_CURSOR) == codes.MQRC_NO_MSG_UNDER_CURSOR
    assert program.get(NEXT) == b"c"
    assert program.get(NEXT) is None
    assert program.get(FIRST) == b"a"
    assert program.depth() == 2


def test_a_browse_of_what_does_not_fit_does_not_move_the_cursor():
    """So that the program can look again with more room."""
    program = Program(manager())
    program.put(b"four")
    assert program.got(NEXT, room=1).reason == codes.MQRC_TRUNCATED_MSG_FAILED
    assert program.get(NEXT) == b"four"


def test_a_browse_waits_too():
    """It sees the message that comes, and leaves it."""
    program = Program(manager())
    results, _ = program.wait(codes.MQGMO_WAIT | NEXT)
    program.put(b"a")
    assert [got.body for got in results] == [b"a"]
    assert program.get(codes.MQGMO_MSG_UNDER_CURSOR) == b"a"


def test_ids_count_only_where_they_are_to_be_matched():
    """MatchOptions says which; an id of zeros matches everything."""
    program = Program(manager())
    program.put(b"a", correl_id=b"c" * 24)
    other = {"msg_id": b"x" * 24, "correl_id": b"y" * 24}
    assert program.get(**other) is None
    assert program.get(match=codes.MQMO_MATCH_CORREL_ID, **other) is None
    assert program.get(match=0, **other) == b"a"


def test_texts_are_converted_where_that_is_asked():
    """Into the program's character set; with a warning, and as it is, where that cannot be."""
    program = Program(manager())
    for ccsid, body in ((819, "é".encode("latin-1")), (500, "Öl".encode("cp500"))):
        program.put(body, ccsid=ccsid, format=b"MQSTR")
        got = program.got(codes.MQGMO_CONVERT)
        assert got.body.decode() in ("é", "Öl")
        assert (got.reason, md_of(got).ccsid) == (0, 1208)
    for ccsid, wanted, body in ((1208, 819, "€".encode()), (9999, 1208, b"?"), (1208, 7, b"?")):
        program.put(body, ccsid=ccsid, format=b"MQSTR")
        got = program.got(codes.MQGMO_CONVERT, ccsid=wanted)
        assert (got.completion, got.reason, got.body) == (1, codes.MQRC_NOT_CONVERTED, body)
    program.put(b"\xff", ccsid=819)
    assert program.got(codes.MQGMO_CONVERT).body == b"\xff"


def rfh2(format_, body, *, order="<", length=None):
    value = b"<usr><a>1</a></usr>  "[:20]
    size = 36 + 4 + len(value) if length is None else length
    integers = pack(f"{order}iiii", 2, size, 546, 1208)
    return b"RFH " + integers + format_ + pack(f"{order}iii", 0, 1208, len(value)) + value + body


@pytest.mark.parametrize(("order", "encoding"), [("<", 0x222), (">", 0x111)])
def test_properties_are_taken_off_where_that_is_asked(order, encoding):
    """One RFH2 header after the other, in either order of bytes; else they are a part of the body."""
    program = Program(manager())
    body = rfh2(FORMAT_STRING, b"text", order=order)
    program.put(body, format=FORMAT_RFH2, encoding=encoding)
    got = program.got(FIRST | codes.MQGMO_NO_PROPERTIES)
    assert (got.body, md_of(got).format) == (b"text", FORMAT_STRING)
    assert program.get() == body


@pytest.mark.parametrize(
    "body", [b"", b"RFH short", rfh2(FORMAT_STRING, b"", length=9999), b"X" * 60], ids=str
)
def test_a_header_that_is_none_stays(body):
    """A broken header is not taken for one."""
    program = Program(manager())
    program.put(body, format=FORMAT_RFH2)
    assert program.get(codes.MQGMO_NO_PROPERTIES) == body


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"options": 0x200}, codes.MQRC_OPTIONS_ERROR),
        ({"options": FIRST | NEXT}, codes.MQRC_OPTIONS_ERROR),
        ({"options": FIRST | SYNC_GET}, codes.MQRC_OPTIONS_ERROR),
        ({"options": SYNC_GET | codes.MQGMO_NO_SYNCPOINT}, codes.MQRC_OPTIONS_ERROR),
        ({"match": 4}, codes.MQRC_MATCH_OPTIONS_ERROR),
        ({"options": codes.MQGMO_WAIT, "wait_ms": -2}, codes.MQRC_WAIT_INTERVAL_ERROR),
        ({"options": codes.MQGMO_MSG_UNDER_CURSOR}, codes.MQRC_NO_MSG_UNDER_CURSOR),
    ],
)
def test_a_get_that_cannot_be_has_a_reason(wanted, reason):
    """Each by its own code."""
    program = Program(manager())
    assert reason_of(program.get, **wanted) == reason


def test_inhibited_gets_fail_waiting_ones_too():
    """2016 at once, and in the middle of a wait."""
    of = manager()
    program, waiting = Program(of), Program(of)
    results, _ = waiting.wait(codes.MQGMO_WAIT)
    program.session.set(program.handle, [codes.MQIA_INHIBIT_GET], [1])
    assert [failed.reason for failed in results] == [codes.MQRC_GET_INHIBITED]
    assert reason_of(program.get) == codes.MQRC_GET_INHIBITED
