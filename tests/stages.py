"""A run in the test's own process, its clock, and users that play it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import gevent
import pyarrow.parquet as pq

from e2e_data.commands import Kind, Outcome
from e2e_data.ids import Ids
from e2e_data.platform import Acknowledged, Acknowledgement, Completion, Platform
from e2e_data.pool import Pool
from locustfiles.director import Director
from locustfiles.launch import direct
from locustfiles.pacing import SECOND_NS
from locustfiles.phases import State
from locustfiles.plans import load_plan
from locustfiles.run import Run
from locustfiles.work import LOCAL, Service
from reports.journal import Fact
from reports.rundir import RunDirectory
from reports.timeline import read_timeline
from tests.helpers_wire import Clock

IDS = Ids(bytes(range(16)), 12345)

PATIENT_S = 60

SETTLED = Completion(Outcome.SETTLED)

ACCEPTED = Acknowledgement(Acknowledged.ACCEPTED)

WHOLE = [
    ("run began", ""),
    ("phase began", "accounts"),
    ("phase settles", "accounts"),
    ("phase ended", "accounts"),
    ("phase began", "opening-credits"),
    ("phase settles", "opening-credits"),
    ("phase ended", "opening-credits"),
    ("phase began", "payments"),
    ("phase settles", "payments"),
    ("phase ended", "payments"),
    ("run ended", ""),
]


class Stage:
    """A run of the smoke plan with three accounts, its clock, and users that play it."""

    def __init__(self, path, *changes: str) -> None:
        self.plan = load_plan("smoke", ["pool.accounts=3", *changes])
        one = Pool.in_memory(self.plan.pool.config(), self.plan.pool.seed)
        self.pool = one.lapped(self.plan.pool.laps)
        self.ids = replace(IDS, shards=one.shard_count)
        self.clock = Clock(5 * SECOND_NS)
        self.directory = RunDirectory.create(path, "smoke")
        self.run = Run(
            *(self.plan, self.pool, Platform(), self.ids, self.directory, self.clock),
            *(2, Service(self.directory.name), self.clock.now_ns),
        )
        self.director = Director(self.plan, self.pool, Platform(), self.directory, self.clock)
        direct(self.run, self.director)
        self._advance, self.director.advance = self.director.advance, self.advance
        self.turns = []
        self.nones = 0
        self.users = []

    def advance(self) -> State:
        """Move on, once the journal has what was recorded, as in a run that has a pulse."""
        self.run.journal.flush()
        self.run.counting.parts.look()
        self.run.release_ended(self.run.tracker.take_ended())
        return self._advance()

    def begin(self) -> None:
        self.director.begin()
        self.director.refresh()

    def pass_time(self, seconds: float) -> None:
        self.clock.ns += round(seconds * SECOND_NS)

    def user(self, sends=None, turns: int | None = None):
        """Start a user that takes turns; it sends as `sends` says, and settles them by default."""

        def play():
            left, seat = turns, self.run.roster.join()
            while left is None or left:
                turn = self.run.take(seat)
                left = left and left - 1
                if turn is None:
                    self.nones += 1
                else:
                    self.turns.append(turn)
                    (sends or self.settle)(turn)

        self.users.append(gevent.spawn(play))
        return self.users[-1]

    def sent(self, turn) -> None:
        """Send a command whose answer never comes."""
        self.run.tracker.sending(turn.card, turn.phase, turn.arrival)

    def settle(self, turn, outcome=Outcome.SETTLED) -> None:
        """Send a command that is accepted, and completed at once."""
        self.sent(turn)
        card, tracker = turn.card, self.run.tracker
        account_id = f"acc-{card.shard.number}" if card.kind is Kind.ACCOUNT else None
        accepted = Acknowledgement(Acknowledged.ACCEPTED, account_id)
        tracker.acknowledged(card.place, accepted, card.attempt)
        tracker.completed(card.place, Completion(outcome))

    def play(self, step_s: float = 100) -> None:
        """Let the users play until the run has ended; each look at it is `step_s` later."""
        with gevent.Timeout(PATIENT_S):
            while self.director.advance() is not State.ENDED:
                self.pass_time(step_s)
                self.yield_()

    def close(self) -> None:
        """Close the run as the conductor does."""
        self.run.close()
        self.director.grants.write_closed(LOCAL, self.run.journal.chunks)
        self.director.close()

    def yield_(self) -> None:
        for _ in range(3):
            gevent.sleep(0)

    def events(self):
        """Return (event, phase) of the timeline, in the order of writing."""
        return [(event.event, event.phase) for event in read_timeline(self.directory.timeline)[1]]

    def notes(self, name):
        return [e.note for e in read_timeline(self.directory.timeline)[1] if e.event == name]

    def facts(self):
        """Count (fact, reason) in the journal."""
        self.run.journal.flush()
        rows = pq.read_table(sorted(self.directory.journal.glob("*.parquet")))
        return Counter((Fact(row["fact"]), row["reason"]) for row in rows.to_pylist())


def without_warnings(events):
    return [(event, phase) for event, phase in events if event != "warning"]
