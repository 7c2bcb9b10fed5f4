"""Taking over from a master that is no more: what its grant log and the journals say of a phase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa

from e2e_data.commands import Kind, Outcome
from e2e_data.platform import Acknowledged, Platform
from e2e_data.pool import Pool
from e2e_data.replays import replays_of
from e2e_data.sequence import interleave
from e2e_data.shard import Counts
from locustfiles.bindings import BRINGS, Key, Stage
from locustfiles.fleet.accounts import AccountBook
from locustfiles.fleet.messages import Bound
from locustfiles.leases import ATTEMPTS_MAX, WATCH, Known, Range
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan
from locustfiles.replays import Ending
from locustfiles.resumed import Resumed
from reports import journal
from reports.columns import Ints
from reports.dataset import Sliced, open_dataset
from reports.evidence import bindings_of
from reports.grants import Grant, read_grants
from reports.journal import Fact
from reports.rundir import RunDirectory, RunRecord
from reports.sending import spans
from reports.timeline import Timeline, read_timeline


class Before:
    """What was granted in one phase before, shard by shard."""

    def __init__(self, phase: int, grants: Iterable[Grant], *, resend: bool) -> None:
        """Read the grants of `phase`; with `resend` what is in doubt may be sent again."""
        self._resend = resend
        self._of: dict[int, list[Grant]] = defaultdict(list)
        for grant in grants:
            if grant.phase == phase:
                self._of[grant.shard].append(grant)

    def known(self, done: Callable[[int], Iterable[int]]) -> dict[int, Known]:
        """Return what the lease book has to know; `done` tells of which positions all is known."""
        return {shard: self._known(grants, done(shard)) for shard, grants in self._of.items()}

    def _known(self, grants: list[Grant], done: Iterable[int]) -> Known:
        size = max(grant.stop for grant in grants)
        attempts = np.full(size, WATCH, dtype=np.int16)
        for grant in grants:
            span = attempts[grant.start : grant.stop]
            np.maximum(span, grant.attempt, out=span)
        finished = np.zeros(size, dtype=np.bool_)
        finished[[position for position in done if position < size]] = True
        return Known(size, tuple(self._doubts(attempts, finished)))

    def _doubts(self, attempts: np.ndarray, finished: np.ndarray) -> Iterable[Range]:
        """Yield the ranges that are not done, each with the attempt that sending again would be."""
        again = np.where(attempts < ATTEMPTS_MAX, attempts + 1, WATCH)
        again = np.where(finished, np.int16(-2), again if self._resend else np.int16(WATCH))
        ends = [0, *(np.flatnonzero(again[1:] != again[:-1]) + 1).tolist(), len(again)]
        for start, stop in pairwise(ends):
            if again[start] != -2:
                yield start, stop, int(again[start])


SHARDS_AT_ONCE = 16
"""Shards whose facts are in memory at a time."""


def take_over(
    directory: RunDirectory, record: RunRecord, plan: Plan, pool: Pool, platform: Platform
) -> Resumed:
    """Find out where a run stood when its master was lost. Raises Problems for damaged files.

    The run directory is the checkpoint: what is granted there and not finished in any journal is in
    doubt, whatever became of the processes that it was granted to.
    """
    grants = read_grants(directory.grants).grants
    phase = max((grant.phase for grant in grants), default=0)
    name, planned = list(plan.phases.items())[phase]
    before = Before(phase, grants, resend=plan.fleet.resend and platform.idempotent)
    timeline = read_timeline(directory.timeline)
    journals = _Journals(directory, pool)
    accounts = journals.accounts()
    known = before.known(lambda shard: journals.done(shard, planned))
    for shard in known if Kind.PAYMENT in planned.sends else ():
        accounts.learn("", journals.endings(shard))
    return Resumed(
        term=record.masters + 1,
        epoch=max((grant.epoch for grant in grants), default=0),
        phase=phase,
        sent_ns=_sent_ns(timeline, name),
        dropped=_dropped(timeline),
        known=known,
        accounts=accounts,
    )


def last_ns(directory: RunDirectory) -> int:
    """Return the latest time that a run's master wrote down."""
    seconds, events = read_timeline(directory.timeline)
    times = [row.at_ns for row in seconds] + [event.at_ns for event in events]
    times += [grant.at_ns for grant in read_grants(directory.grants).grants]
    return max(times, default=0)


