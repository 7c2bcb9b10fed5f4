"""The addresses that a plan's commands go to: every channel's, so that none escapes the allow-list."""

from __future__ import annotations

from locustfiles.addresses import addresses_of
from locustfiles.channels.origin import Origin
from locustfiles.plans import load_plan

ORIGIN = Origin.parse("https://staging.example:8443")


def told(*changes: str, origin: Origin | None = ORIGIN) -> list[tuple[str, str]]:
    """Return (address, what it is for) of the smoke plan, changed."""
    plan = load_plan("smoke", changes)
    return [(str(one), one.purpose) for one in addresses_of(plan, origin)]


def test_every_channel_has_its_addresses():
    """The platform's, a proxy's, each queue manager's and each broker's; IPv6 in brackets."""
    found = told(
        "channels={http=1,mq=1,kafka=1}",
        'http={client="fast",proxy="http://proxy:3128"}',
        'mq={hosts=["mq1.example(1414)","mq2.example:1500"]}',
        'kafka={bootstrap="k1.example:9092,[2001:db8::1]:9093"}',
    )
    assert found == [
        ("staging.example:8443", "--host"),
        ("proxy:3128", "http.proxy"),
        ("k1.example:9092", "kafka.bootstrap"),
        ("[2001:db8::1]:9093", "kafka.bootstrap"),
        ("mq1.example:1414", "mq.hosts"),
        ("mq2.example:1500", "mq.hosts"),
    ]


def test_what_is_not_used_is_no_address():
    """The embedded sandbox has none, nor a queue manager over which nothing is sent."""
    assert told('mq={hosts=["mq1.example(1414)"]}', origin=None) == []


def test_events_are_read_where_nothing_is_sent_over_kafka():
    """The broker that tells of completions is connected to, so it has to be allowed, too."""
    assert told('kafka={bootstrap="k1:9092"}') == [
        ("staging.example:8443", "--host"),
        ("k1:9092", "kafka.bootstrap"),
    ]
