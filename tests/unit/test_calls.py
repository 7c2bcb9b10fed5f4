"""Who asks when: those that have nothing to send ask seldom, and are called when something comes free."""

from __future__ import annotations

from types import SimpleNamespace

import gevent
import pytest

from e2e_data.ids import Ids
from e2e_data.platform import Platform
from e2e_data.pool import Pool
from locustfiles.fleet.calls import Calls
from locustfiles.fleet.desk import ASK_NS
from locustfiles.leases import RECALL_POSITIONS
from locustfiles.plans import load_plan
from locustfiles.run import Run
from locustfiles.work import Service
from reports.rundir import RunDirectory
from tests.helpers_fleet import LEASE_NS, SECOND_NS, Office, drawn

SPACING_NS = SECOND_NS // 50


# -- a test for each cell of the table ----------------------------------------------------------


class Waiting:
    """Calls of a book with so many free shards as is said, and whom they called."""

    def __init__(self) -> None:
        self.book = SimpleNamespace(free=0)
        self.calls = Calls(self.book)
        self.called: list[str] = []
        self.calls.call = self.called.append

    def ask(self, *workers: str, empty_handed: bool = True) -> None:
        for worker in workers:
            self.calls.answered(worker, empty_handed=empty_handed)

    def free(self, count: int) -> list[str]:
        """Say how many are free now, and return who is called for it."""
        self.book.free = count
        self.called.clear()
        self.calls.look()
        return list(self.called)


@pytest.fixture
def waiting():
    return Waiting()


def test_for_each_shard_that_comes_free_the_first_that_waits_is_called(waiting):
    """As many as there are more free ones, and first who asked the longest ago."""
    waiting.ask("a", "b", "c", "a")
    assert waiting.free(1) == ["b"]
    assert waiting.free(3) == ["c", "a"]
    assert waiting.free(4) == []


def test_whoever_was_given_something_is_not_called(waiting):
    """Neither is a worker that is no more: what is free is for those that can use it."""
    waiting.ask("a", "b")
    waiting.ask("a", empty_handed=False)
    assert waiting.free(2) == ["b"]


def test_whoever_was_called_is_called_again_only_if_it_asked_in_vain(waiting):
    """Then it waits at the end."""
    waiting.ask("a", "b")
    assert waiting.free(1) == ["a"]
    waiting.ask("a")
    waiting.free(0)
    assert waiting.free(2) == ["b", "a"]


def test_what_was_free_when_somebody_asked_in_vain_is_no_reason_to_call(waiting):
    """It waits for another, or is more than its share: a call would be in vain again, and again."""
    waiting.book.free = 5
    waiting.ask("a")
    waiting.ask("a")
    assert waiting.called == []


# -- a fleet with less shards than workers --------------------------------------------------------


class Fleet:
    """Workers that have users for everything they are given, and ask as `worker.py` does, with a clock that is moved.

    Each asks in its time, when it is called, and when its users have found nothing to send and
    asking is not in vain; no two asks of one are nearer than the spacing.
    """

    def __init__(self, workers: str, shards: int, size: int = 1000) -> None:
        self.office = Office([size] * shards)
        self.agents = {name: self.office.worker(name) for name in workers}
        self.asks = dict.fromkeys(workers, 0)
        self.next_ns = dict.fromkeys(workers, 0)
        self.silent: set[str] = set()
        self.hungry: set[str] = set(workers)
        self.sends = 0
        self.office.desk.calls.call = self.hungry.add

    @property
    def now_ns(self) -> int:
        return self.office.clock.ns

    def turn(self) -> None:
        """Let the least time between two asks go by."""
        self.office.clock.ns += SPACING_NS
        self.office.desk.tick()
        for name, agent in self.agents.items():
            for lease in agent.holder.held():
                for position, _ in lease.draw_some(0, self.sends):
                    lease.done(position)
            if not any(lease.queues[0] for lease in agent.holder.held()) and not agent.in_vain:
                self.hungry.add(name)
            if name not in self.silent and (
                name in self.hungry or self.now_ns >= self.next_ns[name]
            ):
                self.hungry.discard(name)
                self.office.ask(agent)
                self.asks[name] += 1
                self.next_ns[name] = self.now_ns + agent.ask_ns

    def play(self, seconds: float) -> dict[str, int]:
        """Let time go by, and return how often each asked meanwhile."""
        before = dict(self.asks)
        for _ in range(round(seconds * SECOND_NS / SPACING_NS)):
            self.turn()
        return {name: count - before[name] for name, count in self.asks.items()}

    def until_asked(self, name: str) -> None:
        """Let time go by until a worker has just asked."""
        asks = self.asks[name]
        while self.asks[name] == asks:
            self.turn()

    def with_work(self) -> set[str]:
        return {name for name, agent in self.agents.items() if agent.holder.held()}

    def until_with_work(self, name: str) -> int:
        """Let time go by until a worker has something, and return how many asks' time that took."""
        for turns in range(1, 1000):
            self.turn()
            if name in self.with_work():
                return turns
        raise AssertionError(f"{name} never had anything")


