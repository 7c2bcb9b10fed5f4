"""The conductor between Locust's life cycle and runs: what a slow, failed or stopped launch means."""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import pytest

from e2e_data.exits import Exit
from e2e_data.problems import Problems
from locustfiles.options import OPTIONS

with pytest.MonkeyPatch.context() as patched:
    # The conductor's rules need no patched library, and the other tests of this process need theirs.
    patched.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    from locustfiles import conductor as conductors
    from locustfiles.conductor import Conductor


class Runner:
    """As much of Locust's runner as the conductor uses."""

    user_count = 8

    def __init__(self) -> None:
        self.told: list[str] = []

    def log_exception(self, _node: str, message: str, _traceback: str) -> None:
        self.told.append(message)


@pytest.fixture
def conductor() -> Conductor:
    options = argparse.Namespace(
        num_users=8,
        spawn_rate=8,
        run_time=None,
        headless=True,
        **{option.name: option.default for option in OPTIONS},
    )
    environment = SimpleNamespace(
        parsed_options=options, runner=Runner(), host="", web_ui=None, process_exit_code=None
    )
    made = Conductor(environment)
    made._fixed = argparse.Namespace(**vars(options))
    return made


def test_ticks_during_a_slow_launch_keep_the_test_alive(conductor, monkeypatch):
    """Locust asks the shape once a second, also while the sandbox starts: that must not end the test."""
    ticks = []

    def slow(_settings, **_):
        ticks.append(conductor.tick())
        raise Problems(["enough"])

    monkeypatch.setattr(conductors, "launch", slow)
    assert conductor.tick() == (8, 8.0), "before the test starts, users are wanted"
    conductor.start()
    assert ticks == [(8, 8.0)]


@pytest.mark.parametrize(
    ("error", "code"), [(Problems(["mend it"]), Exit.WRONG_USE), (KeyError("bug"), Exit.UNFIT)]
)
def test_a_launch_that_fails_ends_the_test_with_its_code(conductor, monkeypatch, error, code):
    """What is wrong with the settings exits 2; a fault of ours 30, for Locust swallows it. Never 0."""

    def fail(_settings, **_):
        raise error

    monkeypatch.setattr(conductors, "launch", fail)
    if code is Exit.WRONG_USE:
        conductor.start()
        assert conductor.environment.runner.told == ["mend it"]
    else:
        with pytest.raises(KeyError):
            conductor.start()
    assert conductor.tick() is None
    conductor.set_exit_code()
    assert conductor.environment.process_exit_code == code


def test_a_headless_process_without_a_judged_run_does_not_exit_0(conductor):
    """Whatever keeps a run from being judged, silence is not success."""
    conductor.set_exit_code()
    assert conductor.environment.process_exit_code == Exit.UNFIT


def test_another_test_starts_clean(conductor, monkeypatch):
    """In the web UI a failed start is followed by a good one: the first's exit code is forgotten."""

    def fail(_settings, **_):
        raise Problems(["mend it"])

    monkeypatch.setattr(conductors, "launch", fail)
    conductor.start()
    assert conductor.tick() is None
    conductor.ended()
    assert conductor.tick() == (8, 8.0)


def test_a_form_cannot_choose_where_files_go(conductor, monkeypatch):
    """Locust lets the web UI's form overwrite any option; only plan, rate, duration and load are taken."""
    seen = []
    monkeypatch.setattr(conductors, "launch", lambda settings, **_: seen.append(settings) or 1 / 0)
    options = conductor.environment.parsed_options
    options.paystorm_runs_dir = "/elsewhere"
    options.paystorm_platform = "evil.py:Evil"
    options.paystorm_plan = "smoke"
    options.num_users = 3
    with pytest.raises(ZeroDivisionError):
        conductor.start()
    assert str(seen[0].runs_dir) == "reports/runs"
    assert seen[0].platform_spec is None
    assert (seen[0].plan.name, seen[0].users) == ("smoke", 3)
