"""The tracker: a fact for each way that a command can go, and what stays pending."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from e2e_data.commands import Channel, Kind, Outcome
from e2e_data.ids import REPLAY_ATTEMPT
from e2e_data.platform import Acknowledged, Acknowledgement, Completion
from locustfiles.arrivals import Arrival
from locustfiles.bindings import Bindings
from locustfiles.card import Card
from locustfiles.tracker import Tally, Tracker
from reports.journal import Fact, Journal
from tests.helpers_wire import Clock

PHASE = 2
PLACE = (0, 5, 1)
ACCEPTED = Acknowledgement(Acknowledged.ACCEPTED)
REFUSED = Acknowledgement(Acknowledged.REFUSED, None, "HTTP 429")
ARRIVAL = Arrival(number=0, intended_ns=900, free_ns=800)


def card_of(index: int, kind: Kind = Kind.ACCOUNT) -> Card:
    shard = SimpleNamespace(number=5)
    return Card(
        (0, shard.number, index), shard, kind, index, f"command-{index}", f"customer-{index}"
    )


class Desk:
    """A tracker with its clock, and a reader of what it wrote."""

    def __init__(self, path) -> None:
        self.path = path
        self.clock = Clock(1000)
        self.journal = Journal(path, "me")
        self.bindings = Bindings(path / "bindings.jsonl")
        self.tracker = Tracker(self.journal, self.bindings, self.clock.now_ns)

    def send(self, card, at_ns=1000):
        self.clock.ns = at_ns
        return self.tracker.sending(card, PHASE, ARRIVAL)

    def facts(self):
        """Return (fact, index, code, reason, at_ns) of each row, in the order of writing."""
        self.journal.flush()
        rows = pq.read_table(sorted(self.path.glob("me-*.parquet"))).to_pylist()
        assert {(row["lap"], row["shard"], row["attempt"], row["channel"]) for row in rows} <= {
            (0, 5, 0, Channel.HTTP)
        }
        return [
            (Fact(row["fact"]), row["index"], row["code"], row["reason"], row["at_ns"])
            for row in rows
        ]


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.bindings.close()


SENT = (Fact.SENT, 1, 0, "", 1000)


def test_sending_is_stamped_with_all_three_times(desk):
    """A SENT row has the time of sending, the intended time, and since when the user was free."""
    assert desk.send(card_of(1)) == 1000
    desk.journal.flush()
    [row] = pq.read_table(next(desk.path.glob("*.parquet"))).to_pylist()
    assert (row["at_ns"], row["intended_ns"], row["free_ns"]) == (1000, 900, 800)
    assert (row["phase"], row["reason"]) == (PHASE, "")
    assert desk.tracker.tally == Tally(sent=1, waiting=1)
    assert list(desk.tracker.pending) == [(0, 5, 1)]


@pytest.mark.parametrize(
    ("status", "reason", "pends"),
    [
        (Acknowledged.ACCEPTED, "", True),
        (Acknowledged.UNKNOWN, "HTTP 503", True),
        (Acknowledged.INVALID, "negative amount", False),
        (Acknowledged.REFUSED, "HTTP 429", False),
    ],
)
def test_an_answer_is_a_fact_and_decides_what_stays_pending(desk, status, reason, pends):
    """An accepted or unknown command is awaited further; a refused or invalid one is over."""
    desk.send(card_of(1))
    desk.clock.ns = 1500
    assert desk.tracker.acknowledged((0, 5, 1), Acknowledgement(status, None, reason)) == 1500
    assert desk.facts() == [SENT, (Fact.ACKNOWLEDGED, 1, status, reason, 1500)]
    assert desk.tracker.tally == Tally(sent=1, acknowledged=1)
    assert ((0, 5, 1) in desk.tracker.pending) is pends


@pytest.mark.parametrize(
    ("status", "bound"),
    [(Acknowledged.ACCEPTED, "id-1"), (Acknowledged.UNKNOWN, None), (Acknowledged.REFUSED, None)],
)
def test_only_an_acceptance_binds_an_account(desk, status, bound):
    """An account's id is taken from an answer that accepts its creation, and from no other."""
    desk.send(card_of(1))
    desk.tracker.acknowledged((0, 5, 1), Acknowledgement(status, "id-1"))
    assert desk.bindings.account_id((0, 5, 1)) == bound


