"""The commands that plan and run: `plan`, `run` and `try`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from e2e_data.pool import Pool
from e2e_data.problems import Problems
from locustfiles import regions
from locustfiles.addresses import addresses_of
from locustfiles.channels.origin import Origin
from locustfiles.control import COMMANDS, ask, await_answer
from locustfiles.mq_target import reached_by
from locustfiles.options import DEFAULT_PLAN, OPTIONS, listed
from locustfiles.plan_parts.allowed import Address, hosts_in, refused
from locustfiles.plans import names_faults
from locustfiles.sandboxed import sandboxed
from locustfiles.settings import changes_of, plan_for, workers_wanted
from reports.rundir import RunDirectory

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
@click.option("--png", metavar="PATH", type=click.Path(path_type=Path, dir_okay=False),
              help="Draw the load over time as a picture.")  # fmt: skip
@click.option("--svg", metavar="PATH", type=click.Path(path_type=Path, dir_okay=False),
              help="The same as a drawing.")  # fmt: skip
def show_plan(file: str, png: Path | None, svg: Path | None) -> None:
    """Show what a plan sends, when, what it takes, and what it asks; FILE as for `check`."""
    from locustfiles.outline import show

    found = plan_for(file, (), None, None, fixed_pool=False)
    show(found, None, Console(highlight=False))
    for path, ending in ((png, "png"), (svg, "svg")):
        if path is not None:
            from locustfiles.forecast import forecast
            from locustfiles.picture import draw

            pool = Pool.in_memory(found.pool.config(), found.pool.seed).lapped(found.pool.laps)
            draw(f"plan {found.name}", forecast(found, pool), path, ending)


def _locustfile_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the locustfile's options, with their environment variables and help."""
    for option in reversed(OPTIONS):
        if option.flag == "--plan":
            plan_file = click.argument("plan", required=False, envvar=option.env_var)
            command = plan_file(command)
        else:
            command = click.option(
                option.flag,
                metavar=option.metavar,
                multiple=option.repeated,
                # Locust and click read a list from the environment differently: Locust's way it is.
                envvar=None if option.repeated else option.env_var,
                help=f"{option.help[0].upper()}{option.help[1:]}.",
            )(command)
    return command


