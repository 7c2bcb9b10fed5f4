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

from e2e_data.commands import Channel, Label, Outcome
from e2e_data.ids import REPLAY_ATTEMPT, Ids
from e2e_data.platform import Acknowledged
from e2e_data.pool import Pool
from e2e_data.replays import Replays, replays_of
from e2e_data.sequence import interleave
from e2e_data.shard import Shard
from reports import event_log, journal
from reports.booked import Booked, BookedAccounts
from reports.columns import NEVER, Bools, Ints
from reports.dataset import Sliced, open_dataset
from reports.event_log import Sort
from reports.event_reading import EventReading
from reports.grants import Grant, read_grants
from reports.incidents import Incidents, incidents_of
from reports.kept_book import BookPart, KeptBook
from reports.lines import damaged, read_lines
from reports.rundir import PhaseRecord, RunDirectory
from reports.seen import Seen, attempts, attempts_told, seen_of
from reports.timeline import REPLIES_CUT, read_timeline

GROUP_COMMANDS = 200_000
"""About how many commands are in memory at a time."""

_FIRST_HOSTILE = min(label for label in Label if label.is_hostile)
_FIRST_REPLAY = min(label for label in Label if label.is_replay)


@dataclass(frozen=True)
class Evidence:
    """All that is known of one shard."""

    shard: Shard
    ids: Ids
    granted: Bools
    in_doubt: Bools
    """Granted to a process that died: what the journal lacks may have been sent all the same, and
    nobody who sent it again was answered."""
    incomplete: Bools
    """Granted to a process that died, which did not block it: some of its facts may be missing."""
    seen: Seen
    booked: Booked | None
    accounts: BookedAccounts | None
    strays_minor: Ints
    """What commands of other accounts posted to each account, by the book."""
    has_strays: Bools
    """The accounts to which any did."""
    bound: list[str]
    """The account ids that the platform gave, one for each account; empty where none was seen."""
    events: pa.Table | None = None
    """The events that were read of its commands; None where none were asked for."""
    incidents: Incidents | None = None
    """What happened to single attempts."""
    all_told: bool = False
    """Whether all was read that the platform told: events where they were asked for, else replies."""

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

    def earliest(self, at_ns: Ints) -> Ints:
        """Return times with those of replays given to their originals too, the first of each."""
        first_ns = np.where(at_ns == NEVER, np.iinfo(np.int64).max, at_ns)
        np.minimum.at(first_ns, self.replays.originals, first_ns[self.replays.rows])
        return np.where(first_ns == np.iinfo(np.int64).max, NEVER, first_ns)

    @cached_property
    def _distinct_events(self) -> tuple[Ints, int]:
        """Return how many different events tell of each command, and how many came once more."""
        size = len(self.shard)
        if self.events is None:
            return np.zeros(size, np.int64), 0
        ours = self.events["sort"].to_numpy() == Sort.OURS
        rows = np.flatnonzero(ours & (self.events["dead_letter"].to_numpy() == 0))
        names = ("index", "partition", "offset", "event_high", "event_low")
        columns = [self.events[name].to_numpy()[rows].astype(np.uint64) for name in names]
        # The same place read twice is our own doing, after another member left.
        places = np.unique(np.stack(columns, axis=1), axis=0)
        distinct = np.unique(places[:, [0, 3, 4]], axis=0)
        counts = np.bincount(distinct[:, 0].astype(np.int64), minlength=size)
        return counts, len(places) - len(distinct)

    @property
    def events_on(self) -> Ints:
        """How many events tell of each command: those with the same id are one."""
        if self.events is None and self.by_events:
            assert self.booked is not None
            return self.booked.told
        return self._distinct_events[0]

    @property
    def by_events(self) -> bool:
        """Whether the book was replayed from events, which tell of no postings and no balances."""
        return self.booked is not None and self.booked.by_events

    @property
    def events_again(self) -> int:
        """How many events came at another offset, too: the platform tells at least once."""
        return self._distinct_events[1]

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
        self.closed = self._grants.closed
        self.open_workers = self._grants.open_workers | _with_gaps(chunks, self._grants.closed)
        self._granted = _by_shard(self._grants.grants)
        self._journal = open_dataset(chunks, journal.SCHEMA)
        self.book = KeptBook(directory)
        self._bound = bindings_of(directory.bindings)
        reading = EventReading(directory)
        self._events = None
        self._all_told = not any(
            event.event == "warning" and REPLIES_CUT in event.note
            for event in read_timeline(directory.timeline)[1]
        )
        if reading.is_asked:
            read = sorted(directory.events.glob("[!.]*.parquet"))
            self._events = open_dataset(read, event_log.SCHEMA)
            self._all_told = reading.is_whole

    def shards(self) -> Iterator[Evidence]:
        """Yield the evidence of each shard of the pool, in order."""
        for group in self._groups():
            facts = Sliced(self._journal, group)
            book = self.book.part(group)
            events = Sliced(self._events, group)
            for number in group:
                yield self._evidence(number, facts, book, events)
            # What Arrow keeps of a group for later would add up over the groups.
            del facts, book, events
            pa.default_memory_pool().release_unused()

    def of_shard(self, number: int) -> Evidence:
        """Return the evidence of one shard."""
        only = range(number, number + 1)
        return self._evidence(
            number,
            Sliced(self._journal, only),
            self.book.part(only),
            Sliced(self._events, only),
        )

    def facts(self, number: int) -> pa.Table:
        """Return the journals' facts about the commands of a shard."""
        return Sliced(self._journal, range(number, number + 1)).of(number)

    def account_called(self, account_id: str) -> tuple[int, int] | None:
        """Return shard and number of the account that the platform gave an id; None for no such one."""
        for (_, shard, number), bound in self._bound.items():
            if bound == account_id:
                return shard, number
        found = self.book.account_called(account_id)
        # By events, the first may be of another command than its creation.
        is_account = found is not None and found[1] < self._pool.shard_counts(found[0]).account
        return found if is_account else None

    def _groups(self) -> Iterator[range]:
        start, held = 0, 0
        for number in range(self._pool.shard_count):
            held += sum(self._pool.shard_counts(number))
            if held >= GROUP_COMMANDS:
                yield range(start, number + 1)
                start, held = number + 1, 0
        if start < self._pool.shard_count:
            yield range(start, self._pool.shard_count)

    def _evidence(self, number: int, facts: Sliced, book: BookPart, events: Sliced) -> Evidence:
        shard = self._pool.shard(number)
        table = facts.of(number)
        seen = seen_of(table, len(shard))
        granted, dead, unseen = _granted(
            shard,
            self.record.phases,
            self._granted.get(number, ()),
            self.open_workers,
            attempts_told(table),
        )
        # A refusal says only of its own attempt that it had no effect; so it is with blocking.
        silent = (seen.acknowledged < 0) | (seen.acknowledged == Acknowledged.REFUSED)
        silent &= seen.outcomes == 0
        booked, accounts = book.of(shard)
        ids = [] if accounts is None else accounts.account_id.tolist()
        strays = self.book.strays
        return Evidence(
            shard=shard,
            ids=self._ids,
            granted=granted,
            in_doubt=unseen & silent,
            incomplete=dead & (unseen | ~seen.blocked),
            seen=seen,
            booked=booked,
            accounts=accounts,
            strays_minor=np.array([strays.get(one, 0) for one in ids], dtype=np.int64),
            has_strays=np.array([one in strays for one in ids], dtype=np.bool_),
            bound=[self._bound.get((0, number, n), "") for n in range(shard.counts.account)],
            events=None if self._events is None else events.of(number),
            incidents=incidents_of(table),
            all_told=self._all_told,
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


def bindings_of(directory: Path) -> dict[tuple[int, int, int], str]:
    """Read account (lap, shard, number) -> the id that the platform gave it first."""
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
    shard: Shard,
    phases: Sequence[PhaseRecord],
    grants: Sequence[Grant],
    open_workers: frozenset[str],
    told: Ints,
) -> tuple[Bools, Bools, Bools]:
    """Return which commands were granted, granted to a dead process, and what no journal shows.

    Dead is a process that never closed its journal; the last are those of its commands with an
    attempt that is not among the attempts `told` of.
    """
    granted, dead, unseen = (np.zeros(len(shard), dtype=np.bool_) for _ in range(3))
    marks = np.where(shard.label >= _FIRST_REPLAY, REPLAY_ATTEMPT, 0)
    orders = [
        interleave([shard.range_of(kind) for kind in phase.sends], phase.weights)
        for phase in phases
    ]
    for grant in grants:
        indices = orders[grant.phase][grant.start : grant.stop]
        granted[indices] = True
        if grant.worker in open_workers:
            dead[indices] = True
            unseen[indices] |= ~np.isin(attempts(indices, marks[indices] + grant.attempt), told)
    return granted, dead, unseen
