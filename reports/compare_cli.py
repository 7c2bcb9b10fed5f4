"""The commands that compare runs: `paystorm compare` and `paystorm baseline`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from e2e_data.problems import Problems
from reports.baselines import read_baselines, runs_named, set_baseline
from reports.rundir import RunDirectory

RUNS_DIR = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("reports/runs"),
    show_default=True,
    help="Where the runs are, and the names of baselines.",
)
_DASHES = "--"
_SHARE = click.FloatRange(min=0, min_open=True, max=1000)


class _TwoSides(click.Command):
    """A command whose arguments stand on either side of `--`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if _DASHES in args:
            at = args.index(_DASHES)
            ctx.meta[_DASHES] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "-- RUN..."]


@click.command(cls=_TwoSides)
@click.argument("base", nargs=-1, required=True, metavar="BASE...")
@click.option(
    "--phase", "phases", multiple=True, help="Compare this phase; the last one without it."
)
@click.option(
    "--threshold",
    type=_SHARE,
    default=5.0,
    show_default=True,
    help="The least difference of a latency or rate that matters, in percent.",
)
@click.option(
    "--error-threshold",
    type=_SHARE,
    default=0.1,
    show_default=True,
    help="The least difference of the share of errors that matters, in percentage points.",
)
@click.option(
    "--variation",
    type=_SHARE,
    help="How much runs of one platform differ, as a standard deviation in percent, where it is known.",
)
@click.option("--even-if-different", is_flag=True, help="Compare runs of different plans or pools.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the page here; comparison.html in the last compared run without it.",
)
@RUNS_DIR
@click.pass_context
def compare(
    ctx: click.Context,
    base: tuple[str, ...],
    phases: tuple[str, ...],
    threshold: float,
    error_threshold: float,
    variation: float | None,
    even_if_different: bool,  # noqa: FBT001 - click's flag
    out: Path | None,
    runs_dir: Path,
) -> None:
    """Compare runs with baseline runs: paystorm compare BASE... -- RUN...

    Each is a run directory or the name of a baseline. Says for each figure whether it is faster,
    slower, not seen to differ, or what more it would take to tell. Exits with 10 on a regression, with
    20 where a compared run was not right, with 30 where there is not enough data.
    """
    from reports.compared import JudgedRun
    from reports.compared import compare as compared
    from reports.comparison import show, to_page
    from reports.plain import to_json

    words = ctx.meta.get(_DASHES, [])
    if not words:
        raise Problems(
            ["write what to compare behind two dashes: paystorm compare BASE... -- RUN..."]
        )
    sides = [
        [JudgedRun.read(path) for path in runs_named(side, runs_dir)] for side in (base, words)
    ]
    found = compared(
        *sides,
        phases=phases,
        threshold=threshold / 100,
        error_points=error_threshold,
        variation=None if variation is None else variation / 100,
        even_if_different=even_if_different,
    )
    page = out or sides[1][-1].directory.path / "comparison.html"
    _write(page, to_page(found, *sides).encode())
    _write(page.with_suffix(".json"), to_json(found))
    show(found, Console(highlight=False))
    click.echo(f"Picture: {page}")
    sys.exit(found.exit)


def _write(path: Path, content: bytes) -> None:
    """Write a file. Raises Problems where that cannot be."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise Problems([f"{path}: {error.strerror}; choose another place with --out"]) from error


@click.group()
def baseline() -> None:
    """Names for the runs that others are compared with."""


@baseline.command("set")
@click.argument("name")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@RUNS_DIR
def set_(name: str, runs: tuple[Path, ...], runs_dir: Path) -> None:
    """Let a name stand for some runs, instead of those that it stood for."""
    for run in runs:
        RunDirectory.open(run)
    if not runs_dir.is_dir():
        raise Problems([f"--runs-dir {runs_dir}: there is no such directory"])
    set_baseline(runs_dir, name, runs)
    click.echo(f"{name}: {len(runs)} run{'s' if len(runs) > 1 else ''}")


@baseline.command("list")
@RUNS_DIR
def list_(runs_dir: Path) -> None:
    """List the names, and the runs that each stands for."""
    for name, runs in read_baselines(runs_dir).items():
        click.echo(f"{name}: {', '.join(str(run) for run in runs)}")
