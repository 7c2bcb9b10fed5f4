"""The commands that judge a run directory."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from reports.judgement import Judgement
from reports.rundir import RunDirectory

RUN_DIR = click.argument("run_dir", type=click.Path(path_type=Path))


@click.command()
@RUN_DIR
def reconcile(run_dir: Path) -> None:
    """Judge a run again, offline, from its directory.

    Writes the report beside the evidence, prints a short table and the verdict, and exits with the
    verdict's code.
    """
    from reports.terminal import show

    directory, judgement = _judged(run_dir)
    show(judgement, directory.path / "report.html", Console(highlight=False))
    sys.exit(judgement.exit)


@click.command()
@RUN_DIR
def report(run_dir: Path) -> None:
    """Write the report of a run again and say where it is; the verdict is not the exit code."""
    directory, _ = _judged(run_dir)
    click.echo(directory.path / "report.html")


def _judged(run_dir: Path) -> tuple[RunDirectory, Judgement]:
    """Judge a run and write its reports."""
    # Imported here: pandas and matplotlib take a second, which other commands need not wait.
    from reports.latency_log import write_log
    from reports.reconcile import reconcile as judge
    from reports.render import write_all

    directory = RunDirectory.open(run_dir)
    judged = judge(directory)
    write_log(directory, judged.latencies, directory.record())
    write_all(directory, judged.judgement, judged.seconds, judged.timeline)
    return directory, judged.judgement
