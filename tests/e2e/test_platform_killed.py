"""The platform is killed under load and comes back: by the book in its database, nothing is lost."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from e2e_data.exits import Exit
from tests.e2e.conftest import PAYSTORM, Ended, Sandbox, finish, start

LOAD = [
    *("--set", "pool.accounts=30", "--set", "phases.payments.rate_per_s=60"),
    *(
        text
        for phase in ("accounts", "opening-credits", "payments")
        for text in ("--set", f"phases.{phase}.settle_s=1.5")
    ),
]
KILLED_AFTER_S = 0.7
WAIT_S = 300


def killed_under_load(
    sandbox: Callable[..., Sandbox], runs: list[str], book: Path
) -> tuple[Ended, Counter[str]]:
    """Run against a platform that is killed once payments are in its book, and started again."""
    ledger = ["--ledger", f"sqlite:///{book}"]
    platform = sandbox(*ledger)
    port = str(urlsplit(platform.url).port)
    source = ["--book", f"sqlite:///{book}"]
    process = start([*PAYSTORM, "run", "smoke", "--host", platform.url, *LOAD, *source, *runs])
    until = time.monotonic() + WAIT_S
    while not payments_in(book):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no payment came into the book"
        time.sleep(0.05)
    time.sleep(KILLED_AFTER_S)
    platform.process.kill()
    platform.process.communicate()
    sandbox(*ledger, "--http-port", port)
    ended = finish(process)
    classes: Counter[str] = Counter()
    for name, kinds in ended.summary["classes"].items():
        classes[name] += sum(kinds.values())
    return ended, classes


def payments_in(book: Path) -> int:
    with sqlite3.connect(f"file:{book}?mode=ro", uri=True) as connection:
        kind = "InitiateSimplePaymentCommand"
        query = "SELECT count(*) FROM commands WHERE type = ?"
        return int(connection.execute(query, [kind]).fetchone()[0])


def test_a_platform_that_keeps_its_book_loses_nothing(
    sandbox: Callable[..., Sandbox], runs: list[str], tmp_path: Path
) -> None:
    """Killed with -9 and started again: every invariant holds, by the book in its database."""
    ended, classes = killed_under_load(sandbox, runs, tmp_path / "book.db")
    assert ended.findings() == {}, ended.out
    assert {check["status"] for check in ended.summary["checks"]} == {"holds"}, ended.out
    assert ended.code in (Exit.GOOD, Exit.SLOW), ended.out + ended.err
    assert sum(classes.values()) == ended.summary["commands"]
    sent = json.loads((ended.directory / "summary.json").read_text())["journaled"]
    assert sent == ended.summary["commands"]
