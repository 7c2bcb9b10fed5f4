"""A run: phases as a barrier, commands in their time, and what is to be seen of it."""

from __future__ import annotations

from collections import Counter

import pytest

from e2e_data.commands import Channel, Kind
from e2e_data.ids import Correlation
from e2e_data.platform import Acknowledged, Acknowledgement
from locustfiles.director import LEAD_NS
from locustfiles.pacing import SECOND_NS
from locustfiles.phases import State
from reports.grants import read_grants
from reports.journal import Fact
from tests.stages import IDS, PATIENT_S, SETTLED, WHOLE, without_warnings


def test_a_run_sends_every_command_of_the_pool_once(stage):
    """Phase by phase, each command is given to a user exactly once, and the timeline tells it."""
    played = stage()
    played.begin()
    played.user()
    played.user()
    played.play()
    assert Counter(turn.card.kind for turn in played.turns) == {
        kind: played.pool.count_of(kind) for kind in Kind
    }
    assert len({turn.card.place for turn in played.turns}) == len(played.pool)
    assert without_warnings(played.events()) == [
        (event, phase if event.startswith("phase") else "") for event, phase in WHOLE
    ]
    assert played.director.advance() is State.ENDED


def test_no_command_of_a_phase_before_the_one_before_is_complete(stage):
    """The barrier: an opening credit is drawn only once every account's creation was observed."""
    played = stage()
    played.begin()
    played.user(sends=played.sent)
    played.pass_time(100)
    played.yield_()
    assert [turn.card.kind for turn in played.turns] == [Kind.ACCOUNT] * 3
    tracker = played.run.tracker
    for number, turn in enumerate(played.turns):
        tracker.acknowledged(
            turn.card.place, Acknowledgement(Acknowledged.ACCEPTED, f"id-{number}")
        )
        assert played.director.advance() is State.SETTLING
        played.yield_()
        assert len(played.turns) == 3
        tracker.completed(turn.card.place, SETTLED)
    assert played.director.advance() is State.SENDING
    assert played.run.phase_name == "opening-credits"
    played.pass_time(100)
    played.yield_()
    assert {turn.card.kind for turn in played.turns[3:]} == {Kind.OPENING_CREDIT}


def test_a_count_ends_a_phase(stage):
    """So many commands are sent, and the run goes on to its end; the rest of the pool stays unsent."""
    played = stage("phases.payments.count=5")
    played.begin()
    played.user()
    played.play(step_s=1)
    assert [turn.card.kind for turn in played.turns].count(Kind.ACCOUNT) == 3
    assert len(played.turns) == 3 + 3 + 5
    assert played.events()[-1] == ("run ended", "")


def test_a_gate_that_fails_stops_the_run(stage):
    """Where the plan says so, no further phase begins while commands are pending; it is noted."""
    played = stage("phases.accounts.if_pending='stop'")
    played.begin()
    played.user(sends=played.sent)
    played.play()
    assert {turn.card.kind for turn in played.turns} == {Kind.ACCOUNT}
    assert played.notes("phase ended") == [
        "3 commands were pending, so the run stops, as the plan asks"
    ]


def test_kinds_come_by_their_weights(stage):
    """Of the commands of a phase, so many of each kind come in the same time."""
    played = stage("phases.payments.weights={funding=1,payment=3}")
    played.begin()
    played.user()
    played.play(step_s=1)
    paid = [turn.card.kind for turn in played.turns[6:26]]
    assert paid.count(Kind.PAYMENT) == pytest.approx(15, abs=1)


def test_in_a_closed_model_nothing_is_overdue(stage):
    """However late a user comes, what it takes is due then; and all of the pool is sent."""
    played = stage("phases.payments.model='closed'")
    played.begin()
    played.user()
    played.play()
    assert len(played.turns) == len(played.pool)
    closed = [turn.arrival for turn in played.turns if turn.phase == 2]
    assert all(arrival.intended_ns >= arrival.free_ns for arrival in closed)


def test_nothing_is_sent_before_the_run_begins(stage):
    """Users that are there early wait for the first phase."""
    played = stage()
    played.user()
    played.yield_()
    assert played.director.advance() is State.WAITING
    assert not played.turns
    assert played.events() == []


def test_a_run_begins_once(stage):
    """Beginning again changes nothing: no phase is opened twice."""
    played = stage()
    played.begin()
    played.begin()
    assert played.events() == [("run began", ""), ("phase began", "accounts")]


