"""The hop behind a proxy: Kafka's clients come back by the proxy, whatever addresses brokers give them.

client → Toxiproxy → hop → broker. A broker tells its clients where it and the others are, and they go
right there, past any proxy; in the answers that tell it, the hop names the proxies instead. Each broker
has a proxy and a hop. What is encrypted cannot be read here, and goes by no proxy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from struct import Struct

import gevent
from gevent import socket
from gevent.pool import Pool
from gevent.server import StreamServer

from locustfiles.channels import kafka_probe
from locustfiles.kafka_plan import settings_of
from locustfiles.plans import Plan
from locustfiles.toxiproxy import Toxiproxy

CONNECT_S = 10
FRAME_MAX_BYTES = 128 * 1024 * 1024

_LENGTH = Struct(">i")
_REQUEST = Struct(">hhi")
"""What is asked, in which version, and the number that its answer begins with."""
_NAMING = frozenset({3, 10, 60})
"""Metadata, FindCoordinator and DescribeCluster: the requests whose answers name brokers."""

Address = tuple[str, int]


def through(plan: Plan, wire: Toxiproxy) -> Plan:
    """Return a plan that reaches Kafka through proxies, one for each broker. Raises Problems."""
    settings = settings_of(plan)
    assert settings.bootstrap is not None, "it was checked, or is the sandbox's"
    names: dict[bytes, bytes] = {}
    proxies = []
    for broker in kafka_probe.brokers(settings, settings.bootstrap):
        hop = Hop(broker, names)
        wire.behind.callback(hop.close)
        proxies.append(wire.proxy("kafka", hop.address))
        host, _, port = proxies[-1].rpartition(":")
        names |= zip(_written(broker), _written((host, int(port))), strict=True)
    kafka = settings.model_copy(update={"bootstrap": ",".join(proxies)})
    return plan.model_copy(update={"kafka": kafka})


class Hop:
    """Leads to one broker whoever connects, until it is closed."""

    def __init__(self, broker: Address, names: dict[bytes, bytes]) -> None:
        """Begin; `names` are brokers as answers have them, and what they are to have instead."""
        self._broker, self._names = broker, names
        self._server = StreamServer(("127.0.0.1", 0), self._lead, spawn=Pool())
        self._server.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Let nobody in any more, and end what is open."""
        self._server.stop(timeout=0)

    def _lead(self, client: socket.socket, _address: object) -> None:
        # A wire that breaks is what proxies are for: whoever is at its ends sees it, and tells it.
        with (
            contextlib.suppress(OSError),
            client,
            socket.create_connection(self._broker, CONNECT_S) as broker,
        ):
            broker.settimeout(None)
            for end in (client, broker):
                # Else a small frame waits for the one before to be acknowledged: 40 ms.
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            naming: set[bytes] = set()
            asking = gevent.spawn(_ask, client, broker, naming)
            try:
                self._answer(broker, client, naming)
            finally:
                asking.kill()

    def _answer(self, broker: socket.socket, client: socket.socket, naming: set[bytes]) -> None:
        for answer in _frames(broker):
            told = answer
            if answer[:4] in naming:
                naming.discard(answer[:4])
                for theirs, ours in self._names.items():
                    told = told.replace(theirs, ours)
            client.sendall(_LENGTH.pack(len(told)) + told)


def _ask(client: socket.socket, broker: socket.socket, naming: set[bytes]) -> None:
    """Hand on what is asked, and note the numbers of what has answers that name brokers."""
    with contextlib.suppress(OSError):
        for request in _frames(client):
            if len(request) >= _REQUEST.size and _REQUEST.unpack_from(request)[0] in _NAMING:
                naming.add(request[4:8])
            broker.sendall(_LENGTH.pack(len(request)) + request)
    # The broker closes its side then, and the answers end.
    with contextlib.suppress(OSError):
        broker.shutdown(socket.SHUT_WR)


def _frames(end: socket.socket) -> Iterator[bytes]:
    """Yield requests or answers until there are no more; what is none ends them too."""
    with end.makefile("rb") as stream:
        while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
            (size,) = _LENGTH.unpack(head)
            if not 0 < size <= FRAME_MAX_BYTES:
                return
            frame = stream.read(size)
            if len(frame) < size:
                return
            yield frame


def _written(address: Address) -> tuple[bytes, bytes]:
    """Return an address as answers have it: the length of the host, the host, and the port.

    Older versions have the length in two bytes; newer ones, one more, in as few as it needs.
    """
    host, port = address[0].encode(), _LENGTH.pack(address[1])
    return len(host).to_bytes(2, "big") + host + port, _varint(len(host) + 1) + host + port


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])
