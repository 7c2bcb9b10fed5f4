"""The timeline of a run: one row per second and one per event, as JSON lines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from reports.lines import damaged, read_lines

PHASE_BEGAN, PHASE_SETTLES, PHASE_ENDED = "phase began", "phase settles", "phase ended"
"""A phase sends, then waits for what it sent, then is over."""

RUN_ENDED = "run ended"

FAULT_BEGAN, FAULT_ENDED = "fault began", "fault ended"
"""What a plan did to the platform or the wire; the note says which."""

VIOLATION = "violation"
"""What can never be right was observed while the run was on; the note says what."""

RESUMED = "run resumed"
"""Another master took over; the note says which."""

REPLIES_CUT = "a connection broke that replies are read over: some may have gone with it"
"""What a warning says after which a reply that never came is not surely the platform's loss."""


COUNTED = (
    *("due", "sent", "acknowledged", "completed", "unanswered", "blocked", "overdue", "dropped"),
    *("retried", "held_back"),
)
"""What a row counts since the run began."""


@dataclass(frozen=True, slots=True)
class Second:
    """How the run stood at a moment. Counts are cumulative over the run unless they say `now`."""

    at_ns: int
    phase: str
    """Empty between phases."""
    due: int
    """Arrivals that were due until now."""
    sent: int
    acknowledged: int
    completed: int
    unanswered: int
    blocked: int
    overdue: int
    """Arrivals that came due while every user waited for the platform."""
    dropped: int
    pending_now: int
    users_now: int
    waiting_now: int
    """Users that wait for the platform's answer."""
    loop_lag_ms: float
    """The longest that the event loop kept a timer waiting since the row before."""
    cpu_percent: float
    """This process's share of one core since the row before."""
    memory_mb: float = 0
    """Of the process that has most; 0 where nobody told."""
    retried: int = 0
    """Attempts that were made again, under the same command id."""
    held_back: int = 0
    """Waits of users that the platform asked for."""
    queues: dict[str, int] = field(default_factory=dict)
    """How many messages there were on each queue that commands or replies go over."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the run."""

    at_ns: int
    event: str
    """One of: run began, run resumed, phase began, phase settles, phase goes on, phase paused, phase
    resumed, phase ended, pause asked, resume asked, skip asked, emergency asked, worker joined, worker
    lost, worker replaced, worker back, stop asked, aborted, fault began, fault ended, violation,
    warning, run ended."""
    phase: str = ""
    note: str = ""
    """Of a worker: its name, and after a colon what became of it. Of a fault: what it is."""
    dropped: int = 0
    """Of "phase ended": the arrivals that the phase gave up; of "run resumed": those that the master
    before had given up in it."""
    channel: str = ""
    """Of a fault: the channel that it is on; empty where it is on all."""


Timeline = tuple[list[Second], list[Event]]
"""Rows and events, each in the order they were written."""


def read_timeline(path: Path) -> Timeline:
    """Read the rows and the events of a timeline; counts go on where a run was resumed."""
    seconds: list[Second] = []
    events: list[Event] = []
    before: Second | None = None
    for entry in read_lines(path):
        try:
            if "event" in entry:
                events.append(Event(**entry))
                if events[-1].event == RESUMED:
                    before = seconds[-1] if seconds else None
            else:
                seconds.append(_continued(Second(**entry), before))
        except TypeError as error:
            raise damaged(path, f"the row {entry}", error) from error
    return seconds, events


def _continued(second: Second, before: Second | None) -> Second:
    """Add what was counted under the masters `before`: each counts from nothing."""
    if before is None:
        return second
    return replace(
        second, **{name: getattr(before, name) + getattr(second, name) for name in COUNTED}
    )
