"""Replies: each one to its command, whoever waits, and those that should not come counted."""

from __future__ import annotations

import json

import pytest

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.ids import REPLAY_ATTEMPT, Correlation, Ids
from e2e_data.platform import Acknowledged, Platform
from locustfiles.channels.mq_replies import Awaited, Counts, Replies
from locustfiles.channels.mq_session import Got
from locustfiles.channels.mq_structs import Descriptor

IDS = Ids(bytes(range(16)), 77)
OTHERS = Ids(bytes(16), 78)
PLACE = (0, 3, 5)


class Ledger:
    """Writes down what it is told."""

    def __init__(self):
        self.facts = []
        self.pending = set()

    def acknowledged(self, place, answer, attempt=0):
        assert answer.status is Acknowledged.ACCEPTED
        self.facts.append(("acknowledged", place, attempt, answer.account_id))
        return 1000

    def completed(self, place, completion):
        self.pending.discard(place)
        self.facts.append(("completed", place, completion.outcome, completion.reason))

    def bound(self, place, account_id):
        self.facts.append(("bound", place, account_id))

    def unreadable(self, place, attempt):
        self.facts.append(("unreadable", place, attempt))

    def misdirected(self, place):
        self.facts.append(("misdirected", place))

    def other_account(self, place, attempt):
        self.facts.append(("other account", place, attempt))

    def dead_lettered(self, place, attempt, reason):
        self.facts.append(("dead-lettered", place, attempt))
        return 2000


class Desk:
    """Replies with a ledger, and replies to them in few words."""

    def __init__(self):
        self.ledger, self.said = Ledger(), []
        self.replies = Replies(Platform(), IDS, self.ledger, self.said.append)

    def expect(self, place=PLACE, attempt=0, *, creates=True):
        awaited = Awaited(place, attempt, command_id(place), place if creates else None)
        self.replies.expect(correl_id(place, attempt), awaited)
        return awaited

    def take(self, status="SETTLED", *, key=None, place=PLACE, **fields):
        key = correl_id(place) if key is None else key
        body = {
            "correlationId": key.hex(),
            "commandId": command_id(place),
            "status": status,
            "accountId": None,
            "reason": None,
            **fields,
        }
        self.replies.take(got(json.dumps(body).encode(), key))

    @property
    def counted(self):
        counts = self.replies.counts
        return {name: n for name in Counts.__slots__ if (n := getattr(counts, name))}


def command_id(place, ids=IDS):
    return ids.command_ids(place[0], place[1], [place[2]])[0]


def correl_id(place=PLACE, attempt=0, ids=IDS, kind=Kind.ACCOUNT):
    return Correlation(ids.tag, *place, attempt, kind, Channel.MQ, Outcome.SETTLED, 1, 0).pack()


def got(body, key, format_=b"MQSTR", encoding=0x222):
    return Got(body, Descriptor(encoding, 1208, format_, 0, bytes(24), key, 0, b""))


def test_a_reply_acknowledges_and_completes_when_its_status_is_final():
    """ACCEPTED first, then SETTLED; the user goes on with the first."""
    desk = Desk()
    awaited = desk.expect()
    desk.take("ACCEPTED", accountId="a-1")
    assert awaited.answered.is_set()
    assert (awaited.at_ns, awaited.answer.account_id) == (1000, "a-1")
    desk.take("SETTLED", accountId="a-1")
    assert desk.ledger.facts == [
        ("acknowledged", PLACE, 0, "a-1"),
        ("bound", PLACE, "a-1"),
        ("completed", PLACE, Outcome.SETTLED, ""),
    ]
    assert (len(desk.replies), desk.counted) == (0, {})


def test_a_final_reply_alone_does_both():
    """As platforms do that answer once."""
    desk = Desk()
    awaited = desk.expect()
    desk.take("REJECTED", reason="INSUFFICIENT_FUNDS")
    assert awaited.answered.is_set()
    assert [fact[0] for fact in desk.ledger.facts] == ["acknowledged", "completed"]
    assert desk.ledger.facts[1][2:] == (Outcome.REJECTED, "INSUFFICIENT_FUNDS")


def test_a_late_reply_is_late_and_not_dropped():
    """Its user had given up; the outcome counts, and the account's id too."""
    desk = Desk()
    desk.expect().give_up()
    assert desk.replies.overdue() == [correl_id()]
    desk.take("SETTLED", accountId="a-1")
    assert desk.ledger.facts == [
        ("bound", PLACE, "a-1"),
        ("completed", PLACE, Outcome.SETTLED, ""),
    ]
    assert desk.counted == {"late": 1}