def test_no_answer_leaves_the_command_pending(desk):
    """Without a whole answer a command may have taken effect, so it is awaited."""
    desk.send(card_of(1))
    desk.clock.ns = 1600
    assert desk.tracker.unanswered((0, 5, 1), "no answer in 10 s") == 1600
    assert desk.facts() == [SENT, (Fact.UNANSWERED, 1, 0, "no answer in 10 s", 1600)]
    assert desk.tracker.tally == Tally(sent=1, unanswered=1)
    assert (0, 5, 1) in desk.tracker.pending


def test_what_never_left_is_not_awaited(desk):
    """After a refused connection nothing can have taken effect: the command is over."""
    desk.send(card_of(1))
    desk.clock.ns = 1600
    assert desk.tracker.not_sent((0, 5, 1), "Connection refused") == 1600
    assert desk.facts() == [SENT, (Fact.NOT_SENT, 1, 0, "Connection refused", 1600)]
    assert desk.tracker.tally == Tally(sent=1, unanswered=1)
    assert not desk.tracker.pending


@pytest.mark.parametrize("outcome", [Outcome.SETTLED, Outcome.REJECTED])
def test_a_completion_ends_the_waiting(desk, outcome):
    """A final outcome is a fact, counted, and the command is pending no longer."""
    desk.send(card_of(1))
    desk.tracker.acknowledged((0, 5, 1), Acknowledgement(Acknowledged.ACCEPTED, "id-1"))
    desk.clock.ns = 2000
    desk.tracker.completed((0, 5, 1), Completion(outcome, "why"))
    assert desk.facts()[2:] == [(Fact.COMPLETED, 1, outcome, "why", 2000)]
    assert desk.tracker.tally == Tally(sent=1, acknowledged=1, completed=1)
    assert not desk.tracker.pending


def test_a_completions_flags_are_kept(desk):
    """What the platform's monitoring says of a command is part of the fact that it was completed."""
    desk.send(card_of(1))
    desk.tracker.completed((0, 5, 1), Completion(Outcome.SETTLED, "", ("ROUND", "VELOCITY")))
    desk.journal.flush()
    rows = pq.read_table(next(desk.path.glob("me-*.parquet"))).to_pylist()
    assert [row["flags"] for row in rows] == ["", "ROUND,VELOCITY"]


def test_the_facts_of_a_replay_have_its_own_place_and_a_marked_attempt(desk):
    """A replay's row is journaled as itself, though what is sent bears its original's ids."""
    card = card_of(1, Kind.PAYMENT)._replace(original=0, attempt=REPLAY_ATTEMPT)
    desk.send(card)
    desk.tracker.acknowledged(card.place, ACCEPTED, card.attempt)
    desk.tracker.completed(card.place, Completion(Outcome.SETTLED))
    desk.tracker.blocked(card, PHASE, "why")
    desk.journal.flush()
    rows = pq.read_table(next(desk.path.glob("me-*.parquet"))).to_pylist()
    assert {(row["index"], row["attempt"], row["phase"]) for row in rows} == {
        (1, REPLAY_ATTEMPT, PHASE)
    }
    assert len(rows) == 4


@pytest.mark.parametrize(
    ("end", "complete"),
    [
        (lambda tracker: tracker.completed(PLACE, Completion(Outcome.REJECTED)), True),
        (lambda tracker: tracker.not_sent(PLACE, "refused"), False),
        (lambda tracker: tracker.acknowledged(PLACE, REFUSED), False),
        (lambda tracker: tracker.acknowledged(PLACE, ACCEPTED), None),
        (lambda tracker: tracker.unanswered(PLACE, "cut off"), None),
    ],
)
def test_whoever_waits_for_a_command_is_told_how_it_ended(desk, end, complete):
    """A completion lets its replay go, an end without one blocks it; anything else ends nothing."""
    original = card_of(1, Kind.PAYMENT)._replace(is_awaited=True)
    waiting = card_of(2, Kind.PAYMENT)._replace(shard=original.shard, original=1)
    desk.send(original)
    assert not desk.tracker.set_aside.admits(waiting)
    end(desk.tracker)
    back = desk.tracker.set_aside.take(Channel.HTTP)
    assert (back is None) == (complete is None)
    if back is not None:
        assert (desk.tracker.set_aside.blocked(back) is None) is complete


