"""The sandbox's book in SQL, and a book read from SQL: the same as what the statements tell."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pyarrow.parquet as pq
import pytest

from e2e_data.problems import Problems
from reports.book import account_table, command_table
from reports.book_sql import check_source, take_sql_snapshot
from sandbox import mq_replies, statements
from sandbox.account_ids import FromCustomer, at_random
from sandbox.book import Status
from sandbox.commands import CreateAccount, Payment, Transaction
from sandbox.defects import Defects
from sandbox.ledger import Ledger
from sandbox.money import Money
from sandbox.mqbinding.structs import Descriptor
from sandbox.platform import Platform
from sandbox.sql_store import SqlStore
from tests.fates import Options
from tests.histories import History
from tests.postgres import postgres

IDS = [str(UUID(int=number)) for number in range(1, 20)]


def usd(minor):
    return Money(minor, "USD")


class Bench:
    """A platform whose book is in a database, as it is between one start and the next."""

    def __init__(self, url, *, flush_s=0):
        self.queue = []
        self.told = []
        self.store = SqlStore(url, flush_s)
        self.kept = self.store.load()
        self.platform = Platform(
            Ledger(time.time_ns, at_random), Defects({}), self.queue.append, None, self.store
        )
        self.platform.ledger.restore(self.kept.entries, self.kept.decided)
        self.platform.resume(self.kept.undecided, self.kept.correlation_ids)
        self.platform.watch(self.told.append)

    async def accept(self, *commands):
        running = asyncio.create_task(self.store.run())
        entries = [self.platform.accept(command, "corr") for command in commands]
        await self.platform.durable()
        running.cancel()
        return entries

    async def decide(self):
        running = asyncio.create_task(self.store.run())
        for command_id in self.queue:
            self.platform.decide(command_id)
        self.queue.clear()
        await self.platform.durable()
        running.cancel()


@pytest.fixture(scope="module")
def postgres_database():
    with postgres() as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """The address of an empty database of each sort."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'book.db'}"
    return request.getfixturevalue("postgres_database")()


def test_a_book_is_taken_up_where_it_was_left(url):
    """Accounts, balances, windows, order and what was not decided are as they were."""

    async def life():
        first = Bench(url)
        (account,) = await first.accept(
            CreateAccount(IDS[0], IDS[1], "USD", True, (usd(100), *[usd(1000)] * 4))
        )
        await first.decide()
        await first.accept(
            Transaction(IDS[2], account.account_id, True, usd(500)),
            Payment(IDS[3], account.account_id, usd(70), Money(50, "EUR")),
        )
        await first.decide()
        await first.accept(Payment(IDS[4], account.account_id, usd(40), usd(40)))
        before = first.platform.ledger.accounts().rows
        # Killed here: nothing is closed, and nothing more is written.
        second = Bench(url)
        assert second.platform.ledger.accounts().rows == before
        assert second.queue == [IDS[4]]
        await second.decide()
        return first, second, account

    first, second, account = asyncio.run(life())
    entry = second.platform.ledger.find(IDS[4])
    assert entry.decision.account_seq == 4
    assert entry.status is Status.REJECTED, "the minute's limit knows what was spent before"
    assert first.platform.ledger.find(IDS[3]) == second.platform.ledger.find(IDS[3])
    assert second.told[-1].correlation_id == "corr"
    assert entry.account_id == account.account_id
    assert second.platform.ledger.totals() == {"USD": 0, "EUR": 0}


def test_nothing_is_told_before_it_is_durable(url):
    """A decision that a kill could undo is pending to whoever asks, and nobody is told of it."""

    async def life():
        bench = Bench(url)
        await bench.accept(CreateAccount(IDS[0], IDS[1], "USD", False, ()))
        bench.platform.decide(bench.queue.pop())
        entry = bench.platform.ledger.find(IDS[0])
        assert entry.status is Status.SETTLED
        assert bench.platform.told(entry).status is Status.PENDING
        assert bench.told == []
        await bench.decide()
        assert bench.platform.told(entry).status is Status.SETTLED
        assert len(bench.told) == 1

    asyncio.run(life())