def test_only_a_creations_reply_tells_an_accounts_id():
    """A reply to a payment names an account too: a wrong one must not become the account's own."""
    desk = Desk()
    awaited = desk.expect(creates=False)
    desk.take("ACCEPTED", accountId="a-2")
    desk.take("SETTLED", accountId="a-2")
    assert awaited.answer.account_id is None
    assert [fact[0] for fact in desk.ledger.facts] == ["acknowledged", "completed"]


def test_a_second_reply_is_counted_and_written_down():
    """Another outcome than the first must not stay unseen; and it acknowledges nothing twice."""
    desk = Desk()
    desk.expect()
    desk.take("SETTLED")
    desk.take("REJECTED", reason="X")
    assert [fact[0] for fact in desk.ledger.facts] == ["acknowledged", "completed", "completed"]
    assert desk.counted == {"repeated": 1}


def test_an_acknowledgement_may_be_overtaken_by_the_final_reply():
    """Several readers share a queue: that is no second reply, and its account id is one."""
    desk = Desk()
    desk.expect()
    desk.take("SETTLED")
    desk.take("ACCEPTED", accountId="a-1")
    assert [fact[0] for fact in desk.ledger.facts] == ["acknowledged", "completed", "bound"]
    assert desk.counted == {}


def test_what_another_process_had_sent_is_late_where_its_outcome_is_awaited():
    """After a take-over the command is watched, and its reply comes here."""
    desk = Desk()
    desk.ledger.pending.add(PLACE)
    desk.take("SETTLED", accountId="a-1")
    assert desk.ledger.facts == [
        ("bound", PLACE, "a-1"),
        ("completed", PLACE, Outcome.SETTLED, ""),
    ]
    assert desk.counted == {"late": 1}


@pytest.mark.parametrize(
    ("fields", "kind", "facts"),
    [
        ({"commandId": command_id((0, 3, 6))}, "misdirected", [("misdirected", (0, 3, 6))]),
        ({"commandId": command_id(PLACE, OTHERS)}, "misdirected", []),
        ({"commandId": "nonsense"}, "misdirected", []),
        ({"correlationId": correl_id((0, 3, 6)).hex()}, "misdirected", [("misdirected", PLACE)]),
        ({"status": "MAYBE"}, "unreadable", [("unreadable", PLACE, 0)]),
        ({"status": None}, "unreadable", [("unreadable", PLACE, 0)]),
        ({"commandId": 7}, "unreadable", [("unreadable", PLACE, 0)]),
        ({"key": correl_id(ids=OTHERS)}, "foreign", []),
        ({"key": correl_id(ids=OTHERS), "status": None}, "unreadable", []),
        ({"key": b"x" * 24}, "orphans", []),
        ({"key": bytes(24)}, "orphans", []),
    ],
)
def test_what_should_not_come_is_counted_and_acknowledges_nothing(fields, kind, facts):
    """A reply under one command's id about another is nobody's answer; the user waits on.

    Of which command it was is written down, where that is known: the judge has it.
    """
    desk = Desk()
    awaited = desk.expect()
    desk.take(**fields)
    assert desk.counted == {kind: 1}
    assert desk.ledger.facts == facts
    assert not awaited.answered.is_set()
    assert len(desk.said) == 1


@pytest.mark.parametrize(("named", "is_other"), [("a-2", True), ("a-1", False), (None, False)])
def test_a_reply_that_names_another_account_is_written_down(named, is_other):
    """Its outcome counts all the same: the judge holds the account against the book."""
    desk = Desk()
    awaited = desk.expect(creates=False)
    awaited.account_id = "a-1"
    desk.take("SETTLED", accountId=named)
    other = [("other account", PLACE, 0)] if is_other else []
    assert [fact for fact in desk.ledger.facts if fact[0] == "other account"] == other
    assert ("completed", PLACE, Outcome.SETTLED, "") in desk.ledger.facts
    assert desk.counted == ({"other_account": 1} if is_other else {})


def test_a_misdirected_reply_to_nobody_is_misdirected():
    """Also where the command it came under has ended."""
    desk = Desk()
    desk.take(commandId=command_id((0, 3, 6)))
    assert desk.counted == {"misdirected": 1}
    assert desk.ledger.facts == [("misdirected", (0, 3, 6))]


