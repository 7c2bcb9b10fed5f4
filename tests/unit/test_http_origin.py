"""Addresses of platforms: what is one, what is refused, and IPv6."""

from __future__ import annotations

import pytest
from gevent import socket

from e2e_data.problems import Problems
from locustfiles.channels.http import HttpConnection
from locustfiles.channels.origin import Origin
from tests.helpers_wire import answer, serving
from tests.http_parts import POST, connect, says


@pytest.mark.parametrize(
    ("url", "origin", "authority"),
    [
        ("http://127.0.0.1:8080", Origin("http", "127.0.0.1", 8080), "127.0.0.1:8080"),
        ("http://pay.example", Origin("http", "pay.example", 80), "pay.example:80"),
        ("https://pay.example/", Origin("https", "pay.example", 443), "pay.example:443"),
        ("HTTP://PAY.example:81", Origin("http", "pay.example", 81), "pay.example:81"),
        ("http://[::1]:8080", Origin("http", "::1", 8080), "[::1]:8080"),
        ("http://[::1]", Origin("http", "::1", 80), "[::1]:80"),
    ],
)
def test_an_address(url, origin, authority):
    """Scheme, host and port are read, ports have their defaults, and IPv6 stands in brackets."""
    found = Origin.parse(url)
    assert found == origin
    assert found.authority == authority
    assert Origin.parse(str(found)) == found


@pytest.mark.parametrize(
    "url",
    [
        *("", "127.0.0.1:8080", "localhost", "ftp://x", "http://", "http://:80", "http://x:port"),
        *("http://x:99999", "http://x:0", "http://[::1", "http://[x]"),
    ],
)
def test_what_is_no_address(url):
    """Anything else is refused with an example; nothing of it is guessed or left out silently."""
    with pytest.raises(Problems) as found:
        Origin.parse(url)
    assert found.value.problems == (f"--host {url}: give an address such as http://127.0.0.1:8080",)


def test_an_address_has_no_password():
    """It would be written into the run directory; what is said of it does not repeat it."""
    with pytest.raises(Problems) as found:
        Origin.parse("http://me:secret@x")
    assert found.value.problems == (
        "--host: leave name and password out; credentials belong in the plan",
    )


@pytest.mark.parametrize("rest", ["/api", "/?a=1", "?a=1", "#top"])
def test_an_address_has_no_path(rest):
    """A path would be left out of every request, so it is refused, and said whose it is."""
    with pytest.raises(Problems, match=r"give the address alone, http://x:80; paths are the"):
        Origin.parse(f"http://x:80{rest}")


def ipv6_is_there() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as bound:
            bound.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_ipv6():
    """A platform on IPv6 is spoken to, with brackets in the Host header."""
    connection = HttpConnection(Origin("http", "::1", 80), timeout_s=1)
    assert b"Host: [::1]:80\r\n" in connection._access.lines
    if ipv6_is_there():
        with serving(says(answer()), host="::1") as peer:
            assert connect(peer).request(POST).status == 202
            assert b"\r\nHost: [::1]:%d\r\n" % peer.origin.port in peer.requests[0]
