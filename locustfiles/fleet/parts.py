"""What SLOs ask about, counted while a run is on: for each that may end it, or leads a search, its commands.

As much as there are SLOs, however many regions and labels a pool has. The journal's rows are taken in as
they are written, on any thread, and looked at about once a second on the one that the run is on. What is
counted as failed surely is: what nobody answered, what was refused, and an outcome outside its command's
set; but what is sent again has another chance.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Label, Outcome
from e2e_data.ids import RETRY_ATTEMPT
from e2e_data.platform import Acknowledged
from e2e_data.pool import Pool
from e2e_data.shard import Shard
from locustfiles.fleet import buckets
from locustfiles.fleet.checked import count, items
from locustfiles.rounds import next_round
from reports.journal import Fact
from reports.slos import Latency, Slo

SHARDS_MAX = 200
"""Remembered at once; others are looked up again."""
_HOSTILE = min(label for label in Label if label.is_hostile)
_REPLAYS = min(label for label in Label if label.is_replay)
_DECIDED = int(Outcome.SETTLED | Outcome.REJECTED)

Rows = NDArray[np.void]
Times = NDArray[np.int64]


@dataclass(slots=True)
class Part:
    """What was seen of the commands that an SLO is about; over a run, but for the age."""

    sent: int = 0
    """Commands, each once."""
    answered: int = 0
    """Attempts that somebody answered; and `silent` those that nobody did, or that could not be made."""
    silent: int = 0
    again: int = 0
    """Attempts that were made after another one."""
    failed: int = 0
    at_ns: int = 0
    """When this was so."""
    age_ns: int = -1
    """How long ago the newest command was due whose outcome was observed; -1 where none was sent."""
    took: Times = field(default_factory=buckets.nothing)
    """How long they took, as counts of `fleet.buckets`; there may be none of the last."""

    @property
    def waiting(self) -> int:
        """Commands that were sent and have no answer yet."""
        return self.sent + self.again - self.answered - self.silent

    def packed(self) -> list[Any]:
        """Return what msgpack can carry."""
        return [
            *(getattr(self, name) for name in _NUMBERS),
            self.age_ns + 1,
            *buckets.packed(self.took),
        ]

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Read what `packed` made. Raises ValueError or TypeError for what is none."""
        *numbers, age_ns, places, many = items(raw, len(_NUMBERS) + 3)
        filled, counts = buckets.unpacked(places, many)
        # A master has a part of each worker: no more than what is filled.
        took = np.zeros(int(filled.max(initial=-1)) + 1, np.int64)
        took[filled] = counts
        part = cls(age_ns=count(age_ns) - 1, took=took)
        for name, number in zip(_NUMBERS, numbers, strict=True):
            setattr(part, name, count(number))
        return part

    @classmethod
    def total(cls, parts: Iterable[Part]) -> Self:
        """Return the sum over processes. What is newest anywhere is so for all."""
        whole, parts = cls(), list(parts)
        for part in parts:
            for name in ("sent", "answered", "silent", "again", "failed"):
                setattr(whole, name, getattr(whole, name) + getattr(part, name))
            whole.took[: len(part.took)] += part.took
        told = [part for part in parts if part.age_ns >= 0]
        whole.at_ns = max((part.at_ns for part in parts), default=0)
        # Who has not been heard of lately does not know.
        late = [part.age_ns for part in told if part.at_ns >= whole.at_ns - HEARD_NS]
        whole.age_ns = min(late, default=-1)
        return whole


HEARD_NS = 6_000_000_000
"""Twice as long as from one of Locust's reports to the next."""
_NUMBERS = ("sent", "answered", "silent", "again", "failed", "at_ns")


_ASKED = np.dtype(
    [
        *(("kind", "u1"), ("label", "u1"), ("region", "u1"), ("to_other_region", "u1")),
        ("expected", "u1"),
    ]
)
"""What SLOs ask of a command, by their names, the region as its number; and the set of its outcomes."""