def test_arrivals_have_their_intended_times(stage):
    """The n-th command of a phase is intended n / rate after the phase's beginning and its lead."""
    played = stage()
    played.begin()
    began_ns = played.clock.ns + LEAD_NS
    played.pass_time(100)
    played.user()
    played.yield_()
    intended = [turn.arrival.intended_ns - began_ns for turn in played.turns]
    assert intended == [0, SECOND_NS // 20, 2 * SECOND_NS // 20]


def test_a_user_does_not_send_before_the_intended_time(stage):
    """A user that is early waits; its turn comes with the time, and not before."""
    played = stage("phases.accounts.rate_per_s=0.001")
    played.begin()
    played.pass_time(1)
    played.user()
    played.yield_()
    assert [turn.arrival.number for turn in played.turns] == [0]
    assert not played.nones


def test_making_a_shard_is_not_the_platforms_time(stage, monkeypatch):
    """A user is free from when it asks for a command, however long it takes to make its shard."""
    played = stage("pool.accounts=40")
    played.begin()
    played.pass_time(1)
    asked_ns = played.clock.ns
    draw = played.run.hand.draw

    def slow_draw(channel):
        played.pass_time(30)
        return draw(channel)

    monkeypatch.setattr(played.run.hand, "draw", slow_draw)
    played.user(turns=1)
    played.yield_()
    assert played.turns[0].arrival.free_ns == asked_ns


def test_a_turn_carries_all_that_its_command_needs(stage):
    """Ids decode to the command's place, the account's id is the platform's, the correlation is whole."""
    played = stage()
    played.begin()
    played.user()
    played.play()
    for turn in played.turns:
        card, sending = turn.card, played.run.sending(turn)
        command = card.shard.command(card.index)
        assert sending.command == command
        assert sending.command_id == IDS.command_ids(0, card.shard.number, [card.index])[0]
        owner = None if card.kind is Kind.ACCOUNT else f"acc-{card.shard.number}"
        assert sending.account_id == owner
        assert sending.value_date == f"1970-01-{1 + command.value_day:02d}"
        assert Correlation.unpack(bytes.fromhex(sending.correlation_id)) == Correlation(
            tag=IDS.tag,
            lap=0,
            shard=card.shard.number,
            index=card.index,
            attempt=0,
            kind=card.kind,
            channel=Channel.HTTP,
            expected=command.expected,
            phase=turn.phase,
            intended_us=turn.arrival.intended_ns // 1000,
        )


def test_arrivals_add_up_over_the_phases(stage):
    """Due, overdue and dropped are counted over the whole run."""
    played = stage()
    played.begin()
    played.user()
    assert played.run.arrivals() == (0, 0, 0)
    played.play()
    commands = len(played.pool)
    assert played.run.arrivals() == (commands, commands, 0)


@pytest.mark.parametrize(
    ("late", "said"),
    [
        ("overdue", "arrivals are overdue. They count against its response time"),
        ("drop", "arrivals are dropped, as the plan asks"),
    ],
)
def test_late_arrivals_are_warned_of_once_with_the_remedy(stage, late, said):
    """When all users wait for the platform, the run says so once, and what would help."""
    played = stage(f"phases.accounts.late={late}", "phases.accounts.drop_after_s=0")
    played.begin()
    played.user()
    played.play()
    assert played.notes("warning") == [
        f"all 1 users of HTTP are waiting for the platform: {said}. More users (-u) would keep the rate."
    ]


def test_in_time_there_is_no_warning(stage):
    """Users that are free before their time are no reason to warn."""
    played = stage("phases.accounts.rate_per_s=1000000")
    played.begin()
    user = played.user(turns=1)
    user.join(timeout=PATIENT_S)
    assert len(played.turns) == 1
    assert played.notes("warning") == []


def test_a_dropped_arrival_drops_no_command(stage):
    """With late arrivals dropped, every command is sent all the same, at a later arrival."""
    played = stage(*(f"phases.{name}.late=drop" for name in ("accounts", "opening-credits")))
    played.begin()
    played.user()
    played.play()
    assert len({turn.card.place for turn in played.turns}) == len(played.pool)
    assert played.run.arrivals()[2] > 0


def test_the_oldest_pending_command_is_described(stage):
    """Whoever waits is told for what: the command that was sent first, and how long ago."""
    played = stage()
    ids = played.run.ids
    played.director.command_id = lambda lap, shard, index: ids.command_ids(lap, shard, [index])[0]
    assert played.director.oldest() == "none"
    played.begin()
    played.pass_time(1)
    played.user(sends=played.sent)
    played.yield_()
    played.pass_time(2.5)
    command_id = played.turns[0].card.command_id
    played.director.refresh()
    assert played.director.oldest() == (
        f"account {command_id} of phase accounts over http, sent 2.5 s ago"
    )


def test_what_was_sent_is_looked_for(stage):
    """A command's outcome is expected of the run's completion source."""
    played = stage()
    asked = []

    class Source:
        def expect(self, place, command_id):
            asked.append((place, command_id))

        def stop(self):
            """Nothing runs."""

    played.run.completions = Source()
    played.run.expect((0, 0, 1), "id")
    assert asked == [((0, 0, 1), "id")]


def test_closing_leaves_nothing_unwritten(stage):
    """A closed run has its facts on disk, its bindings and grants, and says that they are complete."""
    played = stage()
    played.begin()
    played.user()
    played.play()
    played.close()
    assert len(played.run.journal) == 0
    assert played.facts()[Fact.COMPLETED, ""] == len(played.pool)
    book = read_grants(played.directory.grants)
    assert not book.open_workers
    assert sum(grant.stop - grant.start for grant in book.grants) == len(played.pool)
