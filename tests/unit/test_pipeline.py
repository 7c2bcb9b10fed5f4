"""The pipeline: a stage that lost or doubled is named; what was not read is not judged."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from reports.judgement import Status
from reports.pipeline import Pipeline, Stages
from reports.rundir import RunDirectory

EVEN = {
    "sent": 10,
    "acknowledged": 10,
    "reached": 10,
    "decided": 12,
    "told": 12,
}


@pytest.fixture
def directory(tmp_path):
    """Return a run directory whose events were all read: ten commands over Kafka."""
    made = RunDirectory.create(tmp_path, "plan")
    write(made, "start", {"offsets": {"e": {"0": 5}}, "commands": {"0": 100, "1": 7}})
    ends = {"e": {"0": 17}}
    write(made, "end", {"ends": ends, "committed": ends, "commands": {"0": 106, "1": 11}})
    write(made, "local", {"counted": {"ours": 12}, "problems": []})
    return made


def write(directory, name, told):
    directory.write(f"events/{name}.json", json.dumps(told).encode())


def judged(directory, **stages):
    (check,) = Pipeline(directory, Stages(**{**EVEN, **stages})).checks()
    return check


def test_stages_that_agree_hold(directory):
    """Nothing lost, nothing twice."""
    check = judged(directory)
    assert (check.status, check.note) == (Status.HOLDS, "")


def test_delivery_at_least_once_is_no_fault(directory):
    """It is told all the same."""
    check = judged(directory, again=3)
    assert check.status is Status.HOLDS
    assert check.note == "3 events came once more under the same id"


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ({"acknowledged": 12, "reached": 12}, "the command topic lost 2 of 12 that the broker"),
        ({"reached": 7}, "the platform lost 3 between the command topic and its book"),
        ({"untold": 2}, "the event topic lacks 2 of 12 decisions"),
        ({"unbooked": 1}, "1 events tell of what the book has not decided"),
        ({"doubled": 4}, "4 outcomes have two event ids"),
        ({"misdirected": 1}, "1 events are misdirected"),
        ({"orphans": 1}, "1 events tell of commands that the pool does not have"),
    ],
)
def test_the_stage_that_lost_or_doubled_is_named(directory, stages, said):
    """With how many."""
    check = judged(directory, **stages)
    assert check.status is Status.VIOLATED
    assert said in check.note


def test_what_a_regions_own_cluster_lost_is_not_made_up_for_by_another(directory):
    """By the name of the first region there; what is sent to no region's own is the rest."""
    write(directory, "start", {"commands": {"0": 4, "north 0": 2, "south 0": 0, "south 1": 9}})
    ends = {"e": {"0": 17}}
    commands = {"0": 5, "north 0": 6, "south 0": 1, "south 1": 20}
    write(directory, "end", {"ends": ends, "committed": ends, "commands": commands})
    check = judged(directory, elsewhere=Counter(north=5, south=4))
    assert check.status is Status.VIOLATED
    assert check.note == "the command topic at north lost 1 of 5 that the broker acknowledged"


@pytest.mark.parametrize(
    ("name", "told", "said"),
    [
        ("local", {"counted": {"trimmed": 3}}, "3 were gone unread"),
        ("local", {"problems": ["denied"]}, "denied"),
        ("end", {"ends": {"e": {"0": 17}}, "committed": {"e": {"0": 15}}}, "2 were not read"),
    ],
)
def test_events_that_were_not_read_make_the_generator_unfit(directory, name, told, said):
    """And nobody is accused of what they may have told."""
    write(directory, name, told)
    (result,) = Pipeline(directory).fitness()
    assert result.status is Status.VIOLATED
    assert said in result.note
    assert judged(directory, untold=5).status is Status.NOT_ASKED


def test_without_the_last_offsets_it_is_unknown(directory):
    """Missing is not passed."""
    write(directory, "end", {"problem": "no broker"})
    (result,) = Pipeline(directory).fitness()
    assert result.status is Status.UNKNOWN


def test_a_run_without_events_is_not_asked(tmp_path):
    """There is nothing to say."""
    made = RunDirectory.create(tmp_path, "plan")
    assert list(Pipeline(made).checks()) == []
    assert list(Pipeline(made).fitness()) == []