def test_each_kind_is_said_once():
    """However many there are."""
    desk = Desk()
    for number in range(50):
        desk.take(key=bytes([number]) * 24)
    assert desk.counted == {"orphans": 50}
    assert len(desk.said) == 1


def test_a_replays_reply_is_its_own():
    """It is sent under its original's ids, and told by its attempt."""
    desk = Desk()
    original, replay = (0, 3, 5), (0, 3, 9)
    desk.expect(original)
    key = correl_id(original, REPLAY_ATTEMPT)
    desk.replies.expect(key, Awaited(replay, REPLAY_ATTEMPT, command_id(original)))
    desk.take("SETTLED", key=key, place=original)
    assert desk.ledger.facts == [
        ("acknowledged", replay, REPLAY_ATTEMPT, None),
        ("completed", replay, Outcome.SETTLED, ""),
    ]
    assert correl_id(original) in desk.replies


def test_a_replay_that_is_answered_again_is_not_taken_for_its_original():
    """Nobody can tell its place from the id."""
    desk = Desk()
    desk.take("SETTLED", key=correl_id(PLACE, REPLAY_ATTEMPT))
    assert (desk.counted, desk.ledger.facts) == ({"repeated": 1}, [])


def rfh2(next_format, folders=b"<usr><a>1</a></usr>", big=False, length=None):
    order, head = ("big" if big else "little"), 36
    padded = folders.ljust(-(-len(folders) // 4) * 4)
    numbers = (2, length or head + 4 + len(padded), 0x111 if big else 0x222, 1208)
    packed = [number.to_bytes(4, order) for number in numbers]
    tail = (0).to_bytes(4, order) + (1208).to_bytes(4, order)
    return b"".join(
        [b"RFH ", *packed, next_format.ljust(8), tail, len(padded).to_bytes(4, order), padded]
    )


@pytest.mark.parametrize("big", [False, True])
def test_headers_before_a_reply_are_passed_over(big):
    """RFH2, one or several, in either order of bytes."""
    desk = Desk()
    desk.expect()
    fields = {"commandId": command_id(PLACE), "status": "SETTLED"}
    body = rfh2(b"MQHRF2", big=big) + rfh2(b"MQSTR", big=big) + json.dumps(fields).encode()
    desk.replies.take(got(body, correl_id(), b"MQHRF2", 0x111 if big else 0x222))
    assert [fact[0] for fact in desk.ledger.facts] == ["acknowledged", "completed"]


@pytest.mark.parametrize("length", [0, 4, 10_000, -1 & 0xFFFFFFFF])
def test_a_header_that_is_none_makes_a_reply_unreadable(length):
    """And nothing worse: what comes from a queue is anybody's."""
    desk = Desk()
    desk.expect()
    body = rfh2(b"MQSTR")
    body = body[:8] + length.to_bytes(4, "little") + body[12:]
    desk.replies.take(got(body, correl_id(), b"MQHRF2"))
    desk.replies.take(got(b"RFH ", correl_id(), b"MQHRF2"))
    assert desk.counted == {"unreadable": 2}


def test_a_command_on_the_backout_queue_was_dead_lettered():
    """Its user waits no longer; seen again after a broken connection, it counts once."""
    desk = Desk()
    awaited = desk.expect()
    for _ in range(2):
        desk.replies.put_aside(got(b"{", correl_id()))
    assert awaited.answered.is_set()
    assert (awaited.answer, awaited.at_ns) == (None, 2000)
    assert desk.ledger.facts == [("dead-lettered", PLACE, 0)]
    assert desk.counted == {"dead_lettered": 1}


def test_one_whose_user_had_given_up_is_dead_lettered_too():
    """There is no attempt on the wire to end."""
    desk = Desk()
    desk.expect().give_up()
    desk.replies.put_aside(got(b"{", correl_id()))
    assert desk.ledger.facts == [("dead-lettered", PLACE, None)]


def test_what_others_left_on_the_backout_queue_is_theirs():
    """Earlier runs, and other programs."""
    desk = Desk()
    for key in (correl_id(ids=OTHERS), b"x" * 24):
        desk.replies.put_aside(got(b"{", key))
    assert (desk.ledger.facts, desk.counted, desk.said) == ([], {}, [])


def test_what_was_not_put_is_not_waited_for():
    """Nothing grows with what is refused."""
    desk = Desk()
    desk.expect()
    desk.replies.forget(correl_id())
    assert len(desk.replies) == 0
