"""The outline: what a plan will do, shown before it is done."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console

from e2e_data import config
from e2e_data.pool import Pool
from locustfiles.forecast import planned_commands
from locustfiles.outline import show
from locustfiles.plans import load_plan

COMMANDS = {"accounts": 10, "opening-credits": 10, "payments": 118}
"""What the smoke plan's pool of seed 7 has for each phase."""


def shown(plan, host=None, pool=None) -> str:
    out = StringIO()
    show(plan, host, Console(file=out, width=100), pool)
    return out.getvalue()


def rows(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("│ ").split("│")]
        for line in text.splitlines()
        if line.startswith("│")
    ]


def test_an_outline_shows_phases_commands_and_times():
    """Each phase has a row with its kinds, its commands, its rate and how long that takes."""
    assert rows(shown(load_plan("smoke"))) == [
        ["accounts", "account", "10", "20/s", "0 s"],
        ["opening-credits", "opening credit", "10", "20/s", "0 s"],
        ["payments", "funding, payment", "118", "50/s", "2 s"],
    ]


def test_an_outline_shows_where_commands_go():
    """Without a host it is the embedded sandbox; users and seed are told too."""
    plan = load_plan("smoke")
    assert "10 accounts, 138 commands, seed 7; sent to an embedded sandbox by at most 16 users" in (
        shown(plan)
    )
    assert "sent to http://[fe80::1]:80 by" in shown(plan, "http://[fe80::1]:80")


def test_an_outline_shows_what_is_asked():
    """Each SLO is a line, in words."""
    lines = shown(load_plan("demo")).splitlines()
    assert [line for line in lines if line.startswith("asked: ")] == [
        "asked: response p99 below 1000 ms (phase payments)",
        "asked: completion p95 below 2000 ms (phase payments)",
    ]


def test_an_outline_shows_the_given_pool():
    """Where another pool is played than the plan's, its accounts and commands are shown."""
    text = shown(load_plan("smoke"), pool=Pool.in_memory(config.load("smoke", {"accounts": 3}), 8))
    assert re.search(r"pool: 3 accounts, \d+ commands, seed 8;", text)
    assert rows(text)[0] == ["accounts", "account", "3", "20/s", "0 s"]


@pytest.mark.parametrize("words", ["[/] closed", "[bold]really[/bold]", "a [red]b"])
def test_a_plans_words_are_text(words):
    """What looks like markup in a plan's description is shown as it is."""
    assert words in shown(load_plan("smoke", [f"description='{words}'"]))


@pytest.mark.parametrize(
    ("duration", "commands"), [(None, 118), ("1s", 50), ("0.5s", 25), ("2.36s", 118), ("1h", 118)]
)
def test_a_phase_sends_what_there_is_or_what_its_time_allows(duration, commands):
    """A duration bounds the commands of a phase at its rate; the pool bounds them too."""
    changes = [f"phases.payments.duration_s={duration}"] if duration else []
    plan = load_plan("smoke", changes)
    pool = Pool.in_memory(plan.pool.config(), plan.pool.seed)
    assert planned_commands(plan.phases["payments"], pool) == commands
