"""An exported pool, played by real Vegeta against the sandbox, and reconciled with its statements."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.request
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from e2e_data.book_rows import BookCommand, StatementEnd
from e2e_data.commands import Channel, Kind, Label, Outcome, expected_on
from e2e_data.ids import Ids, static_account_id
from e2e_data.platform import Platform
from e2e_data.pool import Pool
from tests.e2e.conftest import ENVIRONMENT, PAYSTORM, RUN_S, run
from tests.vegeta import vegeta

ADAPTER = Platform()
DECIDED_S = 120
CONFIGURATION = """
preset = "smoke"
accounts = 60
currencies = ["USD", "EUR", "JPY", "KWD"]
fx_percentage = 40
hostile_percentage = {hostile}
"""


@dataclass(frozen=True)
class Played:
    """A pool, where it was exported to, and what the platform's book said in the end."""

    pool: Pool
    exported: Path
    accounts: list
    commands: list[BookCommand]

    @property
    def ids(self) -> Ids:
        """The ids that the files carry."""
        told = orjson.loads((self.exported / "ids.json").read_bytes())
        return Ids(bytes.fromhex(told["key"]), told["nonce"])

    def booked(self) -> list:
        """Return (command of the pool, row) for each row of the book, by decoding its id."""
        found = self.ids.decode([row.command_id for row in self.commands])
        assert found.known.all()
        places = zip(found.shard.tolist(), found.index.tolist(), strict=True)
        shards = list(self.pool.shards())
        return [
            (shards[shard].command(index), row)
            for (shard, index), row in zip(places, self.commands, strict=True)
        ]


def statement(url, request, read):
    """Fetch a statement whole."""
    with urllib.request.urlopen(url + request.path, timeout=RUN_S) as answer:
        rows = [read(line) for line in answer]
    assert isinstance(rows[-1], StatementEnd)
    assert rows[-1].rows == len(rows) - 1
    return rows[:-1]


def book(url):
    """Return both statements once everything is decided."""
    deadline = time.monotonic() + DECIDED_S
    while True:
        commands = statement(url, ADAPTER.commands_statement, ADAPTER.read_command_row)
        if all(row.outcome for row in commands):
            return statement(url, ADAPTER.accounts_statement, ADAPTER.read_account_row), commands
        assert time.monotonic() < deadline, "the sandbox left commands undecided"


@pytest.fixture(params=[0, 30], ids=["benign", "hostile"])
def played(request, tmp_path, sandbox):
    """Generate, export and play a pool as a user would: all four files, in their order."""
    program = vegeta()
    (tmp_path / "pool.toml").write_text(CONFIGURATION.format(hostile=request.param))
    made, exported = tmp_path / "pool", tmp_path / "for vegeta"
    pool = [*PAYSTORM, "pool"]
    assert run([*pool, "generate", f"--config={tmp_path / 'pool.toml'}", f"--out={made}"]).code == 0
    url = sandbox("--account-ids", "from-customer").url
    done = run([*pool, "export", str(made), "--format=vegeta", f"--out={exported}", "--host", url])
    assert done.code == 0, done.err
    script = subprocess.run(
        [exported / "run-vegeta.sh", exported, "400", "1m"],
        env={**ENVIRONMENT, "VEGETA": str(program), "SETTLE_S": "0.2"},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert script.returncode == 0, script.stderr
    return Played(Pool.open(made), exported, *book(url))


def test_vegeta_plays_the_pool_and_the_book_reconciles(played):
    """Every command is booked once, with an outcome of its set; balances are the pool's amounts.

    No account is unknown, but to commands that ask for it.
    """
    booked = played.booked()
    over_http = {
        (shard.number, index): expected_on(shard.command(index).expected, Channel.HTTP)
        for shard in played.pool.shards()
        for index in range(len(shard))
        if not shard.command(index).label.is_replay
    }
    # A replay is booked as its original, and what cannot be understood is not booked.
    understood = {place for place, right in over_http.items() if right != Outcome.INVALID}
    assert Counter((command.shard, command.index) for command, _ in booked) == Counter(understood)
    for command, row in booked:
        assert row.outcome in over_http[command.shard, command.index], row
        if command.label is Label.UNKNOWN_CURRENCY:
            assert row.reason == "UNKNOWN_CURRENCY"
        assert (row.reason == "UNKNOWN_ACCOUNT") == (command.label is Label.UNKNOWN_ACCOUNT)

    expected: dict = defaultdict(int)
    for command, row in booked:
        if row.outcome is not Outcome.SETTLED:
            continue
        customer = played.ids.customer_ids(0, command.shard, [command.account.number])[0]
        account = static_account_id(customer)
        sign = -1 if command.kind is Kind.PAYMENT else 1
        expected[account] += sign * command.amount_minor
        if command.kind is Kind.PAYMENT:
            expected[f"clearing-{command.credit_currency}"] += command.credit_minor
        elif command.kind is not Kind.ACCOUNT:
            expected[f"clearing-{command.account.currency}"] -= command.amount_minor
    assert {row.account_id: row.balance_minor for row in played.accounts} == expected
    check_report(played)


def check_report(played):
    """The report counts each request once, and no failure but what is right for hostile ones."""
    report = (played.exported / "report.txt").read_text()
    totals = [int(total) for total in re.findall(r"Requests .*?(\d+),", report)]
    assert totals == [*(played.pool.count_of(kind) for kind in Kind), len(played.pool)]
    refused = sum(
        expected_on(shard.command(index).expected, Channel.HTTP) == Outcome.INVALID
        for shard in played.pool.shards()
        for index in range(len(shard))
    )
    codes = dict(re.findall(r"(\d+):(\d+)", report.split("== all phases")[1]))
    invalid = int(codes.pop("400", 0)) + int(codes.pop("422", 0))
    assert (invalid, codes) == (refused, {"202": str(len(played.pool) - refused)})
    assert "<html" in (played.exported / "plot.html").read_text()