def test_a_completion_moves_the_account_on(desk):
    """After its creation was observed settled, an account's opening credit may be sent."""
    desk.send(card_of(1))
    desk.tracker.acknowledged((0, 5, 1), Acknowledgement(Acknowledged.ACCEPTED, "id-1"))
    assert desk.bindings.blocked((0, 5, 1), Kind.OPENING_CREDIT) is not None
    desk.tracker.completed((0, 5, 1), Completion(Outcome.SETTLED))
    assert desk.bindings.blocked((0, 5, 1), Kind.OPENING_CREDIT) is None


def test_a_completion_that_nobody_waits_for_is_a_fact(desk):
    """An outcome observed of a command that is not pending is written down, and counts as nothing."""
    desk.clock.ns = 2000
    desk.tracker.completed((0, 5, 9), Completion(Outcome.SETTLED))
    assert desk.facts() == [(Fact.COMPLETED, 9, Outcome.SETTLED, "", 2000)]
    assert desk.tracker.tally == Tally()


def test_a_second_completion_does_not_count_twice(desk):
    """An outcome observed twice is two facts and one completion."""
    desk.send(card_of(1))
    desk.tracker.completed((0, 5, 1), Completion(Outcome.SETTLED))
    desk.tracker.completed((0, 5, 1), Completion(Outcome.REJECTED))
    assert [fact[0] for fact in desk.facts()] == [Fact.SENT, Fact.COMPLETED, Fact.COMPLETED]
    assert desk.tracker.tally.completed == 1


def test_a_blocked_command_is_a_fact_and_never_pending(desk):
    """What may not be sent is written down with its reason."""
    desk.clock.ns = 1200
    desk.tracker.blocked(card_of(4, Kind.PAYMENT), PHASE, "not opened")
    assert desk.facts() == [(Fact.BLOCKED, 4, 0, "not opened", 1200)]
    assert desk.tracker.tally == Tally(blocked=1)
    assert not desk.tracker.pending


def test_every_fact_is_a_movement(desk):
    """The settle time counts from whatever happened last."""
    moved = []
    for at_ns, act in (
        (10, lambda: desk.send(card_of(1), 10)),
        (20, lambda: desk.tracker.unanswered((0, 5, 1), "cut off")),
        (30, lambda: desk.tracker.completed((0, 5, 1), Completion(Outcome.SETTLED))),
        (40, lambda: desk.tracker.blocked(card_of(2), PHASE, "x")),
    ):
        desk.clock.ns = at_ns
        act()
        moved.append(desk.tracker.moved_ns)
    assert moved == [10, 20, 30, 40]


def test_the_oldest_is_the_one_sent_first(desk):
    """Of the pending commands the first sent is named, whatever came of the others."""
    assert desk.tracker.oldest() is None
    for index in (3, 1, 2):
        desk.send(card_of(index), at_ns=1000 + index)
    desk.tracker.completed((0, 5, 3), Completion(Outcome.SETTLED))
    oldest = desk.tracker.oldest()
    assert (oldest.sent_ns, *oldest[1:4]) == (1001, 0, 5, 1)


@pytest.mark.parametrize(
    "answer",
    [
        Acknowledgement(Acknowledged.UNKNOWN, None, reason=None),
        Acknowledgement(Acknowledged.INVALID, None, reason=None),
        Acknowledgement(Acknowledged.ACCEPTED, account_id=object()),
    ],
)
def test_an_adapters_nonsense_counts_as_nothing(desk, answer):
    """An answer that cannot be recorded leaves the command as it was, to be called unanswered."""
    desk.send(card_of(1))
    with pytest.raises(TypeError):
        desk.tracker.acknowledged((0, 5, 1), answer)
    assert desk.tracker.tally == Tally(sent=1, waiting=1)
    desk.tracker.unanswered((0, 5, 1), "adapter")
    assert desk.tracker.tally == Tally(sent=1, unanswered=1)
    assert [fact[0] for fact in desk.facts()] == [Fact.SENT, Fact.UNANSWERED]
