"""Replays whose originals are at another worker: they wait for its word, and do as it says."""

from __future__ import annotations

from types import SimpleNamespace

import gevent
import pyarrow.parquet as pq
import pytest

from e2e_data.commands import Kind, Outcome
from e2e_data.config_parts import HostileFlavours
from e2e_data.ids import Ids
from e2e_data.platform import Acknowledged, Acknowledgement, Completion, Platform
from e2e_data.pool import Pool
from e2e_data.replays import replays_of
from locustfiles.director import Director
from locustfiles.fleet.messages import Answer, Ask
from locustfiles.pacing import SECOND_NS
from locustfiles.phases import State
from locustfiles.plans import load_plan
from locustfiles.replays import WHY_NOT_COMPLETE
from locustfiles.run import Run
from locustfiles.work import Service
from reports.journal import Fact
from reports.rundir import RunDirectory
from tests.helpers_wire import Clock

PATIENT_S = 60
REPLAYS = ", ".join(
    f"{name} = {100 if name == 'replay' else 0}" for name in HostileFlavours.model_fields
)
SETTINGS = (
    *("pool.accounts=3", "pool.accounts_per_shard=3", "pool.payments=[20, 30]"),
    *("pool.hostile_percentage=30", f"pool.hostile_flavours={{{REPLAYS}}}"),
)


class Fleet:
    """A master and the workers of a run with one shard, on one clock; messages are packed and read."""

    def __init__(self, path) -> None:
        self.plan = load_plan("smoke", SETTINGS)
        self.pool = Pool.in_memory(self.plan.pool.config(), self.plan.pool.seed)
        self.clock = Clock(5 * SECOND_NS)
        self.directory = RunDirectory.create(path, "smoke")
        self.director = Director(
            *(self.plan, self.pool, Platform(), self.directory, self.clock), fleet=True
        )
        self.workers: list[Worker] = []

    def step(self) -> None:
        """Let a second pass: everybody asks, users do what they can, the run goes on."""
        self.clock.ns += SECOND_NS
        for worker in self.workers:
            worker.run.ask()
        for _ in range(3):
            gevent.sleep(0)
        self.director.advance()

    def until(self, seen) -> None:
        with gevent.Timeout(PATIENT_S):
            while not seen():
                self.step()

    @property
    def originals(self):
        """The places of the commands that replays wait for."""
        return {(0, 0, n) for n in replays_of(self.pool.shard(0)).originals.tolist()}


class Worker:
    """A worker whose users settle what they send at once, but for some commands: those stay open."""

    def __init__(self, fleet: Fleet, name: str, unfinished=frozenset()) -> None:
        self.fleet, self.name, self.unfinished = fleet, name, unfinished
        service = Service(fleet.directory.name, name, 1, fleet.plan.fleet.lease_ns, shared=True)
        self.run = Run(
            *(fleet.plan, fleet.pool, Platform(), Ids(bytes(16), 1), fleet.directory),
            *(fleet.clock, 2, service, fleet.clock.now_ns),
        )
        self.run.completions = SimpleNamespace(expect=lambda place, command_id: None)
        self.run.deliver = self.deliver
        self.turns = []
        self.users = [gevent.spawn(self.play) for _ in range(2)]
        fleet.workers.append(self)

    def deliver(self, ask: Ask) -> None:
        answer = self.fleet.director.desk.receive(Ask.read(ask.packed()))
        if self.run.agent.follow(Answer.read(answer.packed())):
            self.run.heard()

    def play(self) -> None:
        seat = self.run.roster.join()
        while True:
            turn = self.run.take(seat)
            if turn is not None:
                self.turns.append(turn)
                self.send(turn)

    def send(self, turn) -> None:
        tracker, card = self.run.tracker, turn.card
        tracker.sending(card, turn.phase, turn.arrival)
        if card.place not in self.unfinished:
            account_id = "acc" if card.kind is Kind.ACCOUNT else None
            accepted = Acknowledgement(Acknowledged.ACCEPTED, account_id)
            tracker.acknowledged(card.place, accepted, card.attempt)
            self.settle(card.place)
            self.run.release_ended(tracker.take_ended())

    def settle(self, place) -> None:
        self.run.tracker.completed(place, Completion(Outcome.SETTLED))

    def die(self) -> None:
        gevent.killall(self.users)
        self.fleet.workers.remove(self)

    def leave(self) -> None:
        """Return everything, as a process that was told to end."""
        self.run.leaving = True
        self.run.go_on(sending=False)

    @property
    def replays(self):
        """The originals of the replays that it sent."""
        return {turn.card.original_place for turn in self.turns if turn.card.is_replay}

    def blocked(self):
        """Return the reasons of what it wrote down as blocked."""
        self.run.journal.flush()
        rows = pq.read_table(sorted(self.fleet.directory.journal.glob(f"{self.name}-*.parquet")))
        return [row["reason"] for row in rows.to_pylist() if row["fact"] == Fact.BLOCKED]


