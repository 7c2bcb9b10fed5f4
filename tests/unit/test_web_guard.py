"""The fence of the web UI: what another site's page sends in a user's name is refused."""

from __future__ import annotations

import pytest

from locustfiles.web.guard import is_loopback, refusal

OWN = {"Host": "127.0.0.1:8089"}
HERE = {**OWN, "Origin": "http://127.0.0.1:8089", "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", OWN),
        ("POST", OWN),  # a script, which sends nothing of the sort
        ("POST", HERE),
        ("GET", {**OWN, "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}),
        # A link on another page leads here; our pages change nothing by being looked at.
        ("GET", {**OWN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
        ("GET", {"Host": "localhost:8089"}),
        ("GET", {"Host": "[::1]:8089"}),
        ("GET", {"Host": "load.bank.example"}),  # --web-host-display-name
    ],
)
def test_own_pages_and_scripts_get_in(method, headers):
    """Whoever comes from here, or is no browser, is let in."""
    assert refusal(method, headers, "127.0.0.1", ["load.bank.example"]) == ""


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {**OWN, "Origin": "https://evil.example"}),
        ("POST", {**OWN, "Origin": "null"}),
        ("POST", {**OWN, "Origin": "http://127.0.0.1:3000"}),  # another program of this machine
        ("POST", {**OWN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
        ("GET", {**OWN, "Origin": "https://evil.example"}),  # it would read the figures
        ("GET", {**OWN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
        ("GET", {**OWN, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}),
        # A name of somebody else's that leads to loopback: their page would be ours.
        ("GET", {"Host": "evil.example:8089"}),
        ("GET", {}),
    ],
)
def test_other_sites_do_not(method, headers):
    """Each way in which a page elsewhere could press a button or read along is closed."""
    assert refusal(method, headers, "127.0.0.1")


def test_where_everybody_may_come_any_name_may_be_used():
    """On all interfaces nobody knows the names of this machine; other sites are refused all the same."""
    assert refusal("GET", {"Host": "load.bank.example"}, "") == ""
    assert refusal("POST", {"Host": "a.example", "Origin": "https://b.example"}, "")
    assert not refusal("POST", {"Host": "a.example", "Origin": "https://a.example"}, "")


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True)),
        *(("", False), ("0.0.0.0", False), ("10.0.0.1", False), ("localhost.evil.example", False)),
    ],
)
def test_loopback_is_known(host, own):
    """Names and addresses that are this machine's own."""
    assert is_loopback(host) is own
