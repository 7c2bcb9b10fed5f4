"""What a plan's faults did: how soon they were noticed, how bad it was, and how soon it was over.

Time is cut into windows of `WINDOW_NS`, for each channel by itself. A window is *disturbed* when an
attempt failed in it, when hardly anything was answered or completed though it was before, or when what
was answered or completed had taken far longer than before the fault. So is each window of a stretch in
which nothing was, longer than any before, and so long that by what was usual something had to be.

before      up to `BEFORE_NS` before the fault, in its phase
noticed     the first failure, or the end of the first disturbed window, since the fault began
recovered   when the first stretch of `QUIET` undisturbed windows began, since the fault ended; unknown
            where nothing says what was usual

All of it ends where the phase ends its sending, or another fault begins: where that is before so much as
such a stretch was seen, nobody knows whether it had recovered.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from e2e_data.commands import Channel
from reports.channel_history import (
    ENDS,
    WINDOW_NS,
    ChannelHistory,
    by_second,
    counted,
    shut_ms,
)
from reports.columns import Ints
from reports.fault_row import FaultRow
from reports.hdr import highest_ns
from reports.incidents import Incidents
from reports.judgement import SloResult, Status
from reports.slos import Slo
from reports.timeline import (
    FAULT_BEGAN,
    FAULT_ENDED,
    PHASE_BEGAN,
    PHASE_ENDED,
    PHASE_SETTLES,
    RUN_ENDED,
    Event,
)

BEFORE_NS = 10_000_000_000
QUIET = 4
"""Windows."""
HARDLY = 0.25
"""Of what came in a window before, on average; and fewer than came in any."""
EXPECTED_MIN = 4.0
"""In a window of which fewer are expected, none may come by chance."""
LONGER = 3.0
"""Times what it took in the median window before, and `LONGER_NS` more; and longer than in any."""
LONGER_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class _Span:
    """A fault, as the timeline has it."""

    title: str
    phase: str
    channel: str
    began_ns: int
    ended_ns: int
    from_ns: int
    """From where on it was as ever."""
    until_ns: int
    """What is later says nothing of it."""


class FaultEffects:
    """The faults of a run and what they did, filled shard by shard."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._spans = list(_spans(events))
        self._channels = {channel: ChannelHistory() for channel in Channel}

    def add(self, frame: pd.DataFrame, incidents: Incidents) -> None:
        """Add commands that were sent, as `attempted_commands` returns them, and incidents."""
        if not self._spans:
            return
        numbers = frame["channel"].to_numpy()
        for channel, seen in self._channels.items():
            if (numbers == channel).any():
                seen.add(frame[numbers == channel])
            mine = incidents.channel == channel
            seen.count(incidents.at_ns[mine], incidents.sort[mine])

    def rows(self) -> tuple[FaultRow, ...]:
        """Return what each fault did, in the order of their beginnings."""
        used = {c: seen for c, seen in self._channels.items() if seen.took["acknowledged"]}
        rows: list[FaultRow] = []
        for span in self._spans:
            # Where it had not recovered from the one before, that is no measure of what is usual.
            quiet_ns = [row.ended_ns + round((row.recovered_ms or 0) * 1e6) for row in rows[-1:]]
            since_ns = max([span.from_ns, *(one for one in quiet_ns if one < span.began_ns)])
            rows.append(_row(replace(span, from_ns=since_ns), used))
        return tuple(rows)


def recoveries(slo: Slo, rows: Sequence[FaultRow]) -> SloResult:
    """Tell whether the platform had recovered from each fault in time."""
    assert slo.recovered_within_s is not None
    asked = [row for row in rows if slo.phase in (None, row.phase)]
    within_ms = 1000 * slo.recovered_within_s
    missed = [row for row in asked if _at_least_ms(row) > within_ms]
    unseen = [row for row in asked if row.recovered_ms is None and row not in missed]
    never = [row.title for row in missed if row.recovered_ms is None]
    took_s = [row.recovered_ms / 1000 for row in asked if row.recovered_ms is not None]
    notes = ["no fault was brought about"] if not asked else []
    if never:
        notes.append(f"not recovered from: {', '.join(never)}")
    if unseen:
        titles = ", ".join(row.title for row in unseen)
        notes.append(f"too little was seen before and after to tell: {titles}")
    status = Status.VIOLATED if missed else Status.HOLDS
    if not missed and (unseen or not asked):
        status = Status.UNKNOWN
    worst_s = max(took_s, default=None)
    return SloResult(slo.title, status, worst_s, len(asked), "; ".join(notes), slo.unit)


def _at_least_ms(row: FaultRow) -> float:
    """Return how long a recovery took; or has taken so far, where its end was not seen."""
    return row.disturbed_ms if row.recovered_ms is None else row.recovered_ms


