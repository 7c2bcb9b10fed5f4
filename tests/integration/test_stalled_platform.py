"""A stall, with a clock that stands until it is moved: every arrival in it shows in the latencies."""

from __future__ import annotations

import gevent
import pandas as pd
import pyarrow.parquet as pq
import pytest

from e2e_data.commands import Kind
from e2e_data.exits import Exit
from e2e_data.platform import Acknowledged, Acknowledgement
from locustfiles.phases import State
from reports.attempted import GivenUp
from reports.columns import NEVER
from reports.journal import Fact
from reports.judgement import Status
from reports.latencies import Latencies
from reports.measures import measure_of
from reports.rundir import PhaseRecord
from reports.sending import SendingTime
from reports.slos import Fitness, Slo
from reports.timeline import Second
from reports.verdict import Losses, conclude, judge_fitness
from tests.stages import Stage

MS = 1_000_000
S = 1000 * MS
USERS, PER_S, COMMANDS = 5, 50, 300
BEGINS_S, STALL_S = 2, 2
PHASES = (PhaseRecord(name="accounts", sends=(Kind.ACCOUNT,)),)


class ByTheClock:
    """Waits until the injected clock has reached a time, or the phase is over."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.is_over = False

    def wait(self, timeout=None):
        until_ns = self.clock.ns + round((timeout or 1e6) * S)
        while self.clock.ns < until_ns and not self.is_over:
            gevent.sleep(0)
        return self.is_over

    def set(self):
        self.is_over = True

    def is_set(self):
        return self.is_over


@pytest.fixture(params=["overdue", "drop"])
def played(tmp_path, request):
    """Play accounts at 50 a second against a platform that answers at once, but for two seconds."""
    stage = Stage(
        tmp_path,
        f"pool.accounts={COMMANDS}",
        f"phases.accounts.rate_per_s={PER_S}",
        f"phases.accounts.late={request.param}",
        "phases.accounts.drop_after_s=0.5",
    )
    stage.begin()
    stage.run.dealer.work.over = ByTheClock(stage.clock)
    began_ns = stage.run.dealer.work.began_ns
    stall = (began_ns + BEGINS_S * S, began_ns + (BEGINS_S + STALL_S) * S)

    def send(turn):
        stage.sent(turn)
        while stall[0] <= stage.clock.ns < stall[1]:
            gevent.sleep(0)
        stage.run.tracker.acknowledged(
            turn.card.place, Acknowledgement(Acknowledged.ACCEPTED, "acc")
        )

    for _ in range(USERS):
        stage.user(send)
    while stage.run.tracker.tally.acknowledged < COMMANDS:
        stage.clock.ns += MS
        stage.yield_()
        assert stage.clock.ns < began_ns + 60 * S
    dropped = stage.run.arrivals()[2]
    assert stage.director.advance() is State.SETTLING
    gevent.killall(stage.users)
    return frame_of(stage), stall, dropped, request.param


def frame_of(stage) -> pd.DataFrame:
    """Return what the journal says of each command, as the judge has it."""
    stage.run.journal.flush()
    rows = pq.read_table(sorted(stage.directory.journal.glob("*.parquet"))).to_pandas()
    rows["place"] = list(zip(rows["shard"], rows["index"], strict=True))
    sent = rows[rows["fact"] == Fact.SENT].set_index("place")
    answered = rows[rows["fact"] == Fact.ACKNOWLEDGED].set_index("place")
    return pd.DataFrame(
        {
            "phase": 0,
            "channel": 0,
            "kind": int(Kind.ACCOUNT),
            "label": 0,
            "intended_ns": sent["intended_ns"],
            "ready_ns": sent[["intended_ns", "free_ns"]].max(axis=1),
            "sent_ns": sent["at_ns"],
            "acknowledged_ns": answered["at_ns"],
            "completed_ns": NEVER,
            "refused": False,
        }
    )


def test_every_arrival_in_a_stall_shows_it(played):
    """What was due in the stall was answered after its end: response shows it, lag does not."""
    frame, stall, dropped, late = played
    inside = frame[(frame["intended_ns"] >= stall[0]) & (frame["intended_ns"] < stall[1])]
    assert (inside["acknowledged_ns"] >= stall[1]).all()
    assert len(inside) + dropped == pytest.approx(STALL_S * PER_S, abs=USERS + 1)
    assert (late == "drop") == (dropped > 0)
    lag_ns = frame["sent_ns"] - frame["ready_ns"]
    assert lag_ns.max() <= 3 * MS, "the clock moves by a millisecond"
    queueing_ns = inside["ready_ns"] - inside["intended_ns"]
    assert queueing_ns.max() >= (0.4 if dropped else 1.8) * S


def test_a_stall_is_the_platforms_fault(played):
    """Response SLO missed, generator fit: exit 10; dropping the arrivals does not hide it."""
    frame, _, dropped, _ = played
    latencies = Latencies()
    latencies.add(frame)
    latencies.give_up(0, dropped)
    measure = measure_of(
        Slo(latency="response", percentile=80, below_ms=300), PHASES, SendingTime()
    )
    measure.add(frame.assign(sent=True, region=""))
    measure.give_up([GivenUp(0, 0, dropped)])
    slo = measure.result()
    calm = [Second(0, "accounts", *[0] * 11, 1.0, 20.0)]
    fitness = list(judge_fitness(Fitness(lag_below_ms=10), latencies, Losses(), calm))
    assert slo.status is Status.VIOLATED
    assert {rule.status for rule in fitness} == {Status.HOLDS}
    assert conclude([], [slo], fitness, "ended").exit is Exit.SLOW
