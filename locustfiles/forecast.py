"""What a plan will do, reckoned before it is done: load over time, users, rejections, time, disk, cost. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from e2e_data.commands import Kind, Outcome
from e2e_data.pool import Pool
from locustfiles.pacing import SECOND_NS, Even
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan
from locustfiles.profiles import ONE

ANSWER_S = 0.05
"""How long an answer is taken to take, where it is said how many users are needed."""
SHARDS_LOOKED_AT = 16
"""Of so many shards the expected rejections are counted, and taken for all."""
BYTES_FIXED = 200_000
"""A run directory without any command, its report included."""
BYTES_EACH = 80
"""What each command adds to it: facts, grants, and the platform's book."""


@dataclass(frozen=True, slots=True)
class PhaseForecast:
    """What one phase will do."""

    name: str
    phase: Phase
    commands: int
    arrivals: int
    """More than commands where the pool runs out before the phase's time is up."""
    began_s: float
    lasts_s: float
    """While it sends; what its completions take comes on top."""
    peak_per_s: float
    users: int
    """How many it takes at its peak, with answers of ANSWER_S; all there are in a closed model."""
    rejections: float
    """Payments that a correct platform cannot but reject, about so many; others it may."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a plan will do."""

    phases: tuple[PhaseForecast, ...]
    cost: float
    """By the budget's rates; 0 where it has none."""

    @property
    def commands(self) -> int:
        """Commands sent in all phases."""
        return sum(phase.commands for phase in self.phases)

    @property
    def lasts_s(self) -> float:
        """How long the phases send, one after the other."""
        return sum(phase.lasts_s for phase in self.phases)

    @property
    def disk_bytes(self) -> int:
        """About how large the run directory will be."""
        return BYTES_FIXED + BYTES_EACH * self.commands

    def load(self, points: int) -> list[float]:
        """Return the mean rate in each of so many equal parts of the time; arrivals per second."""
        edges_s = [self.lasts_s * n / points for n in range(points + 1)]
        return [
            sum(_arrivals(one, *between) for one in self.phases)
            / max(between[1] - between[0], 1e-9)
            for between in pairwise(edges_s)
        ]


def forecast(plan: Plan, pool: Pool) -> Forecast:
    """Reckon what a plan does with a pool. Makes a few of its shards."""
    phases = tuple(_phases(plan, pool))
    commands, lasts_s = (sum(getattr(p, name) for p in phases) for name in ("commands", "lasts_s"))
    return Forecast(phases, plan.budget.cost_of(commands, lasts_s))


def planned_commands(phase: Phase, pool: Pool) -> int:
    """Return how many commands a phase sends: what the pool has, or what its time or count allows."""
    there = sum(pool.count_of(Kind(kind)) for kind in phase.sends)
    return min(there, *_bounds(phase)) if _bounds(phase) else there


def _bounds(phase: Phase) -> list[int]:
    bounds = [] if phase.count is None else [phase.count]
    if phase.foreseen_ns is not None:
        bounds.append(Even(phase.rates).due_by(phase.foreseen_ns - 1))
    return bounds


def _phases(plan: Plan, pool: Pool) -> Iterator[PhaseForecast]:
    began_s, share = 0.0, _rejected_share(pool)
    for name, phase in plan.phases.items():
        pace, commands = Even(phase.rates), planned_commands(phase, pool)
        lasts_s = pace.due_ns(commands) / SECOND_NS
        if phase.foreseen_ns is not None:
            lasts_s = min(lasts_s, phase.foreseen_ns / SECOND_NS)
        bounds = _bounds(phase)
        peak_per_s = float(phase.rates.peak_per_s)
        open_users = max(1, math.ceil(peak_per_s * ANSWER_S))
        kinds = [pool.count_of(Kind(kind)) for kind in phase.sends]
        payments = pool.count_of(Kind.PAYMENT) if Kind.PAYMENT in phase.sends else 0
        yield PhaseForecast(
            name=name,
            phase=phase,
            commands=commands,
            arrivals=min(bounds) if bounds else commands,
            began_s=began_s,
            lasts_s=lasts_s,
            peak_per_s=peak_per_s,
            users=plan.users if phase.model == "closed" else open_users,
            rejections=share * commands * payments / max(sum(kinds), 1),
        )
        began_s += lasts_s


def _rejected_share(pool: Pool) -> float:
    """Return about which share of the payments a correct platform may only reject."""
    shards = [pool.shard(number) for number in range(min(pool.shard_count, SHARDS_LOOKED_AT))]
    expected = [shard.expected[shard.slice_of(Kind.PAYMENT)] for shard in shards]
    payments = sum(map(len, expected))
    rejected = sum(int((part == Outcome.REJECTED).sum()) for part in expected)
    return rejected / payments if payments else 0.0


def _arrivals(one: PhaseForecast, from_s: float, until_s: float) -> float:
    """Return how many arrivals of a phase come between two times of the run, parts of them included."""
    return _come(one, until_s) - _come(one, from_s)


def _come(one: PhaseForecast, at_s: float) -> float:
    shares = one.phase.rates.shares_before(round((at_s - one.began_s) * SECOND_NS))
    return min(shares / ONE, one.commands)


BLOCKS = " ▁▂▃▄▅▆▇█"


def chart(load: Sequence[float], height: int) -> list[str]:
    """Return a load over time as lines of block characters, the highest first."""
    top = max(load, default=0.0) or 1.0
    eighths = [round(one / top * height * 8) for one in load]
    return [
        "".join(BLOCKS[min(max(many - 8 * row, 0), 8)] for many in eighths)
        for row in reversed(range(height))
    ]
