"""A run that searches, and one that plays its pool in laps."""

from __future__ import annotations

from collections import Counter

from reports.steps import read_steps
from tests.stages import IDS

SEARCH = (
    *(
        "phases.payments.profile=search",
        "phases.payments.from_per_s=1",
        "phases.payments.rate_per_s=4",
    ),
    *("phases.payments.step_s=2", "phases.payments.tries=1", "slos=[{errors_below_percent=1}]"),
)


def test_a_search_plays_a_phase_in_steps(stage):
    """Each sends its own rate for its own time, and begins when the one before is complete."""
    played = stage(*SEARCH)
    played.begin()
    played.user()
    played.play(2)
    assert played.notes("step began") == ["1/s", "2/s", "4/s"]
    assert played.notes("step ended") == ["1/s held", "2/s held", "4/s held"]
    steps = read_steps(played.directory.steps)
    due = [turn.arrival.intended_ns for turn in played.turns if turn.phase == 2]
    sent = [sum(step.from_ns <= at < step.until_ns for at in due) for step in steps]
    assert sent == [2, 4, 8]
    assert sum(sent) == len(due)
    assert played.notes("phase ended")[-1] == "4/s held"


def test_a_search_ends_when_the_pool_has_run_out(stage):
    """What it has found until then is told; a step without all its commands says nothing."""
    played = stage(*SEARCH, "phases.payments.step_s=9", "phases.payments.rate_per_s=400")
    played.begin()
    played.user()
    played.play(9)
    [warned] = [note for note in played.notes("warning") if "pool ran out" in note]
    assert warned.startswith("the pool ran out while it searched: ")
    assert len(played.notes("step began")) == len(played.notes("step ended")) + 1
    assert len(played.turns) == len(played.pool)


def test_a_search_stops_when_the_run_is_stopped(stage):
    """No further step begins."""
    played = stage(*SEARCH)
    played.begin()
    played.user()
    while not played.notes("step began"):
        played.director.advance()
        played.pass_time(1)
        played.yield_()
    played.director.stop("enough")
    played.play(1)
    assert played.notes("step began") == ["1/s"]


def test_a_pool_is_played_in_laps(stage):
    """A phase goes on with the next lap when one has run out: new accounts, new ids, the same amounts."""
    played = stage("pool.laps=3")
    played.begin()
    played.user()
    played.play()
    one = len(played.pool) // 3
    assert len(played.turns) == 3 * one
    ids = [turn.card.command_id for turn in played.turns]
    assert len(set(ids)) == 3 * one
    decoded = IDS.decode(ids)
    places = Counter(zip(decoded.shard.tolist(), decoded.index.tolist(), strict=True))
    assert (len(places), set(places.values())) == (one, {3})
    assert Counter(decoded.lap.tolist()) == {0: one, 1: one, 2: one}
    amounts = Counter(
        turn.card.shard.command(turn.card.index).amount_minor for turn in played.turns
    )
    assert all(count % 3 == 0 for count in amounts.values())
