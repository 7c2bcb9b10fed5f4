"""`paystorm plan`, `run` and `try`: what they show, and what they hand over to Locust."""

from __future__ import annotations

import sys
from itertools import pairwise

import configargparse
import pytest
from click.testing import CliRunner

from e2e_data import config
from e2e_data.pool import Pool
from locustfiles import cli
from locustfiles.options import OPTIONS, listed


def invoke(command, *arguments):
    return CliRunner().invoke(command, arguments)


def test_plan_check_says_that_a_plan_is_in_order():
    """A plan without faults is told in one line, with exit code 0."""
    result = invoke(cli.plan, "check", "smoke")
    assert (result.exit_code, result.output) == (0, "smoke: plan smoke is in order, 3 phases\n")


def test_plan_check_names_what_is_wrong():
    """A plan with faults ends with exit code 2."""
    result = invoke(cli.plan, "check", "nowhere")
    assert result.exit_code == 2
    assert "there is no plan 'nowhere'" in result.output


def test_plan_show_shows_the_plan():
    """`plan show` prints the outline."""
    result = invoke(cli.plan, "show", "smoke")
    assert result.exit_code == 0
    assert "10 accounts, 138 commands" in result.output


def test_a_dry_run_shows_what_would_be_done(tmp_path):
    """--dry-run shows the plan as it would run: with the given host, users, pool and rate."""
    Pool.generate(config.load("smoke", {"accounts": 4}), 5, tmp_path / "pool", jobs=1)
    given = (
        "--host",
        "http://x:1",
        "--allow",
        "x",
        "--users",
        "3",
        "--pool",
        str(tmp_path / "pool"),
    )
    result = invoke(cli.run, "smoke", "--dry-run", "--rate", "77", *given)
    assert result.exit_code == 0, result.output
    assert "pool: 4 accounts" in result.output
    assert "seed 5; sent to http://x:1 by at most 3 users" in result.output
    assert " 77/s " in result.output


def test_a_dry_run_refuses_what_the_run_would():
    """Where commands would go, of all channels, is looked at before anything is shown."""
    regions = (
        "--set",
        'pool.regions=["north","south"]',
        "--set",
        'http.regions={north="http://n"}',
    )
    kafka = ("--set", 'kafka={regions={south="k.example:9092"}}')
    result = invoke(cli.run, "smoke", "--dry-run", *regions, *kafka)
    assert result.exit_code == 2
    for told in (
        "http.regions.north: commands would go to n:80, which is not on the allow-list",
        "kafka.regions.south: commands would go to k.example:9092",
        "http.regions: south has no address",
        "kafka.regions: north has no address",
    ):
        assert told in result.output


@pytest.fixture
def started(monkeypatch):
    """What the process would have become."""
    seen = []
    monkeypatch.setattr(cli.os, "execv", lambda path, arguments: seen.append((path, arguments)))
    return seen


def test_run_becomes_locust(started):
    """`paystorm run` is Locust with the locustfile, headless, on the demonstration's plan."""
    assert invoke(cli.run).exit_code == 0
    [(path, arguments)] = started
    assert path == sys.executable
    assert arguments[:5] == [sys.executable, "-m", "locust", "-f", str(cli.LOCUSTFILE)]
    assert "--headless" in arguments
    assert arguments[arguments.index("--plan") + 1] == "demo"
    assert "--host" not in arguments


def test_run_hands_every_option_over(started):
    """Each of the locustfile's options can be given to `paystorm run`, and reaches Locust."""
    values = {
        "--plan": "smoke",
        "--rate": "5",
        "--duration": "2s",
        "--preset": "small",
        "--pool": "somewhere",
        "--channels": "http=1",
        "--book": "sqlite:///book.db",
        "--set": "users=9",
        "--allow": "staging.example",
        "--platform": "mine.py:Mine",
        "--workers": "3",
        "--runs-dir": "runs",
        "--metrics-port": "9646",
        "--metrics-host": "127.0.0.1",
        "--log-format": "json",
        "--webhook": "env:URL",
        "--web-users": "env:USERS",
    }
    assert set(values) == {option.flag for option in OPTIONS} - {"--resume"}
    given = [word for flag, value in values.items() if flag != "--plan" for word in (flag, value)]
    more = ("--set", "pool.seed=1", "--host", "http://x", "--users", "4")
    assert invoke(cli.run, "smoke", *given, *more).exit_code == 0
    [(_, arguments)] = started
    pairs = list(pairwise(arguments))
    for pair in [
        *values.items(),
        ("--set", "pool.seed=1"),
        ("--host", "http://x"),
        ("--users", "4"),
    ]:
        assert pair in pairs
    assert ("--master", "--master-bind-port") in pairs
    assert ("--expect-workers", "3") in pairs


