"""A run in the terminal: the block has what the page has, and a log's line says how it stands."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from locustfiles.block import block, line
from locustfiles.fleet.outcomes import Outcomes
from locustfiles.live import picture
from locustfiles.phases import State
from tests.unit.test_live import view


def drawn(found):
    console = Console(width=160, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(block(found))
    return console.file.getvalue()


def test_the_block_has_what_the_page_has():
    """Phase and what it waits for, load, pool, processes, fitness and findings."""
    found = picture(view(outcomes=Outcomes(seen=10, wrong=1)))
    found["load"]["queues"] = {"IN": 3}
    text = drawn(found)
    for part in (
        *("smoke", "the-run", "sending", "(3 of 3)", "waits for all commands to be sent"),
        *("sent 20/s", "5 pending", "payment x, sent 2.0 s ago", "right so far: 1 wrong"),
        *("lag", "service", "response", "completion", "p50 50.2 ms", "p99 99.3 ms"),
        *("opening credit", "67% of what was sent", "lost", "processes lost 1", "worker lost"),
        *("invariants: 1 so far; 2, 3,", "at the end; 6a violated", "violated, 1 outcome of 10"),
        *("load generator: event loop late, median 4 ms, has to be below", "queues: IN 3"),
    ):
        assert part in text, part


def test_before_the_run_there_is_something_to_see():
    """A pool takes its time."""
    assert "being made" in drawn({"state": "none"})


def test_what_the_platform_says_cannot_draw():
    """An escape sequence in a note is shown, and not obeyed."""
    found = picture(view())
    found["findings"] = [{"at_s": 1.0, "what": "warning", "note": "\x1b[2J gone", "tone": "warn"}]
    assert "\x1b[2J" not in drawn(found)


@pytest.mark.parametrize(
    ("counts", "more"),
    [({}, ""), ({"overdue": 2, "dropped": 1, "unanswered": 4}, ", 3 late, 4 without an answer")],
)
def test_a_line_says_how_the_run_stands(counts, more):
    """What is not there is not told."""
    director = view(State.SETTLING, **counts).director
    assert line(director).endswith(f"(20/s of 30/s due), 25 completed, 5 pending{more}")
    assert line(director).startswith("phase payments, settling: 30 of ")
