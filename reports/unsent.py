"""Commands that were not sent because their arrivals were given up, told from the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from reports.classes import PRECEDENCE, Judged
from reports.judgement import Class
from reports.rundir import PhaseRecord
from reports.timeline import Event

_NOT_SENT, _DROPPED = PRECEDENCE.index(Class.NOT_SENT), PRECEDENCE.index(Class.DROPPED)


class Dropped:
    """The arrivals that each phase gave up: so many of its commands would have been sent but for it.

    An arrival is given up, never a command, so which ones is not said: the first that there are.
    """

    def __init__(self, phases: Sequence[PhaseRecord], events: Sequence[Event]) -> None:
        dropped = Counter({event.phase: 0 for event in events})
        for event in events:
            dropped[event.phase] += event.dropped
        self._left = [(phase.sends, dropped[phase.name]) for phase in phases]

    def tell(self, judged: Judged) -> None:
        """Class a shard's commands anew where they were not sent."""
        for number, (sends, left) in enumerate(self._left):
            if not left:
                continue
            of_phase = np.isin(judged.evidence.shard.kind, [int(kind) for kind in sends])
            rows = np.flatnonzero((judged.classes == _NOT_SENT) & of_phase)[:left]
            judged.classes[rows] = _DROPPED
            self._left[number] = sends, left - len(rows)
