"""A session: units of work, handles, gets and puts, and the reason for whatever cannot be."""

from __future__ import annotations

from struct import pack

import pytest

from sandbox import mq_session
from sandbox.conversion import FORMAT_RFH2, FORMAT_STRING
from sandbox.handles import HANDLES_MAX
from sandbox.mq_session import Session
from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.structs import NO_ID, Descriptor, text
from sandbox.queue_manager import MODEL_QUEUE, UNCOMMITTED_MAX
from sandbox.queues import Definition
from tests.mq_parts import TENTHS, Clock, Program, manager, md_of

SYNC_PUT = codes.MQPMO_SYNCPOINT
SYNC_GET = codes.MQGMO_SYNCPOINT
FIRST, NEXT = codes.MQGMO_BROWSE_FIRST, codes.MQGMO_BROWSE_NEXT


def reason_of(call, *args, **kwargs):
    with pytest.raises(Failed) as failed:
        call(*args, **kwargs)
    return failed.value.reason


# -- units of work --------------------------------------------------------------------------------


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


# -- puts -----------------------------------------------------------------------------------------


def test_the_queue_manager_completes_a_descriptor():
    """Ids, who and when, defaults of the queue; what the program filled in stays."""
    of = manager(Definition("Q", priority=4, is_persistent=True))
    program = Program(of)
    md, _ = program.put(b"", format=b"MQSTR", reply_to_q=b"R", correl_id=b"c" * 24)
    again, _ = program.put(b"")
    assert md.msg_id != again.msg_id != NO_ID
    assert md.msg_id.startswith(b"AMQ QM1 ")
    assert md.correl_id == b"c" * 24
    assert (md.priority, md.persistence, md.ccsid) == (4, codes.MQPER_PERSISTENT, 1208)
    assert (md.format, text(md.reply_to_q), text(md.reply_to_q_mgr)) == (
        FORMAT_STRING,
        b"R",
        b"QM1",
    )
    assert text(md.put_appl_name) == b"a program"
    assert (md.put_date, md.put_time) == (b"20261120", b"12000000")


def test_ids_are_new_where_that_is_asked():
    """And kept where the program gave them."""
    program = Program(manager())
    mine = b"m" * 24
    kept, _ = program.put(b"", msg_id=mine, correl_id=mine)
    new = codes.MQPMO_NEW_MSG_ID | codes.MQPMO_NEW_CORREL_ID
    made, _ = program.put(b"", new, msg_id=mine, correl_id=mine)
    assert (kept.msg_id, kept.correl_id) == (mine, mine)
    assert len({mine, made.msg_id, made.correl_id}) == 3


def test_a_first_version_descriptor_has_no_group():
    """What stands behind its end is not looked at."""
    program = Program(manager())
    md, _ = program.put(b"", version=1, group_id=b"g" * 24, msg_seq_number=7)
    assert (md.version, md.group_id, md.msg_seq_number) == (2, bytes(24), 1)


def test_a_priority_beyond_the_highest_is_lowered_with_a_warning():
    """2049, and the message is there."""
    program = Program(manager())
    md, reason = program.put(b"", priority=11)
    assert (md.priority, reason) == (9, codes.MQRC_PRIORITY_EXCEEDS_MAXIMUM)
    assert program.depth() == 1


@pytest.mark.parametrize(
    ("options", "md", "reason"),
    [
        (SYNC_PUT | codes.MQPMO_NO_SYNCPOINT, {}, codes.MQRC_OPTIONS_ERROR),
        (0x100, {}, codes.MQRC_OPTIONS_ERROR),
        (0, {"struc_id": b"XX  "}, codes.MQRC_MD_ERROR),
        (0, {"version": 3}, codes.MQRC_MD_ERROR),
        (0, {"expiry": 0}, codes.MQRC_EXPIRY_ERROR),
        (0, {"expiry": -2}, codes.MQRC_EXPIRY_ERROR),
        (0, {"priority": -2}, codes.MQRC_PRIORITY_ERROR),
        (0, {"persistence": 3}, codes.MQRC_PERSISTENCE_ERROR),
        (0, {"msg_type": codes.MQMT_REQUEST}, codes.MQRC_MISSING_REPLY_TO_Q),
    ],
)
def test_a_put_that_cannot_be_has_a_reason(options, md, reason):
    """Each by its own code, and nothing is put."""
    program = Program(manager())
    assert reason_of(program.put, b"", options, **md) == reason
    assert program.depth() == 0


