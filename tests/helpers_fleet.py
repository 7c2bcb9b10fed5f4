"""A master's desk and its workers' agents in one process, with clocks that tests move."""

from __future__ import annotations

from collections.abc import Sequence

from locustfiles.fleet.agent import Agent
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.desk import Desk
from locustfiles.fleet.messages import Answer, Ask
from locustfiles.leases import LeaseBook
from reports.grants import Grant
from tests.helpers_wire import Clock

SECOND_NS = 1_000_000_000
LEASE_NS = 10 * SECOND_NS


class Log:
    """Grants that were written down; one that fails writes nothing."""

    def __init__(self) -> None:
        self.written: list[Grant] = []
        self.fails = False

    def write_all(self, grants: Sequence[Grant]) -> None:
        if self.fails:
            raise OSError("disk full")
        self.written += grants

    def ranges(self) -> list[tuple[str, int, int, int, int]]:
        """Return (worker, shard, start, stop, attempt) of each line."""
        return [(g.worker, g.shard, g.start, g.stop, g.attempt) for g in self.written]


class Told:
    """A sender that remembers what its agent told it."""

    def __init__(self) -> None:
        self.said: list[tuple] = []

    def begin(self, phase, began_ns):
        self.said.append(("begin", phase, began_ns))

    def move(self, began_ns):
        self.said.append(("move", began_ns))

    def step(self, began_ns, rate_per_s):
        self.said.append(("step", began_ns, rate_per_s))

    def go_on(self, *, sending):
        self.said.append(("go on", sending))

    def extend(self, slices):
        self.said.append(("extend", tuple(slices)))

    def learn(self, bound):
        if bound:
            self.said.append(("learn", tuple(bound)))

    def over(self, ends):
        self.ended = [*getattr(self, "ended", ()), *ends]

    def watch(self, lease, position):
        self.said.append(("watch", lease.shard, position))


class Office:
    """A desk of three shards with 100, no and 4 positions, in its first phase."""

    def __init__(self, sizes: Sequence[int] = (100, 0, 4), *, resend: bool = True) -> None:
        self.clock = Clock(SECOND_NS)
        self.log = Log()
        self.told: list[tuple[str, str]] = []
        self.book = LeaseBook(self.log, self.clock.now_ns, resend=resend)
        self.desk = Desk(
            "run",
            1,
            self.book,
            self.clock.now_ns,
            lease_ns=LEASE_NS,
            tell=lambda event, note: self.told.append((event, note)),
        )
        self.desk.begin(0, list(sizes), 2 * SECOND_NS)

    def worker(self, name: str, room: int = 16, sender: Told | None = None) -> Agent:
        """Return an agent; its clock is the office's."""
        return Agent(
            *("run", 1, name, sender or Told(), self.clock.now_ns), lease_ns=LEASE_NS, room=room
        )

    def pass_time(self, seconds: float) -> None:
        self.clock.ns += round(seconds * SECOND_NS)

    def ask(self, agent: Agent, **how) -> Answer:
        """Have an agent ask and follow the answer."""
        answer = self.desk.receive(self.asked(agent, **how))
        assert answer is not None
        agent.follow(answer)
        return answer

    def asked(self, agent: Agent, counts: Counts | None = None, *, stopped=False, **how) -> Ask:
        return agent.ask(counts or Counts(), stopped=stopped, **how)


def drawn(agent: Agent) -> list[tuple[int, int, int]]:
    """Draw all that an agent holds: (shard, position, attempt)."""
    return [
        (lease.shard, *taken) for lease in agent.holder.held() for taken in iter(lease.draw, None)
    ]
