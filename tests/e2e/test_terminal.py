"""A headless run in a terminal, and in a log."""

from __future__ import annotations

import os
import pty
import subprocess
from contextlib import suppress
from pathlib import Path

from e2e_data.exits import Exit
from tests.e2e.conftest import ENVIRONMENT, PAYSTORM, ROOT, RUN_S

SHORT = ["--set", "pool.accounts=3", "--set", "phases.payments.rate_per_s=60"]


def test_a_terminal_gets_a_block_and_standard_output_the_verdict(tmp_path: Path) -> None:
    """It is drawn over itself, the log's lines stand above it, and the cursor is there again."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PAYSTORM, "run", "smoke", *SHORT, "--runs-dir", str(tmp_path)],
        cwd=ROOT,
        env={**ENVIRONMENT, "TERM": "xterm-256color", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = b""
    # The line ends with its last writer, and reading it is then an error.
    with suppress(OSError):
        while data := os.read(ours, 65536):
            shown += data
    os.close(ours)
    out, _ = process.communicate(timeout=RUN_S)
    assert process.returncode == Exit.GOOD, shown + out.encode()
    text = shown.decode()
    assert text.count("of 3 sent") > 2, "it is drawn again and again"
    assert "\x1b[1A" in text, "over itself"
    assert "all users" not in out
    assert "of 3 sent" not in out
    assert "RIGHT, and as fast as asked" in out
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l"), "the cursor is to be seen"
