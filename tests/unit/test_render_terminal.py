"""The terminal: the verdict comes last, and lines are whole where there is no terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from reports.terminal import show
from tests import samples

REPORT = Path("reports/runs/smoke/20261120T120000Z-3f9a1c/report.html")


def _shown(judgement, *, terminal=False, width=80):
    out = io.StringIO()
    show(judgement, REPORT, Console(file=out, width=width, force_terminal=terminal, no_color=True))
    return out.getvalue()


@pytest.mark.parametrize("name", ["good", "bad", "special", "empty", "bare"])
def test_the_last_line_is_the_verdict_and_the_report_is_named(name):
    judgement = getattr(samples, name)().judgement
    lines = _shown(judgement).splitlines()
    assert lines[-1].lower() == f"{judgement.verdict} (exit code {int(judgement.exit)})"
    assert lines[-2] == f"Report: {REPORT}"


def test_a_log_gets_whole_lines_without_escape_sequences():
    text = _shown(samples.bad().judgement)
    assert "\x1b" not in text
    assert "  unknown   7. Replies and events agree with the book\n" in text
    assert max(len(line) for line in text.splitlines()) > 80


def test_a_terminal_of_80_columns_is_wide_enough():
    for sample in (samples.good(), samples.bad(), samples.empty()):
        text = _shown(sample.judgement, terminal=True)
        assert max(len(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()) <= 80


def test_ids_are_whole():
    for terminal in (False, True):
        text = _shown(samples.bad().judgement, terminal=terminal)
        assert "7d3c9a10-0000-8000-a000-000000000011" in text


def test_text_from_the_network_neither_styles_nor_controls_the_terminal():
    bad = samples.bad().judgement
    case = samples.case("[bold]\x1b[2J:bomb:[/nope]", 1)
    finding = replace(bad.checks[0].findings[0], name="[red]x", first=case)
    text = _shown(replace(bad, checks=(replace(bad.checks[0], findings=(finding,)),)))
    assert "[bold]\\x1b[2J:bomb:[/nope]" in text
    assert "[red]x: 12 cases" in text


def test_a_log_in_ascii_loses_no_verdict():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    judgement = replace(samples.bad().judgement, verdict="not right: Zoë €5")
    show(judgement, REPORT, Console(file=out, width=80))
    out.flush()
    assert b"Not right: Zo\\xeb \\u20ac5 (exit code 20)" in out.buffer.getvalue()


def test_labels_and_behaviours_are_a_line_each():
    """What became of hostile commands, and how well flags told behaviours; nothing without labels."""
    text = _shown(samples.special().judgement)
    assert "  zero: 211 commands: wrong outcome 2, answered as invalid 209\n" in text
    assert "  velocity: 93 of 124 detected, 38 false alarms among 5,066 others\n" in text
    assert re.search(r"command [0-9a-f-]{36} \(zero\)\n", text)
    plain = _shown(samples.good().judgement)
    assert "Labels" not in plain
    assert "Behaviours" not in plain


def test_flags_that_were_not_given_are_no_detection_of_nought():
    """Without any flag the terminal says so, and gives no rate."""
    special = samples.special().judgement
    text = _shown(replace(special, flagged=0, patterns=()))
    assert "  No flags were given: whether behaviours are detected is not known.\n" in text
    assert "detected," not in text