def test_an_expiry_counts_in_tenths_of_seconds():
    """The time left is shown, and then the message is gone."""
    clock = Clock()
    program = Program(manager(clock=clock))
    program.put(b"", expiry=3 * TENTHS)
    clock.forward(1)
    assert md_of(program.got(FIRST)).expiry == 2 * TENTHS
    clock.forward(2)
    assert program.get() is None


def test_one_message_is_put_without_opening():
    """MQPUT1; not to a model queue, not to what is no queue, not to another queue manager."""
    program = Program(manager())
    md = Descriptor().pack()
    put1 = program.session.put1
    put1(codes.MQOT_Q, b"Q", b"", 0, md, b"a")
    assert program.get() == b"a"
    model = MODEL_QUEUE.encode()
    assert reason_of(put1, 1, model, b"", 0, md, b"") == codes.MQRC_UNKNOWN_OBJECT_NAME
    assert reason_of(put1, 5, b"", b"", 0, md, b"") == codes.MQRC_OBJECT_TYPE_ERROR
    assert reason_of(put1, 1, b"Q", b"QM2", 0, md, b"") == codes.MQRC_UNKNOWN_REMOTE_Q_MGR


# -- gets -----------------------------------------------------------------------------------------


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


# -- objects --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opening", "reason"),
    [
        ((1, 0, b"Q", b""), codes.MQRC_OPTIONS_ERROR),
        ((8, 16, b"Q", b""), codes.MQRC_OBJECT_TYPE_ERROR),
        ((1, 16, b"NO.SUCH", b""), codes.MQRC_UNKNOWN_OBJECT_NAME),
        ((1, 16, b"Q", b"QM2"), codes.MQRC_UNKNOWN_REMOTE_Q_MGR),
    ],
)
def test_an_open_that_cannot_be_has_a_reason(opening, reason):
    """Each by its own code."""
    session = Session(manager())
    assert reason_of(session.open, *opening, b"") == reason


@pytest.mark.parametrize(
    ("options", "call", "reason"),
    [
        (codes.MQOO_INQUIRE, "put", codes.MQRC_NOT_OPEN_FOR_OUTPUT),
        (codes.MQOO_INQUIRE, "get", codes.MQRC_NOT_OPEN_FOR_INPUT),
        (codes.MQOO_INPUT_SHARED, "browse", codes.MQRC_NOT_OPEN_FOR_BROWSE),
        (codes.MQOO_OUTPUT, "depth", codes.MQRC_NOT_OPEN_FOR_INQUIRE),
        (codes.MQOO_OUTPUT, "set", codes.MQRC_NOT_OPEN_FOR_SET),
    ],
)
def test_a_handle_does_what_it_was_opened_for(options, call, reason):
    """And nothing else."""
    program = Program(manager(), options=options)
    calls = {
        "put": lambda: program.put(b""),
        "get": program.get,
        "browse": lambda: program.get(FIRST),
        "depth": program.depth,
        "set": lambda: program.session.set(program.handle, [10], [1]),
    }
    assert reason_of(calls[call]) == reason


def test_a_handle_that_is_none_has_a_reason():
    """2019: never opened, or closed, or the queue manager's where it must be a queue's."""
    program = Program(manager())
    program.session.close(program.handle, 0)
    assert reason_of(program.get) == codes.MQRC_HOBJ_ERROR
    assert reason_of(program.session.close, 99, 0) == codes.MQRC_HOBJ_ERROR
    options = codes.MQOO_INQUIRE | codes.MQOO_INPUT_SHARED
    program.handle, _ = program.session.open(codes.MQOT_Q_MGR, options, b"", b"", b"")
    assert reason_of(program.get) == codes.MQRC_HOBJ_ERROR


def test_handles_have_a_bound():
    """2017 beyond it."""
    session = Session(manager())
    for _ in range(HANDLES_MAX):
        session.open(codes.MQOT_Q, codes.MQOO_OUTPUT, b"Q", b"", b"")
    refused = reason_of(session.open, codes.MQOT_Q, codes.MQOO_OUTPUT, b"Q", b"", b"")
    assert refused == codes.MQRC_HANDLE_NOT_AVAILABLE


