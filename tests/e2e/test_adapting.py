"""The guide's example: a platform that looks like nothing of ours, driven by an adapter of one page."""

from __future__ import annotations

import select
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e_data.exits import Exit
from tests.e2e.conftest import ENVIRONMENT, PAYSTORM, ROOT, START_S, finish, run, start

EXAMPLE = ROOT / "docs" / "example"
ADAPTER = EXAMPLE / "nordbank_adapter.py"
LINES_MAX = 100
SMALL = ["--set", "phases.payments.rate_per_s=100", "--allow", "127.0.0.1"]


@contextmanager
def nordbank(database: Path, *flags: str) -> Iterator[str]:
    """Run the platform; its address."""
    command = [sys.executable, str(EXAMPLE / "nordbank.py"), "0", str(database), *flags]
    process = subprocess.Popen(
        command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], START_S)[0], "it did not start"
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_a_differently_shaped_platform_is_tried_judged_and_found_out(tmp_path: Path) -> None:
    """Other endpoints, ids, amounts, reasons and a book in SQL: right where it is, wrong where it is not."""
    assert ADAPTER.read_text().count("\n") < LINES_MAX
    platform = ["--platform", f"{ADAPTER.relative_to(ROOT)}:Nordbank"]

    def begin(host: str, database: Path) -> subprocess.Popen[str]:
        book = ["--book", f"sqlite:///{database}"]
        runs = ["--runs-dir", str(database.parent / database.stem)]
        return start([*PAYSTORM, "run", "smoke", "--host", host, *platform, *book, *runs, *SMALL])

    right, wrong = tmp_path / "right.db", tmp_path / "wrong.db"
    with nordbank(right) as good, nordbank(wrong, "10") as bad:
        tried = run([*PAYSTORM, "try", "--host", good, *platform])
        assert tried.code == Exit.GOOD, tried.out + tried.err
        assert "every step was understood" in tried.out
        runs = [begin(good, right), begin(bad, wrong)]
        ended = [finish(process) for process in runs]
    # How fit a busy machine was to judge it is another matter.
    assert {check["status"] for check in ended[0].summary["checks"]} == {"holds"}
    with nordbank(right) as again:
        assert again, "whoever tries it twice has the same files"
    # The trial's four commands are in the book as well: they are nobody's of the run.
    assert ended[0].summary["foreign"] == 4
    assert ended[1].code == Exit.NOT_RIGHT, ended[1].out
    debits = sqlite3.connect(wrong).execute("SELECT count(*) FROM entries WHERE minor < 0")
    assert ended[1].findings() == {"wrong amount": debits.fetchone()[0] // 10}
