"""Objects: what a handle may do, queues that live as long as one, and attributes told and set."""

from __future__ import annotations

import pytest

from sandbox.handles import HANDLES_MAX
from sandbox.mq_session import Session
from sandbox.mqbinding import codes
from sandbox.queue_manager import MODEL_QUEUE
from sandbox.queues import Definition
from tests.mq_parts import FIRST, Program, manager, reason_of


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
