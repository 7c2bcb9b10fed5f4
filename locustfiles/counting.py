"""Counting: what one process counts of a run, for whoever looks while it is on.

All of it comes from what was written down anyway, but for response times, which only senders know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from e2e_data.pool import Pool
from locustfiles.fleet.facts import FactCounts
from locustfiles.fleet.figures import Figures
from locustfiles.fleet.outcomes import Outcomes
from locustfiles.fleet.parts import Parts
from locustfiles.fleet.took import Took
from locustfiles.tracker import Tracker
from locustfiles.vigil import Vigil
from locustfiles.work import Service, Turn

if TYPE_CHECKING:
    from locustfiles.traces import Traces


class Counting:
    """Counts of one process. Nothing is counted before somebody looks, but for what violates."""

    traces: Traces | None = None

    def __init__(self, service: Service, pool: Pool, parts: Parts, vigil: Vigil) -> None:
        self._service, self.parts, self.vigil = service, parts, vigil
        self.is_on = False
        """Whether somebody looks; a fleet's master always may."""
        self.figures = Figures()
        self.outcomes = Outcomes()
        self._facts = FactCounts(pool.shard_counts)
        self._took = Took(pool.shard_counts, parts.times)

    def begin(self, tracker: Tracker) -> None:
        """Count what happens from now on: somebody looks."""
        self.is_on = True
        tracker.outcomes, tracker.counted = self.outcomes, self._facts

    def take(self, rows: NDArray[np.void]) -> None:
        """Count rows that the journal has written (reports.journal.ROW)."""
        self.vigil.facts(rows)
        if self.traces is not None:
            self.traces.facts(rows)
        if self.is_on:
            for each in (self._facts, self._took, self.parts):
                each.take(rows)

    def answered(self, turn: Turn, at_ns: int) -> None:
        """Count the response time of a command that was answered `at_ns`."""
        if self.is_on:
            card, took_ns = turn.card, at_ns - turn.arrival.intended_ns
            region = card.shard.region_number(card.account)
            self.figures.add(turn.phase, card.kind, took_ns, turn.channel, region)

    def snapshot(self) -> dict[str, Any]:
        """Return all that was counted here, as msgpack can carry it."""
        service = self._service
        return {
            **self.figures.snapshot(service.worker, service.term),
            "facts": self._facts.packed(),
            "took": self._took.packed(),
            "parts": self.parts.packed(),
            "outcomes": self.outcomes.packed(),
            "violations": dict(self.vigil.found),
            "run": service.run,
        }
