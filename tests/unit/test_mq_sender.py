"""What becomes of a command over IBM MQ: in the journal, and in Locust's statistics."""

from __future__ import annotations

from types import SimpleNamespace

import gevent
import pytest

from e2e_data.commands import Channel, Outcome
from e2e_data.ids import Correlation
from e2e_data.mq import Reply
from e2e_data.platform import Platform
from locustfiles.channels.mq_faults import InDoubtError, NoReplyError, NotPutError
from locustfiles.channels.mq_replies import Replies
from locustfiles.channels.mq_structs import Descriptor
from locustfiles.lines import ABORTED
from locustfiles.mq_sender import MqLine, MqSender, UnexpectedReplyError
from tests.stages import IDS, Stage

HOSTILE = int(Outcome.INVALID | Outcome.DEAD_LETTERED)


class Statistics:
    """Locust's, as a sender sees them."""

    def __init__(self):
        self.answers, self.failures = [], []

    def answered(self, name, utc_ns, took_ms, length):
        self.answers.append((name, round(took_ms), length))

    def fire(self, name, utc_ns, took_ms, length, problem):
        self.failures.append((name, type(problem).__name__, str(problem)))


class Access:
    """The way to a queue manager that does with a message what the test says."""

    def __init__(self, run):
        self.replies = Replies(run.platform, run.ids, run.tracker, lambda _: None)
        self.does = lambda message, awaited: None

    def next_reply_queue(self):
        return "REPLY.QUEUE"

    def exchange(self, message, reply_to, awaited):
        assert reply_to == "REPLY.QUEUE"
        self.replies.expect(message.correl_id, awaited)
        self.message = message
        try:
            self.does(message, awaited)
        finally:
            awaited.give_up()


class Desk:
    """One user of a run, at its first command: an account's creation."""

    def __init__(self, path, platform=None):
        self.stage = Stage(path, "channels={mq=1}")
        self.run = self.stage.run
        if platform is not None:
            self.run.platform = platform
        self.access = Access(self.run)
        line = MqLine.__new__(MqLine)
        line.access, line._message_ids, line._warn = self.access, iter(["m-1", "m-2"]), print
        self.statistics = Statistics()
        self.sender = MqSender(self.run, line, self.statistics)
        self.stage.begin()
        self.stage.pass_time(100)
        self.turn = self.run.take(self.run.roster.join())

    def expect(self, outcomes: int) -> None:
        """Have the command's right outcomes be these."""
        self.turn = self.turn._replace(card=self.turn.card._replace(expected=outcomes))

    def send(self, does):
        self.access.does = does
        self.sender.send(self.turn)

    def reply(self, status="SETTLED", **fields):
        """Have a reply to the message come in."""
        key, card = self.access.message.correl_id, self.turn.card
        body = f'{{"commandId":"{card.command_id}","status":"{status}","accountId":"acc-1"}}'
        self.access.replies.take(got(body.encode(), key))

    def facts(self):
        return sorted((fact.name, reason) for fact, reason in self.stage.facts().elements())


def got(body, key):
    return SimpleNamespace(
        body=body, md=Descriptor(0x222, 1208, b"MQSTR", 0, bytes(24), key, 0, b"")
    )


def raises(error):
    def does(message, awaited):
        raise error

    return does


def test_a_command_that_is_answered(tmp_path):
    """Sent, acknowledged, completed; bound; once in the statistics, with its time."""
    desk = Desk(tmp_path)

    def does(message, awaited):
        desk.stage.pass_time(0.25)
        desk.reply()

    desk.send(does)
    assert desk.facts() == [("ACKNOWLEDGED", ""), ("COMPLETED", ""), ("SENT", "")]
    assert desk.statistics.failures == []
    [(name, took_ms, length)] = desk.statistics.answers
    assert (name, took_ms, length > 40) == ("account", 250, True)
    assert desk.run.bindings.account_id(desk.turn.card.account_key) == "acc-1"
    assert not desk.run.tracker.pending


def test_a_message_is_the_adapters(tmp_path):
    """The envelope, under a correlation id that says channel and attempt."""
    desk = Desk(tmp_path)
    desk.send(lambda *_: desk.reply())
    message = desk.access.message
    correlation = Correlation.unpack(message.correl_id)
    assert (correlation.tag, correlation.channel) == (IDS.tag, Channel.MQ)
    assert message.correl_id.hex().encode() in message.body
    assert b'"messageId":"m-1"' in message.body
    assert b'"replyTo":"REPLY.QUEUE"' in message.body


