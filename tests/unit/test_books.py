"""A book is taken while the run's last answers are still given: nothing waits for a database."""

from __future__ import annotations

import os
from types import SimpleNamespace

import gevent
import pytest
from gevent.monkey import get_original

from e2e_data.platform import Platform
from e2e_data.problems import Problems
from locustfiles import books
from reports import book_sql

PATIENT_S = 60
RUN = SimpleNamespace(plan=None, platform=Platform(), directory=None)


def test_the_event_loop_goes_on_while_a_database_is_read(monkeypatch):
    """What the reader waits for is done by the loop that it was called on."""
    waits, tells = os.pipe()
    # Whatever gevent has patched: it keeps the thread that it is called on waiting.
    select, heard = get_original("select", "select"), []

    def read(*_):
        heard.extend(select([waits], [], [], PATIENT_S)[0])

    monkeypatch.setattr(book_sql, "take_sql_snapshot", read)
    telling = gevent.spawn(os.write, tells, b"x")
    books.take("sqlite://", RUN, None, None)
    assert heard == [waits]
    telling.get(timeout=PATIENT_S)
    os.close(waits)
    os.close(tells)


def test_a_database_that_cannot_be_read_is_a_problem(capfd):
    """In the words of the database, and without a traceback from the thread."""
    with pytest.raises(Problems, match="unable to open database file"):
        books.take("sqlite:////no/such/place/book.db", RUN, None, None)
    assert capfd.readouterr().err == ""
