"""The network side: calls and answers, gets that wait or are given up, and hostile input."""

from __future__ import annotations

import asyncio
import struct

import pytest

from sandbox import mq_server
from sandbox.mq_server import SELECTORS_MAX, Server
from sandbox.mqbinding import codes, protocol
from sandbox.mqbinding.protocol import ANSWER, CALL, Verb
from sandbox.mqbinding.structs import NO_ID, Descriptor
from tests.mq_parts import Program, manager

CHANNEL = b"DEV.APP.SVRCONN"
WAIT = codes.MQGMO_WAIT
MD = Descriptor().pack()
USES = codes.MQOO_INPUT_SHARED | codes.MQOO_OUTPUT | codes.MQOO_INQUIRE | codes.MQOO_SET


class Client:
    """A program at the other end of a socket, that may send anything."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.number = 0

    def send(self, verb, body=b"", number=None):
        self.number = self.number + 1 if number is None else number
        self.writer.write(CALL.pack(8 + len(body), self.number, verb) + body)

    async def answer(self):
        """Return the number, completion, reason and body of the next answer."""
        length, number, completion, reason = ANSWER.unpack(
            await self.reader.readexactly(ANSWER.size)
        )
        return number, completion, reason, await self.reader.readexactly(length - 12)

    async def call(self, verb, body=b""):
        """Send a call and return its answer's reason and body."""
        self.send(verb, body)
        number, _, reason, answer = await self.answer()
        assert number == self.number
        return reason, answer

    def hello(self, *, version=protocol.VERSION, channel=CHANNEL, extra=b""):
        return protocol.HELLO.pack(version, b"", channel, b"test", b"me", 0, 0) + extra

    async def open(self, name=b"Q", options=USES):
        reason, answer = await self.call(
            Verb.OPEN, protocol.OPENING.pack(codes.MQOT_Q, options, name, b"", b"AMQ.*")
        )
        return reason or protocol.OPENED.unpack(answer)[0]

    def get(self, handle, options=0, wait_ms=0, room=4096, correl_id=NO_ID):
        return protocol.GETTING.pack(handle, options, wait_ms, 3, room, 0, NO_ID, correl_id)

    async def is_cut_off(self):
        """Say whether the connection ends without another answer."""
        try:
            return await asyncio.wait_for(self.reader.read(), 5) == b""
        except ConnectionError:
            return True


class Running:
    """A queue manager that listens on loopback while a test runs."""

    def __init__(self, of):
        self.manager = of
        self.server = Server(of)
        self.inside = Program(of)

    async def client(self, *, greeted=True):
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        if greeted:
            assert (await client.call(Verb.CONNECT, client.hello()))[0] == 0
        return client


def serving(test, **settings):
    """Run a test, a coroutine function that takes a Running, to its end."""

    async def main():
        running = Running(manager(**settings))
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(running.server.connected, "127.0.0.1", 0)
        running.port = listening.sockets[0].getsockname()[1]
        try:
            await asyncio.wait_for(test(running), 20)
        finally:
            listening.close()
            await running.server.close(grace_s=0)

    asyncio.run(main())


async def until(condition):
    """Let the loop turn until a condition holds; the test's bound bounds it."""
    while not condition():
        await asyncio.sleep(0.001)