def test_a_run_that_goes_on_takes_everything_from_its_directory(started):
    """With --resume only processes, and how they are watched, can be chosen; the rest is refused."""
    chosen = ("--workers", "2", "--users", "5", "--metrics-port", "9646")
    assert invoke(cli.run, "--resume", "there", *chosen).exit_code == 0
    [(_, arguments)] = started
    assert ("--resume", "there") in list(pairwise(arguments))
    assert "--plan" not in arguments
    wrong = invoke(cli.run, "--resume", "there", "--rate", "5", "--host", "http://x")
    assert wrong.exit_code == 2
    assert "leave --rate, --host out" in wrong.output


@pytest.mark.parametrize("wrong", [("nowhere",), ("--rate", "0"), ("--set", "x")])
def test_run_names_what_is_wrong_before_anything_starts(started, wrong):
    """What is wrong with the plan is said with exit code 2, without Locust."""
    assert invoke(cli.run, *wrong).exit_code == 2
    assert not started


def test_try_names_the_failure():
    """A trial that cannot begin ends with exit code 2 and one line."""
    result = invoke(cli.try_, "--host", "nothing")
    assert result.exit_code == 2
    assert "--host nothing: give an address such as http://127.0.0.1:8080" in result.output


@pytest.mark.parametrize("allow", [(), ("--allow", "other.example")])
def test_try_goes_only_where_it_may(allow):
    """An address that is not allowed is refused before anything is connected."""
    result = invoke(cli.try_, "--host", "http://staging.example", *allow)
    assert result.exit_code == 2
    assert "staging.example:80, which is not on the allow-list" in result.output


def test_the_environment_chooses_as_it_does_for_the_locustfile(monkeypatch):
    """PAYSTORM_PLAN and the other variables mean the same to `run`; what is given as an option wins."""
    monkeypatch.setenv("PAYSTORM_PLAN", "smoke")
    monkeypatch.setenv("PAYSTORM_RATE", "7")
    assert "138 commands" in invoke(cli.run, "--dry-run").output
    assert "│ 7/s " in invoke(cli.run, "--dry-run").output
    assert "│ 9/s " in invoke(cli.run, "--dry-run", "--rate", "9").output


@pytest.mark.parametrize(
    ("variable", "taken"),
    [
        ("", []),
        ("a.example", ["a.example"]),
        ("[a.example, b.example]", ["a.example", "b.example"]),
    ],
)
def test_a_repeated_options_variable_is_read_as_locust_reads_it(variable, taken, monkeypatch):
    """One value, or several in brackets: by the dry run, and by the run."""
    option = next(option for option in OPTIONS if option.flag == "--allow")
    monkeypatch.setenv(option.env_var, variable)
    assert listed(option) == taken
    parser = configargparse.ArgumentParser()  # as Locust's
    parser.add_argument(option.flag, env_var=option.env_var, action="append")
    assert (parser.parse_args([]).allow or []) == (taken or [""] * (variable == ""))


def test_the_environment_allows_hosts_and_changes_the_plan_in_a_dry_run(monkeypatch):
    """What would be sent is shown as the run would send it."""
    dry = "smoke", "--dry-run", "--host", "http://sandbox:8080"
    assert "not on the allow-list" in invoke(cli.run, *dry).output
    monkeypatch.setenv("PAYSTORM_ALLOW", "sandbox,kafka")
    mixed = *dry, "--channels", "http=60,kafka=40"
    monkeypatch.setenv("PAYSTORM_SET", "kafka.bootstrap=broker:9092")
    assert "kafka.bootstrap: commands would go to broker:9092" in invoke(cli.run, *mixed).output
    monkeypatch.setenv("PAYSTORM_SET", "kafka.bootstrap=kafka:9092")
    shown = invoke(cli.run, *mixed)
    assert shown.exit_code == 0, shown.output
