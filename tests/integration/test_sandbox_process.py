"""The sandbox as its users meet it: a process with an address, that ends when it should."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4, uuid5

import pytest

from sandbox.account_ids import NAMESPACE
from sandbox.server import listen

ROOT = Path(__file__).parents[2]
DEADLINE_S = 20
USD_100 = {"amount": 100.00, "currencyCode": "USD"}


def command_line(*options: str) -> list[str]:
    return [sys.executable, "-m", "sandbox", *options]


class Sandbox:
    """A running sandbox and one kept-alive connection to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.announced = json.loads(process.stdout.readline())
        self.address = urlsplit(self.announced["http"])
        self.connection = http.client.HTTPConnection(
            self.address.hostname, self.address.port, timeout=DEADLINE_S
        )

    def request(self, method, path, body=None, key=None):
        headers = {} if key is None else {"Idempotency-Key": key}
        data = None if body is None else json.dumps(body)
        self.connection.request(method, path, data, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def submit(self, path, body, key=None):
        key = key or str(uuid4())
        status, answer = self.request("POST", f"/api/{path}", body, key)
        assert status == 202, answer
        return key, json.loads(answer)

    def state(self, key):
        status, answer = self.request("GET", f"/api/commands/{key}")
        return json.loads(answer)["status"] if status == 200 else status

    def decided(self, key):
        """Ask until the command is decided; each question is a round trip, so no sleep."""
        deadline = time.monotonic() + DEADLINE_S
        while (state := self.state(key)) == "PENDING":
            assert time.monotonic() < deadline, f"command {key} is still pending"
        return state

    def rows(self, name):
        _, answer = self.request("GET", f"/api/statements/{name}")
        *rows, end = map(json.loads, answer.splitlines())
        assert end["rows"] == len(rows)
        return rows

    def open_account(self, customer=None):
        key, answer = self.submit(
            "accounts",
            {
                "customerId": customer or str(uuid4()),
                "currencyCode": "USD",
                "transitNumber": "001",
                "accountType": "SAVINGS",
                "limitBased": False,
            },
        )
        return key, answer["accountId"]

    def credit(self, account, key=None):
        body = {
            "accountId": account,
            "transactionType": "CREDIT",
            "amount": USD_100,
            "description": "Opening credit",
        }
        return self.submit("transactions", body, key)

    def pay(self, account, amount):
        body = {
            "customerId": str(uuid4()),
            "debitAccountId": account,
            "debitAmount": amount,
            "creditAmount": amount,
            "valueDate": "2026-11-20",
            "beneficiary": {
                "name": "A Payee",
                "accountNumber": "ACC000000001",
                "transitNumber": "001",
                "bankName": "A Bank",
            },
            "description": "Rent",
        }
        return self.submit("payments", body)

    def ended(self):
        """Wait for its end; return exit code and what it had to say."""
        _, complaints = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, complaints


@contextmanager
def running(*options):
    arguments = ("--announce", "--http-port", "0", "--stop-with-stdin", "--latency", "1")
    with subprocess.Popen(
        command_line(*arguments, *options),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Sandbox(process)
        finally:
            process.kill()


def test_an_accounts_life_ends_with_the_run_that_started_it():
    """Open, credit, pay, be refused; the statements say it all; closing stdin ends it quietly."""
    with running() as sandbox:
        assert list(sandbox.announced) == ["http"]
        opening, account = sandbox.open_account()
        assert sandbox.decided(opening) == "SETTLED"
        credit, first = sandbox.credit(account)
        assert sandbox.credit(account, credit) == (credit, first)
        settled, _ = sandbox.pay(account, USD_100)
        rejected, _ = sandbox.pay(account, {"amount": 0.01, "currencyCode": "USD"})
        assert sandbox.decided(rejected) == "REJECTED"
        assert sandbox.decided(settled) == "SETTLED"
        rows = sandbox.rows("commands")
        assert [row["commandId"] for row in rows] == [opening, credit, settled, rejected]
        assert [row["accountSeq"] for row in rows] == [1, 2, 3, 4]
        assert [row["balance"] for row in sandbox.rows("accounts")] == [0, 0]
        sandbox.process.stdin.close()
        sandbox.process.stdin = None
        assert sandbox.ended() == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly_and_quietly(number):
    """An operator's stop is no failure, even with a connection still open."""
    with running() as sandbox:
        assert sandbox.request("GET", "/healthz")[0] == 200
        sandbox.process.send_signal(number)
        assert sandbox.ended() == (0, "")


def test_a_lost_command_was_acknowledged():
    """202, then nothing: no state, no row; how often is told once at the end."""
    with running("--defect", "lose=1") as sandbox:
        key, _ = sandbox.open_account()
        assert sandbox.state(key) == 404
        assert sandbox.rows("commands") == []
        sandbox.process.send_signal(signal.SIGTERM)
        assert sandbox.ended() == (0, "sandbox: defect lose struck 1 commands\n")


def test_a_command_applied_twice_shows_in_row_and_balance():
    """Both sets of postings are in the row, and the balance has them both."""
    with running("--defect", "apply-twice=1") as sandbox:
        _, account = sandbox.open_account()
        key, _ = sandbox.credit(account)
        assert sandbox.decided(key) == "SETTLED"
        row = sandbox.rows("commands")[-1]
        assert [posting["amount"] for posting in row["postings"]] == [100, -100, 100, -100]
        assert row["balanceAfter"] == sandbox.rows("accounts")[0]["balance"] == 200


def test_answers_do_not_wait_for_delayed_acknowledgements():
    """Accepted connections have TCP_NODELAY.

    Without it each answer waits 40 ms in the kernel, and that would be taken for the platform's.
    """

    async def accepted_option():
        found = asyncio.get_running_loop().create_future()

        def on_connect(_, writer):
            connection = writer.get_extra_info("socket")
            found.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listen("127.0.0.1", 0)
        async with await asyncio.start_server(on_connect, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            return await found

    assert asyncio.run(accepted_option())


def run_to_end(*options):
    return subprocess.run(
        command_line(*options),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


def test_a_port_in_use_is_one_clear_line():
    """Exit code 2, with what to do, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_to_end("--http-port", str(port))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use;"
        " choose another --http-port, or 0 for any\n"
    )


def test_wrong_defects_are_told_before_anything_starts():
    """Every problem at once, with its value, and exit code 2."""
    ended = run_to_end("--defect", "lose", "--defect", "loose=1", "--defect", "lose=2")
    assert (ended.returncode, ended.stdout) == (2, "")
    for words in ("'lose' has no '='", "no defect 'loose'", "rate 2 must be from 0 to 1"):
        assert words in ended.stderr


def test_without_announce_it_tells_people_what_it_is():
    """One line: what it is, where, and what is wrong with it; standard input at its end ends it."""
    ended = run_to_end("--http-port", "0", "--stop-with-stdin", "--defect", "lose=0.25")
    assert ended.returncode == 0
    assert ended.stdout.startswith(
        "sandbox: a stand-in payments platform for tests and demos, listening on http://127.0.0.1:"
    )
    assert ended.stdout.endswith("; defects: lose=0.25\n")


def test_accounts_can_be_named_after_their_customers():
    """A UUID of version 5 in a fixed namespace, for files that name accounts before they exist."""
    customer = str(uuid4())
    made = str(uuid5(NAMESPACE, customer))
    with running("--account-ids", "from-customer") as sandbox:
        key, account = sandbox.open_account(customer)
        assert account == made
        assert sandbox.decided(key) == "SETTLED"
        assert [row["accountId"] for row in sandbox.rows("accounts")] == [made]
    with running() as sandbox:
        assert sandbox.open_account(customer)[1] != made