def test_calls_are_answered_one_after_the_other():
    """Connect, open, put, inquire, get, commit, close, disconnect."""

    async def test(running):
        client = await running.client()
        handle = await client.open()
        reason, answer = await client.call(
            Verb.PUT, protocol.PUTTING.pack(handle, codes.MQPMO_SYNCPOINT) + MD + b"hello"
        )
        assert (reason, len(answer)) == (0, 364 + 96)
        assert (await client.call(Verb.COMMIT)) == (0, b"")
        selector = struct.pack("<I", codes.MQIA_CURRENT_Q_DEPTH)
        inquiry = protocol.INQUIRING.pack(handle, 1) + selector
        assert (await client.call(Verb.INQUIRE, inquiry)) == (0, struct.pack("<Ii", 1, 1))
        reason, answer = await client.call(Verb.GET, client.get(handle))
        length, name, token = protocol.GOT.unpack_from(answer)
        assert (reason, length, name.rstrip(), answer[-5:]) == (0, 5, b"Q", b"hello")
        assert any(token)
        opening = protocol.OPENING.pack(codes.MQOT_Q, 0, b"Q", b"", b"")
        assert (await client.call(Verb.PUT1, opening + MD + b"1"))[0] == 0
        inhibit = struct.pack("<Ii", codes.MQIA_INHIBIT_PUT, 1)
        assert await client.call(Verb.SET, protocol.INQUIRING.pack(handle, 1) + inhibit) == (0, b"")
        refused, _ = await client.call(Verb.PUT1, opening + MD + b"2")
        assert refused == codes.MQRC_PUT_INHIBITED
        assert await client.call(Verb.BACK) == (0, b"")
        assert await client.call(Verb.CLOSE, protocol.CLOSING.pack(handle, 0)) == (0, b"")
        assert await client.call(Verb.DISCONNECT) == (0, b"")
        assert await client.is_cut_off()

    serving(test)


def test_a_get_waits_for_its_time_and_no_longer():
    """2033 when nothing came; the message when one did; at once where there is no wait."""

    async def test(running):
        client = await running.client()
        handle = await client.open()
        for options, wait_ms in ((0, 60_000), (WAIT, 0), (WAIT, 1)):
            call = client.call(Verb.GET, client.get(handle, options, wait_ms))
            assert (await call)[0] == codes.MQRC_NO_MSG_AVAILABLE
        client.send(Verb.GET, client.get(handle, WAIT, codes.MQWI_UNLIMITED))
        await until(lambda: running.inside.queue.waiters)
        running.inside.put(b"here")
        assert (await client.answer())[3].endswith(b"here")

    serving(test)


def test_a_wait_that_is_given_up_takes_no_message():
    """The next call of the same connection is answered, and the message is there for it."""

    async def test(running):
        client = await running.client()
        handle = await client.open()
        client.send(Verb.GET, client.get(handle, WAIT, 60_000))
        await until(lambda: running.inside.queue.waiters)
        client.send(Verb.CANCEL, protocol.NUMBER.pack(client.number), number=0)
        await until(lambda: not running.inside.queue.waiters)
        running.inside.put(b"a")
        client.number = 50
        reason, answer = await client.call(Verb.GET, client.get(handle))
        assert (reason, answer[-1:]) == (0, b"a")

    serving(test)


def test_a_message_that_was_on_its_way_when_the_get_was_given_up_is_put_back():
    """Once; and only that of the last call."""

    async def test(running):
        client = await running.client()
        handle = await client.open()
        for body in (b"a", b"b"):
            running.inside.put(body)
        for _ in range(2):
            reason, answer = await client.call(Verb.GET, client.get(handle))
            assert (reason, answer[-1:]) == (0, b"a")
            for _ in range(2):
                client.send(Verb.CANCEL, protocol.NUMBER.pack(client.number), number=0)
            client.number += 1
        assert (await client.call(Verb.GET, client.get(handle)))[1][-1:] == b"a"
        last = client.number
        assert (await client.call(Verb.COMMIT))[0] == 0
        client.send(Verb.CANCEL, protocol.NUMBER.pack(last), number=0)
        assert (await client.call(Verb.GET, client.get(handle)))[1][-1:] == b"b"

    serving(test)


