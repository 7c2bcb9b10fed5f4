"""The time in which a run was sending: what lies between phases, in pauses and between masters is cut out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reports.columns import Ints
from reports.timeline import PHASE_BEGAN, PHASE_ENDED, PHASE_SETTLES, RESUMED, RUN_ENDED, Timeline

OPEN_NS = np.iinfo(np.int64).max
"""The end of a span that nobody saw end."""

_BEGINS = (PHASE_BEGAN, "phase resumed", "phase goes on")
_ENDS = ("phase paused", PHASE_SETTLES, PHASE_ENDED, RESUMED, RUN_ENDED)


def spans(timeline: Timeline, phase: str | None = None) -> Iterator[tuple[int, int]]:
    """Yield from when to when commands were due, in one phase or in any. The last may be open."""
    seconds, events = timeline
    since_ns: int | None = None
    for event in events:
        if since_ns is not None and event.event in _ENDS:
            until_ns = event.at_ns
            if event.event == RESUMED:
                # The master before was lost some time ago: it wrote down a row a second.
                until_ns = max((row.at_ns for row in seconds if row.at_ns < until_ns), default=0)
            yield since_ns, max(since_ns, until_ns)
            since_ns = None
        elif since_ns is None and event.event in _BEGINS and phase in (None, event.phase):
            since_ns = event.at_ns
    if since_ns is not None:
        yield since_ns, OPEN_NS


class SendingTime:
    """Maps the run's time to the time in which it was sending, and back; without a timeline they are one."""

    def __init__(self, timeline: Timeline = ([], [])) -> None:
        found = np.array([*spans(timeline)] or [(0, OPEN_NS)], np.int64)
        self._from_ns = found[:, 0]
        self._lasts_ns = found[:, 1] - found[:, 0]
        self._before_ns = np.cumsum(self._lasts_ns) - self._lasts_ns
        self._phase_ns = {
            event.phase: event.at_ns
            for event in reversed(timeline[1])
            if event.event == PHASE_BEGAN
        }

    def of(self, at_ns: Ints) -> Ints:
        """Return how long the run had been sending at each time; of NEVER nothing is known."""
        span = np.maximum(np.searchsorted(self._from_ns, at_ns, side="right") - 1, 0)
        into_ns = np.clip(at_ns - self._from_ns[span], 0, self._lasts_ns[span])
        sending_ns: Ints = self._before_ns[span] + into_ns
        return sending_ns

    def at(self, sending_ns: int) -> int:
        """Return when the run had been sending for so long."""
        span = int(np.searchsorted(self._before_ns, sending_ns, side="right")) - 1
        return int(self._from_ns[span] + sending_ns - self._before_ns[span])

    def until(self, phase: str) -> int | None:
        """Return how long the run had been sending when a phase began; None where nobody saw that."""
        began_ns = self._phase_ns.get(phase)
        return None if began_ns is None else int(self.of(np.array([began_ns], np.int64))[0])