def _sent_ns(timeline: Timeline, phase: str) -> int:
    """Return how long a phase had been sending, under whichever masters."""
    last_ns = max((second.at_ns for second in timeline[0] if second.phase == phase), default=0)
    return sum(
        max(min(until_ns, last_ns) - from_ns, 0) for from_ns, until_ns in spans(timeline, phase)
    )


def _dropped(timeline: Timeline) -> int:
    """Return the arrivals that were given up and that no event told of yet."""
    seconds, events = timeline
    given_up = seconds[-1].dropped if seconds else 0
    return max(given_up - sum(event.dropped for event in events), 0)


class _Journals:
    """What all processes' journals say, read a few shards at a time."""

    def __init__(self, directory: RunDirectory, pool: Pool) -> None:
        self._directory = directory
        self._pool = pool
        paths = sorted(directory.journal.glob("[!.]*.parquet"))
        self._facts = open_dataset(paths, journal.SCHEMA)
        self._group = range(0)
        self._sliced: Sliced | None = None

    def done(self, shard: int, phase: Phase) -> list[int]:
        """Return the positions of a shard's part of a phase of which nothing more will come."""
        counts = self._pool.shard_counts(shard)
        order = interleave([counts.range_of(kind) for kind in phase.sends], phase.kind_weights)
        finished = np.zeros(sum(counts), dtype=np.bool_)
        over, _ = self._ended(shard)
        finished[over] = True
        positions: list[int] = np.flatnonzero(finished[order]).tolist()
        return positions

    def endings(self, shard: int) -> Iterator[Bound]:
        """Yield how those commands of a shard ended that replays wait for."""
        made = self._pool.shard(shard)
        awaited = np.flatnonzero(replays_of(made).awaited(len(made)))
        over, complete = self._ended(shard)
        observed = set(complete.tolist())
        for index in np.intersect1d(awaited, over).tolist():
            yield shard, index, Ending.of(complete=index in observed), ""

    def _ended(self, shard: int) -> tuple[Ints, Ints]:
        """Return of which commands of a shard nothing more will come, and which were completed."""
        table = self._of(shard)
        fact, code = table["fact"].to_numpy(), table["code"].to_numpy()
        index = table["index"].to_numpy().astype(np.int64)
        over = np.isin(fact, (Fact.COMPLETED, Fact.BLOCKED, Fact.NOT_SENT))
        without_effect = np.isin(code, (Acknowledged.INVALID, Acknowledged.REFUSED))
        over |= (fact == Fact.ACKNOWLEDGED) & without_effect
        return index[over], index[fact == Fact.COMPLETED]

    def accounts(self) -> AccountBook:
        """Return what is known of all accounts: their ids, and how far their lives have come."""
        book = AccountBook()
        ids = bindings_of(self._directory.bindings)
        for shard in range(self._pool.shard_count):
            counts, table = self._pool.shard_counts(shard), self._of(shard)
            settled = (table["fact"].to_numpy() == Fact.COMPLETED) & (
                table["code"].to_numpy() == Outcome.SETTLED
            )
            seen = set(table["index"].to_numpy()[settled].tolist())
            book.learn("", self._lives(shard, counts, seen, ids))
        return book

    def _lives(
        self, shard: int, counts: Counts, seen: set[int], ids: Mapping[Key, str]
    ) -> Iterator[Bound]:
        for account in range(counts.account):
            stage = Stage.NONE
            for kind, brought in BRINGS.items():
                if counts.range_of(kind)[account] in seen:
                    stage = max(stage, brought)
            account_id = ids.get((0, shard, account), "")
            if stage or account_id:
                yield shard, account, int(stage), account_id

    def _of(self, shard: int) -> pa.Table:
        if shard not in self._group or self._sliced is None:
            first = shard - shard % SHARDS_AT_ONCE
            self._group = range(first, first + SHARDS_AT_ONCE)
            self._sliced = Sliced(self._facts, self._group)
        return self._sliced.of(shard)
