"""The forecast: what a plan will do, reckoned before it is done, and drawn."""

from __future__ import annotations

from io import StringIO
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from rich.console import Console

from e2e_data.commands import Kind, Outcome
from e2e_data.exits import Exit
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from locustfiles import cli
from locustfiles.forecast import SHARDS_LOOKED_AT, chart, forecast
from locustfiles.outline import show
from locustfiles.picture import draw
from locustfiles.plans import load_plan

PAYMENTS = "phases.payments"


def found(*changes):
    """Return the forecast of the smoke plan: 10, 10 and 118 commands at 20, 20 and 50/s."""
    plan = load_plan("smoke", changes)
    return forecast(plan, Pool.in_memory(plan.pool.config(), plan.pool.seed))


def test_phases_come_one_after_the_other():
    """Each begins when the one before has sent all; commands and times add up."""
    seen = found()
    assert [(one.commands, one.began_s, one.lasts_s) for one in seen.phases] == [
        (10, 0, 0.5), (10, 0.5, 0.5), (118, 1, 2.36),
    ]  # fmt: skip
    assert (seen.commands, seen.lasts_s) == (138, 3.36)


@pytest.mark.parametrize(
    ("changes", "commands", "arrivals", "lasts_s"),
    [
        ([f"{PAYMENTS}.duration_s=1"], 50, 50, 1),
        ([f"{PAYMENTS}.duration_s=10"], 118, 500, 2.36),
        ([f"{PAYMENTS}.count=7"], 7, 7, 0.14),
        ([f"{PAYMENTS}.count=7", f"{PAYMENTS}.duration_s=0.1"], 5, 5, 0.1),
    ],
)
def test_time_count_and_pool_bound_a_phase(changes, commands, arrivals, lasts_s):
    """Whichever comes first; arrivals for which the pool has nothing are told apart."""
    last = found(*changes).phases[-1]
    assert (last.commands, last.arrivals, last.lasts_s) == (commands, arrivals, lasts_s)


def test_users_are_what_the_peak_needs():
    """By Little's law, with answers of 50 ms; in a closed model they are as many as there are."""
    burst = ("profile=burst", "burst_per_s=900", "burst_s=0.5", "every_s=1")
    assert found(*(f"{PAYMENTS}.{one}" for one in burst)).phases[-1].users == 45
    assert found(f"{PAYMENTS}.model=closed").phases[-1].users == 16


def test_rejections_are_those_that_are_certain():
    """As the pool's own commands have them, where all of its shards are looked at."""
    plan = load_plan("smoke")
    pool = Pool.in_memory(plan.pool.config(), plan.pool.seed)
    shards = [pool.shard(number) for number in range(pool.shard_count)]
    certain = sum(
        int((shard.expected[shard.slice_of(Kind.PAYMENT)] == Outcome.REJECTED).sum())
        for shard in shards
    )
    assert 0 < len(shards) <= SHARDS_LOOKED_AT
    assert certain > 0
    assert found().phases[-1].rejections == pytest.approx(certain)
    assert found().phases[0].rejections == 0


def test_the_cost_is_that_of_the_budgets_rates():
    """By command and by hour; without rates there is none."""
    assert found().cost == 0
    rates = ("budget.cost_per_command=0.5", "budget.cost_per_hour=3600")
    assert found(*rates).cost == pytest.approx(138 * 0.5 + 3.36)


def test_the_load_is_the_mean_rate_of_each_part_of_the_time():
    """Parts of arrivals count, so that a steady rate is drawn as a straight line."""
    seen = found(f"{PAYMENTS}.duration_s=1")
    assert seen.load(4) == pytest.approx([20, 20, 50, 50])
    assert seen.load(1) == pytest.approx([35])


def test_a_chart_has_eight_steps_in_each_line():
    """The highest fills all lines; what is half as high fills half of them."""
    assert chart([8, 4, 1, 0], 2) == ["█   ", "██▂ "]
    assert chart([0, 0], 1) == ["  "]


def test_a_plan_is_shown_with_all_that_it_takes():
    """A line for each of commands, time, users, rejections, disk, and cost where there is any."""
    plan = load_plan("smoke", ["budget.cost_per_command=0.5", "budget.cost=100", "users=2"])
    out = StringIO()
    show(plan, None, Console(file=out, width=100))
    told = out.getvalue()
    for line in (
        "commands: 138 for 138 arrivals",
        "time: about 3.36 s of sending",
        "users needed: about 3, if an answer takes 50 ms; the plan has 2: give more (users, or -u)",
        "expected rejections: about ",
        "disk: about 0.2 MB for the run directory",
        "cost: about 69.00, of 100.00",
        "50/s │",
    ):
        assert line in told


def test_a_plan_is_drawn(tmp_path):
    """Names of phases are text, not mathematics; both formats can be read."""
    png, svg = tmp_path / "load.png", tmp_path / "load.svg"
    plan = tmp_path / "plan.toml"
    plan.write_text('name = "mine"\n[phases."a$b$"]\nsends = ["account"]\nrate_per_s = 5\n')
    result = CliRunner().invoke(cli.plan, ["show", str(plan), "--png", str(png), "--svg", str(svg)])
    assert result.exit_code == Exit.GOOD, result.output
    assert png.read_bytes().startswith(b"\x89PNG")
    assert ET.parse(svg).getroot().tag.endswith("svg")


def test_a_picture_that_cannot_be_written(tmp_path):
    """The path and the reason are told."""
    with pytest.raises(Problems, match="No such file or directory: name a file"):
        draw("x", found(), tmp_path / "nowhere" / "x.png", "png")
