"""Findings as they are gathered: a count and the first, the worst and the last case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from e2e_data.commands import Channel, Kind
from reports.classes import Judged
from reports.judgement import Case, Finding
from reports.rundir import PhaseRecord
from reports.seen import NEVER, Bools, Ints

Text = Callable[[int], str]
"""Says what is wrong with the command of an index."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A case with what it is compared by."""

    key: int
    case: Case


@dataclass(slots=True)
class Gathering:
    """One kind of fault, gathered over shards in bounded memory."""

    name: str
    phases: tuple[PhaseRecord, ...]
    consequence_of: str = ""
    count: int = 0
    _first: _Kept | None = field(default=None)
    _worst: _Kept | None = field(default=None)
    _last: _Kept | None = field(default=None)

    def add(self, judged: Judged, faulty: Bools, text: Text, weight: Ints | None = None) -> None:
        """Count the `faulty` commands of a shard; the worst has the greatest `weight` (or amount)."""
        indices = np.flatnonzero(faulty)
        if not indices.size:
            return
        self.count += int(indices.size)
        sent_ns = judged.evidence.seen.sent_ns[indices]
        # What was never seen sent is neither first nor last, unless there is nothing else.
        early = np.where(sent_ns == NEVER, np.iinfo(np.int64).max, sent_ns)
        weights = (judged.evidence.shard.amount_minor if weight is None else weight)[indices]
        for name, keys, sign in (
            ("_first", early, -1),
            ("_worst", weights, 1),
            ("_last", sent_ns, 1),
        ):
            at = int(np.argmax(keys) if sign > 0 else np.argmin(keys))
            key = sign * int(keys[at])
            kept: _Kept | None = getattr(self, name)
            if kept is None or key > kept.key:
                index = int(indices[at])
                setattr(self, name, _Kept(key, case_of(judged, index, text(index), self.phases)))

    def finding(self) -> Finding | None:
        """Return the finding; None when nothing was found."""
        if self._first is None or self._worst is None or self._last is None:
            return None
        return Finding(
            name=self.name,
            count=self.count,
            first=self._first.case,
            worst=self._worst.case,
            last=self._last.case,
            consequence_of=self.consequence_of,
        )


def case_of(judged: Judged, index: int, text: str, phases: tuple[PhaseRecord, ...]) -> Case:
    """Return a command of a shard as evidence."""
    evidence = judged.evidence
    seen, shard = evidence.seen, evidence.shard
    channel, phase = int(seen.channel[index]), int(seen.phase[index])
    return Case(
        command_id=evidence.command_id(index),
        shard=shard.number,
        index=index,
        kind=Kind(int(shard.kind[index])).label,
        account_id=evidence.bound[int(shard.account_number[index])],
        channel=Channel(channel).name if channel >= 0 else "",
        phase=phases[phase].name if phase >= 0 else "",
        intended_ns=_time(seen.intended_ns[index]),
        sent_ns=_time(seen.sent_ns[index]),
        acknowledged_ns=_time(seen.acknowledged_ns[index]),
        completed_ns=_time(seen.completed_ns[index]),
        text=text,
    )


def _time(at_ns: np.int64) -> int | None:
    return None if at_ns == NEVER else int(at_ns)
