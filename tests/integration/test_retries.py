"""Retries by the tester: as the plan has them, under one command id, each an attempt of its own."""

from __future__ import annotations

import pytest

from e2e_data.commands import Outcome
from e2e_data.ids import RETRY_ATTEMPT, Correlation
from e2e_data.platform import Completion, Platform
from locustfiles.plan_parts.retries import Retries
from tests.helpers_wire import answer, serving
from tests.integration.test_http_user import ACCEPTED, Desk, close, header, in_turn, says

BUSY = says(answer(b"{}", status="429 Too Many Requests"))
BROKEN = says(answer(b"{}", status="503 Service Unavailable"))
EVERYTHING = ("not sent", "refused", "unanswered", "unknown")


def desk_with(path, origin, **policy):
    desk = Desk(path, origin)
    retries = Retries.model_validate({"wait_s": 0.001, **policy})
    desk.run.plan = desk.run.plan.model_copy(update={"retries": retries})
    return desk


@pytest.mark.parametrize("reply", [BUSY, BROKEN, close], ids=["429", "503", "no answer"])
def test_without_a_policy_nothing_is_sent_again(tmp_path, reply):
    """A plan that says nothing makes one attempt at each command."""
    with serving(reply) as peer:
        desk = Desk(tmp_path, peer.origin)
        desk.send()
        assert len(peer.requests) == 1
    assert desk.run.tracker.tally.retried == 0


def test_what_is_refused_is_sent_again_under_its_id_until_it_is_accepted(tmp_path):
    """Each attempt has a number and a row of its own; the command ends once."""
    with serving(in_turn(BUSY, BUSY, says(ACCEPTED))) as peer:
        desk = desk_with(tmp_path, peer.origin, attempts=4)
        desk.send()
        requests = list(peer.requests)
    assert len({header(one, b"Idempotency-Key") for one in requests}) == 1
    told = [header(one, b"X-Correlation-Id").decode() for one in requests]
    attempts = [Correlation.unpack(bytes.fromhex(one)).attempt for one in told]
    assert attempts == [0, RETRY_ATTEMPT, 2 * RETRY_ATTEMPT]
    assert sorted(name for name, _ in desk.facts()) == ["ACKNOWLEDGED"] * 3 + ["SENT"] * 3
    tally = desk.run.tracker.tally
    assert (tally.sent, tally.retried, tally.waiting) == (1, 2, 0)
    assert desk.run.tracker.take_ended() == []
    assert len(desk.expected) == 1


def test_the_last_attempt_ends_it(tmp_path):
    """Refused each time, it is over, and said to be so once."""
    with serving(in_turn(BUSY, BUSY)) as peer:
        desk = desk_with(tmp_path, peer.origin, attempts=2)
        desk.send()
        assert len(peer.requests) == 2
    assert len(desk.run.tracker.take_ended()) == 1
    assert desk.run.tracker.pending == {}
    assert desk.expected == []


@pytest.mark.parametrize("first", [BROKEN, close], ids=["503", "no answer"])
def test_an_attempt_in_doubt_is_not_forgotten_when_the_next_is_refused(tmp_path, first):
    """The first may have taken effect: its outcome is looked for."""
    with serving(in_turn(first, BUSY)) as peer:
        desk = desk_with(tmp_path, peer.origin, attempts=2, after=EVERYTHING)
        desk.send()
        assert len(peer.requests) == 2
    assert desk.run.tracker.take_ended() == []
    assert len(desk.run.tracker.pending) == len(desk.expected) == 1


def test_in_doubt_nothing_is_sent_again_to_a_platform_that_is_not_idempotent(tmp_path, monkeypatch):
    """It might take effect twice."""
    monkeypatch.setattr(Platform, "idempotent", False)
    with serving(in_turn(BROKEN)) as peer:
        desk = desk_with(tmp_path, peer.origin, attempts=5, after=EVERYTHING)
        desk.send()
        assert len(peer.requests) == 1


def test_when_the_phase_is_over_no_further_attempt_is_made(tmp_path):
    """What never left is over with it."""

    def ends_the_phase(connection, request):
        desk.run.dealer.work.over.set()
        BUSY(connection, request)

    with serving(in_turn(ends_the_phase)) as peer:
        desk = desk_with(tmp_path, peer.origin, attempts=5, wait_s=60)
        desk.send()
        assert len(peer.requests) == 1
    assert len(desk.run.tracker.take_ended()) == 1
    assert desk.run.tracker.pending == {}


def test_what_an_event_told_the_outcome_of_is_not_sent_again(tmp_path):
    """Nobody waits for it any more: it is over once, and counted once."""

    def decides_and_says_nothing_of_it(connection, request):
        (place,) = desk.run.tracker.pending
        desk.run.tracker.completed(place, Completion(Outcome.SETTLED))
        BROKEN(connection, request)

    with serving(in_turn(decides_and_says_nothing_of_it)) as peer:
        desk = desk_with(tmp_path, peer.origin, attempts=5, after=EVERYTHING)
        desk.send()
        assert len(peer.requests) == 1
    assert len(desk.run.tracker.take_ended()) == 1
    tally = desk.run.tracker.tally
    assert (tally.completed, tally.retried, tally.retrying) == (1, 0, 0)


def test_waits_double_up_to_the_most():
    """And after the last attempt, or for another reason, there is none."""
    policy = Retries(attempts=6, wait_s=1, wait_at_most_s=5)
    waits = [policy.before_next_s("refused", made, idempotent=True) for made in range(1, 7)]
    assert waits == [1, 2, 4, 5, 5, None]
    assert policy.before_next_s("unknown", 1, idempotent=True) is None
