"""The table [mq] of a plan: what it takes, what the environment says, and what is named as wrong."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from locustfiles.channels.mq_settings import MqSettings, connection_name, from_environment


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("mq.example(1415)", "mq.example(1415)"),
        ("mq.example:1415", "mq.example(1415)"),
        ("mq.example", "mq.example(1414)"),
        (" 10.0.0.1 ", "10.0.0.1(1414)"),
    ],
)
def test_addresses_are_taken_as_people_write_them(written, read):
    """And kept as MQ does."""
    assert connection_name(written) == read


@pytest.mark.parametrize("written", ["", "a b", "mq.example(0)", "mq.example(99999)", "h(x)"])
def test_what_is_no_address_is_named(written):
    """With the value."""
    with pytest.raises(ValueError, match="is no address such as"):
        connection_name(written)


def test_several_hosts_are_one_connection_name():
    """In their order, for the client to try one after the other."""
    settings = MqSettings(hosts=("a", "b:1415"))
    assert settings.connection_name == "a(1414),b(1415)"
    assert MqSettings(hosts="a,b(1415)").hosts == ("a(1414)", "b(1415)")


def test_the_environment_says_what_the_plan_leaves_out(monkeypatch):
    """MQ_HOST, MQ_PORT, MQ_QMGR, MQ_CHANNEL, and MQ_USER with a password that stays there."""
    named = {
        "MQ_HOST": "one,two(1500)",
        "MQ_PORT": "1420",
        "MQ_QMGR": "QM7",
        "MQ_CHANNEL": "PAY.SVRCONN",
        "MQ_USER": "tester",
        "MQ_LIBRARY": "/opt/mqm/lib64/libmqm_r.so",
    }
    assert from_environment(named) == {
        "hosts": ("one(1420)", "two(1500)"),
        "queue_manager": "QM7",
        "channel": "PAY.SVRCONN",
        "user": "tester",
        "password": "env:MQ_PASSWORD",
        "library": "/opt/mqm/lib64/libmqm_r.so",
    }
    assert from_environment({}) == {}
    monkeypatch.setenv("MQ_QMGR", "QM7")
    assert MqSettings().queue_manager == "QM7"
    assert MqSettings(queue_manager="QM8").queue_manager == "QM8"
    monkeypatch.setenv("MQ_HOST", "elsewhere")
    assert MqSettings(ccdt="/etc/ccdt.json").hosts == ()


def test_a_port_that_is_none_is_named():
    """With the variable."""
    with pytest.raises(ValueError, match="MQ_PORT is 'https'"):
        from_environment({"MQ_HOST": "h", "MQ_PORT": "https"})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"user": "u"}, "password: name the user's"),
        ({"password": "env:P"}, "user: say whose password"),
        ({"user": "u", "password": "hunter2"}, "a secret is not written into a plan"),
        ({"ccdt": "c.json", "hosts": ["h"]}, "ccdt names the hosts"),
        ({"tls_cipher": "ANY_TLS12_OR_HIGHER"}, "key_repository: TLS needs"),
        ({"key_repository": "/k"}, "tls_cipher: without it there is no TLS"),
        ({"binding": "sandbox", "library": "/x.so"}, "knows no TLS"),
        ({"command_queue": "A QUEUE"}, "must have 1 to 48 letters"),
        ({"channel": "X" * 21}, "must have 1 to 20 letters"),
        ({"queue_manager": "QM-1"}, "letters, digits"),
        ({"connections": 0}, "greater than or equal to 1"),
        ({"nonsense": 1}, "Extra inputs"),
    ],
)
def test_what_does_not_fit_is_named(given, told):
    """Each with what is to be done; a password is never shown."""
    with pytest.raises(ValidationError, match=told) as wrong:
        MqSettings(**given)
    assert "hunter2" not in " ".join(error["msg"] for error in wrong.value.errors())


def test_everything_can_be_written_down_and_read_again():
    """As a worker gets it from the run's record."""
    settings = MqSettings(hosts="h", user="u", password="env:P", expiry_s="1m", library="/l.so")
    assert MqSettings.model_validate(settings.model_dump(mode="json")) == settings
    assert settings.expiry_s == 60
