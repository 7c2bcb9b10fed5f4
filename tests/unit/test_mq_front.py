"""The MQ front: commands in, replies out, poison away; the ledger has each command once."""

from __future__ import annotations

import asyncio
import json
import re
from itertools import count
from pathlib import Path
from struct import pack, unpack_from
from uuid import UUID

import pytest

from sandbox import envelope, mq_front
from sandbox.defects import LOSE, Defects
from sandbox.faulty import FaultyLedger
from sandbox.faulty_platform import FaultyPlatform
from sandbox.mq_front import (
    BACKOUT_QUEUE,
    COMMAND_QUEUE,
    REPLY_QUEUE,
    FrontSettings,
    MqFront,
)
from sandbox.mq_links import Address, Broken, LocalLink, RemoteLink
from sandbox.mq_replies import Replies, ReplyId
from sandbox.mq_server import Server
from sandbox.mqbinding import codes
from sandbox.mqbinding.structs import text
from sandbox.queue_manager import DEAD_LETTER_QUEUE
from sandbox.queues import Definition
from tests.mq_parts import NOON_NS, Program, manager, md_of

CONTRACT = Path(__file__).parents[2] / "docs" / "contract.md"
CORRELATION = "ab" * 24
CORREL_ID = b"\xab" * 24
QUEUES = (
    Definition(COMMAND_QUEUE, backout_threshold=3, backout_queue=BACKOUT_QUEUE),
    Definition(BACKOUT_QUEUE),
    Definition(REPLY_QUEUE),
)


def uuid(number):
    return str(UUID(int=number))


def opening(number=1, **payload):
    """Return the envelope of a command that opens an account."""
    return {
        "messageId": uuid(1000 + number),
        "commandId": uuid(number),
        "correlationId": CORRELATION,
        "timestamp": "2026-11-20T12:00:00Z",
        "commandType": "InitiateCreateAccountProcess",
        "payload": {
            "customerId": uuid(77),
            "currencyCode": "USD",
            "transitNumber": "001",
            "accountType": "SAVINGS",
            "limitBased": False,
            **payload,
        },
        "replyTo": REPLY_QUEUE,
    }


class Running:
    """A platform with its front, and a tester's program on each queue."""

    def __init__(self, settings=None, *, queues=QUEUES, defects=None, remote=False):
        self.manager = manager(*queues)
        ids = count(1)
        self.accepted = []
        wrong = Defects(defects or {})
        ledger = FaultyLedger(wrong, lambda: NOON_NS, lambda _: uuid(500 + next(ids)))
        self.platform = FaultyPlatform(ledger, wrong, self.accepted.append)
        self.remote = remote
        self.settings = settings or FrontSettings()
        self.links = []
        self.commands = Program(self.manager, COMMAND_QUEUE)
        self.replies = Program(self.manager, REPLY_QUEUE)

    async def __aenter__(self):
        self.server = Server(self.manager)
        if self.remote:
            loop = asyncio.get_running_loop()
            self.listening = await loop.create_server(self.server.connected, "127.0.0.1", 0)
            self.port = self.listening.sockets[0].getsockname()[1]
        self.front = MqFront(self.platform, self.connect, self.settings)
        self.front.start()
        return self

    async def __aexit__(self, *_):
        await self.front.stop()
        if self.remote:
            self.listening.close()
        await self.server.close(0)

    async def connect(self):
        if self.remote:
            link = await RemoteLink.connected(Address("127.0.0.1", self.port, "DEV.APP.SVRCONN"))
        else:
            link = LocalLink(self.manager)
        self.links.append(link)
        return link

    def send(self, content, **md):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        asked = {"msg_type": codes.MQMT_REQUEST, "reply_to_q": REPLY_QUEUE.encode()}
        return self.commands.put(body, **{**asked, "correl_id": CORREL_ID, **md})[0]

    async def reply(self):
        """Return the next reply's descriptor and content."""
        got = await self.next(self.replies)
        return md_of(got), json.loads(got.body)

    async def next(self, program):
        while (got := program.got()) is None:
            await asyncio.sleep(0)
        return got

    def decide(self):
        for command_id in self.accepted:
            self.platform.decide(command_id)
        self.accepted.clear()

    async def until_accepted(self, number=1):
        while len(self.accepted) < number:
            await asyncio.sleep(0)


def run(test, *args, **kwargs):
    """Run a test, a coroutine function that takes a Running, to its end."""

    async def main():
        async with Running(*args, **kwargs) as running:
            await asyncio.wait_for(test(running), 20)

    asyncio.run(main())


