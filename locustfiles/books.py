"""The book, taken once the run is over: by statements, from a database, or by replaying the events."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from e2e_data.ids import Ids
from locustfiles import kafka_book
from locustfiles.channels.gates import Gates
from locustfiles.channels.os_thread import on_a_thread
from locustfiles.plans import Plan
from reports.book import take_snapshot
from reports.rundir import RunDirectory

if TYPE_CHECKING:
    # Whoever checks a book's source directs nothing, and is spared to load what does.
    from locustfiles.director import Director


def check(source: str | None, plan: Plan | None, *, embedded: bool) -> list[str]:
    """Return why a book cannot be had from there, as far as can be told before anything is started.

    Raises Problems where a database cannot be read.
    """
    if source is None:
        return []
    if kafka_book.is_topic(source):
        return [] if plan is None else kafka_book.check(source, plan, embedded=embedded)
    # Loaded where it is wanted: it takes its time.
    from reports.book_sql import check_source

    check_source(source)
    return []


def ready(source: str | None, plan: Plan) -> None:
    """Make sure that the book can be had after the run. Raises Problems."""
    if source is not None and kafka_book.is_topic(source):
        kafka_book.ready(source, plan)


def begin(source: str | None, plan: Plan, directory: RunDirectory) -> None:
    """Write down where the book begins, before the first command. Raises Problems."""
    if source is not None and kafka_book.is_topic(source):
        kafka_book.begin(source, plan, directory)


def take(source: str | None, director: Director, ids: Ids, gates: Gates) -> None:
    """Take the book into the run's directory. Raises Problems where it cannot be had."""
    plan, platform, directory = director.plan, director.platform, director.directory
    if source is not None and kafka_book.is_topic(source):
        told = kafka_book.take(source, plan, platform, ids, directory)
        if told.none:
            note = f"{told.none:,} of {told.records:,} records of the event topic are no events"
            director.event("warning", note=note)
    elif source is not None and platform.has_statements:
        from reports.book_sql import take_sql_snapshot

        # Database drivers wait, and there may be millions of rows.
        on_a_thread(partial(take_sql_snapshot, source, platform, ids, directory))
    elif platform.has_statements:
        take_snapshot(gates.sites, platform, ids, directory)