def test_an_exclusive_reader_is_alone():
    """2042 for the second, whichever of the two wants to be alone."""
    of = manager()
    shared, exclusive = codes.MQOO_INPUT_SHARED, codes.MQOO_INPUT_EXCLUSIVE
    for first, second in ((shared, exclusive), (exclusive, shared), (exclusive, exclusive)):
        program = Program(of, options=first)
        assert reason_of(Program, of, options=second) == codes.MQRC_OBJECT_IN_USE
        program.session.disconnect()
    assert Program(of, options=exclusive).queue.inputs == 1


def test_a_dynamic_queue_lives_as_long_as_its_handle():
    """Made at the open, with a name of its own; gone at the close, with what is on it."""
    of = manager()
    program = Program(of, MODEL_QUEUE)
    name = program.queue.name
    assert name.startswith(b"AMQ.")
    other = Program(of, name.decode())
    other.put(b"a")
    results, _ = other.wait(codes.MQGMO_WAIT, correl_id=b"c" * 24)
    program.session.close(program.handle, 0)
    assert [failed.reason for failed in results] == [codes.MQRC_Q_DELETED]
    assert reason_of(other.put, b"") == codes.MQRC_Q_DELETED
    assert reason_of(Program, of, name.decode()) == codes.MQRC_UNKNOWN_OBJECT_NAME


def test_a_dynamic_queue_keeps_nothing_over_a_restart():
    """So a persistent message is refused: 2048."""
    program = Program(manager(), MODEL_QUEUE)
    refused = reason_of(program.put, b"", persistence=codes.MQPER_PERSISTENT)
    assert refused == codes.MQRC_PERSISTENT_NOT_ALLOWED


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (b"", codes.MQRC_DYNAMIC_Q_NAME_ERROR),
        (b"X" * 40 + b"*", codes.MQRC_DYNAMIC_Q_NAME_ERROR),
        (b"A B.*", codes.MQRC_DYNAMIC_Q_NAME_ERROR),
        (b"\xe4.*", codes.MQRC_DYNAMIC_Q_NAME_ERROR),
        (b"Q", codes.MQRC_OBJECT_ALREADY_EXISTS),
    ],
)
def test_a_dynamic_queues_name_may_be_impossible(pattern, reason):
    """Each by its own code."""
    session = Session(manager())
    model = MODEL_QUEUE.encode()
    assert reason_of(session.open, 1, 16, model, b"", pattern) == reason


def test_only_what_was_made_at_the_open_is_deleted_at_the_close():
    """2045 for another queue, 2055 for one that is not empty unless it is purged."""
    of = manager()
    plain, dynamic = Program(of), Program(of, MODEL_QUEUE)
    dynamic.put(b"a")
    refused = reason_of(plain.session.close, plain.handle, codes.MQCO_DELETE)
    assert refused == codes.MQRC_OPTION_NOT_VALID_FOR_TYPE
    close = dynamic.session.close
    assert reason_of(close, dynamic.handle, codes.MQCO_DELETE) == codes.MQRC_Q_NOT_EMPTY
    close(dynamic.handle, codes.MQCO_DELETE_PURGE)


def test_attributes_are_told():
    """Numbers and texts, each in the order in which they were asked for."""
    of = manager(Definition("Q", depth_max=7, backout_threshold=3, backout_queue="Q.BO"))
    program = Program(of)
    program.put(b"")
    numbers, texts = program.session.inquire(
        program.handle,
        [
            codes.MQIA_MAX_Q_DEPTH,
            codes.MQCA_Q_NAME,
            codes.MQIA_CURRENT_Q_DEPTH,
            codes.MQCA_BACKOUT_REQ_Q_NAME,
            codes.MQIA_BACKOUT_THRESHOLD,
            codes.MQIA_OPEN_INPUT_COUNT,
            codes.MQIA_OPEN_OUTPUT_COUNT,
            codes.MQIA_INHIBIT_PUT,
            codes.MQIA_DEFINITION_TYPE,
        ],
    )
    assert numbers == [7, 1, 3, 1, 1, 0, codes.MQQDT_PREDEFINED]
    assert (texts[:48].rstrip(), texts[48:].rstrip()) == (b"Q", b"Q.BO")


