"""Regions with addresses of their own: what is wrong with them, and that each command meets its own."""

from __future__ import annotations

import io
from collections import deque
from types import SimpleNamespace

import pytest
from rich.console import Console

from e2e_data.config import load
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from locustfiles.channels.gates import Gates
from locustfiles.channels.http_settings import HttpSettings
from locustfiles.channels.origin import Origin
from locustfiles.kafka_sender import KafkaLines
from locustfiles.outline import show
from locustfiles.plans import load_plan
from locustfiles.regional import completions_of, lines_of
from locustfiles.settings import read_settings
from tests.unit.test_settings import parse

NORTH, SOUTH = "http://127.0.0.2:81", "http://127.0.0.3:82"
HOST = Origin.parse("http://127.0.0.1:80")
SETTINGS = (
    *("--plan", "smoke", "--set", 'pool.regions=["north","south","east"]'),
    *("--set", f'http.regions={{north="{NORTH}",south="{SOUTH}"}}'),
)


def problems_of(call) -> tuple[str, ...]:
    with pytest.raises(Problems) as raised:
        call()
    return raised.value.problems


# -- settings -------------------------------------------------------------------------------------


def test_all_that_is_wrong_with_addresses_is_said_at_once():
    """Each address that is not allowed, each region without one, with its name and the remedy."""
    changes = (
        "--set",
        'http.regions={north="https://north.example",south="https://south.example"}',
    )
    mq = ("--set", 'mq={regions={south=["mq.south(1414)"]}}')
    kafka = ("--set", 'kafka={regions={east="kafka.east:9092"}}')
    channels = (*mq, *kafka, "--channels", "http=1,mq=1,kafka=1")
    problems = problems_of(lambda: read_settings(parse(*SETTINGS, *changes, *channels), None))
    told = "\n".join(problems)
    for name in ("north.example:443", "south.example:443", "mq.south:1414", "kafka.east:9092"):
        assert f"commands would go to {name}, which is not on the allow-list" in told
    assert "http.regions: east has no address: give it one, or --host" in told
    for region in ("north", "east"):
        assert f"mq.regions: {region} has no address: give it one, or mq.hosts" in told
    for region in ("north", "south"):
        assert f"kafka.regions: {region} has no address: give it one, or kafka.bootstrap" in told
    assert len(problems) == 9


def test_regions_are_those_of_the_pool_that_is_played(tmp_path):
    """With --pool they are its own, whatever the plan's pool has; what it has not is named."""
    Pool.generate(load("smoke", {"regions": ["north", "south"]}), 7, tmp_path / "pool", jobs=1)
    chosen = ("--plan", "smoke", "--pool", str(tmp_path / "pool"))
    both = ("--set", f'http.regions={{north="{NORTH}",south="{SOUTH}"}}')
    gates = read_settings(parse(*chosen, *both), None).gates(HOST)
    assert str(gates.of("south").origin) == SOUTH
    asked = ("--set", 'slos=[{errors_below_percent=1,region="west"}]')
    others = ("--set", f'http.regions={{west="{NORTH}"}}')
    problems = problems_of(lambda: read_settings(parse(*chosen, *asked, *others), str(HOST)))
    assert problems == (
        "slos: region 'west' is none of the pool's: north, south",
        "http.regions: region 'west' is none of the pool's: north, south",
    )


def test_a_host_is_for_the_regions_without_an_address():
    """With it, not every region needs one."""
    settings = read_settings(parse(*SETTINGS), str(HOST))
    gates = settings.gates(HOST)
    assert [str(gates.of(name).origin) for name in ("north", "south", "east")] == [
        *(NORTH, SOUTH, str(HOST))
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('http.regions={west="http://w"}', "http.regions: region 'west' is none of the pool's"),
        ('mq.regions={west=["w"]}', "mq.regions: region 'west' is none of the pool's"),
        ('http.regions={north="http://n/api"}', "without path and credentials"),
        ('http.regions={north="north:80"}', "give an address such as https://north"),
        ("mq.regions={north=[]}", "regions.north: name a host"),
        ('kafka.regions={north="n"}', "kafka.regions.north = 'n': 'n' is no HOST:PORT"),
        ('kafka.regions={west="w:9092"}', "kafka.regions: region 'west' is none of the pool's"),
    ],
)
def test_addresses_that_are_none(change, said):
    """Regions that the pool has not, and what is no address."""
    problems = problems_of(lambda: load_plan("smoke", ['pool.regions=["north"]', change]))
    assert any(said in problem for problem in problems), problems


def test_faults_on_a_wire_with_several_addresses_are_refused():
    """One proxy leads to one address: it is said which two settings do not go together."""
    fault = 'faults=[{do="latency",channel="http",ms=5,phase="payments",at_s=1,for_s=1}]'
    problems = problems_of(lambda: read_settings(parse(*SETTINGS, "--set", fault), str(HOST)))
    assert [one for one in problems if "put through one proxy" in one]


