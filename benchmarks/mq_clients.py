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
import ctypes
import json
import os
import socket
import time
from collections.abc import Callable
from typing import Any, cast

import gevent
import psutil
from gevent.threadpool import ThreadPool

from sandbox import mqbinding
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
WAIT_MS = 10_000
WARM_UP_S = 0.5
TICK_S = 0.002
CLIENT_BINDING = 0x800

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


class User:
    """One connection, and what to do with it; `run` is for calls that would block the hub."""

    def __init__(self, mq: Any, address: str, number: int, run: Callable[..., Any]) -> None:
        self._mq, self._number, self._run = mq, number, run
        cno = mq.CNO(Options=codes.MQCNO_HANDLE_SHARE_BLOCK | CLIENT_BINDING)
        self._qm = run(lambda: mq.connect("QM1", "DEV.APP.SVRCONN", address, cno=cno))
        self._asked = 0

    def _open(self, name: str, options: int) -> Any:
        return self._run(lambda: self._mq.Queue(self._qm, name, options))

    def put(self) -> Work:
        """Put messages on a queue that nobody reads."""
        queue = self._open(STORE, codes.MQOO_OUTPUT)
        pmo = self._mq.PMO(Options=codes.MQPMO_NO_SYNCPOINT)
        return lambda: self._run(lambda: queue.put(BODY, self._mq.MD(), pmo))

    def get(self) -> Work:
        """Get messages from that queue; it must have enough."""
        queue = self._open(STORE, codes.MQOO_INPUT_SHARED)
        gmo = self._mq.GMO(Options=codes.MQGMO_NO_SYNCPOINT)
        return lambda: self._run(lambda: queue.get(None, self._mq.MD(), gmo))

    def ask(self) -> Work:
        """Put requests and get their replies."""
        return self._asking(lambda _: BODY)

    def command(self) -> Work:
        """Ask a payments platform: payments from an account that there is not."""
        return self._asking(payment)

    def _asking(self, body_of: Callable[[bytes], bytes]) -> Work:
        requests = self._open(REQUESTS, codes.MQOO_OUTPUT)
        replies = self._open(REPLIES, codes.MQOO_INPUT_SHARED)
        pmo = self._mq.PMO(Options=codes.MQPMO_NO_SYNCPOINT)
        gmo = self._mq.GMO(
            Options=codes.MQGMO_WAIT | codes.MQGMO_NO_SYNCPOINT,
            WaitInterval=WAIT_MS,
            MatchOptions=codes.MQMO_MATCH_CORREL_ID,
        )

        def ask() -> None:
            self._asked += 1
            correl_id = b"%012x%012x" % (self._number, self._asked)
            request = self._mq.MD(
                MsgType=codes.MQMT_REQUEST,
                Format=b"MQSTR",
                CodedCharSetId=1208,
                CorrelId=correl_id,
                ReplyToQ=REPLIES,
            )
            self._run(lambda: requests.put(body_of(correl_id), request, pmo))
            reply = self._mq.MD(CorrelId=correl_id)
            self._run(lambda: replies.get(None, reply, gmo))
            assert reply.CorrelId == correl_id

        return ask


def payment(correl_id: bytes) -> bytes:
    """Return the envelope of a payment whose ids are made of a correlation id's 24 digits."""
    digits = correl_id.decode()
    uuid = f"{digits[:8]}-{digits[8:12]}-8000-8000-{digits[12:]}"
    return (
        f'{{"messageId":"{uuid}","commandId":"{uuid}","correlationId":"{digits}{digits}",'
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


def binding(path: str, library: str) -> Any:
    """Import IBM's package, over the stand-in or over the C module with the library for IBM's."""
    if path == "threads":
        ctypes.CDLL(library, ctypes.RTLD_GLOBAL)
    else:
        mqbinding.install()
    import ibmmq  # type: ignore[import-untyped, unused-ignore]

    return ibmmq


def work_of(path: str, work: str, address: str, library: str) -> Callable[[int], Work]:
    """Return what makes a user's work from its number."""
    if work == "bare":
        return lambda _: round_trips(address)
    mq = binding(path, library)

    def made(number: int) -> Work:
        run = ThreadPool(1).apply if path == "threads" else lambda call: call()
        return cast("Work", getattr(User(mq, address, number, run), work)())

    return made


def load(
    path: str, work: str, address: str, users: int, seconds: float, server: int, library: str
) -> None:
    """Have users work, measure, and print what was seen."""
    made = work_of(path, work, address, library)
    done = 0

    def use(number: int) -> None:
        nonlocal done
        do = made(number)
        while True:
            do()
            done += 1

    working = [gevent.spawn(use, number) for number in range(users)]
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
