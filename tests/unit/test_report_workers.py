"""The workers of a fleet in the report: what each told of itself, and what became of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e2e_data.problems import Problems
from reports.html import to_html
from reports.judgement import WorkerRow
from reports.markdown import to_markdown
from reports.rundir import RunDirectory
from reports.timeline import Event
from reports.workers import Reported, read_reported, worker_rows, write_reported
from tests import samples

FIGURES = [Reported("quick", 200, 1.5, 9.0), Reported("slow", 100, 80.0, 812.0)]


def happened(*words: tuple[str, str]) -> list[Event]:
    return [Event(number, event, note=note) for number, (event, note) in enumerate(words)]


@pytest.fixture
def directory(tmp_path):
    return RunDirectory.create(tmp_path, "smoke")


def test_what_was_reported_is_kept(directory):
    """Figures are written whole and read as they were; without a fleet there are none."""
    assert read_reported(directory) == {}
    write_reported(directory, FIGURES)
    assert read_reported(directory) == {one.worker: one for one in FIGURES}


def test_a_damaged_file_is_named(directory):
    """Whoever changed it is told where."""
    (directory.latency / "workers.jsonl").write_text('{"worker": "a"}\n')
    with pytest.raises(Problems, match=r"workers\.jsonl"):
        read_reported(directory)


def test_each_worker_that_joined_has_a_row():
    """With figures or without, with a whole journal or not; what befell it is told in order."""
    events = happened(
        ("worker joined", "slow"),
        ("worker joined", "dead"),
        ("worker joined", "quick"),
        ("warning", "slow: users are waiting"),
        ("worker lost", "slow: not heard of for 10.2 s; 3 commands in doubt"),
        ("worker lost", "dead: not heard of for 10.3 s; 0 commands in doubt"),
        ("worker back", "slow: asks again, without its leases"),
    )
    reported = {one.worker: one for one in FIGURES}
    closed = {"slow": 3, "quick": 2}
    dead, quick, slow = worker_rows(events, reported, closed, frozenset({"dead", "quick"}))
    assert (dead.worker, dead.answered, dead.response_p99_ms) == ("dead", 0, None)
    assert quick == WorkerRow("quick", 200, 1.5, 9.0, journal_complete=False)
    assert slow.note == (
        "lost: not heard of for 10.2 s; 3 commands in doubt; back: asks again, without its leases"
    )
    assert (dead.journal_complete, slow.journal_complete) == (False, True)


def test_a_run_without_a_fleet_has_no_rows():
    """One process that sends by itself joins nothing."""
    assert list(worker_rows(happened(("run began", "")), {}, {"local": 1}, frozenset())) == []


def test_a_slow_worker_is_visible_in_the_reports():
    """In the page and in the summary: figures, journal and fate; without a fleet, no such table."""
    sample = samples.good()
    assert "Workers" not in to_markdown(sample.judgement)
    slow = WorkerRow("slow", 100, 80.0, 812.0, journal_complete=False, note="lost: for 10.2 s")
    judgement = replace(sample.judgement, workers=(slow,))
    page = to_html(replace(sample, judgement=judgement))
    for text in (to_markdown(judgement), page):
        assert all(word in text for word in ("slow", "812", "not complete", "lost: for 10.2 s"))
