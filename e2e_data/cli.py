"""The commands that make, check and show a scenario pool: `paystorm pool …`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from e2e_data import chances, tables
from e2e_data import manifest as manifests
from e2e_data.config import DEFAULT_PRESET, PRESETS, load
from e2e_data.describe import described
from e2e_data.exits import Exit
from e2e_data.export_cli import export_command
from e2e_data.generate import Interrupted
from e2e_data.lookup import find, read_scheme
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from e2e_data.progress import Bar
from e2e_data.show import summary, tables_of
from e2e_data.validate import validate as faults_of


class Span(click.ParamType[tuple[int, int]]):
    """A range such as "10-50", or one number for exactly that many."""

    name = "N-M"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Read the option's text; its order is checked with the rest of the configuration."""
        if isinstance(value, tuple):
            return value
        low, dash, high = str(value).partition("-")
        try:
            return int(low), int(high if dash else low)
        except ValueError:
            self.fail(f"{value!r} is not a range; 10-50 would be one", param, ctx)


@click.group()
def pool() -> None:
    """Make, check and show scenario pools: all commands of a test and what is expected of them."""


@pool.command()
@click.option(
    "--preset",
    metavar="|".join(PRESETS),
    help=f"Where the configuration starts from; {DEFAULT_PRESET} unless the file names another.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, tables.SEED_MAX),
    default=1,
    show_default=True,
    help="The same seed and configuration give the same pool, everywhere.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="The directory to make; an equal pool that is there already is kept.",
)
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    help="A TOML file with settings that replace those of the preset.",
)
@click.option("--accounts", type=int, help="How many accounts there are.")
@click.option("--payments", type=Span(), help="Payments per account, such as 10-50.")
@click.option("--funding", type=Span(), help="Funding credits per account, such as 5-20.")
@click.option("--currencies", metavar="USD,EUR,…", help="The currencies of the accounts.")
@click.option("--fx-percentage", type=int, help="Payments that credit another currency, in %.")
@click.option("--limit-based-percentage", type=int, help="Accounts with limits, in %.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Processes to share the work; unless given as many as there are cores, or one if the "
    "pool is small. The pool does not depend on it.",
)
@click.pass_context
def generate(
    ctx: click.Context,
    /,
    preset: str | None,
    seed: int,
    out: Path,
    file: Path | None,
    jobs: int | None,
    currencies: str | None,
    **settings: Any,
) -> None:
    """Make a pool: Parquet shards and a manifest, in a directory of its own."""
    overrides = {name: value for name, value in settings.items() if value is not None}
    if currencies is not None:
        overrides["currencies"] = [code.strip() for code in currencies.split(",")]
    config = load(preset, overrides, file)
    kept = Pool.kept(config, seed, out)
    if kept:
        click.echo(f"{out}: this pool is there already and was kept; {summary(kept)}")
        return
    started_s = time.monotonic()
    try:
        with Bar("generating", config.shard_count) as bar:
            made = Pool.generate(config, seed, out, jobs=jobs, progress=bar, tell=_tell)
    except Interrupted as stopped:
        _tell(str(stopped))
        ctx.exit(Exit.INTERRUPTED)
    click.echo(f"{out}: made in {time.monotonic() - started_s:.1f} s; {summary(made)}")


@pool.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.pass_context
def validate(ctx: click.Context, directory: Path) -> None:
    """Check a pool: hashes, references, amounts, exchange, expected outcomes, shares.

    Exit code 0 if all is right, 20 with the errors if not, 2 if there is no pool to be read.
    """
    found = Pool.open(directory)
    with Bar("validating", found.shard_count) as bar:
        faults = faults_of(found, progress=bar)
    if faults:
        for fault in faults:
            click.echo(f"{directory}: {fault}", err=True)
        ctx.exit(Exit.NOT_RIGHT)
    for note in chances.untested(found.config, found.manifest.tally):
        click.echo(f"note: {note}")
    click.echo(f"{directory}: valid; {summary(found)}")


@pool.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--command",
    "command_id",
    metavar="ID",
    help="Explain one command: its account, amount, label, right outcomes and why, and its body. "
    "ID is SHARD:INDEX, a correlation id, or the UUID of a command or a customer.",
)
@click.option(
    "--ids",
    "ids_file",
    type=click.Path(path_type=Path),
    help="The run.json of the run that gave the id, or the ids.json of an export; for UUIDs. "
    "Found by itself where DIR is the pool of a run directory.",
)
def show(directory: Path, command_id: str | None, ids_file: Path | None) -> None:
    """Show what is in a pool: commands, amounts, shares; or one of its commands."""
    if ids_file and command_id is None:
        raise Problems([f"--ids {ids_file}: is for explaining a command; add --command ID"])
    run_file = directory.parent / "run.json"
    of_run = run_file.is_file()
    # A run keeps the manifest alone, from which its commands are made again.
    found = Pool.of_manifest(manifests.read(directory)) if of_run else Pool.open(directory)
    if command_id is not None:
        file = ids_file or (run_file if of_run else None)
        scheme = read_scheme(file) if file else None
        found = found.lapped(scheme.laps if scheme else 1)
        for line in described(found, find(command_id.strip(), found, scheme), scheme):
            click.echo(line)
        return
    console = Console()
    for table in tables_of(found):
        console.print(table)
    click.echo(f"{directory}: {summary(found)}")


pool.add_command(export_command)


def _tell(text: str) -> None:
    click.echo(f"paystorm: {text}", err=True)
