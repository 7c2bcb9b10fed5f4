"""Sightings: completions that were observed together, in columns, since events come by the thousand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from e2e_data.commands import Kind, Outcome
from locustfiles.completions import Place, Seen
from reports.journal import ROW, Fact

Rows = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Sightings:
    """What was seen of commands, with all that an observer knows of each; of one length."""

    places: Sequence[Place]
    kinds: Sequence[Kind]
    account_ids: Sequence[str]
    outcomes: Sequence[Outcome]
    reasons: Sequence[str]
    flags: Sequence[tuple[str, ...]]
    rows: Rows
    """The facts (reports.journal.ROW) but for code, reason and flags, as they are where nobody waits."""

    @classmethod
    def of(cls, several: Sequence[Seen]) -> Self:
        """Return what was seen one by one."""
        rows = facts(len(several))
        for row, seen in zip(rows, several, strict=True):
            row["lap"], row["shard"], row["index"] = seen.place
            row["attempt"], row["phase"] = seen.attempt, seen.phase
            row["channel"], row["at_ns"] = seen.channel, seen.at_ns
        told = [seen.completion for seen in several]
        return cls(
            places=[seen.place for seen in several],
            kinds=[seen.kind for seen in several],
            account_ids=[seen.account_id for seen in several],
            outcomes=[one.outcome for one in told],
            reasons=[one.reason for one in told],
            flags=[one.flags for one in told],
            rows=rows,
        )


def facts(count: int) -> Rows:
    """Return so many facts of completion, to be filled in."""
    rows = np.zeros(count, dtype=ROW)
    rows["fact"] = Fact.COMPLETED
    return rows