def test_what_may_not_be_published_is_told_again(url):
    """An event that no broker is known to have taken is told once more; one that is, is not."""

    async def life():
        bench = Bench(url)
        await bench.accept(*(CreateAccount(one, IDS[9], "USD", False, ()) for one in IDS[:2]))
        await bench.decide()
        bench.store.published(IDS[0])
        await bench.accept()
        return Bench(url).kept.unpublished

    assert asyncio.run(life()) == (IDS[1],)


def test_who_waits_for_a_reply_is_known_after_a_restart(url):
    """Until it is put; a command that is read from its queue once more has one who waits."""
    sender = mq_replies.Sender(
        b"REPLY.QUEUE",
        b"QM1",
        "corr",
        Descriptor(priority=3, persistence=1, correl_id=b"\x07" * 24),
    )
    correl_id, text = "07" * 24, mq_replies.written(sender)

    async def life():
        bench = Bench(url)
        for one in (IDS[0], IDS[1], IDS[0]):
            bench.store.reply_wanted(one, correl_id, text)
        await bench.accept()
        bench.store.reply_wanted(IDS[0], correl_id, text)
        bench.store.replied(IDS[1], correl_id)
        await bench.accept()
        return Bench(url).kept.unreplied

    ((command_id, kept),) = asyncio.run(life())
    assert command_id == IDS[0]
    read = mq_replies.read_back(kept)
    assert (read.queue, read.manager, read.correlation_id) == (b"REPLY.QUEUE", b"QM1", "corr")
    assert (read.md.priority, read.md.persistence, read.md.correl_id) == (3, 1, b"\x07" * 24)


def test_account_ids_made_of_customers_go_on(url):
    """No two accounts share an id, though the first was made before a restart."""
    command = CreateAccount(IDS[0], IDS[1], "USD", False, ())

    async def life():
        first = Bench(url)
        await first.accept(command)
        await first.decide()

    asyncio.run(life())
    scheme = FromCustomer()
    kept = SqlStore(url).load()
    Ledger(time.time_ns, scheme).restore(kept.entries, kept.decided)
    assert scheme._served == {IDS[1]}


def test_the_book_from_sql_is_that_of_the_statements(tmp_path, url):
    """Row by row and column by column: the judge cannot tell them apart."""
    history = History(tmp_path / "run", {}, Options())
    ledger = history.ledger

    async def keep():
        store = SqlStore(url)
        running = asyncio.create_task(store.run())
        for entry in ledger.entries().rows:
            store.received(entry, "")
        decided = [entry for entry in ledger.entries().rows if entry.decision is not None]
        for entry in sorted(decided, key=lambda entry: entry.decision.decided_ns):
            store.decided(entry, ledger.balances, lambda: None)
        await store.commit()
        running.cancel()

    asyncio.run(keep())
    take_sql_snapshot(url, history.platform, history.ids, history.directory)
    lines = b"".join(statements.of_commands(ledger.entries())).splitlines()[:-1]
    rows = [history.platform.read_command_row(line) for line in lines]
    told = pq.read_table(history.directory.book / "commands.parquet").to_pylist()
    wanted = command_table(rows, history.ids).to_pylist()
    for one in (*told, *wanted):
        # The statement tells a balance only beside a leg on the account, which has its currency.
        one.pop("balance_after_minor")
    assert told == wanted
    lines = b"".join(statements.of_accounts(ledger.accounts())).splitlines()[:-1]
    accounts = [history.platform.read_account_row(line) for line in lines]
    told = pq.read_table(history.directory.book / "accounts.parquet").to_pylist()
    by_id = {one["account_id"]: one for one in told}
    assert by_id == {
        one["account_id"]: one for one in account_table(accounts, history.ids).to_pylist()
    }
    judgement = history.judge()
    assert {str(check.status) for check in judgement.checks} == {"holds"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("sqlite:////no/such/place/book.db", "unable to open database file"),
        ("mysql+nothing://me:secret@host/db", "--book"),
        ("hello", "Could not parse"),
    ],
)
def test_a_source_that_cannot_be_read_is_a_problem(source, message):
    """What the database says, and never the password."""
    with pytest.raises(Problems, match=message) as raised:
        check_source(source)
    assert "secret" not in str(raised.value)
