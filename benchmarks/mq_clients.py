"""The two ends of `benchmarks/mq.py`, each in a process of its own, told by their names.

python -m benchmarks.mq_clients serve
python -m benchmarks.mq_clients PATH WORK ADDRESS USERS SECONDS SERVER_PID [LIBRARY]

The first answers requests by an echo in the queue manager's process, and round trips of bare sockets.
The second has users do one kind of work, as often as they can: `put`, `get`, `ask` (a request and its
reply), `command` (the same, of a payments platform) or `bare` (two round trips). Its path is `stand-in`
or `threads`. It prints a JSON line: how often, in how much time and processor time here and there, and
the longest time for which gevent's hub did not go on.
"""

from __future__ import annotations

import sys

if sys.argv[1] != "serve":
    from gevent import monkey

    monkey.patch_all()

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import gevent
import psutil

from e2e_data.commands import Outcome
from e2e_data.ids import Ids
from e2e_data.mq import MqMessage, MqReply, Reply
from e2e_data.platform import Acknowledgement, Completion, Platform
from locustfiles.channels.mq_access import Desk, MqAccess
from locustfiles.channels.mq_links import Links
from locustfiles.channels.mq_replies import Awaited, Key
from locustfiles.channels.mq_session import Put, Session
from locustfiles.channels.mq_settings import MqSettings
from sandbox.mq_links import LocalLink
from sandbox.mq_options import address_of
from sandbox.mq_server import Server
from sandbox.mqbinding import codes
from sandbox.mqbinding.channels import addresses
from sandbox.mqbinding.structs import Descriptor, text
from sandbox.queue_manager import ManagerSettings, QueueManager
from sandbox.queues import Definition
from sandbox.server import listen

BODY = b"x" * 500
REQUESTS, REPLIES, STORE = "COMMAND.QUEUE", "REPLY.QUEUE", "COMMAND.QUEUE.BO"
ROUND_TRIP_BYTES = len(BODY) + 400
DEPTH = 990_000
WAIT_S = 10
COMMAND = "the command"
WARM_UP_S = 0.5
TICK_S = 0.002

Work = Callable[[], object]


# -- serving --------------------------------------------------------------------------------------