def _spans(events: Sequence[Event]) -> Iterator[_Span]:
    """Yield the faults of a timeline, each up to where its phase settles or another one begins."""
    began = [event for event in events if event.event == FAULT_BEGAN]
    for event in began:
        later = [one for one in events if one.at_ns > event.at_ns]
        over = {PHASE_SETTLES, PHASE_ENDED, RUN_ENDED}
        phase_ns = next((one.at_ns for one in later if one.event in over), event.at_ns)
        ended_ns = next(
            (one.at_ns for one in later if (one.event, one.note) == (FAULT_ENDED, event.note)),
            phase_ns,
        )
        next_ns = min(
            (one.at_ns for one in began if one.at_ns >= max(ended_ns, event.at_ns + 1)),
            default=phase_ns,
        )
        starts = [
            one.at_ns
            for one in events
            if one.event in (PHASE_BEGAN, FAULT_ENDED) and one.at_ns < event.at_ns
        ]
        from_ns = max([event.at_ns - BEFORE_NS, *starts[-1:]])
        until_ns = min(next_ns, phase_ns)
        place = (event.note, event.phase, event.channel, event.at_ns, ended_ns)
        yield _Span(*place, from_ns, until_ns)


def _row(span: _Span, channels: dict[Channel, ChannelHistory]) -> FaultRow:
    """Measure what a fault did on the channels that it was on, and whom else it hurt."""
    own = {c: seen for c, seen in channels.items() if span.channel in ("", c.name)}
    disturbed = {channel: _disturbed(span, seen) for channel, seen in channels.items()}
    first, last = span.began_ns // WINDOW_NS, span.ended_ns // WINDOW_NS
    mine = np.zeros(0, np.bool_)
    for channel in own:
        mine = disturbed[channel] if not mine.size else mine | disturbed[channel]
    during = slice(0, max(last - first, 1))
    is_known = any(_has_usual(span, seen) for seen in own.values())
    return FaultRow(
        title=span.title,
        phase=span.phase,
        channel=span.channel,
        began_ns=span.began_ns,
        ended_ns=span.ended_ns,
        noticed_ms=_noticed_ms(span, own, mine),
        recovered_ms=_recovered_ms(span, mine) if is_known else None,
        disturbed_ms=_disturbed_ms(span, mine),
        shut_ms=shut_ms(own.values(), span.began_ns, span.until_ns),
        answered_percent=_level(span, own),
        response_p99_before_ms=_p99_ms(own, span.from_ns // WINDOW_NS, first),
        response_p99_during_ms=_p99_ms(own, first, max(last, first + 1)),
        completed_during=_completed(own, first, last),
        completed_after=_completed(own, last, span.until_ns // WINDOW_NS),
        during=counted(own.values(), span.began_ns, span.ended_ns),
        after=counted(own.values(), span.ended_ns, span.until_ns),
        by_second=by_second(own.values(), span.began_ns, span.until_ns),
        cascades=tuple(
            channel.name
            for channel in channels
            if channel not in own and disturbed[channel][during].any()
        ),
    )


def _disturbed(span: _Span, seen: ChannelHistory) -> NDArray[np.bool_]:
    """Tell which windows are disturbed, from the one in which the fault began."""
    first = span.began_ns // WINDOW_NS
    size = max(span.until_ns // WINDOW_NS - first, 1)
    found = np.zeros(size, np.bool_)
    for at_ns, sort, _ in seen.happened(span.began_ns, (first + size) * WINDOW_NS):
        if sort.is_error:
            found[at_ns // WINDOW_NS - first] = True
    for end in ENDS:
        usual = _Usual.of(seen, end, span.from_ns // WINDOW_NS + 1, first)
        # The first window is half from before.
        windows = [seen.between(end, first + at, first + at + 1) for at in range(1, size)]
        found[1:] |= [usual.is_exceeded(window) for window in windows]
        for silent in _silences(windows):
            if len(silent) >= usual.silent:
                found[1 + silent.start : 1 + silent.stop] = True
    return found


def _silences(windows: Sequence[NDArray[np.int64]]) -> Iterator[range]:
    """Yield the stretches of windows in which nothing ended."""
    began = None
    for at, window in enumerate([*windows, None]):
        is_silent = window is not None and not len(window)
        if is_silent and began is None:
            began = at
        elif not is_silent and began is not None:
            yield range(began, at)
            began = None


def _has_usual(span: _Span, seen: ChannelHistory) -> bool:
    """Tell whether anything was answered before a fault."""
    return (
        len(seen.between("acknowledged", span.from_ns // WINDOW_NS + 1, span.began_ns // WINDOW_NS))
        > 0
    )


@dataclass(frozen=True, slots=True)
class _Usual:
    """What windows were like before a fault: none of them disturbs."""

    least: float
    """Ends in a window."""
    longest_ns: float
    """How long nine of ten in a window took."""
    silent: float
    """From so many windows on that nothing ended in, one after the other, something is wrong."""

    @classmethod
    def of(cls, seen: ChannelHistory, end: str, first: int, last: int) -> _Usual:
        """Return what is usual of the windows from `first` up to `last`."""
        windows = [seen.between(end, at, at + 1) for at in range(first, last)]
        counts = [int(window[:, 1].sum()) for window in windows]
        took_ns = [_ninetieth_ns(window) for window in windows if len(window)]
        if not took_ns:
            return cls(0, math.inf, math.inf)
        expected = sum(counts) / len(counts)
        least = HARDLY * expected if expected >= EXPECTED_MIN else 0
        # What a window was like without a fault disturbs none.
        longest_ns = max(LONGER * median(took_ns) + LONGER_NS, *took_ns)
        longest_silence = max(map(len, _silences(windows)), default=0)
        silent = max(math.ceil(EXPECTED_MIN / expected), longest_silence + 1)
        return cls(min(least, *counts), longest_ns, silent)

    def is_exceeded(self, window: NDArray[np.int64]) -> bool:
        """Tell whether a window is disturbed."""
        if int(window[:, 1].sum()) < self.least:
            return True
        return len(window) > 0 and _ninetieth_ns(window) > self.longest_ns


def _ninetieth_ns(cells: NDArray[np.int64]) -> int:
    ranks = np.cumsum(cells[:, 1])
    return highest_ns(int(cells[np.searchsorted(ranks, np.ceil(0.9 * ranks[-1])), 0]))


def _noticed_ms(
    span: _Span, own: dict[Channel, ChannelHistory], disturbed: NDArray[np.bool_]
) -> float | None:
    """Return how long after its beginning a fault showed; None where it never did."""
    failed = [
        at_ns
        for seen in own.values()
        for at_ns, sort, _ in seen.happened(span.began_ns, span.until_ns)
        if sort.is_error
    ]
    first = np.flatnonzero(disturbed)[:1].tolist()
    windows = [(span.began_ns // WINDOW_NS + at + 1) * WINDOW_NS for at in first]
    earliest_ns = min([*failed, *windows], default=None)
    return None if earliest_ns is None else (earliest_ns - span.began_ns) / 1e6


def _recovered_ms(span: _Span, disturbed: NDArray[np.bool_]) -> float | None:
    """Return how long after the end of a fault it was as before; None where that was not seen."""
    first = span.began_ns // WINDOW_NS
    start = max(-(-span.ended_ns // WINDOW_NS) - first, 0)
    for at in range(start, len(disturbed) - QUIET + 1):
        if not disturbed[at : at + QUIET].any():
            quiet_ns = (first + at) * WINDOW_NS
            # As long as its last disturbed window is before its end, it was over by then.
            over_ns = span.ended_ns if at == start else quiet_ns
            return (over_ns - span.ended_ns) / 1e6
    return None


def _disturbed_ms(span: _Span, disturbed: NDArray[np.bool_]) -> float:
    """Return how long after the end of a fault the last disturbed window ended; 0 where none was."""
    last: list[int] = np.flatnonzero(disturbed)[-1:].tolist()
    over_ns = [(span.began_ns // WINDOW_NS + at + 1) * WINDOW_NS for at in last]
    return max([0, *(one - span.ended_ns for one in over_ns)]) / 1e6


def _level(span: _Span, own: dict[Channel, ChannelHistory]) -> float | None:
    """Return how much was answered while it lasted, in percent of what was before."""
    before, first = span.from_ns // WINDOW_NS + 1, span.began_ns // WINDOW_NS
    last = span.ended_ns // WINDOW_NS
    usual = sum(
        int(seen.between("acknowledged", before, first)[:, 1].sum()) for seen in own.values()
    )
    now = sum(
        int(seen.between("acknowledged", first + 1, last)[:, 1].sum()) for seen in own.values()
    )
    if not usual or last <= first + 1:
        return None
    return 100 * (now / (last - first - 1)) / (usual / (first - before))


def _p99_ms(own: dict[Channel, ChannelHistory], first: int, last: int) -> float | None:
    cells = [seen.between("acknowledged", first, last) for seen in own.values()]
    taken = np.concatenate([np.zeros((0, 2), np.int64), *cells])
    if not len(taken):
        return None
    order = np.argsort(taken[:, 0], kind="stable")
    ranks: Ints = np.cumsum(taken[order, 1])
    at = np.searchsorted(ranks, np.ceil(0.99 * ranks[-1]))
    return highest_ns(int(taken[order[at], 0])) / 1e6


def _completed(own: dict[Channel, ChannelHistory], first: int, last: int) -> int:
    return sum(int(seen.between("completed", first, last)[:, 1].sum()) for seen in own.values())
