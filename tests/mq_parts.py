"""Parts for the tests of the queue manager: a manager with a clock of its own, and calls on it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from sandbox.gets import Got, Wanted
from sandbox.mq_session import Session
from sandbox.mqbinding import codes
from sandbox.mqbinding.failure import Failed
from sandbox.mqbinding.structs import NO_ID, Descriptor
from sandbox.queue_manager import ManagerSettings, QueueManager
from sandbox.queues import Definition

NOON_NS = 1_795_176_000 * 10**9
SECOND_NS = 10**9
TENTHS = 10
"""Tenths of a second in a second: what an MQMD's Expiry counts."""
SYNC_PUT = codes.MQPMO_SYNCPOINT
SYNC_GET = codes.MQGMO_SYNCPOINT
FIRST, NEXT = codes.MQGMO_BROWSE_FIRST, codes.MQGMO_BROWSE_NEXT


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.ns = NOON_NS

    def __call__(self):
        return self.ns

    def forward(self, seconds):
        self.ns += int(seconds * SECOND_NS)


def manager(*definitions, log=None, clock=None, **settings):
    """Make a queue manager with these queues, or with one called "Q"."""
    queues = definitions or (Definition("Q"),)
    return QueueManager(ManagerSettings(queues=queues, **settings), log, clock or Clock())


class Program:
    """A session with one queue open for everything, and calls in few words."""

    def __init__(self, of, queue="Q", options=None):
        self.session = Session(of, application=b"a program")
        everything = (
            codes.MQOO_INPUT_SHARED
            | codes.MQOO_OUTPUT
            | codes.MQOO_BROWSE
            | codes.MQOO_INQUIRE
            | codes.MQOO_SET
        )
        self.handle, self.queue = self.session.open(
            codes.MQOT_Q, options or everything, queue.encode(), b"", b"AMQ.*"
        )

    def put(self, body, options=0, **md):
        _, message, reason = self.session.put(self.handle, options, Descriptor(**md).pack(), body)
        return Descriptor.unpack(message.md), reason

    def wanted(
        self, options=0, *, msg_id=NO_ID, correl_id=NO_ID, match=3, room=4096, wait_ms=0, ccsid=0
    ):
        return Wanted(self.handle, options, wait_ms, match, room, ccsid, msg_id, correl_id)

    def got(self, *args, **wanted):
        """Get now; returns Got or None."""
        return self.session.get(self.wanted(*args, **wanted)).now()

    def get(self, *args, **wanted):
        """Get now; returns the body, or None where there is no message."""
        got = self.got(*args, **wanted)
        return None if got is None else got.body

    def wait(self, *args, **wanted):
        """Get with a wait; returns a list that the result will be in, and the get."""
        results: list[Got | Failed] = []
        get = self.session.get(self.wanted(*args, wait_ms=1000, **wanted))
        assert get.now() is None
        get.wait(results.append)
        return results, get

    def depth(self):
        (depth,), _ = self.session.inquire(self.handle, [codes.MQIA_CURRENT_Q_DEPTH])
        return depth


def md_of(got):
    return Descriptor.unpack(got.md)


def reason_of(call, *args, **kwargs):
    with pytest.raises(Failed) as failed:
        call(*args, **kwargs)
    return failed.value.reason


needs_ibmmq = pytest.mark.skipif(
    find_spec("ibmmq") is None, reason="ibmmq has no wheel for this machine"
)
