"""Puts: what the queue manager fills in, how long it keeps a message, and what it refuses."""

from __future__ import annotations

import pytest

from sandbox.conversion import FORMAT_STRING
from sandbox.mqbinding import codes
from sandbox.mqbinding.structs import NO_ID, Descriptor, text
from sandbox.queue_manager import MODEL_QUEUE
from sandbox.queues import Definition
from tests.mq_parts import FIRST, SYNC_PUT, TENTHS, Clock, Program, manager, md_of, reason_of


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
