"""SLOs while a run is on: whether one has been missed for so long that the run shall end. Pure.

an SLO of the phase that sends     in the last while it was         since then
still in its warm-up               (is not looked at)               nothing is held against it
looked at                          met, or nothing was due          nothing is held against it
looked at                          missed, or nobody answered       missed; at abort_after_s the run ends
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from locustfiles.fleet.counts import Counts
from locustfiles.fleet.figures import percentile_ms
from locustfiles.profiles import SECOND_NS
from reports.slos import Slo

LOOK_BACK_S = 10
"""The last while, for an SLO without windows."""

Took = Callable[[str, Slo], NDArray[np.int64]]
"""Returns the response times of what an SLO asks of a phase, as counts of `fleet.figures`' buckets."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at a time, over the run until then, for an SLO."""

    at_ns: int
    counts: Counts
    took: NDArray[np.int64]


@dataclass(slots=True)
class _Watched:
    """An SLO, and what was seen for it lately."""

    slo: Slo
    looks: deque[Look] = field(default_factory=deque)
    missed_since_ns: int | None = None


class Watch:
    """Looks at the SLOs that may end a run, about once a second."""

    def __init__(self, slos: Iterable[Slo], of_phase: Callable[[str], Collection[Slo]]) -> None:
        """Watch those of `slos` that may end a run, each in the phases that it is `of_phase` for."""
        self._of_phase = of_phase
        self._watched = [_Watched(slo) for slo in slos if slo.abort_after_s is not None]
        self._phase = ""

    @property
    def needs_figures(self) -> bool:
        """Whether response times are asked for."""
        return any(watched.slo.latency is not None for watched in self._watched)

    def look(self, now_ns: int, phase: str, counts: Counts, took: Took) -> Slo | None:
        """Return the SLO that ends the run, if one does.

        `phase` is the one that sends and is past its warm-up; empty where none is.
        """
        if phase != self._phase:
            self._phase = phase
            for watched in self._watched:
                watched.looks.clear()
                watched.missed_since_ns = None
        for watched in self._watched if phase else ():
            if watched.slo in self._of_phase(phase) and self._ends(watched, now_ns, counts, took):
                return watched.slo
        return None

    def _ends(self, watched: _Watched, now_ns: int, counts: Counts, took: Took) -> bool:
        slo, looks = watched.slo, watched.looks
        looks.append(look_of(slo, now_ns, self._phase, counts, took))
        back_ns = round((slo.window_s or LOOK_BACK_S) * SECOND_NS)
        while len(looks) > 1 and now_ns - looks[1].at_ns >= back_ns:
            looks.popleft()
        if not missed(slo, looks):
            watched.missed_since_ns = None
            return False
        if watched.missed_since_ns is None:
            watched.missed_since_ns = now_ns
        return now_ns - watched.missed_since_ns >= round((slo.abort_after_s or 0) * SECOND_NS)


def look_of(slo: Slo, now_ns: int, phase: str, counts: Counts, took: Took) -> Look:
    """Look at what an SLO asks of a phase."""
    nothing = np.zeros(0, np.int64)
    return Look(now_ns, counts, nothing if slo.latency is None else took(phase, slo))


def missed(slo: Slo, looks: Sequence[Look]) -> bool:
    """Tell whether an SLO was missed from the first look to the last."""
    first, last = looks[0], looks[-1]
    due = last.counts.due - first.counts.due
    if not due:
        return False
    answered = last.counts.acknowledged - first.counts.acknowledged
    if slo.latency is not None:
        silent = 0 if slo.is_narrow else last.counts.unanswered - first.counts.unanswered
        return _is_slow(slo, last.took - first.took, silent)
    if slo.errors_below_percent is not None:
        # What nobody answered; whether an answer was right is found out when the run is judged.
        failed = last.counts.unanswered - first.counts.unanswered
        return failed > 0 and 100 * failed >= slo.errors_below_percent * (answered + failed)
    per_s = answered / ((last.at_ns - first.at_ns) / SECOND_NS)
    return per_s <= (slo.throughput_above_per_s or 0)


def _is_slow(slo: Slo, took: NDArray[np.int64], silent: int) -> bool:
    """Tell whether a percentile is too high; what nobody answered took longer than anything."""
    found_ms = percentile_ms(np.append(took, silent), slo.percentile or 0)
    # Nobody answered, though commands were due: that is slower than anything.
    return found_ms is None or found_ms >= (slo.below_ms or 0)
