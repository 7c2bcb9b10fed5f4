"""The work of a phase in one process that sends, and under which name it does it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gevent.event import Event

from e2e_data.commands import Channel
from e2e_data.drafts import Draft
from locustfiles.arrivals import Arrival, Arrivals
from locustfiles.hand import Card

LOCAL = "local"
"""The name of the one process that sends where there is no fleet, in grants and journals."""


@dataclass(frozen=True, slots=True)
class Service:
    """Under which name, for which master and how a process sends."""

    run: str
    worker: str = LOCAL
    term: int = 1
    lease_ns: int = 2**60
    """One process alone keeps its leases."""
    shared: bool = False
    """Whether there are other workers, who send their own share of the rate."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A command whose time has come, for one user to send now."""

    card: Card
    arrival: Arrival
    channel: Channel
    phase: int
    draft: Draft | None
    """Its first request; None where it must be made by itself."""


@dataclass(slots=True)
class Work:
    """What is left of the current phase."""

    number: int
    name: str
    arrivals: Arrivals
    over: Event = field(default_factory=Event)
    news: Event = field(default_factory=Event)
    """Set when there may be commands, or arrivals, where there were none."""
    in_hand: int = 0
    """Commands that users hold while they wait for their time."""
    aside_ns: int = 0
    """When a replay was last set aside."""
    dry: bool = False
    """There was nothing to send when a user last looked, and there is nothing to come."""

    def wet(self, now_ns: int) -> None:
        """Take note that there is something to send again."""
        if self.dry:
            self.dry = False
            self.arrivals.skip(now_ns)

    def wait_for_news(self) -> None:
        """Wait until something may have changed."""
        self.news.clear()
        self.news.wait()

    def end(self, now_ns: int) -> None:
        """Let waiting users come back empty."""
        if self.dry:
            self.arrivals.skip(now_ns)
            self.arrivals.end()
        else:
            self.arrivals.give_up(now_ns)
        self.over.set()
        self.news.set()

    def counts(self, now_ns: int) -> tuple[int, int, int]:
        """Return the arrivals due, overdue and dropped until now."""
        if self.dry:
            self.arrivals.skip(now_ns)
        return self.arrivals.due(now_ns), self.arrivals.overdue, self.arrivals.dropped

    def overdue_note(self, users: int) -> str:
        """Say what becomes of arrivals while all users wait; empty where none was overdue."""
        if not (self.arrivals.overdue or self.arrivals.dropped):
            return ""
        what = (
            "arrivals are dropped, as the plan asks"
            if self.arrivals.dropped
            else "arrivals are overdue. They count against its response time"
        )
        return (
            f"all {users} users are waiting for the platform: {what}. "
            "More users (-u) would keep the rate."
        )
