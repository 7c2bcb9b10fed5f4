"""Faults on the wire, by real Toxiproxy: what each does to a connection, and that it is gone afterwards."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, suppress

import pytest

from e2e_data.problems import Problems
from locustfiles.plan_parts.faults import Fault
from locustfiles.toxiproxy import Toxiproxy
from tests.toxiproxy import toxiproxy

ASK, SIZE = b"x" * 100, 20_000
PATIENCE_S = 0.3
MANY = 60
"""So many answers are not all on one side by chance."""


@pytest.fixture(scope="module")
def api():
    with toxiproxy() as url:
        yield url


@pytest.fixture(scope="module")
def upstream():
    """A server that answers each hundred bytes with many."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        # A wire that breaks is what is tested.
        with closing(connection), suppress(ConnectionError):
            while connection.recv(len(ASK), socket.MSG_WAITALL):
                connection.sendall(b"y" * SIZE)

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def asked(connection, timeout_s=10.0):
    """Ask once; return the answer's size, and how long it took."""
    began_s, size = time.monotonic(), 0
    connection.settimeout(timeout_s)
    connection.sendall(ASK)
    while size < SIZE:
        got = connection.recv(SIZE)
        if not got:
            raise ConnectionResetError
        size += len(got)
    return size, time.monotonic() - began_s


def fault(do, **more):
    given = {"do": do, "phase": "p", "at_s": 0, "for_s": 1, "channel": "http", **more}
    return Fault.model_validate(given)


@pytest.mark.parametrize(
    ("given", "least_s"),
    [
        (fault("latency", ms=200), 0.2),
        (fault("bandwidth", kb_per_s=50), 0.3),
        (fault("slice", bytes=1000), 0.0),
        (fault("slow close", ms=100), 0.0),
    ],
    ids=lambda value: value.do if isinstance(value, Fault) else "",
)
def test_what_slows_a_wire_slows_it_until_it_ends(api, upstream, given, least_s):
    """All of the answer comes all the same."""
    wire = Toxiproxy(api, f"slow-{given.do.replace(' ', '-')}")
    host, _, port = wire.proxy("http", upstream).rpartition(":")
    with closing(socket.create_connection((host, int(port)))) as connection:
        asked(connection)
        wire.begin("http", given)
        size, took_s = asked(connection)
        assert (size, took_s >= least_s) == (SIZE, True)
        wire.end("http")
        if least_s:
            assert asked(connection)[1] < took_s
    wire.close()


def test_a_latency_with_jitter_strays_to_both_sides(api, upstream):
    """Never less than the latency without the jitter; some answers come before it, some after."""
    wire = Toxiproxy(api, "jitter")
    host, _, port = wire.proxy("http", upstream).rpartition(":")
    took_s = []
    with closing(socket.create_connection((host, int(port)))) as connection:
        wire.begin("http", fault("latency", ms=200, jitter_ms=150))
        while len(took_s) < MANY and not (took_s and min(took_s) < 0.2 < max(took_s)):
            took_s.append(asked(connection)[1])
    wire.close()
    assert 0.05 <= min(took_s) < 0.2 < max(took_s)


def test_a_reset_ends_every_connection_until_it_ends(api, upstream):
    """Those that are open, and those that are opened meanwhile."""
    wire = Toxiproxy(api, "reset")
    host, _, port = wire.proxy("http", upstream).rpartition(":")
    address = host, int(port)
    with closing(socket.create_connection(address)) as connection:
        asked(connection)
        wire.begin("http", fault("reset"))
        with pytest.raises(ConnectionError):
            asked(connection)
    with closing(socket.create_connection(address)) as connection, pytest.raises(ConnectionError):
        asked(connection)
    wire.end("http")
    with closing(socket.create_connection(address)) as connection:
        assert asked(connection)[0] == SIZE
    wire.close()
    with pytest.raises(ConnectionError):
        socket.create_connection(address)


def test_a_black_hole_lets_nothing_through_until_it_ends(api, upstream):
    """Nobody is told anything."""
    wire = Toxiproxy(api, "hole")
    host, _, port = wire.proxy("http", upstream).rpartition(":")
    address = host, int(port)
    wire.begin("http", fault("black hole"))
    with closing(socket.create_connection(address)) as connection, pytest.raises(TimeoutError):
        asked(connection, PATIENCE_S)
    wire.end("http")
    with closing(socket.create_connection(address)) as connection:
        assert asked(connection)[0] == SIZE
    wire.close()


def test_where_no_toxiproxy_is_that_is_told():
    """With what to do."""
    with pytest.raises(Problems) as told:
        Toxiproxy("http://127.0.0.1:1", "none").proxy("http", "127.0.0.1:2")
    assert "no Toxiproxy answers at http://127.0.0.1:1" in str(told.value)
    assert "correct wire.toxiproxy" in str(told.value)