class Bare(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self._transport.write(data)


async def serve() -> None:
    """Run a queue manager with an echo, and bare sockets; say where they listen."""
    queues = tuple(Definition(name, depth_max=DEPTH) for name in (REQUESTS, REPLIES, STORE))
    manager = QueueManager(ManagerSettings(queues=queues))
    mq, bare = listen("127.0.0.1", 0), listen("127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    await loop.create_server(Server(manager).connected, sock=mq)
    await loop.create_server(Bare, sock=bare)
    print(json.dumps({"mq": address_of(mq), "bare": address_of(bare)}), flush=True)
    link = LocalLink(manager)
    source = await link.open(REQUESTS.encode())
    while True:
        for _ in range(20):
            await echo(link, *await link.get(source))
        await asyncio.sleep(0)


async def echo(link: LocalLink, request: Descriptor, body: bytes) -> None:
    """Answer a request with its body, in one unit of work."""
    reply = Descriptor(
        msg_type=codes.MQMT_REPLY, format=request.format, correl_id=request.correl_id
    )
    await link.put(text(request.reply_to_q), b"", reply, body)
    await link.commit()


# -- working --------------------------------------------------------------------------------------


class Echo(Platform):
    """Takes an echo for a final reply."""

    def read_reply(self, reply: MqReply) -> Reply:  # noqa: ARG002 - the adapter's
        """Read nothing: what is measured is the way there and back."""
        return Reply(COMMAND, outcome=Outcome.SETTLED)


def say(text: str) -> None:
    """Say what should not happen, beside the figures."""
    print(text, file=sys.stderr)


class Ledger:
    """Writes nothing down."""

    pending: frozenset[Key] = frozenset()

    def acknowledged(self, place: Key, answer: Acknowledgement, attempt: int = 0) -> int:  # noqa: ARG002 - the ledger's
        """Return no time."""
        return 0

    def completed(self, place: Key, completion: Completion) -> None:
        """Do nothing."""

    def bound(self, account: Key, account_id: str) -> None:
        """Do nothing."""

    def dead_lettered(self, place: Key, attempt: int | None, reason: str) -> int:  # noqa: ARG002 - the ledger's
        """Return no time."""
        return 0

    def unreadable(self, place: Key, attempt: int) -> None:
        """Do nothing."""

    def misdirected(self, place: Key) -> None:
        """Do nothing."""

    def other_account(self, place: Key, attempt: int) -> None:
        """Do nothing."""


class Users:
    """What users of a load generator do, with the connections and readers that they share."""

    def __init__(self, settings: MqSettings, work: str) -> None:
        platform = Platform() if work == "command" else Echo()
        self._access = MqAccess(settings, platform, Ids(bytes(16), 1), Ledger(), WAIT_S, say)
        self._links = Links(Desk.of(settings, say).link, settings.connections)
        self._asked = 0
        if work in ("ask", "command"):
            self._access.open()
        else:
            self._links.warm()

    def put(self) -> Work:
        """Put messages on a queue that nobody reads."""
        return lambda: self._use(lambda session: session.put(STORE, Put(BODY)))

    def get(self) -> Work:
        """Get messages from that queue; it must have enough."""
        return lambda: self._use(lambda session: session.get(STORE))

    def ask(self) -> Work:
        """Put requests and wait for their replies."""
        return lambda: self._exchange(BODY, COMMAND)

    def command(self) -> Work:
        """Ask a payments platform: payments from an account that there is not."""

        def pay() -> None:
            uuid = f"{self._asked:08x}-0000-8000-8000-000000000000"
            self._exchange(payment(uuid), uuid)

        return pay

    def _use(self, call: Callable[[Session], object]) -> None:
        with self._links.one() as link:
            if link.use(call) is None:
                raise LookupError("there is nothing left to get")

    def _exchange(self, body: bytes, command_id: str) -> None:
        self._asked = number = self._asked + 1
        awaited = Awaited((0, 0, number), 0, command_id)
        message = MqMessage(body, b"%024x" % number)
        self._access.exchange(message, self._access.next_reply_queue(), awaited)
        assert awaited.answer is not None


def payment(uuid: str) -> bytes:
    """Return the envelope of a payment whose ids are all one."""
    return (
        f'{{"messageId":"{uuid}","commandId":"{uuid}",'
        '"timestamp":"2026-11-20T12:00:00Z","commandType":"InitiateSimplePaymentCommand",'
        f'"payload":{{"customerId":"{uuid}","debitAccountId":"{uuid}",'
        '"debitAmount":{"amount":12.50,"currencyCode":"USD"},'
        '"creditAmount":{"amount":12.50,"currencyCode":"USD"},"valueDate":"2026-11-20",'
        '"beneficiary":{"name":"A Payee","accountNumber":"ACC000000001","transitNumber":"001",'
        f'"bankName":"A Bank"}},"description":"Rent"}},"replyTo":"{REPLIES}"}}'
    ).encode()


def round_trips(address: str) -> Work:
    """Make two round trips on a socket, of about as many bytes as a put and a get."""
    connected = socket.create_connection(addresses(address)[0])
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def twice() -> None:
        for _ in range(2):
            connected.sendall(bytes(ROUND_TRIP_BYTES))
            left = ROUND_TRIP_BYTES
            while left:
                left -= len(connected.recv(65536))

    return twice


def work_of(path: str, work: str, address: str, library: str) -> Callable[[], Work]:
    """Return what makes a user's work."""
    if work == "bare":
        return lambda: round_trips(address)
    settings = MqSettings(
        hosts=(address,),
        # Full of messages here, all of which would be looked through.
        backout_queue=None,
        binding="ibmmq" if path == "threads" else "sandbox",
        library=Path(library) if path == "threads" else None,
    )
    return cast("Callable[[], Work]", getattr(Users(settings, work), work))


def load(
    path: str, work: str, address: str, users: int, seconds: float, server: int, library: str
) -> None:
    """Have users work, measure, and print what was seen."""
    made = work_of(path, work, address, library)
    done = 0

    def use() -> None:
        nonlocal done
        do = made()
        while True:
            do()
            done += 1

    working = [gevent.spawn(use) for _ in range(users)]
    gevent.sleep(WARM_UP_S)
    process = psutil.Process(server)
    began, there = done, sum(process.cpu_times()[:2])
    wall, here = time.perf_counter(), time.process_time()
    stall = 0.0
    while (now := time.perf_counter()) - wall < seconds:
        gevent.sleep(TICK_S)
        stall = max(stall, time.perf_counter() - now - TICK_S)
    found = {
        "done": done - began,
        "wall_s": time.perf_counter() - wall,
        "load_cpu_s": time.process_time() - here,
        "server_cpu_s": sum(process.cpu_times()[:2]) - there,
        "stall_ms": 1000 * stall,
    }
    assert not any(one.ready() for one in working), "a user ended"
    print(json.dumps(found), flush=True)
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    else:
        path, work, address, users, seconds, server, *library = sys.argv[1:]
        load(path, work, address, int(users), float(seconds), int(server), "".join(library))
