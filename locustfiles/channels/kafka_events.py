"""Completions from the event topic: read once by the fleet, told from the correlation id alone.

Whoever reads an event knows what it is of and when that was intended, whatever channel and worker
sent the command. A record of

this run       and ids of one command  is a completion, and written down with its offset
this run       and ids of two          is misdirected: written down, and completes nothing
this run       and no such command     is an orphan: written down
another run, or nobody we know         is foreign: counted
no event at all                        is malformed: counted

Offsets are committed once what was read before them is in the journal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Protocol

import numpy as np
from confluent_kafka import Message, TopicPartition
from numpy.typing import NDArray

from e2e_data.bulk import keeps
from e2e_data.commands import Kind, Outcome
from e2e_data.ids import Ids, ReadCorrelations, read_correlations
from e2e_data.over_kafka import Event, Events, read_events
from e2e_data.platform import Platform
from e2e_data.pool import Pool
from locustfiles.channels.kafka_probe import positions_of
from locustfiles.channels.kafka_reader import Batch, Places, places_of
from locustfiles.sightings import Sightings, facts
from reports.event_log import PARTITION_BITS, ROW, EventLog, Sort, digest, digests, event_numbers

log = logging.getLogger(__name__)

_KINDS = tuple(Kind)
_PLACE, _ATTEMPT = ("lap", "shard", "index"), ("attempt", "channel", "phase")
"""Columns of what a correlation id says, in the event log and the journal, too."""


@dataclass(slots=True)
class Counted:
    """How many records of each sort were read."""

    ours: int = 0
    misdirected: int = 0
    orphan: int = 0
    foreign: int = 0
    malformed: int = 0
    trimmed: int = 0
    """Records that were gone before anybody read them."""
    dead_letters: int = 0
    """Of `ours`: those that the platform put away."""


class Committing(Protocol):
    """What lets the group know how far we are."""

    def commit(self, positions: Sequence[TopicPartition]) -> None:
        """Commit offsets, without waiting."""
        ...

    def stop(self, last: Callable[[], Sequence[TopicPartition]]) -> None:
        """Hand on what was read, commit, and leave the group."""
        ...


class EventSource:
    """Turns records into completions, on the event loop; `take` gets them from a reader."""

    def __init__(
        self,
        platform: Platform,
        ids: Ids,
        pool: Pool,
        dead_letters: str | None,
        run_ns: Callable[[int], int],
        observed: Callable[[Sightings], None],
        event_log: EventLog,
        failed: Callable[[str], None],
        cluster: int = 0,
    ) -> None:
        """Tell `observed` of each completion; `cluster` is which of the run's clusters this reads.

        `run_ns` turns a time of the process's monotonic clock into one of the run; `failed` is told
        once why events can no longer be read, or were gone.
        """
        self._platform = platform
        self._reads_at_once = keeps(platform, "read_event")
        self._ids = ids
        self._pool = pool
        self._dead_letters = dead_letters
        self._run_ns = run_ns
        self._observed = observed
        self._log = event_log
        self._failed = failed
        self._first = cluster << PARTITION_BITS
        self._reader: Committing | None = None
        self._sizes: dict[int, int] = {}
        self._read: dict[str, dict[int, int]] = {}
        """By topic and partition: where what was not read yet begins."""
        self._told: set[str] = set()
        self.counted = Counted()

    def read_from(self, reader: Committing) -> None:
        """Commit with this reader, which gives its batches to `take`."""
        self._reader = reader

    # -- the journal's beat ---------------------------------------------------------------------

    def positions(self) -> list[TopicPartition]:
        """Return how far was read: for `durable`, once all of it is in the journal."""
        return positions_of(self._read)

    def flush(self) -> None:
        """Write down what was read; may run on any one thread."""
        self._log.flush()

    def durable(self, positions: Sequence[TopicPartition]) -> None:
        """Commit what `positions` gave before journal and events were flushed."""
        if self._reader is not None:
            mine = [one for one in positions if one.partition in self._read.get(one.topic, ())]
            self._reader.commit(mine)

    def stop(self, write: Callable[[], object]) -> None:
        """Read no further: what was read is written by `write`, then committed."""

        def last() -> list[TopicPartition]:
            self._log.flush()
            write()
            return self.positions()

        if self._reader is not None:
            self._reader.stop(last)

    @property
    def problems(self) -> frozenset[str]:
        """What was told of what can no longer be read, or was gone."""
        return frozenset(self._told)

    # -- records --------------------------------------------------------------------------------

    def take(self, batch: Batch) -> None:
        """Take in what a reader read."""
        for topic, partition in batch.revoked:
            self._read.get(topic, {}).pop(partition, None)
        for (topic, partition), count in batch.trimmed.items():
            self.counted.trimmed += count
            self._tell(
                f"{count} records of {topic} {partition} were gone before they were read: the broker "
                "keeps less than the events of the time that we were behind"
            )
        if batch.error:
            self._tell(batch.error)
        if batch.messages:
            self._take(batch)
        # The positions move when all of that is done.
        for (topic, partition), end in batch.ends.items():
            self._read.setdefault(topic, {})[partition] = end

    def _tell(self, why: str) -> None:
        if why not in self._told:
            self._told.add(why)
            self._failed(why)

    def _take(self, batch: Batch) -> None:
        """Classify records and hand completions on."""
        events, places = self._events(batch), batch.places
        if events is None:
            told = list(map(self._event, batch.messages))
            read = [event for event in told if event is not None]
            self.counted.malformed += len(told) - len(read)
            if not read:
                return
            events, places = Events.of(read), places_of(list(compress(batch.messages, told)))
        self._classify(events, places, self._run_ns(batch.at_ns))

    def _events(self, batch: Batch) -> Events | None:
        """Return what records tell, read at once; None where they must be read one by one."""
        if not self._reads_at_once or self._dead_letters in batch.places.topics:
            return None
        return read_events([message.value() for message in batch.messages])

    def _event(self, message: Message) -> Event | None:
        """Return what a record tells; None for what is no event."""
        value, put_away = message.value(), self._dead_letters
        raw = value.encode() if isinstance(value, str) else value
        try:
            if put_away is not None and message.topic() == put_away:
                return self._platform.read_dead_letter(raw, _headers(message))
            return self._platform.read_event(raw)
        except Exception:
            # An adapter's fault must not end the reading: other commands need it.
            if "adapter" not in self._told:
                self._told.add("adapter")
                log.exception("the platform adapter failed on a record of %s", message.topic())
            return None

    def _classify(self, events: Events, places: Places, at_ns: int) -> None:
        read = read_correlations(events.correlation_ids, self._ids.tag, self._ids.shards)
        decoded = self._ids.decode(events.command_ids)
        # A correlation id of ours with a foreign command id is as wrong as one of another command.
        ours = read.known | decoded.known
        same = read.known & decoded.known & (read.lap == decoded.lap)
        same &= (read.shard == decoded.shard) & (read.index == decoded.index)
        inside = (read.lap == 0) & (read.index < self._sizes_of(read.shard, same))
        sort = np.where(same, np.where(inside, Sort.OURS, Sort.ORPHAN), Sort.MISDIRECTED)
        self._count(ours, sort)
        rows = self._rows(events, places, read, sort, at_ns)
        self._log.add(rows[ours])
        wanted = ours & (sort == Sort.OURS)
        if wanted.any():
            mine = events.only(wanted.tolist())
            self._observed(_sightings(mine, rows[wanted], read.kind[wanted]))
            self.counted.dead_letters += int(rows["dead_letter"][wanted].sum())

    def _count(self, ours: np.ndarray, sort: np.ndarray) -> None:
        counted = self.counted
        counted.ours += int((ours & (sort == Sort.OURS)).sum())
        counted.misdirected += int((ours & (sort == Sort.MISDIRECTED)).sum())
        counted.orphan += int((ours & (sort == Sort.ORPHAN)).sum())
        counted.foreign += int((~ours).sum())

    def _sizes_of(self, shards: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Return how many commands the shards have; none where there is no such shard."""
        numbers, inverse = np.unique(np.where(valid, shards, -1), return_inverse=True)
        for number in numbers.tolist():
            if number not in self._sizes:
                there = 0 <= number < self._pool.shard_count
                self._sizes[number] = sum(self._pool.shard_counts(number)) if there else 0
        return np.array([self._sizes[number] for number in numbers.tolist()])[inverse]

    def _rows(
        self,
        events: Events,
        places: Places,
        read: ReadCorrelations,
        sort: np.ndarray,
        at_ns: int,
    ) -> np.ndarray:
        rows = np.zeros(len(places.offsets), dtype=ROW)
        rows["sort"], rows["at_ns"] = sort, at_ns
        rows["partition"] = places.partitions
        rows["partition"] += np.uint32(self._first)
        rows["offset"] = places.offsets
        rows["outcome"] = events.outcomes
        rows["dead_letter"] = rows["outcome"] == Outcome.DEAD_LETTERED
        numbers = event_numbers(events.event_ids)
        rows["event_high"], rows["event_low"] = numbers[:, 0], numbers[:, 1]
        rows["account"] = digests(events.account_ids)
        rows["amount"] = events.amounts
        currencies = {text: digest(text) for text in set(events.currencies)}
        rows["currency"] = list(map(currencies.__getitem__, events.currencies))
        for name in (*_PLACE, *_ATTEMPT):
            rows[name] = getattr(read, name)
        return rows


def _headers(message: Message) -> dict[str, bytes]:
    given = message.headers() or []
    pairs = given.items() if isinstance(given, dict) else given
    return {name: value for name, value in pairs if isinstance(value, bytes)}


def _sightings(events: Events, logged: NDArray[np.void], kinds: NDArray[np.int64]) -> Sightings:
    """Return what events tell, each with its row of the event log and the kind of its command."""
    rows = facts(len(logged))
    for name in ("at_ns", *_PLACE, *_ATTEMPT):
        rows[name] = logged[name]
    return Sightings(
        places=list(zip(*(logged[name].tolist() for name in _PLACE), strict=True)),
        kinds=list(map(_KINDS.__getitem__, kinds.tolist())),
        account_ids=events.account_ids,
        outcomes=events.outcomes,
        reasons=events.reasons,
        flags=events.flags,
        rows=rows,
    )