def test_the_queue_manager_says_what_it_is():
    """Its name, and in its description that it is not IBM MQ."""
    session = Session(manager())
    handle, queue = session.open(codes.MQOT_Q_MGR, codes.MQOO_INQUIRE, b"", b"", b"")
    assert queue is None
    _, texts = session.inquire(handle, [codes.MQCA_Q_MGR_NAME, codes.MQCA_Q_MGR_DESC])
    assert texts[:48].rstrip() == b"QM1"
    assert b"not IBM MQ" in texts[48:]


@pytest.mark.parametrize(
    ("selectors", "values", "reason"),
    [
        ([codes.MQIA_INHIBIT_PUT], [2], codes.MQRC_INHIBIT_VALUE_ERROR),
        ([codes.MQIA_INHIBIT_PUT], [], codes.MQRC_SELECTOR_COUNT_ERROR),
        ([codes.MQIA_MAX_Q_DEPTH], [1], codes.MQRC_SELECTOR_ERROR),
    ],
)
def test_only_what_can_be_set_is_set(selectors, values, reason):
    """Inhibiting puts and gets, with 0 or 1."""
    program = Program(manager())
    assert reason_of(program.session.set, program.handle, selectors, values) == reason


def test_an_attribute_that_there_is_not_has_a_reason():
    """2067."""
    program = Program(manager())
    refused = reason_of(program.session.inquire, program.handle, [codes.MQCA_Q_MGR_NAME])
    assert refused == codes.MQRC_SELECTOR_ERROR


# -- connecting, and the end ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"channel": b"NO.SUCH"}, codes.MQRC_UNKNOWN_CHANNEL_NAME),
        ({"name": b"QM2"}, codes.MQRC_Q_MGR_NAME_ERROR),
        ({"user": b"app"}, codes.MQRC_NOT_AUTHORIZED),
        ({"user": b"app", "password": b"wrong"}, codes.MQRC_NOT_AUTHORIZED),
        ({"user": b"other", "password": b"secret"}, codes.MQRC_NOT_AUTHORIZED),
        ({"user": b"\xff", "password": b"secret"}, codes.MQRC_NOT_AUTHORIZED),
    ],
)
def test_who_may_not_connect_is_told_why(asked, reason):
    """Each by its own code, and no session is counted."""
    of = manager(credentials={"app": "secret"})
    assert reason_of(Session, of, **{"channel": b"DEV.APP.SVRCONN", **asked}) == reason
    assert of.sessions == 0


@pytest.mark.parametrize("name", [b"", b"QM1", b"*QM1", b"*"])
def test_the_right_ones_are_let_in(name):
    """By its name, by no name, or by that of a group."""
    of = manager(credentials={"app": "secret"})
    Session(of, name=name, channel=b"DEV.APP.SVRCONN", user=b"app", password=b"secret")
    assert of.sessions == 1


def test_sessions_have_a_bound():
    """2537 beyond it."""
    of = manager(sessions_max=1)
    Session(of, channel=b"DEV.APP.SVRCONN")
    assert reason_of(Session, of, channel=b"DEV.APP.SVRCONN") == codes.MQRC_CHANNEL_NOT_AVAILABLE


def test_a_queue_manager_that_is_about_to_end_says_so_to_who_wants_to_know():
    """2161 for new programs, for calls and waits with FAIL_IF_QUIESCING; others go on."""
    of = manager()
    heeding, heedless = Program(of), Program(of)
    results, _ = heeding.wait(codes.MQGMO_WAIT | codes.MQGMO_FAIL_IF_QUIESCING)
    others, _ = heedless.wait(codes.MQGMO_WAIT, correl_id=b"c" * 24)
    of.quiesce()
    quiescing = codes.MQRC_Q_MGR_QUIESCING
    assert [failed.reason for failed in results] == [quiescing]
    assert others == []
    assert reason_of(heeding.put, b"", codes.MQPMO_FAIL_IF_QUIESCING) == quiescing
    assert reason_of(heeding.get, codes.MQGMO_FAIL_IF_QUIESCING) == quiescing
    fail = codes.MQOO_OUTPUT | codes.MQOO_FAIL_IF_QUIESCING
    assert reason_of(Program, of, options=fail) == quiescing
    assert reason_of(Session, of, channel=b"DEV.APP.SVRCONN") == quiescing
    heedless.put(b"still", correl_id=b"c" * 24)
    assert [got.body for got in others] == [b"still"]
