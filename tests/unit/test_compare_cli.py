"""`paystorm compare` and `paystorm baseline`: answers, refusals, exit codes, and a picture."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from e2e_data.exits import Exit
from reports.compare_cli import baseline, compare
from tests.judged_runs import PLAN, write_judged

QUIET = (1.0, 1.004, 0.997, 1.002)
"""How much slower each baseline run is: they hardly differ."""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Four runs of one platform."""
    path = tmp_path_factory.mktemp("base")
    return [str(write_judged(path / f"base-{n}", slower, seed=n)) for n, slower in enumerate(QUIET)]


def invoke(command, *words):
    result = CliRunner().invoke(command, [str(word) for word in words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def compared(base, runs, *options):
    return invoke(compare, *options, *base, "--", *runs)


def answers(path):
    """Return name -> answer, as the file beside the page has it."""
    told = json.loads((path / "comparison.json").read_text())
    return {one["name"].removeprefix("payments: "): one["answer"] for one in told["differences"]}


@pytest.mark.parametrize(
    ("slower", "code", "answer"),
    [(1.5, 10, "slower"), (0.6, 0, "faster"), (1.0, 0, "no difference seen")],
)
def test_what_changed_is_told_and_a_regression_exits_with_10(base, tmp_path, slower, code, answer):
    """Half as slow again is a regression, faster is none, and the same is seen to be the same."""
    runs = [write_judged(tmp_path / f"new-{n}", slower, seed=9 + n) for n in range(4)]
    result = compared(base, runs, "--threshold", 20)
    assert result.exit_code == code, result.output
    found = answers(runs[-1])
    assert found["response p50"] == found["completion p99"] == answer
    assert found["throughput"] == found["errors"] == "no difference seen"
    assert f"{answer} " in result.output
    page = (runs[-1] / "comparison.html").read_text()
    assert page.count("<svg") == 2
    assert answer in page


@pytest.mark.parametrize("known", [1, 2])
def test_few_baseline_runs_are_not_enough(base, tmp_path, known):
    """Nobody knows how much runs differ: nothing is called slower, and it is said what would do."""
    run = write_judged(tmp_path / "new", 3.0, seed=5)
    result = compared(base[:known], [run])
    assert result.exit_code == 30
    assert set(answers(run).values()) == {"not enough data"}
    assert f"{3 - known} more baseline run" in result.output


def test_a_stated_variation_stands_for_runs_that_are_missing(base, tmp_path):
    """One baseline run and three per cent: three times as slow is slower."""
    run = write_judged(tmp_path / "new", 3.0, seed=5)
    assert compared(base[:1], [run], "--variation", 3).exit_code == 10
    assert answers(run)["response p99"] == "slower"


def test_runs_that_differ_much_are_not_enough_and_say_what_would_do(tmp_path):
    """A difference no larger than those between runs of one platform is not called one."""
    wild = [write_judged(tmp_path / f"b{n}", s, seed=n) for n, s in enumerate((1, 1.5, 0.7))]
    run = write_judged(tmp_path / "new", 1.3, seed=5)
    result = compared(wild, [run])
    assert result.exit_code == 30
    assert answers(run)["response p50"] == "not enough data"
    assert "more runs on either side would" in result.output


def test_more_errors_are_a_regression(base, tmp_path):
    """The share of errors is compared in percentage points."""
    run = write_judged(tmp_path / "new", 1.0, seed=5, errors=60)
    result = compared(base, [run], "--threshold", 30)
    assert result.exit_code == 10
    assert answers(run)["errors"] == "more"


def test_a_run_that_was_not_right_is_no_pass_however_fast(base, tmp_path):
    """Speed does not matter where money is lost: exit code 20, with the run's verdict."""
    run = write_judged(tmp_path / "new", 0.5, seed=5, exit_=Exit.NOT_RIGHT)
    result = compared(base, [run])
    assert result.exit_code == 20
    assert "verdict of new" in result.output


def test_another_plan_or_pool_is_refused_with_every_difference(base, tmp_path):
    """All that differs is named at once, with both values; and can be compared all the same."""
    plan = {**PLAN, "users": 7, "phases": {"payments": {"rate_per_s": 200}}}
    run = write_judged(tmp_path / "new", plan=plan, pool_seed=8)
    result = compared(base, [run])
    assert result.exit_code == 2
    assert "phases.payments.rate_per_s is 200, but 100" in result.output
    assert "users is 7, but None" in result.output
    assert "the pool is not that of" in result.output
    assert compared(base, [run], "--even-if-different").exit_code in (0, 10, 30)


def test_what_else_changed_is_told(base, tmp_path):
    """Another version does not hinder a comparison: it may be why."""
    run = write_judged(tmp_path / "new", versions={"python": "3.12"})
    assert "python: not known before, 3.12 now" in compared(base, [run]).output


def test_what_says_nothing_of_the_platform_is_refused(base, tmp_path):
    """A generator that was not fit, a run named twice, one that was never judged, no run at all."""
    unfit = write_judged(tmp_path / "unfit", fit=False)
    raw = write_judged(tmp_path / "raw")
    (raw / "summary.json").unlink()
    assert "not fit to judge" in compared(base, [unfit]).output
    assert "named twice" in compared(base, [base[0]]).output
    assert "paystorm reconcile" in compared(base, [raw]).output
    assert "is no run directory" in compared(base, [tmp_path / "none"]).output
    assert "two dashes" in invoke(compare, *base).output
    for runs in ([unfit], [base[0]], [raw], [tmp_path / "none"], [tmp_path]):
        assert compared(base, runs).exit_code == 2


def test_a_phase_that_no_run_has_is_named(base, tmp_path):
    run = write_judged(tmp_path / "new")
    result = compared(base, [run], "--phase", "evening")
    assert result.exit_code == 2
    assert "has no phase 'evening'" in result.output


def test_a_baseline_has_a_name(base, tmp_path):
    """Set once, it stands for its runs wherever they are named, also after the directory moved."""
    runs_dir = tmp_path / "runs"
    run = write_judged(runs_dir / "evening" / "new", 3.0)
    runs = [write_judged(runs_dir / "evening" / f"b{n}", seed=n) for n in range(3)]
    assert invoke(baseline, "set", "release-7", *runs, "--runs-dir", runs_dir).exit_code == 0
    assert "release-7" in invoke(baseline, "list", "--runs-dir", runs_dir).output
    moved = tmp_path / "moved"
    runs_dir.rename(moved)
    words = ("--runs-dir", moved, "--threshold", 30, "release-7", "--", moved / "evening" / "new")
    assert invoke(compare, *words).exit_code == 10
    wrong = invoke(compare, "--runs-dir", moved, "release-8", "--", run)
    assert wrong.exit_code == 2
    assert "release-8 is no run directory, and no baseline" in wrong.output
    assert invoke(baseline, "set", "x", tmp_path, "--runs-dir", moved).exit_code == 2


def test_a_region_that_got_slower_is_told_by_its_name(tmp_path):
    """Regions that all runs have are compared, each by itself, over the whole run; others are left out."""
    base = [
        write_judged(tmp_path / f"b{n}", seed=n, regions={"north": 1, "south": 1, "west": 1})
        for n in range(4)
    ]
    runs = [
        write_judged(tmp_path / f"n{n}", seed=n, regions={"north": 1, "south": 2}) for n in range(4)
    ]
    result = compared(base, runs, "--threshold", 20)
    assert result.exit_code == 10, result.output
    found = answers(runs[-1])
    assert (
        found["region north: response p99"] == found["region north: errors"] == "no difference seen"
    )
    assert found["region south: response p99"] == found["region south: completion p99"] == "slower"
    assert found["region south: errors"] == "more"
    assert found["region south: throughput"] == "no difference seen"
    assert not any("west" in name for name in found)
