"""The evidence on a shard's commands: pool, grants, journal, bindings and book, side by side.

Everything is a column with one row per command (or account) of the shard, so that the judge's rules
are expressions over columns. Shards are loaded in groups: memory is bounded whatever the run's size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from e2e_data.commands import Channel, Label, Outcome
from e2e_data.ids import Ids
from e2e_data.pool import Pool
from e2e_data.replays import Replays, replays_of
from e2e_data.sequence import interleave
from e2e_data.shard import Shard
from reports import book, journal
from reports.booked import Booked, BookedAccounts, read_accounts, read_commands
from reports.columns import NEVER, Bools, Ints
from reports.dataset import Sliced, open_dataset, readable
from reports.grants import Grant, read_grants
from reports.journal import Fact
from reports.lines import damaged, read_lines
from reports.rundir import PhaseRecord, RunDirectory

GROUP_COMMANDS = 500_000
"""About how many commands are in memory at a time."""

_FIRST_HOSTILE = min(label for label in Label if label.is_hostile)
_FIRST_REPLAY = min(label for label in Label if label.is_replay)


@dataclass(frozen=True)
class Seen:
    """What the journal says, one row per command. Times are ns since the epoch, or NEVER."""

    sent_ns: Ints
    intended_ns: Ints
    free_ns: Ints
    phase: Ints
    channel: Ints
    acknowledged: Ints
    """An Acknowledged, or -1."""
    acknowledged_ns: Ints
    unanswered: Bools
    not_sent: Bools
    """The attempt failed before anything left."""
    blocked: Bools
    outcomes: Ints
    """All final outcomes that were observed, as Outcome flags."""
    completed_ns: Ints
    reason: NDArray[np.object_]
    """Why it was blocked, unanswered, refused or rejected; empty where nothing was said."""
    flags: NDArray[np.object_]
    """What was flagged about it, as one text; empty where nothing was."""


@dataclass(frozen=True)
class Evidence:
    """All that is known of one shard."""

    shard: Shard
    ids: Ids
    granted: Bools
    in_doubt: Bools
    """Granted to a process that died: what the journal lacks may have been sent all the same."""
    seen: Seen
    booked: Booked | None
    accounts: BookedAccounts | None
    bound: list[str]
    """The account ids that the platform gave, one for each account; empty where none was seen."""

    def command_id(self, index: int) -> str:
        """Return a command's id; made when it is asked for, since only cases need theirs."""
        return self.ids.command_ids(0, self.shard.number, [index])[0]

    @property
    def account(self) -> Ints:
        """The number of each command's account."""
        return self.shard.account_number.astype(np.int64)

    @property
    def sent(self) -> Bools:
        """Commands that left, as far as the journal knows."""
        sent: Bools = (self.seen.sent_ns != NEVER) & ~self.seen.not_sent
        return sent

    @cached_property
    def replays(self) -> Replays:
        """Which commands repeat which."""
        return replays_of(self.shard)

    @cached_property
    def inert(self) -> Bools:
        """Commands that must move no money of their own: hostile ones, replays among them."""
        return self.shard.label >= _FIRST_HOSTILE

    @cached_property
    def is_replay(self) -> Bools:
        """Commands that were sent under another's id, if at all."""
        return self.shard.label >= _FIRST_REPLAY

    @cached_property
    def expected(self) -> Ints:
        """The sets of right outcomes, as Outcome flags, on the channel of each command."""
        put_aside = np.where(
            self.seen.channel == Channel.HTTP, Outcome.DEAD_LETTERED, Outcome.INVALID
        )
        return self.shard.expected.astype(np.int64) & ~put_aside

    def united(self, flags: Bools) -> Bools:
        """Return `flags` with those of each replay given to its original too: one id, two rows."""
        united = flags.copy()
        united[self.replays.originals] |= flags[self.replays.rows]
        return united

    @cached_property
    def observed(self) -> Ints:
        """The outcomes that were observed; that of a replay counts where its original has none."""
        rows, originals = self.replays.rows, self.replays.originals
        observed = self.seen.outcomes.copy()
        first = observed[originals]
        observed[originals] = np.where(first == 0, observed[rows], first)
        return observed


