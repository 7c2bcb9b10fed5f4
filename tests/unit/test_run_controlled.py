"""A run that is ended, paused, skipped or stopped: by its SLOs, its budget, or somebody."""

from __future__ import annotations

import pytest

from e2e_data.commands import Kind, Outcome
from e2e_data.platform import Completion
from locustfiles.director import LEAD_NS
from locustfiles.pacing import SECOND_NS
from locustfiles.phases import State
from tests.stages import ACCEPTED, SETTLED, without_warnings


def test_a_run_is_ended_for_an_slo_that_it_misses(stage):
    """The timeline tells which, no further phase begins, and what was sent is awaited all the same."""
    slos = "slos=[{throughput_above_per_s=5000, abort_after_s=2}]"
    played = stage(slos, "phases.accounts.rate_per_s=0.2", "phases.accounts.warm_up_s=1")
    played.begin()
    played.user()
    played.play(step_s=1)
    assert played.notes("aborted") == ["throughput above 5000/s"]
    assert played.notes("stop asked") == ["missed for 2 s: throughput above 5000/s"]
    assert ("phase began", "opening-credits") not in played.events()
    assert played.notes("phase ended") == [""]


@pytest.mark.parametrize(
    "asked",
    [
        'errors_below_percent=1, region="north"',
        'errors_below_percent=1, kind="account", channel="http"',
        'errors_below_percent=1, to_other_region=false, phase="accounts"',
        'throughput_above_per_s=9, region="north"',
        'latency="completion", percentile=50, below_ms=1, kind="account"',
        'latency="service", percentile=50, below_ms=1, region="north"',
        'freshness_below_s=0.1, channel="http"',
    ],
)
def test_a_run_is_ended_for_what_a_part_of_its_commands_misses(stage, asked):
    """Whatever an SLO is about and asks of it: here each outcome is wrong, and each answer comes late."""
    played = stage(
        'pool.regions=["north"]',
        f"slos=[{{{asked}, abort_after_s=2}}]",
        *("pool.accounts=40", "phases.accounts.rate_per_s=2"),
    )

    def late(turn):
        played.sent(turn)
        played.pass_time(0.3)
        tracker, card = played.run.tracker, turn.card
        tracker.acknowledged(card.place, ACCEPTED, card.attempt)
        tracker.completed(card.place, Completion(Outcome.REJECTED))

    played.begin()
    played.user(late)
    played.play(step_s=1)
    (slo,) = played.plan.slos
    assert played.notes("aborted") == [slo.title]
    assert ("phase began", "opening-credits") not in played.events()


