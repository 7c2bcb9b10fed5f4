"""The command that writes a pool as files for other tools: `paystorm pool export`."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click

from e2e_data.batch import value_dates
from e2e_data.envelope import EVENTS_TOPIC, REPLY_QUEUE
from e2e_data.exits import Exit
from e2e_data.exporters.export import IDS_FILE, OPTION, export
from e2e_data.exporters.formats import Format
from e2e_data.exporters.messages import Kafka, Mq
from e2e_data.exporters.tables import Tables
from e2e_data.exporters.vegeta import Vegeta
from e2e_data.exporters.whole import check_room
from e2e_data.platform import Platform, load_platform
from e2e_data.pool import Pool
from e2e_data.problems import Problems
from e2e_data.progress import Bar


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command's options say about a format."""

    platform: Platform
    host: str
    reply_to: str | None
    made: datetime
    regions: dict[str, str] = field(default_factory=dict)
    """Region -> its own address."""


FORMATS: dict[str, Callable[[Choices], Format]] = {
    "vegeta": lambda chosen: Vegeta(chosen.platform, chosen.host, chosen.regions),
    "mq": lambda chosen: Mq(chosen.platform, chosen.reply_to or REPLY_QUEUE, chosen.made),
    "kafka": lambda chosen: Kafka(chosen.platform, chosen.reply_to or EVENTS_TOPIC, chosen.made),
    "csv": lambda chosen: Tables(),  # noqa: ARG005 - a table is for no platform
}
NEXT_STEPS = {
    "vegeta": "{out}/run-vegeta.sh {out} RATE DURATION plays the phases; the platform must name "
    "accounts as `paystorm sandbox --account-ids from-customer` does",
    "mq": "{out}/load-mq.sh FILE QUEUE RATE puts a file on a queue",
    "kafka": "{out}/load-kafka.sh FILE TOPIC produces a file to a topic, with kcat",
    "csv": "amounts are decimal numbers in the currency beside them",
}


@click.command(name="export")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    required=True,
    help="Targets for Vegeta, messages for IBM MQ, records for Kafka, or tables.",
)
@click.option(
    OPTION,
    type=click.Path(path_type=Path),
    required=True,
    help="The directory to make; it appears with everything in it, or not at all.",
)
@click.option(
    "--host",
    default="http://127.0.0.1:8080",
    show_default=True,
    metavar="URL",
    help="Where Vegeta sends to.",
)
@click.option(
    "--region-host",
    "region_hosts",
    multiple=True,
    metavar="REGION=URL",
    help="Where Vegeta sends a region's commands to, instead; may be repeated.",
)
@click.option(
    "--reply-to",
    metavar="NAME",
    help=f"Where messages ask to be answered: {REPLY_QUEUE} for mq, {EVENTS_TOPIC} for kafka.",
)
@click.option(
    "--first-day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="The day from which value dates count; today in UTC unless given.",
)
@click.option(
    "--platform",
    "adapter",
    metavar="FILE:CLASS",
    help="The adapter that says what requests and messages look like.",
)
@click.pass_context
def export_command(
    ctx: click.Context,
    directory: Path,
    form: str,
    out: Path,
    host: str,
    region_hosts: tuple[str, ...],
    reply_to: str | None,
    first_day: datetime | None,
    adapter: str | None,
) -> None:
    """Write a pool as files for other tools, with ids that `pool show --ids` explains."""
    now = datetime.now(UTC)
    pool = Pool.open(directory)
    regions = _regions(region_hosts, pool)
    chosen = Choices(load_platform(adapter), _address(host), reply_to, now, regions)
    day = _first_day(first_day or now, pool)
    check_room(out, OPTION)
    started_s = time.monotonic()
    try:
        with _stopped_by_sigterm(), Bar("exporting", len(pool)) as bar:
            export(
                pool,
                FORMATS[form](chosen),
                out,
                first_day=day,
                progress=lambda commands: bar(commands, commands),
            )
    except KeyboardInterrupt:
        click.echo(f"paystorm: {out}: interrupted, nothing was written", err=True)
        ctx.exit(Exit.INTERRUPTED)
    taken_s = time.monotonic() - started_s
    click.echo(
        f"{out}: {len(pool):,} commands as {form} in {taken_s:.1f} s; "
        f"{NEXT_STEPS[form].format(out=out)}"
    )
    click.echo(
        f"any id in it is explained by: paystorm pool show {directory} --ids {out / IDS_FILE} "
        "--command ID"
    )


def _regions(texts: Sequence[str], pool: Pool) -> dict[str, str]:
    """Read REGION=URL. Raises Problems with all that are none, or name no region of the pool."""
    found: dict[str, str] = {}
    problems: list[str] = []
    for text in texts:
        region, _, url = text.partition("=")
        if region not in pool.config.regions:
            has = ", ".join(pool.config.regions) or "it has none"
            problems.append(
                f"--region-host {text}: {region!r} is none of the pool's regions: {has}"
            )
        try:
            found[region] = _address(url, f"--region-host {region}=")
        except Problems as wrong:
            problems += wrong.problems
    if problems:
        raise Problems(problems)
    return found


def _address(url: str, option: str = "--host ") -> str:
    """Return an address without its last slash. Raises Problems for anything else."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise Problems([f"{option}{url}: give an address such as http://127.0.0.1:8080"])
    return f"{parts.scheme}://{parts.netloc}"


def _first_day(day: datetime, pool: Pool) -> date:
    """Return a day from which all value dates can be counted. Raises Problems."""
    try:
        value_dates(day.date(), pool.config.value_days)
    except OverflowError:
        raise Problems(
            [
                f"--first-day {day.date()}: value dates are up to {pool.config.value_days} days "
                "later, beyond the year 9999; give an earlier day"
            ]
        ) from None
    return day.date()


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Have SIGTERM end the work as Ctrl-C does, so that what is half done is removed."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
