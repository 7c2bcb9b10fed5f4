"""The book as a run directory keeps it: statements' or a database's rows, or the events to replay."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from e2e_data.commands import Outcome
from e2e_data.shard import Shard
from reports import book, book_events
from reports.booked import Booked, BookedAccounts, read_accounts, read_commands
from reports.dataset import Sliced, open_dataset, readable
from reports.rundir import RunDirectory


class KeptBook:
    """The book of a run, or that there is none."""

    def __init__(self, directory: RunDirectory) -> None:
        """Open its files. Raises Problems where one cannot be read."""
        self._directory = directory
        self.exists = (directory.book / "book.json").is_file()
        self.wants_events = (directory.path / book_events.START).is_file()
        """Whether it was to be replayed from events."""
        self.by_events = self.exists and (directory.book / book_events.FILE_NAME).is_file()
        if self.by_events:
            self._commands = self._open(book_events.FILE_NAME, book_events.EVENTS)
            self._accounts = None
        else:
            self._commands = self._open("commands.parquet", book.COMMANDS)
            self._accounts = self._open("accounts.parquet", book.ACCOUNTS)

    def _open(self, name: str, schema: pa.Schema) -> ds.Dataset | None:
        return open_dataset([self._directory.book / name], schema) if self.exists else None

    def part(self, group: range) -> BookPart:
        """Load what it has of a group of shards."""
        commands, accounts = self._commands, self._accounts
        return BookPart(
            None if commands is None else Sliced(commands, group),
            None if accounts is None else Sliced(accounts, group),
        )

    @cached_property
    def foreign(self) -> int:
        """How many of its commands, or events, are not this run's."""
        return self._count(~ds.field("known"))

    @cached_property
    def own(self) -> int:
        """How many of its commands, or events, have ids of this run."""
        return self._count(ds.field("known"))

    @cached_property
    def strays(self) -> dict[str, int]:
        """Account id -> what was posted to it by commands whose rows name another account."""
        if self._commands is None or self.by_events:
            return {}
        astray = ds.field("own_account_id") != ds.field("account_id")
        with readable():
            table = self._commands.to_table(
                columns=["own_account_id", "own_minor"],
                filter=astray & (ds.field("own_account_id") != ""),
            )
        sums = table.group_by("own_account_id").aggregate([("own_minor", "sum")])
        ids, minors = sums["own_account_id"].to_pylist(), sums["own_minor_sum"].to_pylist()
        return dict(zip(ids, minors, strict=True))

    def platform_accounts(self) -> dict[str, int]:
        """Return account id -> balance of the accounts that are no customer's."""
        if self._accounts is None:
            return {}
        with readable():
            table = self._accounts.to_table(filter=ds.field("customer_id") == "")
        # Several regions' books may each have one of the same id: together they are its balance.
        sums: Counter[str] = Counter()
        for one, minor in zip(
            *(table[name].to_pylist() for name in ("account_id", "balance_minor")), strict=True
        ):
            sums[one] += minor
        return dict(sums)

    def account_called(self, account_id: str) -> tuple[int, int] | None:
        """Return shard and number of the account with an id; None for no such one."""
        # An account's number is its creation's index: the first event on it tells of that.
        rows = self._commands if self.by_events else self._accounts
        if rows is None:
            return None
        ours = ds.field("known") & (ds.field("account_id") == account_id)
        if self.by_events:
            ours &= ds.field("outcome") == Outcome.SETTLED
        with readable():
            table = rows.to_table(columns=["shard", "index"], filter=ours)
        found = min(table.to_pylist(), key=lambda row: row["index"], default=None)
        return (found["shard"], found["index"]) if found else None

    def _count(self, wanted: pc.Expression) -> int:
        if self._commands is None:
            return 0
        with readable():
            return int(self._commands.count_rows(filter=wanted))


@dataclass(frozen=True, slots=True)
class BookPart:
    """What the book has of some shards."""

    commands: Sliced | None
    """Its commands, or its events; None where there is no book."""
    accounts: Sliced | None
    """Its accounts; None where events tell of them."""

    def of(self, shard: Shard) -> tuple[Booked | None, BookedAccounts | None]:
        """Return what it has of a shard's commands and accounts; None for both without a book."""
        if self.commands is None:
            return None, None
        rows = self.commands.of(shard.number)
        if self.accounts is not None:
            accounts = read_accounts(self.accounts.of(shard.number), shard)
            return read_commands(rows, len(shard)), accounts
        commands = book_events.commands_of(rows, shard)
        inside = int((rows["index"].to_numpy() < len(shard)).sum())
        booked = replace(
            read_commands(commands, len(shard)), found=inside, beyond=rows.num_rows - inside
        )
        return booked, read_accounts(book_events.accounts_of(commands, shard), shard)
