"""The run before is found by what the neighbours' small files say, whatever else lies beside a run."""

from __future__ import annotations

import os
import shutil

import orjson
import pytest

from reports.previous import NEIGHBOURS_MAX, look_back
from reports.results import read_judgement
from reports.rundir import RunDirectory
from tests.judged_runs import COMMANDS, PLAN, write_judged


def written(path, at=1, **changed):
    """Write a judged run that began at a second; `changed` is of its record."""
    plan = changed.pop("plan", PLAN)
    write_judged(path, plan=plan, pool_seed=changed.pop("pool_seed", 7))
    directory = RunDirectory(path)
    record = directory.record().model_copy(update={"epoch_utc_ns": at * 10**9, **changed})
    directory.write_record(record)
    return directory


def looked(directory):
    """Look back from a run."""
    return look_back(directory, directory.record(), read_judgement(directory), {})


def then(directory):
    """Return the name of the run before; None where there is none."""
    found = looked(directory).then
    return found.name if found else None


def test_it_is_the_latest_that_began_earlier(tmp_path):
    """By the time that each run tells, whatever its directory is called, and never a later one."""
    for name, at in (("first", 1), ("zz-second", 2), ("aa-own", 3), ("later", 4)):
        written(tmp_path / name, at)
    assert then(RunDirectory(tmp_path / "aa-own")) == "zz-second"
    assert then(RunDirectory(tmp_path / "later")) == "aa-own"
    assert then(RunDirectory(tmp_path / "first")) is None


def test_three_small_files_of_it_are_enough(tmp_path):
    """A pipeline that keeps these has a run before, wherever the next one is made."""
    written(tmp_path / "whole", 1)
    for name in ("run.json", "summary.json", "pool/manifest.json"):
        kept = tmp_path / "kept" / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "whole" / name, kept)
    shutil.rmtree(tmp_path / "whole")
    assert then(written(tmp_path / "own", 2)) == "kept"


def test_a_link_to_a_run_is_the_run_itself(tmp_path):
    """`latest` is no other run, and a run that is named by it has the same one before it."""
    written(tmp_path / "a", 1)
    own = written(tmp_path / "b", 2)
    (tmp_path / "latest").symlink_to("b")
    assert then(own) == then(RunDirectory(tmp_path / "latest")) == "a"
    assert looked(RunDirectory(tmp_path / "latest")).now.name == "b"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"plan": {**PLAN, "users": 7}}, "had other settings (users was 7, now None)"),
        ({"plan": {"name": "evening"}}, "had other settings (phases was None, now {"),
        ({"pool_seed": 8}, "had another pool"),
        ({"state": "interrupted"}, "did not end in good order (interrupted)"),
        ({"state": "running"}, "did not end in good order (running)"),
    ],
)
def test_what_cannot_be_set_beside_it_is_passed_over_and_named(tmp_path, changed, why):
    """The run before that one is taken instead."""
    written(tmp_path / "a", 1)
    written(tmp_path / "b", 2, **changed)
    found = looked(written(tmp_path / "c", 3))
    assert found.then.name == "a"
    (passed,) = found.passed_over
    assert passed.startswith(f"b {why}")


def test_a_run_of_another_plan_is_no_earlier_run(tmp_path):
    """It is not even passed over."""
    written(tmp_path / "a", 1, plan_name="morning")
    assert looked(written(tmp_path / "b", 2)).passed_over == ()


def test_a_run_that_was_not_judged_is_passed_over(tmp_path):
    (written(tmp_path / "a", 1).path / "summary.json").unlink()
    found = looked(written(tmp_path / "b", 2))
    assert (found.then, found.passed_over) == (None, ("a was not judged",))


HUGE = 1 << 40
DEEP = b"[" * 900 + b"]" * 900
BROKEN = (
    b"",
    b"\xff\xfe",
    b"[]",
    b"null",
    b"7",
    b"{}",
    DEEP,
    b'{"shards": [7]}',
    None,
    HUGE,
    "pipe",
)
ODD = (
    *({"epoch_utc_ns": at} for at in (-1, 1e30, 1.5, "1")),
    *({"plan": plan} for plan in (7, {"name": "DEEP"}, {"name": "n" * 1_000_000})),
    *({"plan_name": ["evening"]}, {"slos": [{}]}, {"versions": {"a": {}}}),
)


@pytest.mark.parametrize("name", ["run.json", "summary.json", "pool/manifest.json"])
def test_broken_neighbours_do_no_harm(tmp_path, name):
    """Not JSON, not an object, a directory, a pipe that nobody writes, a terabyte: the next is taken."""
    own = written(tmp_path / "own", 3)
    sound = written(tmp_path / "sound", 1)
    between = written(tmp_path / "b", 2)
    for number, content in enumerate(BROKEN):
        _break(shutil.copytree(between.path, tmp_path / f"b{number}") / name, content)
    shutil.rmtree(between.path)
    assert then(own) == sound.name


def test_without_its_latency_log_a_run_tells_no_phase_as_a_whole(tmp_path):
    """It is set beside the next one all the same: its judgement has the percentiles of each part."""
    there = written(tmp_path / "a", 1)
    own = written(tmp_path / "b", 2)
    assert [row.count for row in looked(own).then.whole] == [COMMANDS, COMMANDS]
    for content in (*BROKEN, b"Tag=a/b/c/response,0,1,inf,AAAA"):
        shutil.rmtree(there.latency)
        there.latency.mkdir()
        _break(there.latency / "latencies.hlog", content)
        assert looked(own).then.whole == (), content


def _break(path, content):
    path.unlink(missing_ok=True)
    if content is None:
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content == HUGE:
        path.touch()
        os.truncate(path, HUGE)
    else:
        path.write_bytes(content)


def test_neighbours_with_odd_fields_do_no_harm(tmp_path):
    """What a run.json says is not believed unless it is what a run says, and told in few letters."""
    own = written(tmp_path / "own", 3)
    sound = written(tmp_path / "sound", 1)
    between = written(tmp_path / "b", 2)
    told = orjson.loads((between.path / "run.json").read_bytes())
    for number, field in enumerate(ODD):
        path = shutil.copytree(between.path, tmp_path / f"b{number}")
        content = orjson.dumps({**told, **field}).replace(b'"DEEP"', DEEP)
        (path / "run.json").write_bytes(content)
    shutil.rmtree(between.path)
    found = looked(own)
    assert found.then is not None
    assert found.then.name == sound.name
    assert max(map(len, found.passed_over)) < 300


def test_few_of_many_neighbours_are_looked_at(tmp_path):
    """Those next before the run by name, so that thousands of runs take no longer."""
    own = written(tmp_path / "m-own", 3)
    written(tmp_path / "l-before", 2)
    for number in range(NEIGHBOURS_MAX + 50):
        (tmp_path / f"a{number:04}").mkdir()
        (tmp_path / f"z{number:04}").mkdir()
    assert then(own) == "l-before"


def test_a_run_whose_pool_is_gone_says_why_nothing_is_set_beside_it(tmp_path):
    """A report can be written again where a run's evidence is no more."""
    written(tmp_path / "a", 1)
    own = written(tmp_path / "b", 2)
    own.manifest.unlink()
    found = looked(own)
    assert found.then is None
    assert "its manifest cannot be read" in found.passed_over[0]