def test_a_connection_that_is_lost_backs_out_and_waits_no_more():
    """What it had got is there again, what it had put is not, and nothing is kept for it."""

    async def test(running):
        client, waiting = await running.client(), await running.client()
        handle = await client.open()
        running.inside.put(b"got")
        assert (await client.call(Verb.GET, client.get(handle, codes.MQGMO_SYNCPOINT)))[0] == 0
        put = protocol.PUTTING.pack(handle, codes.MQPMO_SYNCPOINT) + MD + b"put"
        assert (await client.call(Verb.PUT, put))[0] == 0
        waiting.send(Verb.GET, waiting.get(await waiting.open(), WAIT, 60_000, correl_id=b"c" * 24))
        await until(lambda: running.inside.queue.waiters)
        for gone in (client, waiting):
            gone.writer.transport.abort()
        await until(lambda: running.manager.sessions == 1)
        assert not running.inside.queue.waiters
        assert running.inside.get() == b"got"
        assert running.inside.get() is None

    serving(test)


def test_a_message_longer_than_a_read_is_put_together():
    """Three megabytes, in and out, and cut to the room that the program has."""

    async def test(running):
        client = await running.client()
        handle = await client.open()
        body = bytes(range(256)) * 12_000
        assert (await client.call(Verb.PUT, protocol.PUTTING.pack(handle, 0) + MD + body))[0] == 0
        reason, answer = await client.call(Verb.GET, client.get(handle, room=10))
        assert (reason, len(answer)) == (codes.MQRC_TRUNCATED_MSG_FAILED, 68 + 364 + 10)
        _, answer = await client.call(Verb.GET, client.get(handle, room=4_000_000))
        assert answer[-len(body) :] == body

    serving(test)


def test_calls_may_come_in_any_pieces():
    """Byte by byte, and several at once."""

    async def test(running):
        client = await running.client()
        handle = await client.open()
        put = protocol.PUTTING.pack(handle, 0) + MD + b"x"
        frame = CALL.pack(8 + len(put), 7, Verb.PUT) + put
        for index in range(len(frame)):
            client.writer.write(frame[index : index + 1])
            if index % 40 == 0:
                await asyncio.sleep(0)
        client.writer.write(frame * 3)
        for _ in range(4):
            assert (await client.answer())[:3] == (7, 0, 0)
        assert running.inside.depth() == 4

    serving(test)


CLOSING = protocol.CLOSING.pack(2, 0)


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack("<I", 0),
        struct.pack("<III", 7, 1, Verb.COMMIT),
        struct.pack("<I", protocol.FRAME_BYTES_MAX + 1),
        struct.pack("<I", 2**32 - 1),
        b"GET / HTTP/1.1\r\n\r\n",
        CALL.pack(8, 1, 99),
        CALL.pack(8, 1, Verb.CONNECT),
        CALL.pack(8, 1, Verb.OPEN),
        CALL.pack(8, 1, Verb.CANCEL),
        CALL.pack(8, 1, Verb.GET),
        CALL.pack(12, 1, Verb.PUT) + b"four",
        CALL.pack(8 + 8 + 100, 1, Verb.PUT) + CLOSING + bytes(100),
        CALL.pack(8 + 152 + 363, 1, Verb.PUT1) + bytes(152 + 363),
        CALL.pack(8 + len(CLOSING) + 1, 1, Verb.CLOSE) + CLOSING + b"?",
        CALL.pack(16, 1, Verb.INQUIRE) + protocol.INQUIRING.pack(2, SELECTORS_MAX + 1),
        CALL.pack(16, 1, Verb.INQUIRE) + protocol.INQUIRING.pack(2, 5),
        CALL.pack(23, 1, Verb.SET) + protocol.INQUIRING.pack(2, 1) + bytes(7),
    ],
    ids=range(17),
)
def test_what_is_no_call_ends_that_connection_and_no_other(frame, caplog):
    """Lengths out of bounds, verbs that there are not, bodies too short or too long."""

    async def test(running):
        victim, bystander = await running.client(), await running.client()
        await victim.open()
        victim.writer.write(frame)
        assert await victim.is_cut_off()
        assert await bystander.open()
        assert running.manager.sessions == 2

    serving(test)
    assert "is cut off: it sent what is no call" in caplog.text


