"""What is asked of Kafka's clusters before a run and after it, by brokers that are written down here."""

from __future__ import annotations

import json

import pytest

from locustfiles import kafka_launch
from locustfiles.channels import kafka_probe
from locustfiles.plans import load_plan
from reports.rundir import RunDirectory

BOTH = (
    'pool.regions=["north","south","east"]',
    'kafka={regions={north="n:1",south="s:1",east="n:1"}}',
    "channels={kafka=1}",
)
EVENTS, LETTERS, COMMANDS = "payments.events", "payments.commands.dlq", "payments.commands"


class Brokers:
    """Clusters whose topics end where they are told to, and what was asked of them."""

    def __init__(self, monkeypatch) -> None:
        self.ends = {"n:1": 10, "s:1": 20, "one:1": 5}
        self.begun, self.gone_on = [], []
        monkeypatch.setattr(kafka_probe, "start_at_the_end", self.start_at_the_end)
        monkeypatch.setattr(kafka_probe, "start_where", lambda _, *told: self.gone_on.append(told))
        monkeypatch.setattr(kafka_probe, "ends_of", self.ends_of)
        monkeypatch.setattr(kafka_probe, "lag_of", self.lag_of)

    def start_at_the_end(self, settings, bootstrap, group):
        self.begun.append((bootstrap, group))
        return self.ends_of({"bootstrap.servers": bootstrap}, settings.observed)

    def ends_of(self, config, topics):
        first = self.ends[config["bootstrap.servers"]]
        return {topic: {0: first, 1: first + 1} for topic in topics}

    def lag_of(self, config, topics):
        ends = self.ends_of(config, topics)
        return {"ends": ends, "committed": {topic: {0: 1, 1: 2} for topic in topics}}


@pytest.fixture
def brokers(monkeypatch):
    return Brokers(monkeypatch)


@pytest.fixture
def directory(tmp_path):
    return RunDirectory.create(tmp_path, "mine")


def told(directory, name):
    return json.loads((directory.events / f"{name}.json").read_text())


def test_each_cluster_begins_and_ends_by_itself(brokers, directory):
    """Under one group's name; offsets are kept apart by the name of the first region there."""
    plan = load_plan("smoke", BOTH)
    kafka_launch.begin(plan, directory)
    kafka_launch.end(plan, directory, 1)
    group = f"paystorm-{directory.name}"
    assert brokers.begun == [("n:1", group), ("s:1", group)]
    offsets = {"north 0": 10, "north 1": 11, "south 0": 20, "south 1": 21}
    start, end = told(directory, "start"), told(directory, "end")
    assert start["clusters"] == {"north": "north", "south": "south", "east": "north"}
    assert start["offsets"] == {EVENTS: offsets, LETTERS: offsets}
    assert start["commands"] == end["commands"] == offsets
    assert end["ends"] == {EVENTS: offsets, LETTERS: offsets}
    assert end["committed"][EVENTS] == {"north 0": 1, "north 1": 2, "south 0": 1, "south 1": 2}


def test_without_regions_partitions_have_their_numbers_alone(brokers, directory):
    """As one bootstrap has them."""
    kafka_launch.begin(load_plan("smoke", ['kafka={bootstrap="one:1"}']), directory)
    assert told(directory, "start")["offsets"] == {
        EVENTS: {"0": 5, "1": 6},
        LETTERS: {"0": 5, "1": 6},
    }
    assert "clusters" not in told(directory, "start")


def test_a_run_that_goes_on_is_another_group_from_where_the_one_before_was(brokers, directory):
    """On each cluster, with where that one began for what it never committed; a second time as well."""
    plan = load_plan("smoke", BOTH)
    kafka_launch.begin(plan, directory)
    name = f"paystorm-{directory.name}"
    for term, before in ((2, name), (3, f"{name}-2")):
        brokers.gone_on.clear()
        kafka_launch.begin_again(plan, directory, term)
        assert brokers.gone_on == [
            (
                at,
                before,
                f"{name}-{term}",
                {topic: {0: first, 1: first + 1} for topic in (EVENTS, LETTERS)},
            )
            for at, first in (("n:1", 10), ("s:1", 20))
        ]


def test_a_group_that_the_plan_names_stays(brokers, directory):
    """Access lists may know it by its name."""
    plan = load_plan("smoke", ['kafka={bootstrap="one:1",group="ours"}'])
    kafka_launch.begin(plan, directory)
    kafka_launch.begin_again(plan, directory, 2)
    assert brokers.begun == [("one:1", "ours")]
    assert not brokers.gone_on


def test_a_run_that_ended_before_it_began_begins(brokers, directory):
    """Killed before its offsets were written down, it has sent nothing."""
    plan = load_plan("smoke", ['kafka={bootstrap="one:1"}'])
    kafka_launch.begin_again(plan, directory, 2)
    assert brokers.begun == [("one:1", f"paystorm-{directory.name}-2")]
    assert told(directory, "start")["offsets"][EVENTS] == {"0": 5, "1": 6}
    assert not brokers.gone_on