def test_the_paused_time_is_cut_from_the_schedule(stage):
    """Nothing is sent while it is paused, and then the plan goes on where it was: no catching up."""
    played = stage("phases.accounts.rate_per_s=1")
    played.begin()
    played.user()
    played.pass_time(0.5)
    played.yield_()
    began_ns = played.turns[0].arrival.intended_ns
    played.director.control("pause", "by ada")
    assert played.director.machine.state is State.PAUSED
    for _ in range(10):
        played.pass_time(10)
        played.director.advance()
        played.yield_()
    assert len(played.turns) == 1
    played.director.control("resume", "by ada")
    resumed_ns = played.clock.ns + LEAD_NS
    played.play(step_s=1)
    intended = [turn.arrival.intended_ns for turn in played.turns if turn.phase == 0]
    # Half a second and the lead had passed of the second between the first and the next.
    assert intended == [began_ns, resumed_ns + SECOND_NS // 2 + LEAD_NS,
                        resumed_ns + SECOND_NS // 2 + LEAD_NS + SECOND_NS]  # fmt: skip
    told = [one for one in without_warnings(played.events()) if one[1] == "accounts"]
    assert [event for event, _ in told] == [
        *("phase began", "pause asked", "phase paused", "phase resumed"),
        *("phase settles", "phase ended"),
    ]
    assert len(played.turns) == len(played.pool), "no command is lost by a pause"


def test_what_is_in_hand_when_it_is_paused_is_sent_later(stage):
    """A user that waited for a command's time puts it back, and somebody sends it after the pause."""
    played = stage("phases.accounts.rate_per_s=1")
    played.begin()
    played.user()
    played.pass_time(0.5)
    played.yield_()
    assert played.run.counts().in_hand_now == 1
    played.director.control("pause", "by ada")
    played.yield_()
    assert played.run.counts().in_hand_now == 0
    played.director.control("resume", "by ada")
    played.play(step_s=1)
    assert len(played.turns) == len(played.pool)


def test_a_phase_is_skipped(stage):
    """The next one begins at once; what was pending is noted, and what was not sent stays unsent."""
    played = stage("phases.accounts.rate_per_s=1")
    played.begin()
    played.user(sends=played.sent)
    played.pass_time(0.5)
    played.yield_()
    played.director.control("skip", "by ada")
    played.yield_()
    played.director.advance()
    assert played.director.phase_name == "opening-credits"
    assert played.notes("phase ended") == ["1 commands were pending"]
    assert played.notes("skip asked") == ["by ada"]


def test_an_emergency_stop_ends_it_at_once(stage):
    """Nothing is sent any more, nothing is awaited, and the timeline tells who asked."""
    played = stage("phases.accounts.rate_per_s=1")
    audited = []
    played.director.audit = lambda *entry: audited.append(entry)
    played.begin()
    played.user(sends=played.sent)
    played.pass_time(0.5)
    played.yield_()
    played.director.control("emergency", "by ada")
    assert played.director.halted
    assert played.director.advance() is State.ENDED
    sent = len(played.turns)
    for _ in range(5):
        played.pass_time(10)
        played.director.advance()
        played.yield_()
    assert len(played.turns) == sent == 1
    assert played.notes("emergency asked") == ["by ada"]
    assert audited == [("change", "emergency: by ada")]
    played.director.control("pause", "too late")
    assert played.notes("pause asked") == []


def test_a_run_stops_by_itself_when_its_budget_is_spent(stage):
    """The limit is noted as the reason; what was sent is awaited, and nothing further begins."""
    played = stage("budget.commands=4", "phases.opening-credits.rate_per_s=1")
    played.begin()
    played.user()
    played.play(step_s=1)
    assert played.notes("stop asked") == ["the budget is spent: 4 commands were sent, of 4"]
    assert len(played.turns) == 4
    assert played.events()[-1] == ("run ended", "")


def test_a_stop_sends_nothing_further_and_awaits_what_was_sent(stage):
    """After a stop no user gets a command, and the run has ended when the completions are in."""
    played = stage()
    played.begin()
    played.pass_time(1)
    played.user(sends=played.sent, turns=1)
    played.yield_()
    played.director.stop("Ctrl-C")
    assert played.director.advance() is State.SETTLING
    played.user()
    played.yield_()
    [turn] = played.turns
    played.run.tracker.acknowledged(turn.card.place, ACCEPTED)
    assert played.director.advance() is State.SETTLING
    played.run.tracker.completed(turn.card.place, SETTLED)
    assert played.director.advance() is State.ENDED
    assert len(played.turns) == 1
    assert ("phase began", "opening-credits") not in played.events()


def test_a_stop_is_written_down_once(stage):
    """Whoever asks again, as --run-time does each second, adds nothing; nor does a stop after the end."""
    played = stage()
    played.begin()
    for reason in ("first", "second", "third"):
        played.director.stop(reason)
    assert played.notes("stop asked") == ["first"]
    played.play()
    played.director.stop("after the end")
    assert played.notes("stop asked") == ["first"]


def test_a_stop_before_the_beginning_ends_the_run(stage):
    """A run that is stopped while its users come has ended at once, without a phase."""
    played = stage()
    played.director.stop("too early")
    assert played.director.advance() is State.ENDED
    played.begin()
    assert played.events() == [("stop asked", ""), ("run ended", "")]


def test_a_run_stops_when_it_has_moved_what_it_may(stage):
    """Of the payments sent, by their currency; the timeline says how much it was."""
    played = stage("budget.moved={USD=1}", "pool.currencies=['USD']")
    played.begin()
    played.user(turns=9)
    played.play(1)
    [why] = [note for note in played.notes("stop asked") if "USD were to be moved, of 1" in note]
    sent = [turn.card for turn in played.turns if turn.card.kind is Kind.PAYMENT]
    assert sent
    minor = sum(int(card.shard.amount_minor[card.index]) for card in sent)
    assert f"{minor / 100:,.2f} USD" in why