@pytest.fixture
def fleet(tmp_path):
    made = Fleet(tmp_path)
    yield made
    for worker in list(made.workers):
        worker.die()
    made.director.close()


@pytest.fixture
def first(fleet):
    """The worker that has sent all originals, and left; it still waits for what becomes of them."""
    worker = Worker(fleet, "a", fleet.originals)
    worker.run.ask()
    fleet.director.begin()
    fleet.until(lambda: len(worker.turns) == len(fleet.pool) - len(fleet.originals))
    assert len(fleet.originals) == len(worker.run.tracker.set_aside) > 0
    worker.leave()
    return worker


@pytest.fixture
def second(fleet, first):
    """The worker that has got the replays, and does not know what became of their originals."""
    worker = Worker(fleet, "b")
    fleet.until(lambda: len(worker.run.tracker.set_aside) == len(fleet.originals))
    assert not worker.turns
    return worker


def test_a_replay_waits_for_an_original_at_another_worker(fleet, first, second):
    """Observed complete there, it is sent here, and the run comes to its end with nothing blocked."""
    for _ in range(3):
        fleet.step()
    assert not second.turns, "it is under way still"
    for place in sorted(fleet.originals):
        first.settle(place)
    first.run.release_ended(first.run.tracker.take_ended())
    fleet.until(lambda: fleet.director.machine.state is State.ENDED)
    assert second.replays == fleet.originals
    assert second.blocked() == []


def test_a_replay_of_what_another_workers_platform_refused_is_blocked(fleet, first, second):
    """Over there without an outcome, there is nothing to repeat here."""
    refused = Acknowledgement(Acknowledged.REFUSED, None, "HTTP 429")
    for place in sorted(fleet.originals):
        first.run.tracker.acknowledged(place, refused)
    first.run.release_ended(first.run.tracker.take_ended())
    fleet.until(lambda: fleet.director.machine.state is State.ENDED)
    assert second.replays == set()
    assert second.blocked() == [WHY_NOT_COMPLETE] * len(fleet.originals)


def test_what_was_told_before_its_worker_died_is_known_to_the_next(fleet, first):
    """The word travels with the lease: whoever gets the replays later need not wait for anybody."""
    for place in sorted(fleet.originals):
        first.settle(place)
    first.run.release_ended(first.run.tracker.take_ended())
    first.run.ask()
    first.die()
    second = Worker(fleet, "b")
    fleet.until(lambda: fleet.director.machine.state is State.ENDED)
    assert second.replays == fleet.originals
    assert second.blocked() == []


def test_an_original_whose_worker_died_is_sent_again_before_its_replay(fleet, first):
    """Nobody knows what became of it: it is sent again under its own id, and then repeated."""
    first.die()
    second = Worker(fleet, "b")
    fleet.until(lambda: fleet.director.machine.state is State.ENDED)
    # What it had settled since its last word, it took with it as well.
    again = [turn.card.place for turn in second.turns if not turn.card.is_replay]
    assert set(again) >= fleet.originals
    assert second.replays == fleet.originals
    for place in fleet.originals:
        order = [
            turn.card.is_replay
            for turn in second.turns
            if place in (turn.card.place, turn.card.original_place)
        ]
        assert order == [False, True]
    assert second.blocked() == []
