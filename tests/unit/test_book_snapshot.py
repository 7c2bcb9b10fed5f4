"""Taking the book: both statements from one moment, or a sentence that says why not."""

from __future__ import annotations

import http.server
import json
import threading
from collections import deque
from contextlib import contextmanager

import orjson
import pyarrow.parquet as pq
import pytest

from e2e_data.ids import Ids
from e2e_data.platform import Platform
from e2e_data.problems import Problems
from reports import book
from reports.rundir import RunDirectory
from reports.site import Site

IDS = Ids(bytes(16), 7)
OURS = IDS.command_ids(0, 1, [2])[0]
CUSTOMER = IDS.customer_ids(0, 1, [3])[0]
ACCOUNTS = [
    {"accountId": "A", "customerId": CUSTOMER, "currencyCode": "USD", "balance": 1.25},
    {"accountId": "clearing-USD", "customerId": None, "currencyCode": "USD", "balance": -1.25},
]
COMMANDS = [
    {
        "commandId": OURS, "accountId": "A", "status": "SETTLED", "reason": None, "decidedAt": 9,
        "accountSeq": 2, "balanceAfter": 1.25,
        "postings": [
            {"account": "A", "amount": 1.25, "currency": "USD"},
            {"account": "clearing-USD", "amount": -1.25, "currency": "USD"},
        ],
    },
    {
        "commandId": "somebody else's", "accountId": "B", "status": "PENDING", "reason": None,
        "decidedAt": None, "accountSeq": None, "balanceAfter": None, "postings": [],
    },
]  # fmt: skip


def body(rows, as_of=5, count=None):
    end = {"asOf": as_of, "rows": len(rows) if count is None else count}
    return b"".join(json.dumps(row).encode() + b"\n" for row in [*rows, end])


class Script(http.server.BaseHTTPRequestHandler):
    """Answers each path with the next of its scripted answers, and then with the last again."""

    def do_GET(self):
        answers = self.server.answers[self.path.rpartition("/")[2]]
        self.server.asked.append(self.path)
        content = answers.popleft() if len(answers) > 1 else answers[0]
        status = content if isinstance(content, int) else 200
        sent = b"" if isinstance(content, int) else content
        self.send_response(status)
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def scripted_server():
    scripted = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Script)
    scripted.answers = {"accounts": deque([body(ACCOUNTS)]), "commands": deque([body(COMMANDS)])}
    scripted.asked = []
    thread = threading.Thread(target=scripted.serve_forever, args=(0.01,))
    thread.start()
    yield scripted
    scripted.shutdown()
    thread.join()
    scripted.server_close()


@pytest.fixture
def server():
    """A server that tells a script; tests change its answers."""
    with scripted_server() as scripted:
        yield scripted