@dataclass(frozen=True, slots=True)
class _Commands:
    """A shard's commands: a few bytes for each."""

    asked: Rows
    told: NDArray[np.bool_]
    """Whether a wrong outcome was seen before."""

    @classmethod
    def of(cls, shard: Shard) -> _Commands:
        asked = np.zeros(len(shard), _ASKED)
        asked["region"] = (shard.transit // 100)[shard.account_number]
        for name in ("kind", "label", "to_other_region", "expected"):
            asked[name] = getattr(shard, name)
        return cls(asked, np.zeros(len(shard), np.bool_))


class Parts:
    """A process's own, one for each of `slos`."""

    def __init__(
        self, slos: Sequence[Slo], phases: Sequence[str], pool: Pool, now_ns: Callable[[], int]
    ) -> None:
        self._slos, self._pool, self._now_ns = slos, pool, now_ns
        regions = pool.config.regions
        self._wanted = [_wanted(slo, phases, regions) for slo in slos]
        self._parts = [Part() for _ in slos]
        self._newest_ns = [-1] * len(slos)
        self._looked_ns = 0
        self._shards: OrderedDict[int, _Commands] = OrderedDict()
        self._facts: deque[Rows] = deque()
        self._times: deque[tuple[Latency, Rows, Times]] = deque()

    def take(self, rows: Rows) -> None:
        """Take in rows of the journal (reports.journal.ROW)."""
        if self._slos:
            self._facts.append(rows)

    def times(self, latency: Latency, out: Rows, took_ns: Times) -> None:
        """Take in how long commands took, with their key, phase, channel and when they were due."""
        if any(slo.latency == latency or _is_fresh(slo, latency) for slo in self._slos):
            self._times.append((latency, out.copy(), took_ns))

    def look(self) -> None:
        """Count what was taken in."""
        self._looked_ns = max(self._now_ns(), 0)
        while self._facts:
            self._count(self._facts.popleft())
        while self._times:
            self._measure(*self._times.popleft())

    def packed(self) -> list[list[Any]]:
        """Return what msgpack can carry."""
        now_ns = self._looked_ns
        for part, newest_ns in zip(self._parts, self._newest_ns, strict=True):
            part.at_ns = now_ns
            part.age_ns = max(now_ns - newest_ns, 0) if newest_ns >= 0 else -1
        return [part.packed() for part in self._parts]

    def _count(self, rows: Rows) -> None:
        asked, fact = self._asked(rows["shard"], rows["index"]), rows["fact"]
        refused = (fact == Fact.ACKNOWLEDGED) & (rows["code"] == Acknowledged.REFUSED)
        silent = (fact == Fact.UNANSWERED) | (fact == Fact.NOT_SENT)
        failed = silent | refused | self._wrong(rows, asked)
        sent, again = fact == Fact.SENT, rows["attempt"] >= RETRY_ATTEMPT
        for number, (part, wanted) in enumerate(zip(self._parts, self._wanted, strict=True)):
            mine = _chosen(wanted, asked, rows)
            part.sent += int((mine & sent & ~again).sum())
            part.again += int((mine & sent & again).sum())
            part.answered += int((mine & (fact == Fact.ACKNOWLEDGED)).sum())
            part.silent += int((mine & silent).sum())
            part.failed += int((mine & failed).sum())
            due_ns = rows["intended_ns"][mine & sent]
            if self._newest_ns[number] < 0 and len(due_ns):
                # As long as none has an outcome, it is as old as the first that was due.
                self._newest_ns[number] = max(int(due_ns.min()), 0)

    def _measure(self, latency: Latency, out: Rows, took_ns: Times) -> None:
        index = (out["key"] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        asked = self._asked(out["key"] >> np.uint64(32), index)
        for number, (slo, wanted) in enumerate(zip(self._slos, self._wanted, strict=True)):
            mine = _chosen(wanted, asked, out)
            if slo.latency == latency:
                self._parts[number].took += buckets.counted(took_ns[mine])
            elif _is_fresh(slo, latency) and mine.any():
                newest_ns = int(out["intended_ns"][mine].max())
                self._newest_ns[number] = max(self._newest_ns[number], newest_ns)

    def _asked(self, shards: NDArray[Any], index: NDArray[Any]) -> Rows:
        """Return what SLOs ask of the commands at some places."""
        asked = np.zeros(len(shards), _ASKED)
        if not len(shards):
            return asked
        order = np.argsort(shards, kind="stable")
        numbers, firsts = np.unique(shards[order], return_index=True)
        for number, here in zip(numbers.tolist(), np.split(order, firsts[1:]), strict=True):
            asked[here] = self._commands(number).asked[index[here]]
        return asked

    def _wrong(self, rows: Rows, asked: Rows) -> NDArray[np.bool_]:
        """Return which rows tell of an outcome that no right platform gives, of each command the first."""
        fact, code, label = rows["fact"], rows["code"], asked["label"]
        invalid = (fact == Fact.ACKNOWLEDGED) & (code == Acknowledged.INVALID)
        put_away = (fact == Fact.COMPLETED) & (code & np.uint8(Outcome.DEAD_LETTERED) != 0)
        # What a replay may come to is its original's, which the judge knows.
        decided = (fact == Fact.COMPLETED) & (code & _DECIDED != 0) & (label < _REPLAYS)
        found: NDArray[np.bool_] = (invalid | put_away) & (label < _HOSTILE)
        found |= decided & (code & asked["expected"] == 0)
        for at in np.flatnonzero(found).tolist():
            told, index = self._commands(int(rows["shard"][at])).told, int(rows["index"][at])
            found[at] = not told[index]
            told[index] = True
        return found

    def _commands(self, number: int) -> _Commands:
        if number not in self._shards:
            self._shards[number] = _Commands.of(self._pool.shard(number))
            if len(self._shards) > SHARDS_MAX:
                self._shards.popitem(last=False)
            # To make one takes milliseconds, and others are due meanwhile.
            next_round()
        self._shards.move_to_end(number)
        return self._shards[number]


def _is_fresh(slo: Slo, latency: Latency) -> bool:
    return slo.freshness_below_s is not None and latency == "completion"


def _wanted(slo: Slo, phases: Sequence[str], regions: Sequence[str]) -> dict[str, int]:
    """Return what an SLO asks of columns, as numbers."""
    asked = {
        "phase": None if slo.phase is None else phases.index(slo.phase),
        "region": None if slo.region is None else 1 + regions.index(slo.region),
        **{name: getattr(slo, name) for name in ("channel", "kind", "label", "to_other_region")},
    }
    return {name: int(value) for name, value in asked.items() if value is not None}


def _chosen(wanted: Mapping[str, int], asked: Rows, rows: Rows) -> NDArray[np.bool_]:
    """Return which rows are about what is wanted; phase and channel are their own."""
    chosen = np.ones(len(rows), np.bool_)
    for name, value in wanted.items():
        chosen &= (rows if name in ("phase", "channel") else asked)[name] == value
    return chosen
