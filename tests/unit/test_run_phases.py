"""The end of a phase, and what it does with commands that cannot be sent."""

from __future__ import annotations

from itertools import pairwise

import gevent
import pytest

from e2e_data.commands import Channel, Kind, Outcome
from locustfiles import dealer as dealer_module
from locustfiles.phases import State
from locustfiles.rounds import next_round
from reports.grants import read_grants
from reports.journal import Fact
from tests.stages import PATIENT_S, without_warnings

NOT_CREATED = "the account's creation was not observed complete"

NOT_OPENED = "the account's opening credit was not observed settled"


@pytest.mark.parametrize(
    ("rejected", "reason", "sent"),
    [(Kind.ACCOUNT, NOT_CREATED, 3), (Kind.OPENING_CREDIT, NOT_OPENED, 6)],
)
def test_commands_of_accounts_that_are_not_ready_are_written_down(stage, rejected, reason, sent):
    """What may not be sent is blocked with its reason, takes no arrival, and the run goes on."""
    played = stage()

    def sends(turn):
        refused = turn.card.kind is rejected
        played.settle(turn, Outcome.REJECTED if refused else Outcome.SETTLED)

    played.begin()
    played.user(sends)
    played.play()
    assert len(played.turns) == sent
    facts = played.facts()
    assert facts[Fact.BLOCKED, reason] == len(played.pool) - sent
    assert facts[Fact.SENT, ""] == sent
    assert played.run.arrivals()[0] == sent
    assert without_warnings(played.events())[-1] == ("run ended", "")


def blocked_phase(stage, monkeypatch):
    """Return a run whose opening credits are all blocked, five at a time."""
    monkeypatch.setattr(dealer_module, "BLOCKED_AT_ONCE", 5)
    played = stage("pool.accounts=18")
    played.begin()
    played.pass_time(100)
    played.user(lambda turn: played.settle(turn, Outcome.REJECTED))
    played.yield_()
    assert played.director.advance() is State.SENDING
    return played


def test_a_phase_that_is_blocked_lets_others_have_their_turn(stage, monkeypatch):
    """However many commands are blocked in a row, the event loop is not held up by them."""
    played = blocked_phase(stage, monkeypatch)
    seen = [0]
    while played.run.tracker.tally.blocked < 18:
        next_round()
        seen.append(played.run.tracker.tally.blocked)
    # In each round five, and who has his turn in it first is not said.
    assert all(after - before <= 10 for before, after in pairwise(seen)), seen


def test_a_phase_may_end_while_its_commands_are_being_blocked(stage, monkeypatch):
    """A stop comes through in between: what is left is neither sent nor blocked."""
    played = blocked_phase(stage, monkeypatch)
    while not played.run.tracker.tally.blocked:
        gevent.sleep(0)
    played.director.stop("enough")
    assert played.director.advance() is State.ENDED
    played.yield_()
    assert played.run.tracker.tally.blocked == 5


SLOW = ("phases.accounts.rate_per_s=0.001", "phases.accounts.duration_s=3")


def test_when_its_time_is_up_waiting_users_come_back_at_once(stage):
    """The end of a phase frees users that wait for an arrival minutes away; what they hold is not sent."""
    played = stage(*SLOW)
    played.begin()
    played.pass_time(1)
    user = played.user(turns=2)
    played.yield_()
    assert len(played.turns) == 1, "the second is due in a quarter of an hour"
    assert played.director.advance() is State.SENDING
    played.pass_time(2)
    played.director.advance()
    played.yield_()
    assert user.dead
    assert (len(played.turns), played.nones) == (1, 1)
    assert played.run.tracker.tally.sent == 1


def test_a_card_in_hand_when_the_phase_ends_was_granted_and_never_sent(stage):
    """What a user held in vain has a grant and no fact, so a closed journal shows it as unsent."""
    played = stage(SLOW[0])
    played.begin()
    played.pass_time(1)
    played.user(turns=2)
    played.yield_()
    played.director.stop("enough")
    played.play()
    played.close()
    assert played.facts()[Fact.SENT, ""] == 1
    book = read_grants(played.directory.grants)
    assert sum(grant.stop - grant.start for grant in book.grants) == 3
    assert not book.open_workers