@pytest.fixture
def other_server():
    """The server of another region."""
    with scripted_server() as scripted:
        yield scripted


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "book").mkdir()
    return RunDirectory(tmp_path)


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Do not wait, but write down how long it would have been."""
    waited = []
    monkeypatch.setattr(book.time, "sleep", waited.append)
    return waited


def site(server):
    return Site(f"http://127.0.0.1:{server.server_address[1]}")


def take(server, directory):
    (as_of,) = book.take_snapshot([site(server)], Platform(), IDS, directory).values()
    return as_of


def test_both_statements_are_kept_with_their_moment(server, directory, waits):
    """Rows become columns, ids are decoded, amounts are minor units; book.json names the moment."""
    assert take(server, directory) == 5
    assert waits == []
    accounts = pq.read_table(directory.book / "accounts.parquet").to_pylist()
    assert accounts[0] == {
        "known": True, "lap": 0, "shard": 1, "index": 3, "account_id": "A",
        "customer_id": CUSTOMER, "currency": "USD", "balance_minor": 125,
    }  # fmt: skip
    assert (accounts[1]["known"], accounts[1]["balance_minor"]) == (False, -125)
    ours, other = pq.read_table(directory.book / "commands.parquet").to_pylist()
    assert ours == {
        "known": True, "lap": 0, "shard": 1, "index": 2, "command_id": OURS, "account_id": "A",
        "outcome": 1, "reason": "", "decided_ns": 9, "account_seq": 2, "legs": 2,
        "own_account_id": "A", "own_minor": 125, "own_currency": "USD",
        "other_minor": -125, "other_currency": "USD",
        "other_account_id": "clearing-USD", "balance_after_minor": 125,
    }  # fmt: skip
    assert (other["known"], other["outcome"], other["balance_after_minor"]) == (False, 0, None)
    end = orjson.loads((directory.book / "book.json").read_bytes())
    assert end["as_of"] == {str(site(server)): 5}


def test_statements_of_two_moments_are_asked_for_again(server, directory, waits):
    """Accounts and commands must come with one sequence number; until then both are fetched again."""
    server.answers["accounts"] = deque([body(ACCOUNTS, 4), body(ACCOUNTS, 5)])
    assert take(server, directory) == 5
    assert len(server.asked) == 4
    assert waits == [book.TRY_AGAIN_S]


def test_a_book_that_never_stands_still_is_a_problem(server, directory, waits):
    """After the last try both numbers are told, with what to do; and there is no book."""
    server.answers["accounts"] = deque([body(ACCOUNTS, 4)])
    with pytest.raises(Problems) as raised:
        take(server, directory)
    assert str(raised.value) == (
        "the platform's book kept changing: its statements stood at 4 and 5 after 5 tries; "
        "make sure that nobody else uses the platform"
    )
    assert waits == [book.TRY_AGAIN_S] * (book.TRIES - 1)
    assert not (directory.book / "book.json").exists()


HUGE = [{**ACCOUNTS[0], "balance": 92233720368547758.08}]
LATE = [{**COMMANDS[0], "decidedAt": 2**70}]
SURROGATE = [{**COMMANDS[0], "reason": "\ud83d"}]


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("accounts", body(ACCOUNTS).rsplit(b"\n", 2)[0] + b"\n", "was cut off after 2 rows"),
        ("commands", b"", "was cut off after 0 rows"),
        ("commands", body(COMMANDS, count=3), "2 rows came, but it says 3"),
        ("accounts", b"<html>hello\n", "not a row of a statement: b'<html>hello"),
        ("commands", body(ACCOUNTS), "not command row of a statement"),
        ("commands", 500, "answered 500 Internal Server Error"),
        ("accounts", 404, "answered 404 Not Found"),
        ("accounts", body(HUGE), "64 bits"),
        ("commands", body(LATE), "too large"),
        ("commands", body(SURROGATE), "surrogates not allowed"),
    ],
)
def test_a_statement_that_is_none_is_a_problem(server, directory, name, answer, said):
    """Cut off, miscounted, garbage, refused or out of range: said with the address, never raised raw."""
    server.answers[name] = deque([answer])
    with pytest.raises(Problems) as raised:
        take(server, directory)
    (problem,) = raised.value.problems
    assert f"/api/statements/{name}: " in problem
    assert said in problem
    assert not (directory.book / "book.json").exists()


def test_nobody_there_is_a_problem(server, directory):
    """A connection that is refused is told with the address."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Problems, match=r"/api/statements/accounts: .*refused"):
            book.take_snapshot([Site(host)], Platform(), IDS, directory)


def test_a_long_statement_is_written_in_batches(server, directory, monkeypatch):
    """Memory holds one batch at a time; no row is lost between them."""
    monkeypatch.setattr(book, "BATCH_ROWS", 3)
    rows = [{**COMMANDS[0], "commandId": text} for text in IDS.command_ids(0, 0, range(10))]
    server.answers["commands"] = deque([body(rows)])
    take(server, directory)
    found = pq.read_table(directory.book / "commands.parquet")
    assert found["index"].to_pylist() == list(range(10))


def test_an_empty_book_is_a_book(server, directory):
    """A platform that nobody used has statements without rows."""
    server.answers = {"accounts": deque([body([], 0)]), "commands": deque([body([], 0)])}
    assert take(server, directory) == 0
    assert pq.read_table(directory.book / "commands.parquet").num_rows == 0


ELSEWHERE = [{**ACCOUNTS[0], "accountId": "C", "balance": 2}, {**ACCOUNTS[1], "balance": -2}]


def test_the_books_of_several_regions_are_one(server, other_server, directory, waits):
    """Each region's statements agree by themselves; all rows are kept, each region's clearing account too."""
    other_server.answers["accounts"] = deque([body(ELSEWHERE, 6), body(ELSEWHERE, 7)])
    other_server.answers["commands"] = deque([body(COMMANDS[1:], 7)])
    sites = [site(server), site(other_server)]
    told = book.take_snapshot(sites, Platform(), IDS, directory)
    assert told == {str(sites[0]): 5, str(sites[1]): 7}
    assert (len(server.asked), len(other_server.asked)) == (2, 4)
    assert waits == [book.TRY_AGAIN_S]
    accounts = pq.read_table(directory.book / "accounts.parquet").to_pylist()
    assert [(row["account_id"], row["balance_minor"]) for row in accounts] == [
        ("A", 125), ("clearing-USD", -125), ("C", 200), ("clearing-USD", -200),
    ]  # fmt: skip
    commands = pq.read_table(directory.book / "commands.parquet").to_pylist()
    assert [row["account_id"] for row in commands] == ["A", "B", "B"]
    assert sorted(path.name for path in directory.book.iterdir()) == [
        "accounts.parquet", "book.json", "commands.parquet",
    ]  # fmt: skip


def test_one_book_that_two_addresses_tell_is_told_from_two_books(server, other_server, directory):
    """Read twice, every command would seem to have taken effect twice: said with the setting to change."""
    with pytest.raises(Problems, match=r"both tell of the account A: .* one_book = true"):
        book.take_snapshot([site(server), site(other_server)], Platform(), IDS, directory)
    assert not list(directory.book.iterdir())
