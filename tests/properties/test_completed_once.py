"""However often an outcome is told, and to whomever: live, each command has completed once."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import msgpack
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from e2e_data import config
from e2e_data.commands import Channel, Outcome
from e2e_data.ids import Ids
from e2e_data.platform import Completion
from e2e_data.pool import Pool
from locustfiles.arrivals import Arrival
from locustfiles.bindings import Bindings
from locustfiles.card import Card
from locustfiles.completions import Seen
from locustfiles.fleet.ends import Inbox, Router
from locustfiles.fleet.facts import About, FactCounts
from locustfiles.fleet.figures import Figures, FleetFigures
from locustfiles.fleet.outcomes import Outcomes
from locustfiles.kafka_completions import Observer
from locustfiles.live import _right
from locustfiles.tracker import Tracker
from locustfiles.vigil import Vigil
from reports.journal import Fact, Journal

IDS = Ids(bytes(16), 1)
POOL = Pool.in_memory(config.load("smoke", {"accounts": 4, "accounts_per_shard": 4}), 7)
SHARD = POOL.shard(0)
COMMANDS = len(SHARD)
WORKERS = ("a", "b", "c")
CHANNELS = (Channel.HTTP, Channel.MQ, Channel.KAFKA)


def card(index: int) -> Card:
    command = SHARD.command(index)
    return Card(
        *((0, 0, index), SHARD, command.kind, command.account.number, "id", "customer"),
        channel=CHANNELS[index % len(CHANNELS)],
        expected=int(command.expected),
    )


class Worker:
    """What a process of the fleet has to see outcomes with, and the words it has not said yet."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.counted, self.outcomes = FactCounts(POOL.shard_counts), Outcomes()
        self.vigil = Vigil(POOL, IDS)
        self.journal = Journal(path, name, self._written)
        bindings = Bindings(path / f"{name}.jsonl")
        self.tracker = Tracker(self.journal, bindings, lambda: 1000)
        self.tracker.counted, self.tracker.outcomes = self.counted, self.outcomes
        self.words: list[tuple[int, int, int]] = []
        self.inbox = Inbox()
        self.observer = Observer(
            self.tracker, bindings, POOL, lambda place, told: self.words.append((*place[1:], told))
        )

    def _written(self, rows: np.ndarray) -> None:
        self.counted.take(rows)
        self.vigil.facts(rows)

    def snapshot(self) -> dict:
        """Return what it reports of outcomes, as the master gets it."""
        self.journal.flush()
        self.vigil.look()
        told = {"facts": self.counted.packed(), "outcomes": self.outcomes.packed()}
        told["violations"] = self.vigil.found
        return msgpack.loads(msgpack.dumps({**Figures().snapshot(self.name, 1), **told}))


class Fleet:
    """Workers, and the master that passes their words on."""

    def __init__(self, path: Path) -> None:
        self.workers = [Worker(name, path) for name in WORKERS]
        self.router = Router()
        for name in WORKERS:
            self.router.holds(name, 0)
        self.sender_of = [self.workers[index % 5 % len(WORKERS)] for index in range(COMMANDS)]
        self.cards = [card(index) for index in range(COMMANDS)]
        for sender, sent in zip(self.sender_of, self.cards, strict=True):
            sender.tracker.sending(sent, int(sent.kind), Arrival(0, 900, 800))

    def reply(self, index: int, outcome: Outcome) -> None:
        """Have the sender be told over the command's own channel."""
        told = Completion(outcome, "")
        self.sender_of[index].tracker.completed(self.cards[index].place, told)

    def event(self, index: int, outcome: Outcome, reader: int) -> None:
        """Have any worker read what the platform publishes."""
        sent = self.cards[index]
        self.workers[reader].observer.observed(
            [
                Seen(
                    *(sent.place, 0, int(sent.kind), sent.channel, sent.kind),
                    *("", Completion(outcome, ""), 2000),
                )
            ]
        )

    def talk(self) -> None:
        """Have each say all that it has said again, and be told all that it was told before."""
        for worker in self.workers:
            self.router.take(worker.name, 0, tuple(worker.words))
        for worker in self.workers:
            outbox = self.router.outbox(worker.name)
            for _, index, outcome in worker.inbox.take(outbox.said, outbox.now()):
                worker.tracker.over((0, 0, index), outcome)

    def figures(self) -> FleetFigures:
        """Return what the master has of all, each snapshot come twice."""
        found = FleetFigures()
        for worker in self.workers:
            told = worker.snapshot()
            found.take(told)
            found.take(told)
        return found


OBSERVATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("reply"), st.integers(0, COMMANDS - 1), st.just(0)),
        st.tuples(st.just("event"), st.integers(0, COMMANDS - 1), st.integers(0, 2)),
        st.tuples(st.just("talk"), st.just(0), st.just(0)),
    ),
    max_size=80,
)


@settings(max_examples=100, deadline=None)
@given(OBSERVATIONS, st.sets(st.integers(0, COMMANDS - 1), max_size=5))
def test_what_is_shown_live_is_the_set_of_completed_commands(told, defective):
    """Replies and events, twice, in any order, read by any worker: by kind and outcome each counts once.

    So it is for what is wrong: an outcome outside its set, whoever saw it, makes the fleet not right.
    """
    outcomes = [
        Outcome.INVALID if index in defective else correct(SHARD.command(index).expected)
        for index in range(COMMANDS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder))
        for what, index, reader in told:
            if what == "reply":
                fleet.reply(index, outcomes[index])
            elif what == "event":
                fleet.event(index, outcomes[index], reader)
            else:
                fleet.talk()
        fleet.talk()
        found = fleet.figures()
    completed = {index for what, index, _ in told if what != "talk"}
    shown = {about: n for about, n in found.facts().items() if about.fact == Fact.COMPLETED}
    assert shown == Counter(
        About(Fact.COMPLETED, sent.kind, sent.channel, sent.kind, outcomes[index])
        for index, sent in enumerate(fleet.cards)
        if index in completed
    )
    assert sum(worker.tracker.tally.completed for worker in fleet.workers) == len(completed)
    seen = found.outcomes()
    assert (seen.seen, seen.wrong) == (len(completed), len(completed & defective))


def correct(expected: Outcome) -> Outcome:
    return Outcome.SETTLED if expected & Outcome.SETTLED else Outcome.REJECTED


def test_what_another_worker_reads_and_cannot_be_right_is_the_whole_fleets(tmp_path):
    """The sender was told what is right; the event, which another reads, says otherwise: not all is right.

    Where the event is all there is, its sender counts it as wrong, though it never saw it.
    """
    fleet = Fleet(tmp_path)
    told_twice, told_once = 0, 1
    fleet.reply(told_twice, Outcome.SETTLED)
    assert answer(fleet) == ("100 %", "good")
    for index in (told_twice, told_once):
        others = [at for at, one in enumerate(fleet.workers) if one is not fleet.sender_of[index]]
        fleet.event(index, Outcome.REJECTED, others[0])
        assert SHARD.command(index).expected == Outcome.SETTLED
        if index == told_twice:
            assert answer(fleet) == ("1 violation", "bad")
    assert fleet.figures().violations() == {"wrong outcome": 2}
    fleet.talk()
    assert answer(fleet) == ("1 wrong", "bad")
    (case,) = fleet.figures().outcomes().cases
    assert (case.number, case.text) == (told_once, "rejected, where only settled is correct")


def answer(fleet: Fleet) -> tuple[str, str]:
    """Return what the page, the wall and the terminal say of a run that is on."""
    right = _right(SimpleNamespace(figures=fleet.figures(), verdict=None))
    return right["answer"], right["tone"]
