"""The lives of attempts, as the journal tells them: from when one left to what became of its command.

Pure, and fed with rows that are written already, so that watching lives costs whoever sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Channel, Kind, Outcome, expected_on
from e2e_data.ids import RETRIES, RETRY_ATTEMPT, Correlation, Ids
from e2e_data.platform import Acknowledged
from e2e_data.replays import replays_of
from e2e_data.shard import Shard
from e2e_data.trace_context import is_picked
from locustfiles.pacing import SECOND_NS
from reports.journal import Fact

OPEN_MAX = 100_000
"""So many are followed at once; beyond, the oldest end as they stand."""
OPEN_NS = 60 * SECOND_NS
"""Nor is any followed for longer: in a fleet another process may have seen how it ended."""

Rows = NDArray[np.void]
Place = tuple[int, int, int]


class Life(NamedTuple):
    """One attempt; times are nanoseconds since the run's epoch."""

    correlation_id: str
    command_id: str
    kind: Kind
    channel: Channel
    phase: int
    attempt: int
    """As it stands in the correlation id."""
    expected: Outcome
    intended_ns: int
    sent_ns: int
    acknowledged_ns: int | None = None
    ended_ns: int = 0
    end: str = "pending"
    """What became of it: an outcome; refused, invalid, unanswered or not sent; accepted or unknown
    where the answer is the last that was seen; pending where there was none."""
    fine: bool = True
    """Whether a right platform, and a network without a fault, could have brought that about."""

    @property
    def number(self) -> int:
        """Which of its command's attempts it is, 1 for the first: granted anew, or tried again."""
        return 1 + self.attempt % RETRY_ATTEMPT + (self.attempt & RETRIES) // RETRY_ATTEMPT


@dataclass(frozen=True, slots=True)
class Named:
    """What the ids of a shard's commands say, a row for each command."""

    number: int
    kind: NDArray[np.uint8]
    expected: NDArray[np.uint8]
    named: NDArray[np.int64]
    """The command itself, or the original of a replay."""

    @classmethod
    def of(cls, shard: Shard) -> Named:
        """Return those of a shard."""
        named = replays_of(shard).named(len(shard))
        return cls(shard.number, shard.kind[named], shard.expected[named], named)


class Lives:
    """Those that a process follows; `take` is for one thread at a time."""

    def __init__(self, ids: Ids, share: float) -> None:
        """Follow the `share` of all attempts that their correlation ids pick."""
        self._ids = ids
        self._share = share
        self._open: dict[Place, Life] = {}
        """In the order of sending; of a command the latest attempt."""

    def take(self, rows: Rows, shards: Mapping[int, Named]) -> Iterator[Life]:
        """Take in rows of the journal (reports.journal.ROW), and yield the lives that have ended.

        `shards` has those of all commands that were sent.
        """
        ids = self._command_ids(rows, shards)
        columns = (rows[name].tolist() for name in _COLUMNS)
        latest_ns = 0
        for at, (fact, lap, shard, index, attempt, code, at_ns) in enumerate(
            zip(*columns, strict=True)
        ):
            place = lap, shard, index
            latest_ns = max(latest_ns, at_ns)
            if fact == Fact.SENT:
                # Another attempt at the same command: the one before stays what it was.
                yield from self._ended(place)
                life = self._begun(rows[at], shards[shard], ids[at])
                if life is not None:
                    self._open[place] = life
                continue
            life = self._open.get(place)
            # What is heard of an attempt before the latest says nothing of this one.
            if life is None or (fact != Fact.COMPLETED and attempt != life.attempt):
                continue
            self._open[place] = life = _told(life, fact, code, at_ns)
            if life.ended_ns:
                yield self._open.pop(place)
        yield from self._let_go(latest_ns - OPEN_NS)

    def end(self) -> Iterator[Life]:
        """Yield what is left, as it stands."""
        for place in list(self._open):
            yield from self._ended(place)

    def _let_go(self, before_ns: int) -> Iterator[Life]:
        """End what was sent too long ago, and what there is no room for."""
        while self._open:
            place, oldest = next(iter(self._open.items()))
            if oldest.sent_ns >= before_ns and len(self._open) <= OPEN_MAX:
                return
            yield from self._ended(place)

    def _ended(self, place: Place) -> Iterator[Life]:
        life = self._open.pop(place, None)
        if life is not None:
            last_ns = life.acknowledged_ns
            yield life._replace(ended_ns=life.sent_ns if last_ns is None else last_ns)

    def _begun(self, row: np.void, shard: Named, command_id: str) -> Life | None:
        """Return the life of an attempt that was sent; None where it is not picked."""
        index, attempt = int(row["index"]), int(row["attempt"])
        kind, expected = Kind(int(shard.kind[index])), Outcome(int(shard.expected[index]))
        channel, phase = Channel(int(row["channel"])), int(row["phase"])
        intended_ns = int(row["intended_ns"])
        lap, within = self._ids.parted(int(row["lap"]), shard.number)
        correlation = Correlation(
            tag=self._ids.tag,
            lap=lap,
            shard=within,
            index=int(shard.named[index]),
            attempt=attempt,
            kind=kind,
            channel=channel,
            expected=expected,
            phase=phase,
            intended_us=max(intended_ns, 0) // 1000,
        )
        correlation_id = correlation.pack().hex()
        if not is_picked(correlation_id, self._share):
            return None
        return Life(
            correlation_id,
            command_id,
            kind,
            channel,
            phase,
            attempt,
            expected_on(expected, channel),
            intended_ns,
            int(row["at_ns"]),
        )

    def _command_ids(self, rows: Rows, shards: Mapping[int, Named]) -> list[str]:
        """Return the id of each command that was sent; empty beside other facts."""
        found = np.full(len(rows), "", dtype=object)
        sent = rows["fact"] == Fact.SENT
        for number, shard in shards.items():
            for lap in np.unique(rows["lap"][sent & (rows["shard"] == number)]).tolist():
                here = np.flatnonzero(sent & (rows["shard"] == number) & (rows["lap"] == lap))
                named = shard.named[rows["index"][here]]
                found[here] = self._ids.command_ids(lap, number, named)
        return list(found)


_COLUMNS = ("fact", "lap", "shard", "index", "attempt", "code", "at_ns")


def _told(life: Life, fact: int, code: int, at_ns: int) -> Life:
    """Return a life with one fact more."""
    if fact == Fact.COMPLETED:
        outcome = Outcome(code)
        return life._replace(ended_ns=at_ns, end=outcome.label, fine=bool(outcome & life.expected))
    if fact == Fact.ACKNOWLEDGED:
        status = Acknowledged(code)
        is_last = status in (Acknowledged.INVALID, Acknowledged.REFUSED)
        wrong = status is Acknowledged.INVALID and not life.expected & Outcome.INVALID
        return life._replace(
            acknowledged_ns=at_ns,
            ended_ns=at_ns if is_last else 0,
            end=status.name.lower(),
            fine=not wrong and status is not Acknowledged.UNKNOWN,
        )
    if fact == Fact.UNANSWERED:
        # It may take effect all the same, and be seen to.
        return life._replace(acknowledged_ns=at_ns, end="unanswered", fine=False)
    if fact == Fact.NOT_SENT:
        return life._replace(ended_ns=at_ns, end="not sent", fine=False)
    return life