def test_a_user_that_comes_late_to_its_own_time_sends_nothing_of_the_phase_before(stage):
    """A user whose time came just as the phase ended does not send into the next one."""
    played = stage("phases.accounts.rate_per_s=100", "phases.accounts.duration_s=0.001")
    played.begin()

    class OverJustAfterItsTime:
        """The user's wait is over by time, and the phase by the next look, before the user runs."""

        def __init__(self) -> None:
            self.over = False

        def is_set(self):
            return self.over

        def wait(self, _timeout=None):
            played.pass_time(1)
            played.director.advance()
            assert played.run.phase_name == ""
            return False

        def set(self):
            self.over = True

    played.run.dealer.work.over = OverJustAfterItsTime()
    played.user(turns=1).join(timeout=PATIENT_S)
    assert (played.turns, played.nones) == ([], 1)


def test_after_a_phase_that_was_cut_short_the_next_is_played_whole(stage):
    """What a phase had no time for stays unsent; the next begins with its own commands."""
    played = stage("phases.opening-credits.duration_s=1")
    opened = []

    def sends(turn):
        if turn.card.kind is Kind.OPENING_CREDIT:
            opened.append(turn.card.shard.number)
            played.pass_time(2)
            played.director.advance()
        played.settle(turn)

    played.begin()
    played.user(sends)
    played.play()
    assert len(opened) == 1
    paid = {turn.card.shard.number for turn in played.turns if turn.phase == 2}
    assert paid == set(opened)
    assert without_warnings(played.events())[-1] == ("run ended", "")


def test_a_phase_is_not_over_while_a_user_holds_a_command(stage):
    """Nothing left to draw is not nothing left to send."""
    played = stage("phases.accounts.rate_per_s=0.001")
    played.begin()
    for _ in range(4):
        played.user()
    played.yield_()
    [lane] = played.run.dealer.work.lanes.values()
    assert (lane.dry, lane.in_hand) == (True, 3)
    assert played.director.advance() is State.SENDING
    assert played.run.phase_name == "accounts"


def test_a_phase_waits_until_the_journal_has_what_the_next_builds_upon(stage):
    """Killed just after a phase, a run that is resumed must know its accounts: they are written down."""
    played = stage()
    played.begin()
    played.user()
    played.advance()
    played.pass_time(100)
    played.yield_()
    assert len(played.turns) == 3
    assert not played.run.tracker.pending
    assert played.run.settling, "nothing is to be done any more but to write down"
    assert played._advance() is State.SETTLING
    played.pass_time(1)
    assert played._advance() is State.SETTLING
    assert played.advance() is State.SENDING
    assert not played.run.settling


def test_pending_commands_are_left_behind_after_the_settle_time(stage):
    """A phase with commands that never complete ends, and the timeline says how many there were."""
    played = stage("phases.accounts.settle_s=10")
    played.begin()
    played.pass_time(1)
    played.user(lambda turn: played.settle(turn) if turn.arrival.number else played.sent(turn))
    played.yield_()
    assert played.director.advance() is State.SETTLING
    played.pass_time(9.999)
    assert played.director.advance() is State.SETTLING
    played.pass_time(0.001)
    assert played.director.advance() is State.SENDING
    assert played.notes("phase ended") == ["1 commands were pending"]


def test_what_is_overdue_together_is_put_back_when_the_phase_is_cut_short(stage):
    """One slow user takes one; the others that were made ready with it are sent by nobody, but later."""
    played = stage()
    played.begin()
    played.pass_time(5)
    user = played.user(sends=lambda _: gevent.sleep(PATIENT_S), turns=1)
    played.yield_()
    lane = played.run.dealer.work.lanes[Channel.HTTP]
    assert len(played.turns) == 1
    waiting = [ready.card for ready in lane.due]
    assert len(waiting) > 1
    assert lane.in_hand == len(waiting)
    played.director.control("pause", "")
    assert lane.in_hand == 0
    assert lane.arrivals.overdue == 1
    assert not any(ready.lease.out & {ready.position} for ready in waiting)
    user.kill()
