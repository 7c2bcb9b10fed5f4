"""The commands that make, check and show a scenario pool: `paystorm pool …`."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from e2e_data import chances, money, tables
from e2e_data.commands import Kind
from e2e_data.config import DEFAULT_PRESET, PRESETS, load
from e2e_data.exits import Exit
from e2e_data.pool import Pool
from e2e_data.validate import validate as faults_of

QUIET_S = 1.0
"""What is done sooner needs no progress bar."""


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


class _Bar:
    """A progress bar for what takes longer than QUIET_S, on terminals only."""

    def __init__(self, what: str, shards: int) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn(what),
            BarColumn(),
            TextColumn("{task.fields[rate]} commands/s, left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(what, total=shards, rate="")
        self._started_s = time.monotonic()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, shards: int, commands: int) -> None:
        elapsed_s = time.monotonic() - self._started_s
        if elapsed_s < QUIET_S or not self._console.is_terminal:
            return
        self._bar.start()
        self._bar.update(self._task, completed=shards, rate=f"{commands / elapsed_s:,.0f}")


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
def generate(
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
        click.echo(f"{out}: this pool is there already and was kept; {_summary(kept)}")
        return
    started_s = time.monotonic()
    with _Bar("generating", config.shard_count) as bar:
        made = Pool.generate(config, seed, out, jobs=jobs, progress=bar)
    click.echo(f"{out}: made in {time.monotonic() - started_s:.1f} s; {_summary(made)}")


@pool.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.pass_context
def validate(ctx: click.Context, directory: Path) -> None:
    """Check a pool: hashes, references, amounts, exchange, expected outcomes, shares.

    Exit code 0 if all is right, 20 with the errors if not, 2 if there is no pool to be read.
    """
    found = Pool.open(directory)
    with _Bar("validating", found.shard_count) as bar:
        faults = faults_of(found, progress=bar)
    if faults:
        for fault in faults:
            click.echo(f"{directory}: {fault}", err=True)
        ctx.exit(Exit.NOT_RIGHT)
    for note in chances.untested(found.config, found.manifest.tally):
        click.echo(f"note: {note}")
    click.echo(f"{directory}: valid; {_summary(found)}")


@pool.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
def show(directory: Path) -> None:
    """Show what is in a pool: commands, amounts, shares."""
    found = Pool.open(directory)
    console = Console()
    for table in (_contents(found), _amounts(found), _shares(found)):
        console.print(table)
    click.echo(f"{directory}: {_summary(found)}")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1f} %"


def _summary(found: Pool) -> str:
    metrics = found.manifest.metrics
    return (
        f"{len(found):,} commands for {found.config.accounts:,} accounts in {found.shard_count} "
        f"shards; expected rejections: {_percent(metrics.certain_reject_share)} of the payments, "
        f"{_percent(metrics.certain_reject_share_limit_based)} of those of limit-based accounts"
    )


def _contents(found: Pool) -> Table:
    table = Table("kind", title=f"Commands (seed {found.seed})")
    table.add_column("commands", justify="right")
    table.add_column("worth in USD", justify="right")
    for kind in Kind:
        worth = found.manifest.metrics.worth_usd.get(kind.label)
        shown = f"{float(worth):,.2f}" if worth else ""
        table.add_row(kind.label, f"{found.count_of(kind):,}", shown)
    table.add_row("all", f"{len(found):,}")
    return table


def _amounts(found: Pool) -> Table:
    metrics = found.manifest.metrics
    table = Table("currency", title="Amounts, in units of each currency")
    kinds = list(Kind)[1:]
    for heading in (*(kind.label for kind in kinds), "credited by payments"):
        table.add_column(heading, justify="right")
    for currency, by_kind in metrics.amount_minor.items():
        cells = [by_kind[kind.label] for kind in kinds] + [metrics.credit_minor[currency]]
        table.add_row(currency, *(money.to_wire(cell, currency) for cell in cells))
    return table


def _shares(found: Pool) -> Table:
    config, metrics = found.config, found.manifest.metrics
    rows = {
        "accounts that are limit-based": metrics.limit_based_share,
        f"accounts that open below {config.opening_balance.break_units:,}": (
            metrics.below_break_share
        ),
        **{
            f"payments from {band.from_percent} to {band.to_percent} % of the HOUR limit": share
            for band, share in zip(config.payment_bands, metrics.band_shares, strict=True)
        },
        "payments that exchange": metrics.fx_share,
        "payments whose outcome is known beforehand": metrics.determined_share,
        "expected rejections, of all payments": metrics.certain_reject_share,
        "expected rejections, of limit-based accounts' payments": (
            metrics.certain_reject_share_limit_based
        ),
    }
    table = Table("share", title="Shares (an expected rejection is a success)")
    table.add_column("of the pool", justify="right")
    for name, share in rows.items():
        table.add_row(name, _percent(share))
    return table
