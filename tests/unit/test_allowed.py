"""The allow-list: loopback is allowed, everything else has to be named."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from locustfiles.plan_parts.allowed import Address, Allowed, refused


@pytest.mark.parametrize(
    ("host", "allow", "allowed"),
    [
        ("127.0.0.1", [], True),
        ("127.9.9.9", [], True),
        ("::1", [], True),
        ("localhost", [], True),
        ("LocalHost.", [], True),
        ("a.localhost", [], True),
        ("0.0.0.0", [], False),
        ("10.1.2.3", [], False),
        ("localhost.example", [], False),
        ("127.0.0.1.example", [], False),
        ("10.1.2.3", ["10.1.2.3"], True),
        ("10.1.2.3", ["10.1.0.0/16"], True),
        ("10.2.2.3", ["10.1.0.0/16"], False),
        ("fd00::7", ["fd00::/8"], True),
        ("fd00::7", ["[fd00::7]:80"], True),
        ("staging.example", ["staging.example"], True),
        ("Staging.Example.", ["staging.example"], True),
        ("staging.example", ["staging.example:80"], True),
        ("staging.example", ["staging.example:443"], False),
        ("a.b.example", ["*.example"], True),
        ("a.b.example", ["*.b.example:80"], True),
        ("example", ["*.example"], False),
        ("evilexample", ["*.example"], False),
        ("staging.example", ["other.example", "10.0.0.0/8"], False),
        ("staging.example.evil", ["staging.example"], False),
    ],
)
def test_an_address_is_allowed_by_name_network_or_domain(host, allow, allowed):
    """Names are compared as names, never resolved; a port that is given has to be the same."""
    assert (refused([Address(host, 80, "--host")], allow) == []) is allowed


def test_each_address_is_told_with_the_remedy():
    """All of them at once, each with what it is for."""
    told = refused([Address("a.example", 80, "--host"), Address("fd00::1", 1414, "mq.qm")], [])
    assert [one[:60] for one in told] == [
        "--host: commands would go to a.example:80, which is not on t",
        "mq.qm: commands would go to [fd00::1]:1414, which is not on ",
    ]


@pytest.mark.parametrize("entry", ["", "*", "http://a.example", "a b", "10.0.0.0/99", "-a.example"])
def test_an_entry_that_is_none_is_refused(entry):
    """What could never allow anything, or would allow everything, is told with what would do."""
    with pytest.raises(ValidationError, match="write a host such as"):
        TypeAdapter(Allowed).validate_python(entry)


@pytest.mark.parametrize("entry", ["A.Example", "a.example:8443", "*.example", "10.0.0.0/8", "::1"])
def test_an_entry_is_kept_in_lower_case(entry):
    """As it was written, but for the case."""
    assert TypeAdapter(Allowed).validate_python(f" {entry} ") == entry.lower()
