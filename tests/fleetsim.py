"""A fleet in a box: the real desk and agents, over a network and clocks that a seed decides.

Nothing here sleeps or knows Locust. Messages are packed and read as on the wire, then lost, doubled,
delayed and so reordered; workers pause, crash and join; the master crashes, and another takes over
what is written down. The platform remembers every sending. After the faults comes peace, in which
everything must come to its end. `BrokenError` carries the plan that broke, and `smallest` shrinks it.
"""

from __future__ import annotations

import heapq
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from locustfiles.bindings import Stage
from locustfiles.fleet.accounts import AccountBook
from locustfiles.fleet.agent import Agent
from locustfiles.fleet.counts import Counts
from locustfiles.fleet.desk import Desk
from locustfiles.fleet.holder import Held
from locustfiles.fleet.messages import Answer, Ask, Bound, Slice
from locustfiles.leases import LeaseBook
from locustfiles.phases import PhaseMachine, PhaseTimes, State
from locustfiles.takeover import Before
from reports.grants import Grant

MS = 1_000_000
SECOND = 1000 * MS
LEASE_NS = 4 * SECOND
STEP_NS = 250 * MS
FAULTS_UNTIL = 50
"""After so many steps there is peace: faults that last longer end here."""
STEPS_MAX = 1500
FEW_POSITIONS = 4
"""Granted at first, and worth being taken from a busy worker: in small shards few, as in large ones more."""
SETTLE_NS = 15 * SECOND

Place = tuple[int, int, int]
"""Phase, shard, position."""


@dataclass(frozen=True)
class Fault:
    """Something that happens `at_step` to a worker (`whom`), to the network or to the master."""

    at_step: int
    kind: str
    whom: int = 0
    steps: int = 0


KINDS = ("crash", "pause", "partition", "join", "storm", "leave", "master")


@dataclass(frozen=True)
class Plan:
    """A history before it happens: everything follows from it."""

    seed: int
    workers: int
    sizes: tuple[int, ...]
    phases: int
    resend: bool
    duration_s: int | None
    """How long each phase sends; None: until everything is sent."""
    faults: tuple[Fault, ...]
    loss: float
    """The share of messages that is lost in a storm; as many are doubled."""

    @classmethod
    def of(cls, seed: int) -> Plan:
        """Draw a history."""
        draw = Random(seed)
        faults = [
            Fault(
                draw.randrange(35), draw.choice(KINDS), draw.randrange(4), draw.choice((3, 14, 30))
            )
            for _ in range(draw.randint(0, 4))
        ]
        return cls(
            seed=seed,
            workers=draw.randint(1, 3),
            sizes=tuple(draw.choice((0, 1, 3, 8, 16)) for _ in range(draw.randint(1, 4))),
            phases=draw.randint(1, 2),
            resend=draw.random() < 0.7,
            duration_s=draw.choice((None, None, 8)),
            faults=tuple(sorted(faults, key=lambda fault: fault.at_step)),
            loss=draw.choice((0.1, 0.4)),
        )


class BrokenError(AssertionError):
    """A history in which the protocol did not keep its word."""

    def __init__(self, plan: Plan, why: str) -> None:
        super().__init__(f"{why}\n  in {plan}")
        self.plan = plan


@dataclass(frozen=True)
class Parts:
    """What a history is played with; a test puts something broken in the place of one."""

    desk: Callable[..., Desk] = Desk
    book: Callable[..., LeaseBook] = LeaseBook
    agent: Callable[..., Agent] = Agent


@dataclass(frozen=True)
class Sent:
    """A sending as the platform saw it."""

    worker: str
    epoch: int
    attempt: int


