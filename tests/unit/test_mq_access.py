"""Access to a queue manager: what it means that a command's time is over follows from what was waited for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import gevent
import pytest

from e2e_data.ids import Ids
from e2e_data.mq import MqMessage
from e2e_data.platform import Platform
from locustfiles.channels import mq_access
from locustfiles.channels.mq_access import MqAccess
from locustfiles.channels.mq_faults import InDoubtError, NoReplyError, NotPutError
from locustfiles.channels.mq_lanes import Inline, OsThread
from locustfiles.channels.mq_links import Link, Patience
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_replies import Awaited
from locustfiles.channels.mq_settings import MqSettings

TIMEOUT_S = 0.05
LONG_S = 0.3
KEY = b"k" * 24


@dataclass
class QueueManager:
    """One that is as slow, or as far away, as the test says; it also is the desk that links come from."""

    lane: type[Inline | OsThread]
    is_away: bool = False
    put_s: float = 0.0
    puts: list[bytes] = field(default_factory=list)

    def link(self):
        return Link(self.connect, self.lane, Patience(say=lambda _: None))

    def connect(self):
        if self.is_away:
            raise MqError("MQCONNX", 2538, "QM1 at h(1414)")
        return self

    def put(self, queue, message, *, syncpoint):
        assert (queue, syncpoint) == ("COMMAND.QUEUE", False)
        (time.sleep if self.lane is OsThread else gevent.sleep)(self.put_s)
        self.puts.append(message.body)

    def close(self):
        pass


@pytest.fixture(params=[Inline, OsThread])
def manager(request):
    return QueueManager(request.param)


@pytest.fixture
def access(manager, monkeypatch):
    monkeypatch.setattr(mq_access.Desk, "of", lambda *_: manager)
    settings = MqSettings(hosts=("h(1)",), connections=1)
    # A deadline keeps no process alive, and in one that sends there always is something that does.
    others = gevent.spawn(gevent.sleep, 600)
    yield MqAccess(settings, Platform(), Ids(bytes(16), 1), None, TIMEOUT_S, lambda _: None)
    others.kill()


def exchange(access):
    awaited = Awaited((0, 0, 1), 0, "c-1")
    try:
        access.exchange(MqMessage(b"body", KEY), "REPLY.QUEUE", awaited)
    finally:
        assert not awaited.is_on_wire
    return awaited


def test_without_a_connection_nothing_was_put(access, manager):
    """It is not waited for as one whose reply may come."""
    manager.is_away = True
    with pytest.raises(NotPutError, match="no connection in time"):
        exchange(access)
    assert (manager.puts, len(access.replies)) == ([], 0)


def test_without_a_free_connection_nothing_was_put(access, manager):
    """It says how many there are, which is what to change."""
    with access._links.one(), pytest.raises(NotPutError, match=r"all 1 connections .* for 0\.05 s"):
        exchange(access)
    assert (manager.puts, len(access.replies)) == ([], 0)


def test_a_put_that_takes_too_long_is_in_doubt(access, manager):
    """The message may be on the queue, so that its reply may come, late."""
    manager.put_s = LONG_S
    with pytest.raises(InDoubtError, match="no answer of the queue manager in time"):
        exchange(access)
    assert access.replies.overdue() == [KEY]


def test_no_reply_in_time_is_late(access, manager):
    """It is put, and waited for by nobody; the connection remains in use."""
    with pytest.raises(NoReplyError, match=r"0\.05 s"):
        exchange(access)
    assert (manager.puts, access.replies.overdue()) == ([b"body"], [KEY])
    with access._links.one() as link:
        assert link.is_connected


def test_what_was_answered_in_time_is_never_overdue(access):
    """Its user may wait for something else as long as it likes."""
    awaited = Awaited((0, 0, 1), 0, "c-1")
    gevent.spawn(awaited.answered.set)
    access.exchange(MqMessage(b"body", KEY), "REPLY.QUEUE", awaited)
    gevent.sleep(2 * TIMEOUT_S)