@click.command()
@_locustfile_options
@click.option(
    "--host", metavar="URL", help="Where the platform listens; without it, an embedded sandbox."
)
@click.option("--users", metavar="N", type=click.IntRange(min=1), help="The most users at once.")
@click.option("--otel", is_flag=True, help="Record a span of each command for OpenTelemetry.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
def run(
    host: str | None,
    users: int | None,
    otel: bool,  # noqa: FBT001 - click calls with names
    dry_run: bool,  # noqa: FBT001
    **values: Any,
) -> None:
    """Run a plan headless: a shipped plan's name or a TOML file; the demonstration without any.

    Exits 0 when the platform was right and fast enough, 20 when it was not right, 30 when the load
    generator was not fit to judge, 10 when an SLO was missed, 2 for wrong use, 130 when interrupted.
    """
    if values["resume"]:
        _refuse_beside_resume(host, values)
        _become_locust(host, users, values, otel=otel)
        return
    for option in OPTIONS:
        if option.repeated:
            values[option.keyword] = values[option.keyword] or listed(option)
    values["plan"] = values["plan"] or DEFAULT_PLAN
    pool = values["pool"]
    chosen = plan_for(
        *(values["plan"], changes_of(values["preset"], values["set"])),
        *(values["rate"], values["duration"]),
        channels=values["channels"],
        allow=values["allow"],
        fixed_pool=bool(pool),
    )
    if dry_run:
        from locustfiles.outline import show

        given = Pool.open(Path(pool)).lapped(chosen.pool.laps) if pool else None
        wrong = names_faults(chosen, given.config) if given else []
        there = regions.main_origin(chosen, host)
        # What would be refused then is refused now.
        wrong += refused(addresses_of(chosen, there), chosen.allow)
        config = given.config if given else chosen.pool.config()
        wrong += regions.check(chosen, config.regions, hosted=bool(host))
        if wrong:
            raise Problems(wrong)
        chosen = chosen.model_copy(update={"users": users or chosen.users})
        chosen = chosen if there or values["channels"] else sandboxed(chosen)
        show(chosen, str(there) if there else None, Console(highlight=False), given)
        return
    _become_locust(host, users, values, otel=otel)


def _refuse_beside_resume(host: str | None, values: Mapping[str, Any]) -> None:
    """Raise Problems for what a run that goes on has from its directory."""
    given = [option.flag for option in OPTIONS if values[option.keyword] and not option.of_process]
    given += ["--host"] if host else []
    wrong = [flag for flag in given if flag not in ("--resume", "--workers", "--book")]
    if wrong:
        raise Problems(
            [f"--resume takes everything from its run: leave {', '.join(wrong)} out (--plan: PLAN)"]
        )


def _become_locust(
    host: str | None, users: int | None, values: Mapping[str, Any], *, otel: bool
) -> None:
    """Put Locust in the place of this process, so that signals and the exit code are its own."""
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"]
    workers = workers_wanted(values["workers"])
    if workers:
        command += ["--master", "--master-bind-port", "0", "--expect-workers", str(workers)]
    command += ["--only-summary"]
    command += ["--host", host] if host else []
    command += ["--users", str(users)] if users else []
    command += ["--otel"] if otel else []
    for option in OPTIONS:
        value = values[option.keyword]
        for text in value if option.repeated else [value]:
            command += [option.flag, text] if text else []
    os.execv(sys.executable, command)  # noqa: S606 - no shell, our own interpreter


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.argument("command", type=click.Choice(list(COMMANDS)))
def control(run_dir: Path, command: str) -> None:
    """Pause a run, resume it, skip its phase, stop it, or stop it at once (emergency).

    RUN_DIR is the run's directory, such as reports/runs/demo/latest. Who may write there may control
    the run. The command returns when the run has obeyed; its timeline and the audit log tell of it.
    """
    directory = RunDirectory.open(run_dir)
    request = ask(directory, command)
    await_answer(directory, request)
    click.echo(f"{command}: done, as request {request.id} of {request.user}")


@click.command("try")
@click.option("--host", metavar="URL", required=True, help="Where the platform listens.")
@click.option("--platform", metavar="FILE:CLASS", help="The adapter of your platform.")
@click.option(
    "--channel",
    "channels",
    type=click.Choice(["http", "mq"]),
    multiple=True,
    default=["http"],
    show_default=True,
    help="Over which channel; may be repeated.",
)
@click.option(
    "--plan",
    "source",
    metavar="PLAN",
    help="Send with this plan's settings, [http] and [mq]: headers, credentials, certificates.",
)
@click.option("--allow", metavar="HOST", multiple=True, envvar="PAYSTORM_ALLOW",
              help="Let commands go to this host, too.")  # fmt: skip
def try_(
    host: str,
    platform: str | None,
    channels: tuple[str, ...],
    source: str | None,
    allow: tuple[str, ...],
) -> None:
    """Walk one account's life through, and print what goes out and what comes back.

    Creates an account, opens it, funds it and pays, one command after the other, and names the
    step at which the adapter and the platform do not understand each other.
    """
    from locustfiles.mq_trial import MqTrial
    from locustfiles.trial import Trial, TrialError

    console = Console(highlight=False)
    plan = plan_for(source, (), None, None, fixed_pool=True) if source else None
    named = hosts_in(allow)
    http, allowed = (plan.http, [*named, *plan.allow]) if plan is not None else (None, named)
    origin = Origin.parse(host)
    wrong = refused([Address(origin.host, origin.port, "--host")], allowed)
    if wrong:
        raise Problems(wrong)
    try:
        if "http" in channels:
            Trial(host, platform, console, http, allowed).walk()
        if "mq" in channels:
            MqTrial(host, platform, console, reached_by(source), http, allowed).walk()
    except TrialError as error:
        raise Problems([str(error)]) from error


@click.command("web-user")
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "operator"]), default="viewer",
              show_default=True, help="Viewers look, operators start and control runs as well.")  # fmt: skip
@click.password_option(envvar="PAYSTORM_WEB_PASSWORD", help="Asked for, without showing it, unless PAYSTORM_WEB_PASSWORD has it.")  # fmt: skip
def web_user(name: str, role: str, password: str) -> None:
    """Print the line for the file of --web-users that lets NAME log in to the web UI.

    The line has a hash of the password, from which nobody gets it back.
    """
    from locustfiles.web.login import line_of

    click.echo(line_of(name, role, password))