@pytest.mark.parametrize(
    ("error", "fact", "pending"),
    [
        (NotPutError("MQPUT 2053 MQRC_Q_FULL"), "NOT_SENT", 0),
        (InDoubtError("MQPUT 2009 MQRC_CONNECTION_BROKEN"), "UNANSWERED", 1),
        (NoReplyError("10 s"), "UNANSWERED", 1),
        (ZeroDivisionError("a fault of ours"), "UNANSWERED", 1),
    ],
)
def test_a_command_that_is_not_answered(tmp_path, error, fact, pending):
    """Not sent where nothing was put, and else unanswered: its outcome is awaited."""
    desk = Desk(tmp_path)
    desk.send(raises(error))
    assert desk.facts() == sorted([(fact, str(error)), ("SENT", "")])
    assert len(desk.run.tracker.pending) == pending
    assert [failure[1] for failure in desk.statistics.failures] == [type(error).__name__]
    assert desk.run.tracker.tally.waiting == 0


def test_a_reply_that_comes_late_completes(tmp_path):
    """After its user has gone on; the account's id is bound, and nothing is acknowledged."""
    desk = Desk(tmp_path)
    desk.send(raises(NoReplyError("10 s")))
    desk.reply("ACCEPTED")
    desk.reply("SETTLED")
    assert [fact for fact, _ in desk.facts()] == ["COMPLETED", "SENT", "UNANSWERED"]
    assert desk.run.bindings.account_id(desk.turn.card.account_key) == "acc-1"
    assert not desk.run.tracker.pending


def test_an_answer_that_was_recorded_stays_whatever_fails_after_it(tmp_path):
    """Nothing is told of one attempt twice."""
    desk = Desk(tmp_path)

    def does(message, awaited):
        desk.reply("ACCEPTED")
        raise InDoubtError("later")

    desk.send(does)
    assert desk.facts() == [("ACKNOWLEDGED", ""), ("SENT", "")]
    assert desk.statistics.failures == []


@pytest.mark.parametrize("answered", [False, True])
def test_a_user_that_is_killed_leaves_no_attempt_open(tmp_path, answered):
    """Aborted, unless its answer had come."""
    desk = Desk(tmp_path)

    def does(message, awaited):
        if answered:
            desk.reply("ACCEPTED")
        raise gevent.GreenletExit

    with pytest.raises(gevent.GreenletExit):
        desk.send(does)
    fact = ("ACKNOWLEDGED", "") if answered else ("UNANSWERED", ABORTED)
    assert desk.facts() == sorted([fact, ("SENT", "")])
    assert desk.run.tracker.tally.waiting == 0


@pytest.mark.parametrize(("expected", "fault"), [(HOSTILE, None), (1, "dead-lettered")])
def test_a_command_that_is_put_aside(tmp_path, expected, fault):
    """Right for what cannot be understood, and else a failure in Locust's statistics."""
    desk = Desk(tmp_path)
    desk.expect(expected)
    desk.send(lambda message, _: desk.access.replies.put_aside(got(b"{", message.correl_id)))
    assert desk.facts() == [("COMPLETED", "on the backout queue"), ("SENT", "")]
    assert [told for *_, told in desk.statistics.failures] == ([fault] if fault else [])
    assert desk.run.tracker.tally.waiting == 0
    assert not desk.run.tracker.pending


def test_what_cannot_be_understood_must_not_be_accepted(tmp_path):
    """That is a failure in Locust's statistics; the judge says the rest."""
    desk = Desk(tmp_path)
    desk.expect(HOSTILE)
    desk.send(lambda *_: desk.reply("ACCEPTED"))
    assert desk.statistics.failures == [
        (
            "account",
            UnexpectedReplyError.__name__,
            "accepted, where only dead-lettered is right",
        )
    ]


def test_an_adapter_that_fails_sends_nothing(tmp_path, caplog):
    """The command is not sent, with the reason; the log says which attempt it was."""
    made = []

    class Wrong(Platform):
        def mq_message(self, sending, **_):
            made.append((sending.command_id, sending.correlation_id))
            raise KeyError("iban")

    desk = Desk(tmp_path, Wrong())
    desk.send(lambda *_: pytest.fail("nothing is to be put"))
    assert desk.facts() == [("NOT_SENT", "adapter: KeyError('iban')"), ("SENT", "")]
    assert desk.statistics.failures == [("account", "KeyError", "'iban'")]
    told = [record for record in caplog.records if record.levelname == "ERROR"]
    assert made == [(record.command_id, record.correlation_id) for record in told]


def test_an_adapter_that_cannot_read_a_reply_loses_nothing(tmp_path):
    """Its fault is the reader's; the command is unanswered when its time is over."""

    class Own(Platform):
        def read_reply(self, reply):
            return Reply("another command", "", Outcome.SETTLED)

    desk = Desk(tmp_path, Own())

    def does(message, awaited):
        desk.reply()
        raise NoReplyError("10 s")

    desk.send(does)
    assert desk.access.replies.counts.misdirected == 1
    assert [fact for fact, _ in desk.facts()] == ["SENT", "UNANSWERED"]
