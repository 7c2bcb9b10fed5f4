"""The commands for a queue manager alone: `paystorm mq load` and `paystorm mq dlq list|show|retry`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.table import Table

from e2e_data.exits import Exit
from e2e_data.problems import Problems
from e2e_data.progress import Bar
from locustfiles.channels.mq_binding import load as load_binding
from locustfiles.channels.mq_reasons import MqError
from locustfiles.channels.mq_session import Login, Session
from locustfiles.channels.mq_settings import MqSettings
from locustfiles.mq_dlq import Aside, look
from locustfiles.mq_dlq import retry as put_back
from locustfiles.mq_load import Job, Loader, State
from locustfiles.mq_target import PLAN_HELP, reached_by
from reports.quantities import counted

SHOWN_MAX = 4000


@click.group()
def mq() -> None:
    """Work with a queue manager of IBM MQ: load messages, look at the backout queue."""


@mq.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--queue", required=True, help="The queue to put the messages on.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0),
    default=0,
    show_default=True,
    help="Messages a second; 0 for as fast as possible.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on where an earlier load of this file ended; FILE.load.json says where.",
)
@click.option(
    "--give-up",
    "give_up_s",
    type=click.FloatRange(min=0),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long the queue may stay full, or the queue manager be away.",
)
@click.option("--plan", metavar="PLAN", help=PLAN_HELP)
def load(
    file: Path,
    queue: str,
    rate: float,
    resume: bool,  # noqa: FBT001 - click calls with names
    give_up_s: float,
    plan: str | None,
) -> None:
    """Put each line of FILE on a queue as a message, as `paystorm pool export --format mq` writes them.

    Messages are put in units of work. Lines that are no JSON objects, or too long, are named in
    FILE.errors.jsonl and passed over; then the command exits with 20.
    """
    settings = reached_by(plan)
    connect = _connector(settings)
    _said(connect).close()  # what is wrong with the connection is said before anything is put
    job = Job(file, queue, settings.queue_manager, rate, resume, give_up_s)
    size = max(file.stat().st_size, 1)

    with Bar(f"putting {file.name}", size) as bar:

        def progress(state: State) -> None:
            bar(state.offset, state.put)

        loader = Loader(job, connect, progress, lambda text: click.echo(text, err=True))
        try:
            state = loader.load()
        except KeyboardInterrupt:
            told = f"interrupted: {loader.told()}; the rest with --resume"
            _end(told, Exit.INTERRUPTED)
    click.echo(loader.told())
    if state.refused:
        _end(f"{counted(state.refused, 'line')} not put", Exit.NOT_RIGHT)


@mq.group()
def dlq() -> None:
    """Look at what was put aside, and put it back."""


def _on_queue(command: Callable[..., None]) -> Callable[..., None]:
    command = click.option("--plan", metavar="PLAN", help=PLAN_HELP)(command)
    return click.option(
        "--queue", help="The queue that has it; the backout queue of [mq] without this."
    )(command)


@dlq.command("list")
@_on_queue
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Show so many messages at most.",
)
def list_(queue: str | None, plan: str | None, limit: int) -> None:
    """List the messages of the backout queue, oldest first, and leave them there."""
    with _session(plan) as (session, settings):
        name = _queue_of(queue, settings)
        table = Table("message", "command", "type", "bytes", "why", box=None)
        count = 0
        for aside in look(session, name):
            count += 1
            if count <= limit:
                table.add_row(
                    *(aside.msg_id, aside.command_id, aside.command_type),
                    *(str(len(aside.got.body)), aside.why),
                )
        if count:
            Console(width=200, highlight=False, markup=False).print(table)
        more = f", the first {limit} shown" if count > limit else ""
        click.echo(f"{counted(count, 'message')} on {name}{more}")


@dlq.command("show")
@click.argument("message")
@_on_queue
def show(message: str, queue: str | None, plan: str | None) -> None:
    """Show a message of the backout queue whole; MESSAGE is its id, or its command's."""
    with _session(plan) as (session, settings):
        name = _queue_of(queue, settings)
        found = _named(session, name, message)
        md = found.got.md
        for title, value in (
            ("message id", found.msg_id),
            ("correlation id", md.correl_id.hex()),
            ("format", md.format.decode("latin-1")),
            ("character set", str(md.ccsid)),
            ("persistent", "yes" if md.persistence else "no"),
            ("reply to", md.reply_to.decode("latin-1")),
            ("why", found.why),
        ):
            click.echo(f"{title:15} {_plain(value)}")
        click.echo("")
        click.echo(_plain(found.body[:SHOWN_MAX].decode("utf-8", "replace")))
        if len(found.body) > SHOWN_MAX:
            click.echo(f"… {len(found.body) - SHOWN_MAX:,} bytes more")


@dlq.command("retry")
@click.argument("messages", nargs=-1)
@_on_queue
@click.option("--all", "everything", is_flag=True, help="Put back all that is there.")
@click.option("--to", help="Where to; the command queue of [mq] without this.")
def retry(
    messages: tuple[str, ...],
    queue: str | None,
    plan: str | None,
    everything: bool,  # noqa: FBT001 - click calls with names
    to: str | None,
) -> None:
    """Put messages back on the command queue; MESSAGES are their ids, or their commands'.

    Each is moved in one unit of work, so it is on one queue or the other.
    """
    if bool(messages) == everything:
        raise Problems(["name the messages to put back, or say --all"])
    with _session(plan) as (session, settings):
        name, target = _queue_of(queue, settings), to or settings.command_queue
        if everything:
            chosen = [aside.got.md.msg_id for aside in look(session, name)]
        else:
            chosen = [_named(session, name, message).got.md.msg_id for message in messages]
        moved = sum(put_back(session, name, target, msg_id) for msg_id in chosen)
    click.echo(f"{counted(moved, 'message')} put back from {name}")
    if moved < len(chosen):
        _end(f"{len(chosen) - moved:,} were gone meanwhile", Exit.NOT_RIGHT)


def _end(told: str, code: Exit) -> NoReturn:
    """End the command that was not wholly good."""
    click.echo(f"paystorm: {told}", err=True)
    sys.exit(code)


def _connector(settings: MqSettings) -> Callable[[], Session]:
    binding, login = load_binding(settings.binding, settings.library), Login.of(settings)
    return lambda: Session(binding, login)


def _said(connect: Callable[[], Session]) -> Session:
    """Connect. Raises Problems that say what to check."""
    try:
        return connect()
    except MqError as error:
        raise Problems([error.told]) from error


@contextmanager
def _session(plan: str | None) -> Iterator[tuple[Session, MqSettings]]:
    """Have a session until the end of the block. Raises Problems for what goes wrong."""
    settings = reached_by(plan)
    session = _said(_connector(settings))
    try:
        yield session, settings
    except MqError as error:
        raise Problems([error.told]) from error
    finally:
        session.close()


def _queue_of(queue: str | None, settings: MqSettings) -> str:
    name = queue or settings.backout_queue
    if name is None:
        raise Problems(["the plan has no backout_queue: name one with --queue"])
    return name


def _named(session: Session, queue: str, message: str) -> Aside:
    """Return the message with an id, or with a command's. Raises Problems."""
    for aside in look(session, queue):
        if message.lower() in (aside.msg_id, aside.command_id.lower()):
            return aside
    raise Problems([f"{message}: no message on {queue} has this id, and none carries that command"])


def _plain(told: str) -> str:
    """Return a text without what a terminal would take for a command."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in told)