@pytest.mark.parametrize("remote", [False, True])
def test_a_command_is_accepted_and_later_decided(remote):
    """Two replies, with the CorrelId passed back and the content of the contract."""

    async def test(running):
        request = running.send(opening())
        md, body = await running.reply()
        assert body == {
            "correlationId": CORRELATION,
            "commandId": uuid(1),
            "status": "ACCEPTED",
            "accountId": uuid(501),
            "reason": None,
            "occurredAt": "2026-11-20T12:00:00.000000Z",
        }
        assert (md.correl_id, md.msg_type, md.ccsid) == (CORREL_ID, codes.MQMT_REPLY, 1208)
        assert text(md.format) == b"MQSTR"
        assert md.msg_id != request.msg_id
        running.decide()
        _, final = await running.reply()
        assert final == {**body, "status": "SETTLED"}

    run(test, remote=remote)


@pytest.mark.parametrize("remote", [False, True])
def test_a_rejection_is_a_reply_with_its_reason(remote):
    """The message was understood: it is not poison."""

    async def test(running):
        running.send(opening(currencyCode="XXX"))
        await running.reply()
        running.decide()
        _, final = await running.reply()
        assert (final["status"], final["reason"]) == ("REJECTED", "UNKNOWN_CURRENCY")

    run(test, remote=remote)


def test_the_contract_shows_the_replies():
    """Its envelope goes in, and its two lines come out."""
    shown = {
        kind: re.findall(rf"^```{kind}\n(.*?)\n```$", CONTRACT.read_text("utf-8"), re.M | re.S)[0]
        for kind in ("envelope", "reply")
    }

    async def test(running):
        moments = iter([NOON_NS + 3_231_204_000, NOON_NS + 3_233_514_000])
        running.platform.ledger._clock_ns = lambda: next(moments)
        running.send(shown["envelope"].encode())
        accepted = (await running.next(running.replies)).body.decode()
        running.decide()
        final = (await running.next(running.replies)).body.decode()
        assert f"{accepted}\n{final}" == shown["reply"]

    run(test)


def test_a_request_that_was_persistent_and_urgent_gets_replies_that_are():
    """As a program would expect that sends it so."""

    async def test(running):
        running.send(opening(), persistence=codes.MQPER_PERSISTENT, priority=7)
        md, _ = await running.reply()
        assert (md.persistence, md.priority) == (codes.MQPER_PERSISTENT, 7)

    run(test)


def test_the_msg_id_is_copied_where_the_platform_is_set_so():
    """Into the reply's CorrelId; both replies have it."""

    async def test(running):
        request = running.send(opening())
        first, _ = await running.reply()
        running.decide()
        second, _ = await running.reply()
        assert first.correl_id == second.correl_id == request.msg_id

    run(test, FrontSettings(reply_id=ReplyId.MSG_ID))


def test_only_the_final_status_is_told_where_the_platform_is_set_so():
    """Nothing when it is accepted."""

    async def test(running):
        running.send(opening())
        await running.until_accepted()
        assert running.replies.depth() == 0
        running.decide()
        _, final = await running.reply()
        assert final["status"] == "SETTLED"

    run(test, FrontSettings(replies=Replies.FINAL))


def test_who_asks_for_no_reply_gets_none():
    """A datagram is accepted all the same."""

    async def test(running):
        running.send(opening(), msg_type=codes.MQMT_DATAGRAM, reply_to_q=b"")
        await running.until_accepted()
        running.decide()
        running.send(opening(2))
        _, body = await running.reply()
        assert body["commandId"] == uuid(2)

    run(test)


def test_a_replay_is_answered_as_the_first_was_and_changes_nothing():
    """While the command is pending, and when it is decided; each sender by its own CorrelId."""

    async def test(running):
        running.send(opening())
        running.send(
            {**opening(), "messageId": uuid(5), "correlationId": "cd" * 24}, correl_id=b"2" * 24
        )
        first, second = [await running.reply() for _ in range(2)]
        assert second[1] == {**first[1], "correlationId": "cd" * 24}
        running.decide()
        finals = [await running.reply() for _ in range(2)]
        assert [md.correl_id for md, _ in finals] == [CORREL_ID, b"2" * 24]
        running.send(opening(), correl_id=b"3" * 24)
        late = [await running.reply() for _ in range(2)]
        assert [body["status"] for _, body in late] == ["ACCEPTED", "SETTLED"]
        assert {md.correl_id for md, _ in late} == {b"3" * 24}
        assert late[1][1] == finals[0][1]
        assert len(running.platform.ledger.entries().rows) == 1

    run(test)