def test_a_stranger_may_send_little_and_only_a_greeting():
    """Before CONNECT a frame is short, and no other verb is answered."""

    async def test(running):
        for frame in (
            struct.pack("<I", protocol.GREETING_BYTES_MAX + 1),
            CALL.pack(8, 1, Verb.COMMIT),
            CALL.pack(11, 1, Verb.CANCEL) + b"abc",
        ):
            stranger = await running.client(greeted=False)
            stranger.writer.write(frame)
            assert await stranger.is_cut_off()
        for hello in ({"version": 2}, {"extra": b"more"}):
            stranger = await running.client(greeted=False)
            stranger.send(Verb.CONNECT, stranger.hello(**hello))
            assert await stranger.is_cut_off()

    serving(test)


def test_a_cancel_of_nothing_does_nothing():
    """Before the greeting, after it, or of a call of long ago."""

    async def test(running):
        client = await running.client(greeted=False)
        client.send(Verb.CANCEL, protocol.NUMBER.pack(1), number=0)
        assert (await client.call(Verb.CONNECT, client.hello()))[0] == 0
        client.send(Verb.CANCEL, protocol.NUMBER.pack(77), number=0)
        client.number = 5
        assert await client.open()

    serving(test)


def test_a_call_while_another_waits_ends_the_connection():
    """A connection has one call at a time."""

    async def test(running):
        client = await running.client()
        handle = await client.open()
        client.send(Verb.GET, client.get(handle, WAIT, 60_000))
        client.send(Verb.COMMIT)
        assert await client.is_cut_off()
        await until(lambda: not running.inside.queue.waiters)

    serving(test)


def test_who_does_not_greet_is_cut_off_in_time(monkeypatch):
    """An idle stranger costs nothing for long; who was refused may try again meanwhile."""
    monkeypatch.setattr(mq_server, "GREETING_S", 0.05)

    async def test(running):
        idle, refused = [await running.client(greeted=False) for _ in range(2)]
        reason, _ = await refused.call(Verb.CONNECT, refused.hello(channel=b"NO.SUCH"))
        assert reason == codes.MQRC_UNKNOWN_CHANNEL_NAME
        assert await idle.is_cut_off()
        assert await refused.is_cut_off()
        assert running.manager.sessions == 1

    serving(test)


def test_a_client_that_does_not_read_is_not_written_to_without_end():
    """Its calls are not taken until it reads; then all of them are answered."""

    async def test(running):
        client = await running.client()
        handle = await client.open()
        running.inside.put(b"x" * 1_000_000)
        browse = codes.MQGMO_BROWSE_FIRST
        await client.call(Verb.CLOSE, protocol.CLOSING.pack(handle, 0))
        handle = await client.open(options=codes.MQOO_BROWSE)
        client.reader._transport.pause_reading()
        for _ in range(40):
            client.send(Verb.GET, client.get(handle, browse, room=1_000_000), number=3)
        (served,) = running.server._clients
        await until(lambda: served._transport.get_write_buffer_size() > 0)
        for _ in range(200):
            await asyncio.sleep(0.001)
        assert served._transport.get_write_buffer_size() < 2_100_000
        client.reader._transport.resume_reading()
        for _ in range(40):
            assert len((await client.answer())[3]) > 1_000_000

    serving(test)


def test_at_the_end_programs_are_told_and_then_cut_off():
    """Who heeds it has some time to go; what is uncommitted is backed out."""

    async def test(running):
        heeding, heedless = await running.client(), await running.client()
        fail = codes.MQGMO_FAIL_IF_QUIESCING
        heeding.send(Verb.GET, heeding.get(await heeding.open(), WAIT | fail, 60_000))
        heedless.send(Verb.GET, heedless.get(await heedless.open(), WAIT, 60_000))
        await until(lambda: len(list(running.inside.queue.waiters)) == 2)
        closing = asyncio.create_task(running.server.close(grace_s=0.2))
        assert (await heeding.answer())[2] == codes.MQRC_Q_MGR_QUIESCING
        assert (await heeding.call(Verb.DISCONNECT))[0] == 0
        assert await heedless.is_cut_off()
        await closing

    serving(test)