def test_a_plan_shows_where_each_region_is():
    """Over each channel; a region without an address of its own goes where all else goes."""
    console = Console(width=200, file=io.StringIO())
    changes = [
        'pool.regions=["north","south","east"]',
        f'http.regions={{north="{NORTH}",south="{SOUTH}"}}',
        'mq.regions={north=["mq.north"]}',
        'kafka.regions={south="kafka.south:9092"}',
    ]
    show(load_plan("smoke", changes), "http://all:80", console)
    shown = console.file.getvalue()
    assert f"region north: {NORTH}; IBM MQ at mq.north(1414)\n" in shown
    assert f"region south: {SOUTH}; Kafka at kafka.south:9092\n" in shown
    assert "region east" not in shown


# -- gates ----------------------------------------------------------------------------------------


def gates(pool=("north", "south"), **table) -> Gates:
    return Gates(HOST, HttpSettings.model_validate(table), 1, regions=pool)


def test_without_addresses_of_regions_there_is_one_gate():
    """A pool with regions may be played against one address, as may one without."""
    one = gates()
    assert one.of("north") is one.of("south")
    assert [str(site) for site in one.sites] == [str(HOST)]
    assert str(gates(()).of("").origin) == str(HOST)


def test_a_book_is_read_where_its_accounts_are():
    """Each address once, however many regions it has; one book for all is read at --host."""
    own = {"north": NORTH, "south": NORTH, "east": SOUTH}
    regions = ("north", "south", "east", "west")
    assert [str(site) for site in gates(regions, regions=own).sites] == [NORTH, SOUTH, str(HOST)]
    assert [str(site) for site in gates(regions, regions=own, one_book=True).sites] == [str(HOST)]
    assert [str(site) for site in gates(regions[:3], regions=own).sites] == [NORTH, SOUTH]


# -- lines and completions ------------------------------------------------------------------------


class Told:
    """A line with its senders, or a source, that writes down what it is given."""

    def __init__(self, address) -> None:
        self.address, self.sent, self.closed, self.senders = address, [], 0, 0

    def sender(self, _run, _statistics):
        self.senders += 1
        return SimpleNamespace(send=self.sent.append, close=self.close)

    def expect(self, place, command_id):
        self.sent.append((place, command_id))

    def close(self):
        self.closed += 1

    stop = close


def turn(account: int):
    shard = SimpleNamespace(regions=("north", "south", "north", "east"))
    return SimpleNamespace(card=SimpleNamespace(shard=shard, account=account))


ADDRESSES = {"north": 1, "south": 2, "east": 1}


def test_each_command_goes_to_its_accounts_region():
    """A user has one sender for each region, made when it is needed; an address has one line."""
    made = []

    def line(address):
        made.append(Told(address))
        return made[-1]

    together = lines_of(tuple(ADDRESSES), ADDRESSES.__getitem__, line)
    sender = together.sender(None, None)
    turns = [turn(account) for account in (0, 1, 2, 3, 0)]
    for one in turns:
        sender.send(one)
    at_1, at_2 = made
    assert at_1.sent == [turns[0], turns[2], turns[3], turns[4]]
    assert at_2.sent == [turns[1]]
    assert (at_1.senders, at_2.senders) == (2, 1)
    sender.close()
    assert (at_1.closed, at_2.closed) == (2, 1)
    together.close()
    assert (at_1.closed, at_2.closed) == (3, 2)


def test_with_one_address_nothing_is_kept_apart():
    """Where all regions have one address, or there are none, its line is used as it is."""
    line = Told(1)
    assert lines_of((), lambda _: 1, lambda _: line) is line
    assert lines_of(("north", "south"), lambda _: 1, lambda _: line) is line
    assert completions_of((), lambda _: 1, lambda _: line, lambda _: None) is line


def test_a_line_that_cannot_be_opened_closes_the_others():
    """What was opened before is not left behind."""
    first = Told(1)

    def line(address):
        if address == 2:
            raise Problems(["nobody is there"])
        return first

    with pytest.raises(Problems, match="nobody is there"):
        lines_of(tuple(ADDRESSES), ADDRESSES.__getitem__, line)
    assert first.closed == 1


def test_completions_are_asked_for_in_the_accounts_region():
    """Each address is asked about its own commands only."""
    sources = {}

    def source(address):
        return sources.setdefault(address, Told(address))

    cards = {(0, 0, number): turn(number).card for number in range(4)}
    asking = completions_of(tuple(ADDRESSES), ADDRESSES.__getitem__, source, cards.__getitem__)
    for place in cards:
        asking.expect(place, f"id {place[2]}")
    assert [place[2] for place, _ in sources[1].sent] == [0, 2, 3]
    assert [place[2] for place, _ in sources[2].sent] == [1]
    asking.stop()
    assert (sources[1].closed, sources[2].closed) == (1, 1)


def test_what_is_produced_together_is_parted_by_region():
    """A user over Kafka takes what else is overdue along: each goes to its own cluster, in its order."""
    north, south = Told("north"), Told("south")
    lines = KafkaLines({"north": north, "south": south, "east": north})
    turns = [turn(account) for account in (0, 1, 3, 1, 2)]
    assert lines.line_of(turns[1].card) is south
    parts = lines.parts(deque(turns))
    assert [line for line, _ in parts] == [north, south]
    assert list(parts[0][1]) == [turns[0], turns[2], turns[4]]
    assert list(parts[1][1]) == [turns[1], turns[3]]