def test_a_command_that_came_over_another_channel_is_a_replay_too():
    """Once is once, whatever the way."""

    async def test(running):
        entry = running.platform.accept(envelope.read(json.dumps(opening()).encode()).command)
        running.decide()
        running.send(opening())
        for status in ("ACCEPTED", "SETTLED"):
            _, body = await running.reply()
            assert (body["status"], body["accountId"]) == (status, entry.account_id)

    run(test)


def test_rfh2_headers_before_a_command_are_passed_over():
    """As a JMS program sends them."""

    async def test(running):
        header = b"RFH " + pack("<iiii8sii", 2, 36, 0x222, 1208, b"MQSTR   ", 0, 1208)
        running.send(header + json.dumps(opening()).encode(), format=b"MQHRF2")
        _, body = await running.reply()
        assert body["commandId"] == uuid(1)

    run(test)


POISON = [
    b"",
    b"garbage",
    b'{"commandType": "Other"}',
    json.dumps({**opening(), "commandId": "no uuid"}).encode(),
    json.dumps({**opening(), "payload": []}).encode(),
    json.dumps(opening(transitNumber="1")).encode(),
]


@pytest.mark.parametrize("remote", [False, True])
def test_what_cannot_be_understood_ends_on_the_backout_queue(remote, caplog):
    """As it came, after the threshold's number of backouts; what comes behind it is served."""
    caplog.set_level("INFO")

    async def test(running):
        backed_out = Program(running.manager, BACKOUT_QUEUE)
        for body in POISON:
            running.send(body)
        running.send(opening())
        _, reply = await running.reply()
        assert reply["commandId"] == uuid(1)
        for body in POISON:
            got = await running.next(backed_out)
            md = md_of(got)
            assert (got.body, md.correl_id, text(md.reply_to_q)) == (
                body,
                CORREL_ID,
                REPLY_QUEUE.encode(),
            )
        assert running.replies.depth() == 0
        assert running.commands.depth() == 0

    run(test, remote=remote)
    assert "6 messages could not be understood" in caplog.text


def test_a_known_command_with_another_content_is_poison():
    """It can be neither applied nor answered as the first was."""

    async def test(running):
        backed_out = Program(running.manager, BACKOUT_QUEUE)
        running.send(opening())
        running.send(opening(currencyCode="EUR"))
        assert json.loads((await running.next(backed_out)).body)["payload"]["currencyCode"] == "EUR"

    run(test)


def test_poison_without_a_backout_queue_is_a_dead_letter():
    """Behind the header that says why; what the sender said of its body, the header says."""

    async def test(running):
        dead = Program(running.manager, DEAD_LETTER_QUEUE)
        running.send(b"garbage", format=b"MQSTR", encoding=273, ccsid=819)
        got = await running.next(dead)
        md, (reason,) = md_of(got), unpack_from("<i", got.body, 8)
        assert (text(md.format), md.encoding, md.correl_id) == (b"MQDEAD", 0x222, CORREL_ID)
        assert reason == codes.MQRC_BACKOUT_THRESHOLD_REACHED
        assert text(got.body[12:60]) == COMMAND_QUEUE.encode()
        assert unpack_from("<2i8s", got.body, 108) == (273, 819, b"MQSTR   ")
        assert got.body[172:] == b"garbage"

    run(test, queues=(Definition(COMMAND_QUEUE, backout_threshold=1), Definition(REPLY_QUEUE)))


def test_poison_that_no_queue_takes_is_kept(monkeypatch, caplog):
    """It goes back, and after a pause the front tries again."""
    monkeypatch.setattr(mq_front, "_FULL_S", 0.01)

    async def test(running):
        queues = [Program(running.manager, name) for name in (BACKOUT_QUEUE, DEAD_LETTER_QUEUE)]
        for program in queues:
            program.queue.put_inhibited = True
        running.send(b"garbage")
        while caplog.text.count("does not take a poison message") < 4:
            await asyncio.sleep(0)
        queues[0].queue.put_inhibited = False
        assert (await running.next(queues[0])).body == b"garbage"

    run(test)


def test_a_reply_that_cannot_be_delivered_is_a_dead_letter():
    """With the header that says where it was to go, and why it could not."""

    async def test(running):
        dead = Program(running.manager, DEAD_LETTER_QUEUE)
        running.send(opening(), reply_to_q=b"NO.SUCH")
        got = await running.next(dead)
        md = md_of(got)
        assert text(md.format) == b"MQDEAD"
        assert md.correl_id == CORREL_ID
        assert got.body[:4] == b"DLH "
        assert int.from_bytes(got.body[8:12], "little") == codes.MQRC_UNKNOWN_OBJECT_NAME
        assert text(got.body[12:60]) == b"NO.SUCH"
        assert json.loads(got.body[172:])["status"] == "ACCEPTED"

    run(test)