class RunEvidence:
    """The evidence of a whole run, shard by shard."""

    def __init__(self, directory: RunDirectory, pool: Pool) -> None:
        """Open the evidence. Raises Problems where a file of it cannot be read."""
        self._directory = directory
        self._pool = pool
        self.record = directory.record()
        self._ids = self.record.ids
        self._grants = read_grants(directory.grants)
        # A chunk whose name begins with a dot was being written when its process died.
        chunks = sorted(directory.journal.glob("[!.]*.parquet"))
        self.open_workers = self._grants.open_workers | _with_gaps(chunks, self._grants.closed)
        self._granted = _by_shard(self._grants.grants)
        self._journal = open_dataset(chunks, journal.SCHEMA)
        self.has_book = (directory.book / "book.json").is_file()
        self._commands = self._book("commands.parquet", book.COMMANDS)
        self._accounts = self._book("accounts.parquet", book.ACCOUNTS)
        self._bound = _bindings(directory.bindings)

    def _book(self, name: str, schema: pa.Schema) -> ds.Dataset | None:
        return open_dataset([self._directory.book / name], schema) if self.has_book else None

    @cached_property
    def foreign_commands(self) -> int:
        """How many commands of the book are not this run's."""
        return self._count(~ds.field("known"))

    def own_commands(self) -> int:
        """Return how many rows of the book have ids of this run."""
        return self._count(ds.field("known"))

    def _count(self, wanted: pc.Expression) -> int:
        if self._commands is None:
            return 0
        with readable():
            return int(self._commands.count_rows(filter=wanted))

    def platform_accounts(self) -> dict[str, int]:
        """Return account id -> balance of the accounts that are no customer's."""
        if self._accounts is None:
            return {}
        with readable():
            table = self._accounts.to_table(filter=ds.field("customer_id") == "")
        ids, balances = table["account_id"].to_pylist(), table["balance_minor"].to_pylist()
        return dict(zip(ids, balances, strict=True))

    def shards(self) -> Iterator[Evidence]:
        """Yield the evidence of each shard of the pool, in order."""
        for group in self._groups():
            facts = Sliced(self._journal, group)
            commands = Sliced(self._commands, group)
            accounts = Sliced(self._accounts, group)
            for number in group:
                yield self._evidence(number, facts, commands, accounts)

    def _groups(self) -> Iterator[range]:
        start, held = 0, 0
        for number in range(self._pool.shard_count):
            held += sum(self._pool.shard_counts(number))
            if held >= GROUP_COMMANDS:
                yield range(start, number + 1)
                start, held = number + 1, 0
        if start < self._pool.shard_count:
            yield range(start, self._pool.shard_count)

    def _evidence(self, number: int, facts: Sliced, commands: Sliced, accounts: Sliced) -> Evidence:
        shard = self._pool.shard(number)
        granted, doubtful = _granted(
            shard, self.record.phases, self._granted.get(number, ()), self.open_workers
        )
        seen = _seen(facts.of(number), len(shard))
        silent = (seen.sent_ns == NEVER) & ~seen.blocked
        return Evidence(
            shard=shard,
            ids=self._ids,
            granted=granted,
            in_doubt=doubtful & silent,
            seen=seen,
            booked=read_commands(commands.of(number), len(shard)) if self.has_book else None,
            accounts=read_accounts(accounts.of(number), shard) if self.has_book else None,
            bound=[self._bound.get((0, number, n), "") for n in range(shard.counts.account)],
        )


def _with_gaps(chunks: Sequence[Path], closed: dict[str, int]) -> frozenset[str]:
    """Return the workers of whose journals a chunk is missing, given how many each closed with."""
    numbers: dict[str, list[int]] = {worker: [] for worker in closed}
    for path in chunks:
        series, _, number = path.stem.rpartition("-")
        numbers.setdefault(series, []).append(int(number) if number.isdecimal() else -1)
    return frozenset(
        worker
        for worker, kept in numbers.items()
        if sorted(kept) != [*range(closed.get(worker, len(kept)))]
    )


