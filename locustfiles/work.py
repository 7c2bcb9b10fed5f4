"""The work of a phase in one process that sends, and under which name it does it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from gevent.event import Event

from e2e_data.commands import Channel
from e2e_data.drafts import Request
from locustfiles.arrivals import Arrival, Arrivals, Closed
from locustfiles.card import Card
from locustfiles.plans import Plan

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

    @property
    def sends_all(self) -> bool:
        """Whether nobody else has sent, or sends, anything of the run."""
        return not self.shared and self.term == 1


class Turn(NamedTuple):
    """A command whose time has come, for one user to send now."""

    card: Card
    arrival: Arrival
    channel: Channel
    phase: int
    request: Request | None
    """Over HTTP its first request; None where it must be made by itself."""

    def at(self, free_ns: int) -> Turn:
        """Return it as the turn of a user that is free since `free_ns`."""
        card, (number, intended_ns, _), channel, phase, request = self
        return turn_of((card, arrival_of((number, intended_ns, free_ns)), channel, phase, request))


class Ready(NamedTuple):
    """A command that was made ready for an arrival that is overdue, until a user is free."""

    card: Card
    number: int
    intended_ns: int
    request: Request | None


# Made for each command, so that nothing is looked at which need not be.
arrival_of = partial(tuple.__new__, Arrival)
turn_of = partial(tuple.__new__, Turn)
ready_of = partial(tuple.__new__, Ready)


@dataclass(slots=True)
class Lane:
    """What is left of the current phase for one channel: its own arrivals, for its own commands."""

    channel: Channel
    arrivals: Arrivals
    news: Event = field(default_factory=Event)
    """Set when there may be commands, or arrivals, where there were none."""
    held: int = 0
    """Commands that users hold while they wait for their time."""
    due: deque[Ready] = field(default_factory=deque)
    """What was made ready together, since it was overdue together, for the next users that are free."""
    aside_ns: int = 0
    """When a replay was last set aside."""
    dry: bool = False
    """There was nothing to send when a user last looked, and there is nothing to come."""

    @property
    def in_hand(self) -> int:
        """How many commands were drawn that are not under way yet."""
        return self.held + len(self.due)

    def lay_down(self) -> None:
        """Put back what no user has taken, with its arrivals."""
        if self.due:
            self.arrivals.give_back(self.due[0].number, len(self.due))
        while self.due:
            self.due.pop().card.put_back()

    def wet(self, now_ns: int) -> None:
        """Take note that there is something to send again, after it was dry."""
        self.dry = False
        self.arrivals.skip(now_ns)

    def wait_for_news(self) -> None:
        """Wait until something may have changed."""
        self.news.clear()
        self.news.wait()

    def end(self, now_ns: int) -> None:
        """Give up the arrivals that were due, and let no other be."""
        self.lay_down()
        if self.dry:
            self.arrivals.skip(now_ns)
            self.arrivals.end()
        else:
            self.arrivals.give_up(now_ns)

    def counts(self, now_ns: int) -> tuple[int, int, int]:
        """Return the arrivals due, overdue and dropped until now."""
        if self.dry:
            self.arrivals.skip(now_ns)
        return self.arrivals.due(now_ns), self.arrivals.overdue, self.arrivals.dropped

    def overdue_note(self, users: int) -> str:
        """Say what becomes of arrivals while all `users` of the channel wait; empty for none overdue."""
        if not (self.arrivals.overdue or self.arrivals.dropped):
            return ""
        what = (
            "arrivals are dropped, as the plan asks"
            if self.arrivals.dropped
            else "arrivals are overdue. They count against its response time"
        )
        return (
            f"all {users} users of {self.channel.name} are waiting for the platform: {what}. "
            "More users (-u) would keep the rate."
        )


@dataclass(slots=True)
class Work:
    """What is left of the current phase."""

    number: int
    name: str
    settle_ns: int
    """Without any movement for so long, what waits for another command waits in vain."""
    lanes: dict[Channel, Lane]
    over: Event = field(default_factory=Event)

    @property
    def began_ns(self) -> int:
        """When its first arrival was due."""
        return next(iter(self.lanes.values())).arrivals.began_ns

    @property
    def in_hand(self) -> int:
        """How many commands of all channels were drawn that are not under way yet."""
        return sum(lane.in_hand for lane in self.lanes.values())

    def wake(self) -> None:
        """Let the users look again that found nothing to send."""
        for lane in self.lanes.values():
            lane.news.set()

    def end(self, now_ns: int) -> None:
        """Let waiting users come back empty."""
        for lane in self.lanes.values():
            lane.end(now_ns)
        self.over.set()
        self.wake()

    def counts(self, now_ns: int) -> tuple[int, int, int]:
        """Return the arrivals due, overdue and dropped until now, over all channels."""
        due, overdue, dropped = zip(
            *(lane.counts(now_ns) for lane in self.lanes.values()), strict=True
        )
        return sum(due), sum(overdue), sum(dropped)


def lanes_of(
    plan: Plan,
    number: int,
    began_ns: int,
    since_ns: int = 0,
    step_per_s: int = 0,
    *,
    shared: bool,
) -> dict[Channel, Lane]:
    """Return a phase's lanes, one for each channel; the rest is as for `Arrivals`.

    `step_per_s` is the rate of a search's step, 0 where the plan says what the rate is.
    """
    phase = list(plan.phases.values())[number]
    arrivals = Closed if phase.model == "closed" else Arrivals
    return {
        channel: Lane(
            channel,
            arrivals(
                phase.pace(plan.pool.seed, number, step_per_s),
                began_ns,
                duration_ns=phase.step_ns if step_per_s else phase.duration_ns,
                count=phase.count,
                since_ns=since_ns if phase.model == "open" else 0,
                drop_after_ns=phase.drop_after_ns,
                shared=shared,
                lane=turns,
            ),
        )
        for channel, turns in plan.mix(phase).turns.items()
    }