def test_a_reply_that_not_even_the_dead_take_is_told(caplog):
    """And the command is accepted all the same."""

    async def test(running):
        Program(running.manager, DEAD_LETTER_QUEUE).queue.put_inhibited = True
        running.send(opening(), reply_to_q=b"NO.SUCH")
        await running.until_accepted()
        running.send(opening(2))
        await running.reply()

    run(test)
    assert "a reply to NO.SUCH is given up" in caplog.text


def test_a_command_that_the_platform_loses_gets_its_first_reply_only():
    """As over HTTP: acknowledged and forgotten; nobody waits for its decision."""

    async def test(running):
        running.send(opening())
        _, body = await running.reply()
        assert body["status"] == "ACCEPTED"
        assert running.accepted == []
        assert running.front._waiting == {}

    run(test, defects={LOSE: 1})


def test_a_platform_that_stops_leaves_what_it_reads_on_the_queue():
    """Uncommitted is not done."""

    async def main():
        async with Running() as running:
            await asyncio.sleep(0)
        running.send(opening())
        await asyncio.sleep(0)
        assert running.commands.depth() == 1
        assert running.manager.sessions == 2

    asyncio.run(main())


def test_a_queue_manager_that_goes_and_comes_is_connected_to_again(monkeypatch, caplog):
    """Said once; replies that could not be sent meanwhile are sent then."""
    monkeypatch.setattr(mq_front, "_RETRY_S", 0.01)

    async def test(running):
        running.send(opening())
        await running.reply()
        running.listening.close()
        for client in list(running.server._clients):
            client.cut_off()
        while "trying again" not in caplog.text:
            await asyncio.sleep(0.001)
        running.decide()
        loop = asyncio.get_running_loop()
        running.listening = await loop.create_server(running.server.connected, "127.0.0.1", 0)
        running.port = running.listening.sockets[0].getsockname()[1]
        _, final = await running.reply()
        assert final["status"] == "SETTLED"

    run(test, remote=True)


@pytest.mark.parametrize("remote", [False, True])
def test_commands_that_nobody_may_read_wait(monkeypatch, caplog, remote):
    """Gets are inhibited, and the front reads on when they are allowed again."""
    monkeypatch.setattr(mq_front, "_RETRY_S", 0.01)

    async def test(running):
        running.send(opening())
        await running.reply()
        running.commands.queue.inhibit_get(inhibited=True)
        running.send(opening(2))
        while "MQRC 2016; trying again" not in caplog.text:
            await asyncio.sleep(0.001)
        assert len(running.accepted) == 1
        running.commands.queue.inhibit_get(inhibited=False)
        _, body = await running.reply()
        assert body["commandId"] == uuid(2)

    run(test, remote=remote)


def test_a_fault_of_the_platform_is_told_and_the_front_goes_on(monkeypatch, caplog):
    """The command is not lost: it is backed out and read again."""
    monkeypatch.setattr(mq_front, "_RETRY_S", 0.01)

    async def test(running):
        accept, faults = running.platform.accept, iter([ZeroDivisionError])
        monkeypatch.setattr(
            running.platform, "accept", lambda *command: fault(faults) or accept(*command)
        )
        running.send(opening())
        _, body = await running.reply()
        assert body["status"] == "ACCEPTED"

    def fault(faults):
        for one in faults:
            raise one

    run(test)
    assert "a fault in the sandbox itself" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_link_that_cannot_be_says_why():
    """Nobody there, or nobody let in."""

    async def test(running):
        with pytest.raises(Broken, match=r"refuses: MQRC 2540"):
            await RemoteLink.connected(Address("127.0.0.1", running.port, "NO.SUCH"))
        port = running.port
        running.listening.close()
        await running.listening.wait_closed()
        with pytest.raises(Broken, match=rf"no queue manager answers at 127.0.0.1\({port}\)"):
            await RemoteLink.connected(Address("127.0.0.1", port, "DEV.APP.SVRCONN"))

    run(test, remote=True)


def test_a_long_backlog_leaves_others_their_turns():
    """The front does not keep the loop to itself until the queue is empty."""

    async def test(running):
        turns = 0
        while running.commands.depth():
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 10

    async def main():
        running = Running()
        for number in range(1, 301):
            running.send(opening(number))
        async with running:
            await asyncio.wait_for(test(running), 20)

    asyncio.run(main())
