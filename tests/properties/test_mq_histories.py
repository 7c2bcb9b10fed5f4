"""Random histories of a queue, judged by a model that is written down a second time.

Three programs put, get, wait, commit, back out and vanish; time passes; the queue manager is killed
and comes back. Whatever happens: a message is got at most once where that is committed, what is
backed out comes back with its count, order is by priority and then by arrival, and no persistent
message is lost.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sandbox.message_log import MessageLog
from sandbox.mqbinding import codes
from sandbox.mqbinding.structs import NO_ID
from tests.mq_parts import TENTHS, Clock, Program, manager, md_of

PROGRAMS = 3
CORREL_IDS = (NO_ID, b"a" * 24, b"b" * 24)

programs = st.integers(0, PROGRAMS - 1)
correl_ids = st.sampled_from(CORREL_IDS)


@dataclass(eq=False)
class Sent:
    """What the model knows of a message."""

    arrival: int
    priority: int
    correl_id: bytes
    is_persistent: bool
    expires_ns: int | None
    backouts: int = 0

    @property
    def body(self):
        return str(self.arrival).encode()

    @property
    def order(self):
        return (-self.priority, self.arrival)


class Model:
    """One queue, and what each program holds of it, in lists."""

    def __init__(self, clock):
        self.clock = clock
        self.there: list[Sent] = []
        self.put: list[list[Sent]] = [[] for _ in range(PROGRAMS)]
        self.got: list[list[Sent]] = [[] for _ in range(PROGRAMS)]
        self.waits: list[tuple[int, bytes]] = []
        self.delivered: dict[int, Sent] = {}

    def visible(self, correl_id=NO_ID):
        """Return the messages that a get may have, in their order."""
        self.there = [sent for sent in self.there if not self.is_expired(sent)]
        wanted = [sent for sent in self.there if correl_id in (NO_ID, sent.correl_id)]
        return sorted(wanted, key=lambda sent: sent.order)

    def is_expired(self, sent):
        return sent.expires_ns is not None and sent.expires_ns <= self.clock()

    def appear(self, sent):
        """Make a message visible: to the oldest wait that wants it, or for later."""
        if self.is_expired(sent):
            return
        for wait in self.waits:
            program, correl_id = wait
            if correl_id in (NO_ID, sent.correl_id):
                self.waits.remove(wait)
                self.got[program].append(sent)
                self.delivered[program] = sent
                return
        self.there.append(sent)

    def commit(self, program):
        put, self.put[program] = self.put[program], []
        self.got[program] = []
        for sent in put:
            self.appear(sent)

    def back(self, program):
        got, self.got[program] = self.got[program], []
        self.put[program] = []
        for sent in got:
            sent.backouts += 1
        for sent in sorted(got, key=lambda sent: sent.order):
            self.appear(sent)

    def crash(self):
        """Keep what is persistent and committed; what was got and not committed is there again."""
        back = [sent for got in self.got for sent in got]
        self.there = [sent for sent in self.there + back if sent.is_persistent]
        self.put = [[] for _ in range(PROGRAMS)]
        self.got = [[] for _ in range(PROGRAMS)]
        self.waits = []


class QueueMachine(RuleBasedStateMachine):
    """Plays the same on the queue manager and on the model."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.model = Model(self.clock)
        self.arrivals = 0
        self.results: dict[int, list] = {}
        self.start()

    def start(self):
        self.log = MessageLog(Path(self.folder.name) / "log")
        self.manager = manager(log=self.log, clock=self.clock)
        self.programs = [Program(self.manager) for _ in range(PROGRAMS)]

    def teardown(self):
        if hasattr(self, "folder"):
            self.log.close()
            self.folder.cleanup()

    def is_waiting(self, program):
        return any(waiting == program for waiting, _ in self.model.waits)

    @rule(
        program=programs,
        in_unit=st.booleans(),
        priority=st.integers(0, 2),
        correl_id=correl_ids,
        is_persistent=st.booleans(),
        seconds=st.sampled_from([None, None, 1, 4]),
    )
    def put(self, program, in_unit, priority, correl_id, is_persistent, seconds):
        if self.is_waiting(program):
            return
        self.arrivals += 1
        expires_ns = None if seconds is None else self.clock() + seconds * 10**9
        sent = Sent(self.arrivals, priority, correl_id, is_persistent, expires_ns)
        self.programs[program].put(
            sent.body,
            codes.MQPMO_SYNCPOINT if in_unit else 0,
            priority=priority,
            correl_id=correl_id,
            persistence=int(is_persistent),
            expiry=-1 if seconds is None else seconds * TENTHS,
        )
        if in_unit:
            self.model.put[program].append(sent)
        else:
            self.model.appear(sent)
        self.check_deliveries()

    @rule(program=programs, in_unit=st.booleans(), correl_id=correl_ids)
    def get(self, program, in_unit, correl_id):
        if self.is_waiting(program):
            return
        options = codes.MQGMO_SYNCPOINT if in_unit else 0
        got = self.programs[program].got(options, correl_id=correl_id)
        expected = self.model.visible(correl_id)
        if not expected:
            assert got is None
            return
        self.check(got, expected[0])
        self.model.there.remove(expected[0])
        if in_unit:
            self.model.got[program].append(expected[0])

    @rule(program=programs, correl_id=correl_ids)
    def wait(self, program, correl_id):
        if self.is_waiting(program) or self.model.visible(correl_id):
            return
        options = codes.MQGMO_WAIT | codes.MQGMO_SYNCPOINT
        self.results[program], _ = self.programs[program].wait(options, correl_id=correl_id)
        self.model.waits.append((program, correl_id))

    @rule(program=programs)
    def commit(self, program):
        if not self.is_waiting(program):
            self.programs[program].session.commit()
            self.model.commit(program)
            self.check_deliveries()

    @rule(program=programs)
    def back(self, program):
        if not self.is_waiting(program):
            self.programs[program].session.back()
            self.model.back(program)
            self.check_deliveries()

    @rule(program=programs)
    def vanish(self, program):
        if not self.is_waiting(program):
            self.programs[program].session.abandon()
            self.programs[program] = Program(self.manager)
            self.model.back(program)
            self.check_deliveries()

    @rule(program=programs)
    def undo_the_last_get(self, program):
        """The program was interrupted in its get: the message is as if it had not been got."""
        if self.is_waiting(program):
            return
        got = self.programs[program].got(codes.MQGMO_SYNCPOINT)
        if got is not None:
            self.programs[program].session.put_back()

    @rule(seconds=st.integers(1, 3))
    def time_passes(self, seconds):
        self.clock.forward(seconds)

    @rule()
    def crash(self):
        self.log.close()
        self.model.crash()
        self.start()

    @rule()
    @precondition(lambda self: self.model.there)
    def browse(self):
        """All of it, in its order, and nothing is taken."""
        program = self.programs[0]
        if self.is_waiting(0):
            return
        options = codes.MQGMO_BROWSE_FIRST
        for sent in self.model.visible():
            self.check(program.got(options), sent)
            options = codes.MQGMO_BROWSE_NEXT
        assert program.got(options) is None

    @invariant()
    def the_depth_is_right(self):
        if hasattr(self, "model"):
            uncommitted = sum(map(len, self.model.put))
            assert self.programs[0].depth() == len(self.model.visible()) + uncommitted

    def check(self, got, sent):
        md = md_of(got)
        assert (got.body, md.backout_count) == (sent.body, sent.backouts)
        assert (md.priority, md.correl_id) == (sent.priority, sent.correl_id)

    def check_deliveries(self):
        """What came to waiting gets came to the right ones."""
        for program, sent in self.model.delivered.items():
            (got,) = self.results.pop(program)
            self.check(got, sent)
        self.model.delivered.clear()
        assert not any(self.results[program] for program, _ in self.model.waits)


TestQueueHistories = QueueMachine.TestCase
TestQueueHistories.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
