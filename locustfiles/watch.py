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

from locustfiles.fleet.buckets import percentile_ms
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.parts import Part
from locustfiles.profiles import SECOND_NS
from reports.slos import Slo

LOOK_BACK_S = 10
"""The last while, for an SLO without windows."""

REPORTED_S = 6
"""The least while for what workers count: twice as long as from one of Locust's reports to the next."""

Seen = Callable[[Slo], Part]
"""Returns what was seen of what an SLO asks, over the run until now."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at a time, over the run until then, for an SLO."""

    at_ns: int
    counts: Counts
    part: Part


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

    def look(self, now_ns: int, phase: str, counts: Counts, seen: Seen) -> Slo | None:
        """Return the SLO that ends the run, if one does.

        `phase` is the one that sends and is past its warm-up; empty where none is.
        """
        if phase != self._phase:
            self._phase = phase
            for watched in self._watched:
                watched.looks.clear()
                watched.missed_since_ns = None
        for watched in self._watched if phase else ():
            if watched.slo in self._of_phase(phase) and self._ends(watched, now_ns, counts, seen):
                return watched.slo
        return None

    def _ends(self, watched: _Watched, now_ns: int, counts: Counts, seen: Seen) -> bool:
        slo, looks = watched.slo, watched.looks
        looks.append(Look(now_ns, counts, seen(slo)))
        while len(looks) > 1 and now_ns - looks[1].at_ns >= _back_ns(slo):
            looks.popleft()
        if not missed(slo, looks):
            watched.missed_since_ns = None
            return False
        if watched.missed_since_ns is None:
            watched.missed_since_ns = now_ns
        return now_ns - watched.missed_since_ns >= round((slo.abort_after_s or 0) * SECOND_NS)


def _back_ns(slo: Slo) -> int:
    """Return how far is looked back: to tell that something is slow takes as long as it may take."""
    back_s = slo.window_s or LOOK_BACK_S
    if not _is_total(slo):
        back_s = max(back_s, REPORTED_S, (slo.below_ms or 0) / 1000)
    return round(back_s * SECOND_NS)


def _is_total(slo: Slo) -> bool:
    """Tell whether what workers say of themselves with each ask is enough."""
    return slo.throughput_above_per_s is not None and not slo.is_narrow


def missed(slo: Slo, looks: Sequence[Look]) -> bool:
    """Tell whether an SLO was missed from the first look to the last."""
    first, last = looks[0], looks[-1]
    if last.counts.due == first.counts.due:
        return False
    if _is_total(slo):
        answered = last.counts.acknowledged - first.counts.acknowledged
        return _is_lame(slo, answered, last.at_ns - first.at_ns)
    before, now = first.part, last.part
    if now.sent == before.sent and not now.waiting:
        # Of the phase's commands none was of these.
        return False
    if slo.latency is not None:
        # An outcome may come without an answer.
        is_answer = slo.latency in ("service", "response")
        silent = now.silent - before.silent if is_answer else 0
        return _is_slow(slo, now.took - before.took, max(silent, 0), last.at_ns - first.at_ns)
    if slo.freshness_below_s is not None:
        return now.age_ns >= slo.freshness_below_s * SECOND_NS
    if slo.errors_below_percent is not None:
        again = now.again - before.again
        failed = now.failed - before.failed - again
        ended = now.answered - before.answered + now.silent - before.silent - again
        return failed > 0 and 100 * failed >= slo.errors_below_percent * ended
    # Whoever was not heard of before cannot tell how many there were since.
    for_ns = now.at_ns - before.at_ns if before.at_ns else 0
    return _is_lame(slo, now.answered - before.answered, for_ns)


def _is_lame(slo: Slo, answered: int, for_ns: int) -> bool:
    """Tell whether too little was answered; in no time there is nothing to tell."""
    return for_ns > 0 and answered / (for_ns / SECOND_NS) <= (slo.throughput_above_per_s or 0)


def _is_slow(slo: Slo, took: NDArray[np.int64], silent: int, for_ns: int) -> bool:
    """Tell whether a percentile is too high; what nobody answered took longer than anything."""
    found_ms = percentile_ms(np.append(took, silent), slo.percentile or 0)
    # Nothing has come though commands were due: for so long, at least.
    return (for_ns / 1e6 if found_ms is None else found_ms) >= (slo.below_ms or 0)