def _by_shard(grants: Sequence[Grant]) -> dict[int, list[Grant]]:
    parts: dict[int, list[Grant]] = {}
    for grant in grants:
        parts.setdefault(grant.shard, []).append(grant)
    return parts


def _bindings(directory: Path) -> dict[tuple[int, int, int], str]:
    bound: dict[tuple[int, int, int], str] = {}
    for path in sorted(directory.glob("*.jsonl")):
        for entry in read_lines(path):
            try:
                lap, shard, account = entry["place"]
                bound.setdefault((lap, shard, account), entry["account_id"])
            except (KeyError, TypeError, ValueError) as error:
                raise damaged(path, f"the binding {entry}", error) from error
    return bound


def _granted(
    shard: Shard, phases: Sequence[PhaseRecord], grants: Sequence[Grant], doubtful: frozenset[str]
) -> tuple[Bools, Bools]:
    """Return which commands were granted, and which to a process that never closed its journal."""
    granted = np.zeros(len(shard), dtype=np.bool_)
    doubt = np.zeros(len(shard), dtype=np.bool_)
    orders = [interleave([shard.range_of(kind) for kind in phase.sends]) for phase in phases]
    for grant in grants:
        indices = orders[grant.phase][grant.start : grant.stop]
        granted[indices] = True
        doubt[indices] |= grant.worker in doubtful
    return granted, doubt


def _seen(table: pa.Table, size: int) -> Seen:
    fact = table["fact"].to_numpy()
    index = table["index"].to_numpy().astype(np.int64)
    at_ns = table["at_ns"].to_numpy()

    def first(kind: Fact, column: str, nothing: int) -> Ints:
        """Return a column of the earliest fact of a kind, per command."""
        rows = np.flatnonzero(fact == kind)
        rows = rows[np.argsort(at_ns[rows], kind="stable")[::-1]]
        result = np.full(size, nothing, dtype=np.int64)
        result[index[rows]] = table[column].to_numpy()[rows]
        return result

    def any_of(kind: Fact) -> Bools:
        result = np.zeros(size, dtype=np.bool_)
        result[index[fact == kind]] = True
        return result

    outcomes = np.zeros(size, dtype=np.int64)
    completed = fact == Fact.COMPLETED
    np.bitwise_or.at(
        outcomes, index[completed], table["code"].to_numpy()[completed].astype(np.int64)
    )

    def last(column: str) -> NDArray[np.object_]:
        """Return the last text of a column that says anything, per command."""
        texts = table[column].cast(pa.string())
        # Most facts say nothing: only the others become objects.
        spoken = pc.not_equal(texts, "")
        result = np.full(size, "", dtype=np.object_)
        result[index[spoken.to_numpy()]] = texts.filter(spoken).to_numpy(zero_copy_only=False)
        return result

    blocked = any_of(Fact.BLOCKED)
    sent_phase = first(Fact.SENT, "phase", -1)
    return Seen(
        sent_ns=first(Fact.SENT, "at_ns", NEVER),
        intended_ns=first(Fact.SENT, "intended_ns", NEVER),
        free_ns=first(Fact.SENT, "free_ns", NEVER),
        phase=np.where(blocked, first(Fact.BLOCKED, "phase", -1), sent_phase),
        channel=first(Fact.SENT, "channel", -1),
        acknowledged=first(Fact.ACKNOWLEDGED, "code", -1),
        acknowledged_ns=first(Fact.ACKNOWLEDGED, "at_ns", NEVER),
        unanswered=any_of(Fact.UNANSWERED),
        not_sent=any_of(Fact.NOT_SENT),
        blocked=blocked,
        outcomes=outcomes,
        completed_ns=first(Fact.COMPLETED, "at_ns", NEVER),
        reason=last("reason"),
        flags=last("flags"),
    )
