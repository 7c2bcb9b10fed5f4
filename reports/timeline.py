"""The timeline of a run: one row per second and one per event, as JSON lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from reports.lines import damaged, read_lines

FAULT_BEGAN, FAULT_ENDED = "fault began", "fault ended"
"""What a plan did to the platform or the wire; the note says which."""

REPLIES_CUT = "a connection broke that replies are read over: some may have gone with it"
"""What a warning says after which a reply that never came is not surely the platform's loss."""


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
    lost, worker replaced, worker back, stop asked, aborted, fault began, fault ended, warning, run
    ended."""
    phase: str = ""
    note: str = ""
    """Of a worker: its name, and after a colon what became of it. Of a fault: what it is."""
    dropped: int = 0
    """Of "phase settles": the arrivals that the phase gave up."""
    channel: str = ""
    """Of a fault: the channel that it is on; empty where it is on all."""


def read_timeline(path: Path) -> tuple[list[Second], list[Event]]:
    """Read the rows and the events of a timeline, each in the order they were written."""
    seconds: list[Second] = []
    events: list[Event] = []
    for entry in read_lines(path):
        try:
            if "event" in entry:
                events.append(Event(**entry))
            else:
                seconds.append(Second(**entry))
        except TypeError as error:
            raise damaged(path, f"the row {entry}", error) from error
    return seconds, events