class Worker:
    """A worker: an agent, users that hold commands in their hands, and a clock of its own."""

    def __init__(self, world: World, name: str) -> None:
        draw = world.draw
        self.world, self.name = world, name
        self.rate, self.skew_ns = draw.uniform(0.97, 1.03), draw.randrange(10**15)
        self.agent = world.parts.agent(
            "run", world.term, name, self, self.clock_ns,
            lease_ns=LEASE_NS, room=draw.choice((1, 2, 16)), ahead_ns=SECOND,
        )  # fmt: skip
        self.alive = True
        self.leaving = False
        self.asleep_until = self.cut_until = self.next_ask = 0
        self.sending = False
        self.phase = -1
        self.moved_ns = 0
        self.draws = draw.choice(((0, 1, 4, 12), (0, 0, 1)))
        """How many commands it takes from a lease in a step: there are fast ones and slow ones."""
        self.hands: list[tuple[Held, int, int]] = []
        self.pending: dict[Place, Held] = {}
        self.known: set[tuple[int, int]] = set()
        self.slices: list[tuple[int, Slice]] = []
        self.unflushed: set[Place] = set()

    def clock_ns(self) -> int:
        return self.skew_ns + round(self.rate * self.world.now_ns)

    # -- what the agent tells -------------------------------------------------------------------

    def begin(self, phase: int, began_ns: int) -> None:
        self.phase, self.sending = phase, False
        self.hands.clear()

    def move(self, began_ns: int) -> None:
        raise AssertionError("no master of these histories pauses a phase")

    def step(self, began_ns: int, rate_per_s: int) -> None:
        raise AssertionError("no master of these histories searches")

    def go_on(self, *, sending: bool) -> None:
        self.sending = sending
        if not sending:
            self.put_back()

    def extend(self, slices: Sequence[Slice]) -> None:
        self.slices += [(self.phase, one) for one in slices]

    def learn(self, bound: Sequence[Bound]) -> None:
        self.known |= {(shard, account) for shard, account, *_ in bound}

    def over(self, ends) -> None:
        """Nobody here sees what another has sent."""
        raise AssertionError(ends)

    def watch(self, lease: Held, position: int) -> None:
        self.pending[self.phase, lease.shard, position] = lease

    # -- what it does ---------------------------------------------------------------------------

    def put_back(self) -> None:
        for lease, position, attempt in self.hands:
            lease.put_back(position, attempt)
        self.hands.clear()

    def turn(self) -> None:
        """Send what users hold, let them draw more, see outcomes, and ask when it is time."""
        draw = self.world.draw
        hands, self.hands = self.hands, []
        for lease, position, attempt in hands:
            if not self.agent.holder.may_send(lease):
                lease.put_back(position, attempt)
            elif draw.random() < 0.7:
                self.send(lease, position, attempt)
            else:
                self.hands.append((lease, position, attempt))
        if self.sending:
            for lease in self.agent.holder.held():
                for _ in range(draw.choice(self.draws)):
                    if taken := lease.draw():
                        self.hands.append((lease, *taken))
        self.observe(draw)
        if draw.random() < 0.3:
            self.flush()
        hungry = self.sending and self.agent.holder.empty and not self.agent.in_vain
        if hungry or self.world.step >= self.next_ask or draw.random() < 0.05:
            self.ask()

    def send(self, lease: Held, position: int, attempt: int) -> None:
        place = self.phase, lease.shard, position
        self.moved_ns = self.world.now_ns
        if self.phase > 0 and (lease.shard, position) not in self.known:
            self.world.blocked.add(place)
            lease.done(position)
        else:
            self.world.sends(self, lease, position, attempt)
            self.pending[place] = lease

    def observe(self, draw: Random) -> None:
        for place in [place for place in self.pending if place in self.world.sent]:
            if draw.random() < 0.5:
                self.moved_ns = self.world.now_ns
                phase, shard, position = place
                if phase == 0:
                    bound = shard, position, int(Stage.CREATED), f"id-{shard}-{position}"
                    self.known.add(bound[:2])
                    self.world.saved.append(bound)
                    self.agent.say(bound)
                self.pending.pop(place).done(position)
                self.world.completed.add(place)
                self.unflushed.add(place)

    def flush(self) -> None:
        self.world.journaled |= self.unflushed
        self.unflushed.clear()

    def ask(self) -> None:
        self.next_ask = self.world.step + max(self.agent.ask_ns // STEP_NS, 1)
        counts = Counts(in_hand_now=len(self.hands), moved_ns=self.moved_ns)
        stopped = not self.sending and not self.hands
        ask = self.agent.ask(counts, stopped=stopped, leaving=self.leaving)
        self.world.post(self.world.wired(ask), self, to_master=True)

    def hear(self, answer: Answer | None) -> None:
        if answer is None:
            self.next_ask = self.world.step
            return
        self.agent.follow(answer)
        if self.agent.over:
            # As a process that closes its journal, and is started again for the master there is.
            self.put_back()
            self.flush()
            self.alive = False
            if not self.world.ended:
                self.world.add_worker()


class World:
    """Everything there is in a history."""

    def __init__(self, plan: Plan, parts: Parts) -> None:
        self.plan, self.parts = plan, parts
        self.draw = Random(plan.seed + 1)
        self.now_ns = self.step = self.term = self.order = 0
        self.storm_until = self.master_from = 0
        self.recalled = 0
        """Answers that asked for a lease to be returned."""
        self.ended = False
        self.grants: list[Grant] = []
        self.sent: dict[Place, list[Sent]] = defaultdict(list)
        self.completed: set[Place] = set()
        self.journaled: set[Place] = set()
        self.blocked: set[Place] = set()
        self.saved: list[Bound] = []
        self.lost: set[str] = set()
        self.mail: list[tuple[int, int, bool, Worker, Any]] = []
        self.workers: list[Worker] = []
        self.start_master()
        for _ in range(plan.workers):
            self.add_worker()
        self.machine.begin(0)
        self.desk.begin(0, plan.sizes, SECOND)

    def broken(self, why: str) -> BrokenError:
        return BrokenError(self.plan, f"{why} (step {self.step})")

    # -- the master -----------------------------------------------------------------------------

    def start_master(self) -> None:
        self.term += 1
        duration_s = self.plan.duration_s
        # With all sent again until it is known, no phase may need to be given up.
        settle_ns = 2**62 if self.plan.resend and duration_s is None else SETTLE_NS
        times = PhaseTimes(None if duration_s is None else duration_s * SECOND, settle_ns)
        self.machine = PhaseMachine([times] * self.plan.phases)
        epoch = max((grant.epoch for grant in self.grants), default=0)
        book = self.parts.book(
            *(self, lambda: self.now_ns),
            resend=self.plan.resend,
            epoch=epoch,
            recall_positions=FEW_POSITIONS,
        )
        accounts = AccountBook()
        accounts.learn("", self.saved)
        self.desk = self.parts.desk(
            *("run", self.term, book, lambda: self.now_ns),
            lease_ns=LEASE_NS,
            first_positions=FEW_POSITIONS,
            accounts=accounts,
        )
        self.desk.calls.call = self.call

    def call(self, name: str) -> None:
        """Have a worker ask at once, unless that is lost on the way."""
        (worker,) = [worker for worker in self.workers if worker.name == name]
        self.post(None, worker, to_master=False)

    def write_all(self, grants: Sequence[Grant]) -> None:
        """Be the grant log, on a disk that is full now and then."""
        if self.step < FAULTS_UNTIL and self.draw.random() < 0.02:
            raise OSError("disk full")
        self.grants += grants

    def advance(self) -> None:
        """Move the run on as its shape does, once a second."""
        self.lost |= set(self.desk.tick())
        phase = self.machine.phase
        while self.machine.advance(self.now_ns, self.desk.progress()):
            if self.machine.state is State.SETTLING:
                self.desk.settle(finally_=self.machine.is_final(self.now_ns))
            elif self.machine.state is State.ENDED:
                self.desk.end()
                self.ended = True
            elif self.machine.phase == phase:
                self.desk.send()
            else:
                phase = self.machine.phase
                self.desk.begin(phase, self.plan.sizes, self.now_ns + SECOND)

    def take_over(self) -> None:
        """Let another master begin with what was written down, once all old leases are over."""
        self.lost |= {worker.name for worker in self.workers}
        phase = self.machine.phase
        before = Before(phase, self.grants, resend=self.plan.resend)
        known = before.known(
            lambda shard: {at for p, s, at in self.journaled if (p, s) == (phase, shard)}
        )
        self.start_master()
        self.machine.resume(self.now_ns, phase, 0)
        self.master_from = self.step + LEASE_NS // STEP_NS + 1
        self.mail = [mail for mail in self.mail if not mail[2]]
        heapq.heapify(self.mail)
        self.desk.begin(phase, self.plan.sizes, self.now_ns + LEASE_NS + SECOND, known)

    # -- the network ----------------------------------------------------------------------------

    def wired(self, message: Any) -> Any:
        """Pack and read some of the messages as on the wire; all would take most of the time."""
        return type(message).read(message.packed()) if self.draw.random() < 0.1 else message

    def post(self, raw: Any, worker: Worker, *, to_master: bool) -> None:
        draw = self.draw
        storm = self.step < self.storm_until
        copies = 1
        if storm:
            copies = draw.choices((0, 1, 2), (self.plan.loss, 1, self.plan.loss))[0]
        if self.step < worker.cut_until:
            copies = 0
        for _ in range(copies):
            delay = draw.choice((0, 0, 1, 4, 12, 30)) if storm else draw.choice((0, 0, 0, 1))
            self.order += 1
            heapq.heappush(self.mail, (self.step + delay, self.order, to_master, worker, raw))

    def deliver(self) -> None:
        later = []
        while self.mail and self.mail[0][0] <= self.step:
            mail = heapq.heappop(self.mail)
            _, _, to_master, worker, raw = mail
            if not to_master and self.step < worker.asleep_until:
                later.append((worker.asleep_until, *mail[1:]))
            elif to_master and self.step >= self.master_from:
                self.receive(worker, raw)
            elif not to_master and worker.alive:
                worker.hear(raw)
        for mail in later:
            heapq.heappush(self.mail, mail)

    def receive(self, worker: Worker, ask: Ask) -> None:
        try:
            answer = self.desk.receive(ask)
        except OSError:
            return
        if answer is not None:
            self.recalled += any(given.recalled for given in answer.leases)
            self.post(self.wired(answer), worker, to_master=False)

    # -- what happens ---------------------------------------------------------------------------

    def add_worker(self) -> None:
        self.workers.append(Worker(self, f"w{len(self.workers)}"))

    def befall(self, fault: Fault) -> None:
        until = min(self.step + fault.steps, FAULTS_UNTIL)
        living = [worker for worker in self.workers if worker.alive]
        worker = living[fault.whom % len(living)]
        if fault.kind == "crash":
            worker.alive = False
            self.lost.add(worker.name)
            self.add_worker()
        elif fault.kind == "pause":
            worker.asleep_until = until
        elif fault.kind == "partition":
            worker.cut_until = until
        elif fault.kind == "join":
            self.add_worker()
        elif fault.kind == "storm":
            self.storm_until = until
        elif fault.kind == "leave" and len(living) > 1:
            worker.leaving = True
        elif fault.kind == "master" and not self.ended:
            self.take_over()

    def play(self) -> None:
        """Play the history to its end, and see that everything came to its own."""
        faults = list(self.plan.faults)
        while not self.ended:
            if self.step > STEPS_MAX:
                raise self.broken("it never came to its end")
            while faults and faults[0].at_step <= self.step:
                self.befall(faults.pop(0))
            if self.step == FAULTS_UNTIL:
                self.add_worker()
            self.deliver()
            for worker in list(self.workers):
                if worker.alive and self.step >= worker.asleep_until:
                    worker.turn()
            if self.step % 4 == 0 and self.step >= self.master_from:
                self.advance()
            self.step += 1
            self.now_ns += STEP_NS
        self.judge()

    def sends(self, worker: Worker, lease: Held, position: int, attempt: int) -> None:
        """Be the platform, and see that this sending is a right one."""
        place = phase, shard, _ = worker.phase, lease.shard, position
        if phase != self.machine.phase:
            raise self.broken(f"{place} is sent in phase {self.machine.phase}")
        if not any(
            grant.start <= position < grant.stop
            for grant in self.grants
            if (grant.epoch, grant.worker, grant.phase, grant.shard, grant.attempt)
            == (lease.epoch, worker.name, phase, shard, attempt)
        ):
            raise self.broken(f"{place} is sent by {worker.name} outside of every grant")
        for other in self.workers:
            if other is worker or not other.alive or other.phase != phase:
                continue
            for held in other.agent.holder.leases:
                queue = () if held.returned else held.queued()
                may = held.shard == shard and other.agent.holder.may_send(held)
                if may and (
                    any(at == position for at, _ in queue)
                    or any(hand[:2] == (held, position) for hand in other.hands)
                ):
                    raise self.broken(f"{place} is in live grants of {worker.name}, {other.name}")
        before = self.sent[place]
        if any(sent.attempt >= attempt for sent in before):
            raise self.broken(f"{place} is sent as attempt {attempt}, after {before}")
        if before and not self.plan.resend:
            raise self.broken(f"{place} is sent again, where that is not allowed")
        if any(sent.worker not in self.lost for sent in before):
            raise self.broken(f"{place} is sent again, though {before} was never lost")
        self.sent[place].append(Sent(worker.name, lease.epoch, attempt))

    def judge(self) -> None:
        """See that in the end every command has its class, and that they add up."""
        every = {
            (phase, shard, position)
            for phase in range(self.plan.phases)
            for shard, size in enumerate(self.plan.sizes)
            for position in range(size)
        }
        granted = {
            (grant.phase, grant.shard, position)
            for grant in self.grants
            for position in range(grant.start, grant.stop)
        }
        sent = self.sent.keys()
        doubtful = granted - sent - self.blocked
        if not sent | self.blocked <= granted <= every or sent & self.blocked:
            raise self.broken(f"beyond the pool: {granted - every}; granted: {len(granted)}")
        if self.plan.duration_s is None:
            if every != granted:
                raise self.broken(f"never granted: {every - granted}")
            if self.plan.resend and (self.blocked or doubtful or sent != self.completed):
                raise self.broken(f"unsent: {doubtful}, blocked: {self.blocked}")
        if self.plan.duration_s is None and any(
            self.grantees(place).isdisjoint(self.lost) for place in doubtful
        ):
            raise self.broken("a command was not sent, though no worker was lost that had it")
        self.judge_slices()

    def grantees(self, place: Place) -> set[str]:
        phase, shard, position = place
        return {
            grant.worker
            for grant in self.grants
            if (grant.phase, grant.shard) == (phase, shard) and grant.start <= position < grant.stop
        }

    def judge_slices(self) -> None:
        """See that no arrival has two owners. (Another master numbers them anew.)"""
        if self.term > 1:
            return
        for phase in range(self.plan.phases):
            mine = [
                (one.from_ns, one.until_ns, one.of, set(one.mine))
                for worker in self.workers
                for of_phase, one in worker.slices
                if of_phase == phase and one.mine
            ]
            moments = sorted({moment for one in mine for moment in one[:2]})
            for moment in moments:
                there = [one for one in mine if one[0] <= moment < one[1]]
                if len({one[2] for one in there}) > 1 or len(
                    set().union(*(one[3] for one in there))
                ) != sum(len(one[3]) for one in there):
                    raise self.broken(f"an arrival of phase {phase} has two owners: {there}")


def play(plan: Plan, parts: Parts | None = None) -> World:
    """Play a history. Raises BrokenError."""
    world = World(plan, parts or Parts())
    try:
        world.play()
    except BrokenError:
        raise
    except Exception as error:
        raise world.broken(f"it failed: {error!r}") from error
    return world


def smallest(plan: Plan, parts: Parts | None = None) -> BrokenError:
    """Return the breaking of the smallest history that still breaks, found by leaving things out."""
    found = _breaks(plan, parts)
    assert found is not None, "a history that does not break has no smallest form"
    while True:
        smaller = next(
            (broken for plan in _smaller(found.plan) if (broken := _breaks(plan, parts))), None
        )
        if smaller is None:
            return found
        found = smaller


def _breaks(plan: Plan, parts: Parts | None) -> BrokenError | None:
    try:
        play(plan, parts)
    except BrokenError as broken:
        return broken
    return None


def _smaller(plan: Plan) -> list[Plan]:
    """Return histories that have something less than `plan`, the largest cuts first."""
    cuts = [
        replace(plan, faults=plan.faults[:at] + plan.faults[at + 1 :])
        for at in range(len(plan.faults))
    ]
    if plan.phases > 1:
        cuts.append(replace(plan, phases=plan.phases - 1))
    if plan.workers > 1:
        cuts.append(replace(plan, workers=plan.workers - 1))
    for at, size in enumerate(plan.sizes):
        if len(plan.sizes) > 1:
            cuts.append(replace(plan, sizes=plan.sizes[:at] + plan.sizes[at + 1 :]))
        if size > 1:
            cuts.append(replace(plan, sizes=(*plan.sizes[:at], size // 2, *plan.sizes[at + 1 :])))
    return cuts


def main(first: int, count: int) -> int:
    """Play `count` histories from seed `first`; print what breaks, smallest, and return how many."""
    broken = 0
    for seed in range(first, first + count):
        try:
            play(Plan.of(seed))
        except BrokenError as found:
            broken += 1
            if broken == 1:
                sys.stdout.write(
                    f"seed {seed}: {found}\nits smallest form: {smallest(found.plan)}\n"
                )
    return broken


if __name__ == "__main__":
    sys.exit(min(main(int(sys.argv[1]), int(sys.argv[2])), 1))
