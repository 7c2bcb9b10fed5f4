"""What SLOs are measured of: the commands that somebody tried to send, and arrivals that were given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from e2e_data.platform import Acknowledged
from reports.classes import PRECEDENCE, Judged
from reports.columns import NEVER, Bools
from reports.judgement import Class
from reports.rundir import PhaseRecord
from reports.timeline import PHASE_BEGAN, Event, Second

ERRORS = (
    Class.UNEXPECTED,
    Class.DUPLICATED,
    Class.WRONG_AMOUNT,
    Class.WRONG_OUTCOME,
    Class.LOST_BEFORE,
    Class.LOST,
    Class.LOST_AFTER,
    Class.PENDING,
    Class.RECOVERED,
    Class.UNKNOWN,
    Class.REFUSED,
)
"""The classes of commands that were sent, or could not be, and that a customer calls an error."""

_WRONG = [PRECEDENCE.index(name) for name in ERRORS[:6]]
"""Those that no correct platform comes to, however much it has to do."""
_ERRORS = [PRECEDENCE.index(name) for name in ERRORS]


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Arrivals of a phase that were dropped at a time."""

    phase: int
    at_ns: int
    count: int


def attempted_commands(judged: Judged) -> pd.DataFrame:
    """Return the commands of a shard that were sent, or that somebody tried to send, one row each.

    Columns: phase, channel, kind, label, region, to_other_region; intended_ns, ready_ns, sent_ns, acknowledged_ns,
    completed_ns (since the run's epoch, or NEVER); accepted, refused, sent, failed, wrong (lost, doubled, …).
    """
    evidence, seen = judged.evidence, judged.evidence.seen
    shard = evidence.shard
    columns = {
        "phase": seen.phase.astype(np.int64),
        "channel": seen.channel.astype(np.int64),
        "kind": shard.kind.astype(np.int64),
        "label": shard.label.astype(np.int64),
        "region": shard.regions[evidence.account],
        "to_other_region": shard.to_other_region,
        "intended_ns": seen.intended_ns,
        "ready_ns": np.maximum(seen.intended_ns, seen.free_ns),
        "sent_ns": seen.sent_ns,
        "acknowledged_ns": seen.acknowledged_ns,
        "completed_ns": seen.completed_ns,
        "accepted": seen.acknowledged == Acknowledged.ACCEPTED,
        "refused": np.isin(seen.acknowledged, (Acknowledged.INVALID, Acknowledged.REFUSED)),
        "sent": evidence.sent,
        "failed": np.isin(judged.classes, _ERRORS),
        "wrong": np.isin(judged.classes, _WRONG),
    }
    tried: Bools = seen.sent_ns != NEVER
    return pd.DataFrame({name: column[tried] for name, column in columns.items()})


def given_up(
    seconds: Sequence[Second], events: Sequence[Event], phases: Sequence[PhaseRecord]
) -> list[GivenUp]:
    """Return what each phase dropped, by the seconds in which that was noticed."""
    found: list[GivenUp] = []
    began_ns: dict[str, int] = {}
    numbers = {phase.name: number for number, phase in enumerate(phases)}
    for event in events:
        if event.event == PHASE_BEGAN:
            # Whoever takes over counts anew.
            began_ns[event.phase] = event.at_ns
        if not event.dropped or event.phase not in numbers:
            continue
        number, left, before = numbers[event.phase], event.dropped, None
        for row in seconds:
            if row.at_ns < began_ns.get(event.phase, 0):
                before = row.dropped
            elif row.at_ns <= event.at_ns:
                count = min(row.dropped - (before or 0), left)
                before = row.dropped
                if count > 0:
                    found.append(GivenUp(number, row.at_ns, count))
                    left -= count
        if left:
            found.append(GivenUp(number, event.at_ns, left))
    return found
