"""Retries over IBM MQ: from the plan's policy to the verdict, on a queue manager and a platform in this process."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from random import Random
from types import SimpleNamespace

import gevent
import pyarrow.parquet as pq
import pytest

from e2e_data import manifest as manifests
from e2e_data.commands import Channel
from e2e_data.ids import RETRY_ATTEMPT, Correlation
from e2e_data.platform import StatementEnd
from locustfiles.channels.mq_faults import InDoubtError, NoReplyError, NotPutError
from locustfiles.channels.mq_replies import Replies
from locustfiles.channels.mq_structs import Descriptor
from locustfiles.mq_sender import MqLine, MqSender, _drawn
from locustfiles.phases import State
from locustfiles.recording import record_of
from reports import book
from reports.journal import Fact
from reports.judgement import Status
from reports.reconcile import reconcile
from sandbox import envelope, mq_replies, statements
from sandbox.account_ids import at_random
from sandbox.defects import APPLY_ON_RETRY, Defects
from sandbox.faulty import FaultyLedger
from sandbox.faulty_platform import FaultyPlatform
from sandbox.ledger import Ledger
from sandbox.mq_front import COMMAND_QUEUE, REPLY_QUEUE
from sandbox.mq_replies import ReplyId
from sandbox.platform import Platform
from sandbox.queues import Definition
from tests.judgements import causes
from tests.mq_parts import Program, manager, md_of
from tests.stages import Stage
from tests.unit.test_mq_sender import Statistics

CHANGES = (
    "channels={mq=1}",
    "retries={attempts=8, wait_s=0.001, wait_at_most_s=0.001, after=['not sent', 'unanswered']}",
    "phases.payments.rate_per_s=500",
)
NOT_PUT, IN_DOUBT, UNTAKEN, UNHEARD, FINE = "not put", "in doubt", "untaken", "unheard", "fine"
"""What becomes of an attempt; from the second on something was put, and with UNHEARD it took effect."""


class Way:
    """The way to a queue manager and a platform behind it, on which attempts have fates."""

    def __init__(self, run, platform, seed):
        self._run, self._platform, self._dice = run, platform, Random(seed)
        self.replies = Replies(run.platform, run.ids, run.tracker, lambda _: None)
        queues = manager(Definition(COMMAND_QUEUE), Definition(REPLY_QUEUE))
        self._commands, self._answers = Program(queues, COMMAND_QUEUE), Program(queues, REPLY_QUEUE)
        self.fates = Counter()
        self.put = defaultdict(list)
        """By command id: the messages that were put."""
        self.settled_before = set()
        """Ids of commands that came again after they had been settled, and moved money."""

    def next_reply_queue(self):
        return REPLY_QUEUE

    def exchange(self, message, reply_to, awaited):
        fate = self._dice.choice([NOT_PUT, IN_DOUBT, UNTAKEN, UNHEARD, *[FINE] * 4])
        self.fates[fate] += 1
        self._run.clock.ns += 1_000_000
        self.replies.expect(message.correl_id, awaited)
        try:
            if fate == NOT_PUT:
                raise NotPutError("the queue is full")
            self.put[awaited.command_id].append(message)
            self._commands.put(
                message.body, correl_id=message.correl_id, reply_to_q=reply_to.encode()
            )
            if fate == UNTAKEN:
                assert self._commands.got() is not None
            else:
                self._decide(self._commands.got())
            if fate == FINE:
                got = self._answers.got()
                key = md_of(got).correl_id
                md = Descriptor(0x222, 1208, b"MQSTR", 0, bytes(24), key, 0, b"")
                self.replies.take(SimpleNamespace(body=got.body, md=md))
            else:
                raise InDoubtError("it broke") if fate == IN_DOUBT else NoReplyError("1 s")
        finally:
            self._answers.got()
            awaited.give_up()
            self._run.clock.ns += 1_000_000

    def _decide(self, got):
        """Do what the platform does with a message: a command that it knows is answered as it was."""
        read = envelope.read(got.body)
        known = self._platform.ledger.find(read.command.command_id)
        if known is not None and known.decision.postings:
            self.settled_before.add(read.command.command_id)
        entry = self._platform.accept(read.command, read.correlation_id)
        if entry.decision is None:
            self._platform.decide(read.command.command_id)
        sender = mq_replies.sender_of(md_of(got), read.correlation_id, ReplyId.CORREL_ID)
        decided = self._platform.ledger.find(read.command.command_id)
        body = mq_replies.final(decided, sender.correlation_id)
        self._answers.put(body, correl_id=sender.md.correl_id)


def played(path, ledger_of, platform_of, seed):
    """Play a whole run over MQ with retries; return its stage, the way, Locust's statistics, the verdict."""
    stage = Stage(path, *CHANGES)
    run, clock = stage.run, stage.clock
    clock.epoch_utc_ns = time.time_ns() - clock.ns
    defects = Defects({APPLY_ON_RETRY: 1.0}, 1)
    ledger = ledger_of(defects, lambda: clock.epoch_utc_ns + clock.now_ns())
    way = Way(run, platform_of(ledger, defects), seed)
    line = MqLine.__new__(MqLine)
    line.access, line._message_ids, line._warn = way, _drawn(), print
    run.completions = SimpleNamespace(expect=lambda place, command_id: None)
    statistics = Statistics()
    for _ in range(2):
        stage.user(MqSender(run, line, statistics).send)
    settings = SimpleNamespace(
        plan=stage.plan, pool=stage.pool, origin=None, workers=0, platform_spec=""
    )
    record = record_of(settings, stage.directory, stage.ids, clock, "http://127.0.0.1:1")
    stage.pool.manifest.write(stage.directory.pool / manifests.FILE_NAME)
    stage.begin()
    with gevent.Timeout(60):
        while stage.director.advance() is not State.ENDED:
            stage.pass_time(0.05)
            # Users wait a millisecond before they try again.
            gevent.sleep(0.002)
    write_book(stage, ledger)
    stage.close()
    ended = {"state": "ended", "drained": True, "ended_ns": clock.ns}
    stage.directory.write_record(record.model_copy(update=ended))
    return stage, way, statistics, reconcile(stage.directory).results.judgement