def test_whoever_has_nothing_asks_as_seldom_as_everybody():
    """With all shards others', an ask in vain is not repeated at once, however many users wait."""
    fleet = Fleet("abcde", 4)
    fleet.play(3)
    assert fleet.with_work() == set("abcd")
    asks = fleet.play(10)
    assert set(asks.values()) == {10 * SECOND_NS // ASK_NS}


def test_whoever_has_nothing_is_served_at_once_when_a_shard_is_returned():
    """Called when the shard came free, it need not wait for its time to ask."""
    fleet = Fleet("abcde", 4)
    fleet.play(3)
    fleet.until_asked("e")
    fleet.office.ask(fleet.agents["b"], leaving=True)
    fleet.silent.add("b")
    assert fleet.until_with_work("e") == 1


def test_whoever_has_nothing_is_served_at_once_when_a_worker_is_lost():
    """Its shards come free when it was silent for the time of a lease, and not a moment later."""
    fleet = Fleet("ce", 1)
    fleet.play(3)
    fleet.until_asked("c")
    fleet.silent.add("c")
    lost_ns = fleet.now_ns + LEASE_NS
    fleet.play(LEASE_NS / SECOND_NS - 1)
    fleet.until_asked("e")
    fleet.next_ns["e"] = lost_ns + SECOND_NS
    fleet.until_with_work("e")
    assert lost_ns <= fleet.now_ns <= lost_ns + SPACING_NS


def test_a_late_joiner_is_given_its_share_by_as_few_asks_as_everybody():
    """All that it lacks is recalled together: not one for each of many asks."""
    fleet = Fleet("ab", 16, size=10 * RECALL_POSITIONS)
    fleet.silent.add("b")
    fleet.play(2)
    fleet.silent.clear()
    asks = fleet.play(2)
    assert {name: fleet.office.book.held(name) for name in "ab"} == {"a": 8, "b": 8}
    assert max(asks.values()) <= 2 * SECOND_NS // ASK_NS + 3


def test_a_worker_that_has_sent_all_it_had_asks_for_more_at_once():
    """Nothing was said yet of what it lacks: hunger is in vain only once an answer brought nothing."""
    fleet = Fleet("a", 3, size=10)
    fleet.agents["a"] = fleet.office.worker("a", room=1)
    fleet.sends = 10
    assert fleet.play(0.5)["a"] <= 8
    assert fleet.office.book.exhausted


def test_an_answer_to_what_was_asked_before_all_was_sent_does_not_make_asking_vain():
    """It was asked while there was something left: that there is nothing now, the master has not heard."""
    office = Office([10, 10])
    agent = office.worker("a", room=1)
    office.ask(agent)
    ask = office.asked(agent)
    drawn(agent)
    agent.follow(office.desk.receive(ask))
    assert not agent.in_vain
    office.ask(agent)
    assert [shard for shard, *_ in drawn(agent)] == [1] * 10
    office.ask(agent)
    office.ask(agent)
    assert agent.in_vain


# -- a worker's users -----------------------------------------------------------------------------


class Sender:
    """A worker's run with users, in an office where another worker holds the only shard."""

    def __init__(self, path) -> None:
        plan = load_plan("smoke", ["pool.accounts=3", "pool.accounts_per_shard=3"])
        pool = Pool.in_memory(plan.pool.config(), plan.pool.seed)
        self.office = Office([3])
        self.other = self.office.worker("other")
        self.office.ask(self.other)
        self.run = Run(
            *(plan, pool, Platform(), Ids(bytes(16), 1), RunDirectory.create(path, "smoke")),
            *(self.office.clock, 2, Service("run", "one", 1, LEASE_NS, shared=True)),
            self.office.clock.now_ns,
        )
        self.run.deliver = self.deliver
        self.users: list[gevent.Greenlet] = []
        self.run.users_now = lambda: len(self.users)
        self.office.desk.calls.call = lambda worker: worker == "one" and self.run.hungry.set()

    def deliver(self, ask) -> None:
        self.run.agent.follow(self.office.desk.receive(ask))
        self.run.heard()
        self.run.wake()

    def asks_again(self) -> bool:
        """Let the users look, and tell whether what they found is a reason to ask at once."""
        gevent.sleep(0)
        gevent.sleep(0)
        return self.run.hungry.is_set()


@pytest.fixture
def sender(tmp_path):
    made = Sender(tmp_path)
    yield made
    gevent.killall(made.users)


def test_users_that_find_nothing_have_their_worker_ask_once(sender):
    """When they come it asks for the first time; in vain, so that it waits then, and sends when it is called."""
    sender.run.ask()
    assert not sender.asks_again(), "nobody is there who could send"
    sender.users += [gevent.spawn(sender.run.take, sender.run.roster.join()) for _ in range(2)]
    assert sender.asks_again(), "it asked for nothing while nobody was there"
    for _ in range(3):
        sender.run.ask()
        assert not sender.asks_again()
    sender.office.ask(sender.other, leaving=True)
    assert sender.asks_again()
    sender.run.ask()
    gevent.sleep(0)
    assert [lease.shard for lease in sender.run.agent.holder.held() if lease.out] == [0]


def test_when_all_is_sent_and_nothing_is_out_any_more_the_master_hears_at_once(sender):
    """A phase may wait for nothing but this word; whoever has more to send tells it in its time."""
    sender.office.ask(sender.other, leaving=True)
    sender.users.append(gevent.spawn(gevent.sleep, 60))
    sender.run.ask()
    channel = sender.run.roster.join().channel
    first = sender.run.hand.draw(channel)
    sender.run.ask()
    sender.run.release_ended([first])
    assert not sender.run.hungry.is_set(), "two are left to be sent"
    second, third = (sender.run.hand.draw(channel) for _ in range(2))
    sender.run.ask()
    sender.run.release_ended([second])
    assert not sender.run.hungry.is_set(), "one is out"
    sender.run.release_ended([third])
    assert sender.run.hungry.is_set()
