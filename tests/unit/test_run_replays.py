"""Replays in a run: they are their originals to the byte, and wait for them."""

from __future__ import annotations

import gevent

from e2e_data.commands import Channel
from e2e_data.config_parts import HostileFlavours
from e2e_data.ids import REPLAY_ATTEMPT, Correlation
from e2e_data.platform import Acknowledged, Acknowledgement, Platform
from e2e_data.replays import replays_of
from locustfiles.phases import State
from locustfiles.replays import WHY_NOT_COMPLETE
from reports.journal import Fact
from tests.stages import PATIENT_S, SETTLED


def replaying(stage, *changes):
    """Return a run in whose pool many payments repeat another one, and none is hostile otherwise."""
    flavours = dict.fromkeys(HostileFlavours.model_fields, 0)
    flavours |= {"replay": 50, "racing_replay": 50}
    shares = ", ".join(f"{name} = {share}" for name, share in flavours.items())
    return stage(
        "pool.accounts_per_shard=3",
        "pool.payments=[20, 30]",
        "pool.hostile_percentage=30",
        f"pool.hostile_flavours={{{shares}}}",
        *changes,
    )


def repeats(turns):
    """Return the turns of replays, each with the turn of its original, if that was there."""
    by_place = {turn.card.place: turn for turn in turns}
    return [(turn, by_place.get(turn.card.original_place)) for turn in turns if turn.card.is_replay]


def test_a_replay_is_its_original_to_the_byte(stage):
    """Same id, same body; only the correlation id is new, names the original, and marks the attempt."""
    played = replaying(stage)
    played.begin()
    played.user()
    played.play()
    pairs = repeats(played.turns)
    assert len(pairs) > 10
    assert len({turn.card.place for turn in played.turns}) == len(played.pool)
    for turn, original in pairs:
        first, again = (
            Platform().http_command(played.run.sending(one)) for one in (original, turn)
        )
        assert (again.method, again.path, again.body) == (first.method, first.path, first.body)
        assert dict(again.headers)["Idempotency-Key"] == original.card.command_id
        named = [
            Correlation.unpack(bytes.fromhex(played.run.sending(one).correlation_id))
            for one in (original, turn)
        ]
        assert (named[0].shard, named[0].index) == (named[1].shard, named[1].index)
        assert [one.attempt for one in named] == [0, REPLAY_ATTEMPT]


def unfinished(played, originals):
    """Return what users do who leave the answers to some commands open, and settle all others."""

    def sends(turn):
        played.sent(turn) if turn.card.place in originals else played.settle(turn)

    return sends


def awaited(played):
    """Return the places of the commands that replays wait for."""
    shard = played.pool.shard(0)
    rows = replays_of(shard)
    return {(0, 0, index) for index in rows.originals[~rows.racing].tolist()}


def until_it_waits(played):
    """Play until nothing is left to send but replays that wait."""
    aside = played.run.tracker.set_aside
    played.begin()
    for _ in range(2):
        played.user(unfinished(played, awaited(played)))
    with gevent.Timeout(PATIENT_S):
        while not (len(aside) == len(awaited(played)) == played.run.counts().in_hand_now):
            played.pass_time(1)
            played.director.advance()
            played.yield_()


def test_a_replay_waits_until_its_original_was_observed_complete(stage):
    """It is set aside, also when nothing else is left; then it is sent, due when it could be."""
    played = replaying(stage)
    until_it_waits(played)
    originals = awaited(played)
    assert originals
    assert not [turn for turn, _ in repeats(played.turns) if turn.card.waits]
    assert played.director.advance() is State.SENDING
    before = len(played.turns)
    overdue = played.run.arrivals()[1]
    for place in sorted(originals):
        played.run.tracker.completed(place, SETTLED)
    completed_ns = played.clock.ns
    with gevent.Timeout(PATIENT_S):
        while played.director.advance() is State.SENDING:
            gevent.sleep(0.001)
    late = [turn for turn in played.turns[before:] if turn.card.waits]
    assert {turn.card.original_place for turn in late} == originals
    assert all(turn.arrival.intended_ns >= completed_ns for turn in late)
    assert played.run.arrivals()[1] == overdue
    assert played.facts()[Fact.BLOCKED, WHY_NOT_COMPLETE] == 0


def test_a_replay_whose_original_is_never_observed_is_blocked(stage):
    """After the settle time without any movement it is written down, and the phase ends."""
    played = replaying(stage)
    until_it_waits(played)
    originals = awaited(played)
    played.play()
    assert played.facts()[Fact.BLOCKED, WHY_NOT_COMPLETE] == len(originals)
    assert len(played.turns) == len(played.pool) - len(originals)
    assert played.run.arrivals()[0] == len(played.turns)


def test_a_replay_of_what_was_refused_is_blocked_at_once(stage):
    """A command that had no effect has no outcome to repeat: nobody waits for it."""
    played = replaying(stage)
    originals = awaited(played)

    def sends(turn):
        if turn.card.place not in originals:
            played.settle(turn)
            return
        played.sent(turn)
        refused = Acknowledgement(Acknowledged.REFUSED, None, "HTTP 429")
        played.run.tracker.acknowledged(turn.card.place, refused)

    played.begin()
    played.user(sends)
    played.play(step_s=1)
    assert played.facts()[Fact.BLOCKED, WHY_NOT_COMPLETE] == len(originals)


def test_a_phase_that_ends_takes_its_waiting_replays_with_it(stage):
    """A stop frees the users that wait for them; what was set aside is granted and never sent."""
    played = replaying(stage)
    until_it_waits(played)
    sent = len(played.turns)
    played.director.stop("enough")
    played.play()
    assert len(played.turns) == sent
    assert not played.run.tracker.set_aside.waits(Channel.HTTP)
    assert played.facts()[Fact.BLOCKED, WHY_NOT_COMPLETE] == 0
