"""The commands that judge a run directory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from e2e_data.lookup import Found, Scheme, find
from e2e_data.problems import Problems
from reports.hostile import visible
from reports.rundir import RunDirectory

if TYPE_CHECKING:
    from reports.results import Results
    from reports.story import Stories

RUN_DIR = click.argument("run_dir", type=click.Path(path_type=Path))


@click.command()
@RUN_DIR
def reconcile(run_dir: Path) -> None:
    """Judge a run again, offline, from its directory.

    Writes the report beside the evidence, prints a short table and the verdict, and exits with the
    verdict's code.
    """
    from reports.terminal import show

    directory, results = _judged(run_dir)
    judgement = results.judgement
    show(judgement, directory.path / "report.html", Console(highlight=False))
    sys.exit(judgement.exit)


@click.command()
@RUN_DIR
def report(run_dir: Path) -> None:
    """Write the report of a run again and say where it is; the verdict is not the exit code.

    It is made of what the judge wrote; a run that was not judged yet is judged first. Of a directory
    with the CSV files of any other Locust run, it tells what these hold.
    """
    if not (run_dir / "run.json").is_file():
        from reports.foreign import write_foreign

        click.echo(write_foreign(run_dir))
        return
    from reports.render import write_reports
    from reports.results import are_there, read_results

    directory = RunDirectory.open(run_dir)
    if are_there(directory):
        write_reports(directory, read_results(directory))
    else:
        _judged(run_dir)
    click.echo(directory.path / "report.html")


@click.command()
@RUN_DIR
@click.argument("what", metavar="ACCOUNT|COMMAND")
def explain(run_dir: Path, what: str) -> None:
    """Tell the whole story of an account or a command: all that was seen of it, and what is wrong.

    It is named by the platform's id of an account, by SHARD:INDEX, by the UUID of a command or a
    customer, or by a correlation id. Times are seconds since the run began.
    """
    from e2e_data.describe import described
    from e2e_data.lookup import read_scheme
    from reports.story import Stories
    from reports.story_text import tell

    directory = RunDirectory.open(run_dir)
    stories = Stories(directory)
    scheme = read_scheme(directory.path / "run.json")
    found = _found(what.strip(), stories, scheme)
    console = Console(highlight=False)
    creates = found.is_account or found.index < stories.pool.shard_counts(found.shard).account
    if creates and found.correlation is None:
        tell(stories.of_account(found.shard, found.index), console)
        return
    for line in described(stories.pool, found, scheme):
        click.echo(line)
    story = stories.of_command(found.shard, found.index)
    click.echo("\nwhat was seen of it, in seconds since the run began")
    for line in story.facts or ("nothing",):
        click.echo(f"  {visible(line)}")
    click.echo()
    tell(story, console)


def _found(what: str, stories: Stories, scheme: Scheme) -> Found:
    """Find what an id names. Raises Problems for one that names nothing of this run."""
    account = stories.evidence.account_called(what)
    if account is not None:
        return Found(*account, is_account=True)
    try:
        return find(what, stories.pool, scheme)
    except Problems as error:
        told = [problem.removeprefix("--command ") for problem in error.problems]
        raise Problems(told) from None


def _judged(run_dir: Path) -> tuple[RunDirectory, Results]:
    """Judge a run and write its reports."""
    # Imported here: pandas and matplotlib take a second, which other commands need not wait.
    from reports.latency_log import write_log
    from reports.reconcile import reconcile as judge
    from reports.render import write_all

    directory = RunDirectory.open(run_dir)
    judged = judge(directory)
    write_log(directory, judged.latencies, directory.record())
    write_all(directory, judged.results)
    return directory, judged.results
