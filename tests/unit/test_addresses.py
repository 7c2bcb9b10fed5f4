"""The addresses that a plan's commands go to: every channel's, so that none escapes the allow-list."""

from __future__ import annotations

from locustfiles.addresses import addresses_of
from locustfiles.channels.origin import Origin
from locustfiles.plans import load_plan
from locustfiles.regions import main_origin

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


REGIONS = (
    'pool.regions=["north","south"]',
    'http={regions={north="https://north.example",south="http://south.example:81"}}',
)


def test_each_region_has_its_addresses():
    """Those of every channel, named by their region; --host is for the regions without."""
    found = told(
        *REGIONS,
        "channels={http=1,mq=1,kafka=1}",
        'kafka={bootstrap="k:9092",regions={south="k1.south:9092,k2.south:9093"}}',
        'mq={hosts=["mq.example(1414)"],regions={north=["mq1.north(1414)","mq2.north(1415)"]}}',
    )
    assert found == [
        ("staging.example:8443", "--host"),
        ("north.example:443", "http.regions.north"),
        ("south.example:81", "http.regions.south"),
        ("k:9092", "kafka.bootstrap"),
        ("k1.south:9092", "kafka.regions.south"),
        ("k2.south:9093", "kafka.regions.south"),
        ("mq.example:1414", "mq.hosts"),
        ("mq1.north:1414", "mq.regions.north"),
        ("mq2.north:1415", "mq.regions.north"),
    ]


def test_where_every_region_has_an_address_no_host_is_needed():
    """Then the first one is where a platform without regions would be."""
    plan = load_plan("smoke", REGIONS)
    origin = main_origin(plan, None)
    assert str(origin) == "https://north.example:443"
    assert told(*REGIONS, origin=origin) == [
        ("north.example:443", "http.regions.north"),
        ("south.example:81", "http.regions.south"),
    ]
    assert str(main_origin(plan, "http://all.example")) == "http://all.example:80"
    assert main_origin(load_plan("smoke"), None) is None