def write_book(stage, ledger):
    """Write the platform's statements into the run directory, as a snapshot of them is."""
    tables = {
        "accounts": (statements.of_accounts(ledger.accounts()), "account"),
        "commands": (statements.of_commands(ledger.entries()), "command"),
    }
    for name, (chunks, kind) in tables.items():
        read = getattr(stage.run.platform, f"read_{kind}_row")
        rows = [read(line) for chunk in chunks for line in chunk.splitlines()]
        rows = [row for row in rows if not isinstance(row, StatementEnd)]
        table = getattr(book, f"{kind}_table")(rows, stage.ids)
        pq.write_table(table, stage.directory.book / f"{name}.parquet")
    stage.directory.write("book/book.json", b'{"as_of": 1}')


@pytest.mark.parametrize("seed", range(3))
def test_a_run_with_retries_over_mq_reconciles(tmp_path, seed):
    """Whatever became of the attempts: each is one of its command's, and a command takes effect once."""
    stage, way, statistics, judgement = played(
        tmp_path,
        lambda _, clock_ns: Ledger(clock_ns),
        lambda ledger, _: Platform(ledger, Defects({}, 0), lambda _: None),
        seed,
    )
    commands = judgement.commands
    attempts = sum(way.fates.values())
    assert min(way.fates[fate] for fate in (NOT_PUT, IN_DOUBT, UNTAKEN, UNHEARD)) > 0
    tally = stage.run.tracker.tally
    assert (tally.sent, tally.retried) == (commands, attempts - commands)
    assert judgement.retried == attempts - commands
    facts = Counter(fact for fact, _ in stage.facts().elements())
    assert facts[Fact.SENT] == attempts
    assert facts[Fact.NOT_SENT] == way.fates[NOT_PUT]
    assert len(statistics.answers) + len(statistics.failures) == attempts
    assert len(statistics.answers) == way.fates[FINE]
    for command_id, messages in way.put.items():
        told = [Correlation.unpack(message.correl_id) for message in messages]
        numbers = [one.attempt for one in told]
        assert numbers == sorted(set(numbers)), "each attempt has a number of its own"
        assert {number % RETRY_ATTEMPT for number in numbers} == {0}
        assert len({(one.shard, one.index) for one in told}) == 1
        assert all(command_id.encode() in message.body for message in messages)
        assert {one.channel for one in told} == {Channel.MQ}
    assert causes(judgement) == {}
    assert {check.status for check in judgement.checks} == {Status.HOLDS}


def test_a_platform_that_applies_a_retry_again_does_not_reconcile(tmp_path):
    """The same attempts, and each that came again after it was settled is found, and nothing else."""
    _, way, _, judgement = played(
        tmp_path,
        lambda defects, clock_ns: FaultyLedger(defects, clock_ns, at_random),
        lambda ledger, defects: FaultyPlatform(ledger, defects, lambda _: None),
        0,
    )
    assert len(way.settled_before) > 0
    assert causes(judgement) == {"applied more than once": len(way.settled_before)}
