"""The hop behind a proxy of Kafka's: what brokers tell of themselves is told of their proxies instead."""

from __future__ import annotations

from struct import pack

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from locustfiles.channels import kafka_probe
from locustfiles.channels.kafka_settings import KafkaSettings
from locustfiles.kafka_hop import Hop, through
from locustfiles.kafka_launch import begin
from locustfiles.plans import load_plan
from reports.rundir import RunDirectory
from tests.mq_process import sandbox
from tests.toxiproxy import NoProxy

LONG = "kafka-7." + "x" * 150 + ".example"
METADATA, FETCH, COORDINATOR = 3, 1, 10


def classic(host, port):
    """Return an address as versions before the flexible ones have it."""
    return pack(">h", len(host)) + host.encode() + pack(">i", port)


def compact(host, port):
    """Return an address as flexible versions have it: of the length, one more, seven bits a byte."""
    size = len(host) + 1
    written = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return written + host.encode() + pack(">i", port)


def framed(content):
    return pack(">i", len(content)) + content


class Broker:
    """Answers every request with the same, under its number."""

    def __init__(self, answer):
        self._answer = answer
        self.server = StreamServer(("127.0.0.1", 0), self._serve)
        self.server.start()
        self.address = "127.0.0.1", self.server.server_port

    def _serve(self, client, _address):
        stream = client.makefile("rb")
        while len(head := stream.read(4)) == 4:
            request = stream.read(int.from_bytes(head, "big"))
            client.sendall(framed(request[4:8] + self._answer))


@pytest.fixture
def asked():
    """Gives a function that asks a broker behind a hop, which knows the names of two brokers."""
    names = {}
    for theirs, ours in ((("one", 9092), ("127.0.0.1", 5)), ((LONG, 9093), ("proxies.example", 6))):
        names |= {write(*theirs): write(*ours) for write in (classic, compact)}
    with gevent.Timeout(30):
        opened = []

        def ask(kind, answer):
            broker = Broker(answer)
            hop = Hop(broker.address, names)
            opened.extend([hop.close, broker.server.stop])
            host, _, port = hop.address.partition(":")
            with socket.create_connection((host, int(port))) as client:
                client.sendall(framed(pack(">hhi", kind, 9, 77) + b"\xff\xff"))
                client.shutdown(socket.SHUT_WR)
                with client.makefile("rb") as stream:
                    return stream.read()

        yield ask
        for close in opened:
            close()


@pytest.mark.parametrize("write", [classic, compact])
@pytest.mark.parametrize("kind", [METADATA, COORDINATOR])
def test_brokers_are_named_as_their_proxies(asked, kind, write):
    """In old versions and new, whatever the lengths; the frame is as long as it is then."""
    told = b"\0\0" + write("one", 9092) + b"\xff" + write(LONG, 9093) + b"topic"
    ours = b"\0\0" + write("127.0.0.1", 5) + b"\xff" + write("proxies.example", 6) + b"topic"
    assert asked(kind, told) == framed(pack(">i", 77) + ours)


def test_what_else_is_told_stays_as_it_is(asked):
    """A record may have an address in it; and a broker that has no proxy keeps its own."""
    record = b"\0\0" + classic("one", 9092)
    assert asked(FETCH, record) == framed(pack(">i", 77) + record)
    other = classic("one", 9094) + classic("two", 9092)
    assert asked(METADATA, other) == framed(pack(">i", 77) + other)


def test_clients_that_begin_at_the_proxy_stay_there(tmp_path):
    """librdkafka's: their broker, and the group's coordinator, is the proxy alone."""
    wire = NoProxy()
    with sandbox("--kafka-only", "--kafka-port", "0") as broker:
        plan = load_plan("demo", ["channels={kafka=1}", f"kafka.bootstrap='{broker.kafka}'"])
        proxied = through(plan, wire)
        ((name, hop),) = wire.made
        assert (name, proxied.kafka.bootstrap) == ("kafka", hop)
        host, _, port = hop.partition(":")
        assert kafka_probe.brokers(KafkaSettings(), hop) == [(host, int(port))]
        directory = RunDirectory.create(tmp_path, "demo")
        begin(proxied, directory)
        assert "offsets" in (directory.events / "start.json").read_text()
    wire.behind.close()
    with pytest.raises(ConnectionError):
        socket.create_connection((host, int(port)))
