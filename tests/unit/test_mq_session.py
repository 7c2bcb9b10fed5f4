"""A session: who may connect, how many may, and who is told that the queue manager is to end."""

from __future__ import annotations

import pytest

from sandbox.mq_session import Session
from sandbox.mqbinding import codes
from tests.mq_parts import Program, manager, reason_of


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
