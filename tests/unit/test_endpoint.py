"""The port beside Locust's: what it serves, and what it says where it cannot."""

from __future__ import annotations

import argparse
import socket
import urllib.error
import urllib.request

import pytest
from gevent import get_hub

from e2e_data.problems import Problems
from locustfiles.endpoint import Address, Endpoint, address_of


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def asked(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    """Ask on a thread, since the server answers on this one."""

    def ask():
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return get_hub().threadpool.apply(ask)


@pytest.fixture
def endpoint():
    made = Endpoint(Address("127.0.0.1", free_port()), {"/page": lambda: ("text/plain", b"hello")})
    yield made
    made.stop()


def test_pages_are_served_by_path(endpoint):
    """Each page has its path, health has one always, and whoever errs is told what there is."""
    assert asked(endpoint.port, "/page") == (200, "hello")
    assert asked(endpoint.port, "/health") == (200, "the event loop goes round\n")
    assert asked(endpoint.port, "/else") == (404, "there are /health, /page\n")
    assert asked(endpoint.port, "/page", "POST")[0] == 405
    assert asked(endpoint.port, "/page", "HEAD") == (200, "")


def test_a_port_that_is_taken_is_told(endpoint):
    """A user's mistake is one line that says what to do."""
    with pytest.raises(Problems, match=r"--metrics-port \d+: cannot listen on 127.0.0.1 .*choose"):
        Endpoint(Address("127.0.0.1", endpoint.port), {})


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "8080.5"])
def test_what_is_no_port_is_told(port):
    """The value is in the message."""
    with pytest.raises(Problems, match=f"--metrics-port {port}: give a port from 1 to 65535"):
        address_of(argparse.Namespace(paystorm_metrics_port=port))


def test_it_listens_on_loopback_unless_told_otherwise():
    """Nothing is served to a network by default, and nothing at all without a port."""
    assert address_of(argparse.Namespace()) is None
    options = argparse.Namespace(paystorm_metrics_port="9646")
    assert address_of(options) == Address("127.0.0.1", 9646)
    options.paystorm_metrics_host = "0.0.0.0"
    assert address_of(options) == Address("0.0.0.0", 9646)
