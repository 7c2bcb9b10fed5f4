"""The commands that plan and run: `plan`, `run` and `try`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
from rich.console import Console

from e2e_data.pool import Pool
from e2e_data.problems import Problems
from locustfiles.settings import DEFAULT_PLAN, OPTIONS, plan_for

LOCUSTFILE = Path(__file__).with_name("payments.py")


@click.group()
def plan() -> None:
    """Check a plan, or look at it."""


@plan.command()
@click.argument("file")
def check(file: str) -> None:
    """Name everything that is wrong with a plan; FILE is a TOML file or a shipped plan's name."""
    found = plan_for(file, (), None, None, fixed_pool=False)
    click.echo(f"{file}: plan {found.name} is in order, {len(found.phases)} phases")


@plan.command("show")
@click.argument("file")
def show_plan(file: str) -> None:
    """Show what a plan sends, when, and what it asks; FILE as for `check`."""
    from locustfiles.outline import show

    show(plan_for(file, (), None, None, fixed_pool=False), None, Console(highlight=False))


@click.command()
@click.argument("plan_name", metavar="[PLAN]", required=False)
@click.option(
    "--host", metavar="URL", help="Where the platform listens; without it, an embedded sandbox."
)
@click.option("--pool", metavar="DIR", help="Play this pool directory instead of the plan's pool.")
@click.option("--rate", metavar="PER_S", help="Commands per second of the plan's last phase.")
@click.option("--duration", metavar="TIME", help="How long the last phase sends, such as 2m.")
@click.option(
    "--set",
    "changes",
    metavar="PATH=VALUE",
    multiple=True,
    help="Change the plan, such as phases.payments.rate_per_s=500.",
)
@click.option("--platform", metavar="FILE:CLASS", help="The adapter of your platform.")
@click.option("--runs-dir", metavar="DIR", help="Where run directories are made.")
@click.option("--users", metavar="N", type=click.IntRange(min=1), help="The most users at once.")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
def run(
    plan_name: str | None,
    host: str | None,
    users: int | None,
    dry_run: bool,  # noqa: FBT001 - click calls with names
    changes: tuple[str, ...],
    **texts: str | None,
) -> None:
    """Run a plan headless: a shipped plan's name or a TOML file; the demonstration without any.

    Exits 0 when the platform was right and fast enough, 20 when it was not right, 30 when the load
    generator was not fit to judge, 10 when an SLO was missed, 2 for wrong use, 130 when interrupted.
    """
    source = plan_name or DEFAULT_PLAN
    chosen = plan_for(
        source, changes, texts["rate"], texts["duration"], fixed_pool=bool(texts["pool"])
    )
    if dry_run:
        from locustfiles.outline import show

        given = Pool.open(Path(texts["pool"])) if texts["pool"] else None
        chosen = chosen.model_copy(update={"users": users or chosen.users})
        show(chosen, host, Console(highlight=False), given)
        return
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"]
    command += ["--only-summary", "--plan", source]
    command += ["--host", host] if host else []
    command += ["--users", str(users)] if users else []
    for change in changes:
        command += ["--set", change]
    for option in OPTIONS:
        value = texts.get(option.flag.removeprefix("--").replace("-", "_"))
        command += [option.flag, value] if value else []
    # In place of this process, so that signals and the exit code are Locust's own.
    os.execv(sys.executable, command)  # noqa: S606 - no shell, our own interpreter


@click.command("try")
@click.option("--host", metavar="URL", required=True, help="Where the platform listens.")
@click.option("--platform", metavar="FILE:CLASS", help="The adapter of your platform.")
def try_(host: str, platform: str | None) -> None:
    """Walk one account's life through, and print what goes out and what comes back.

    Creates an account, opens it, funds it and pays, one command after the other, and names the
    step at which the adapter and the platform do not understand each other.
    """
    from locustfiles.trial import Trial, TrialError

    try:
        Trial(host, platform, Console(highlight=False)).walk()
    except TrialError as error:
        raise Problems([str(error)]) from error
