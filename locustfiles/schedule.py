"""What the phase machine has to know of a plan's phases."""

from __future__ import annotations

from locustfiles.pacing import Pace
from locustfiles.phases import PhaseMachine, PhaseTimes
from locustfiles.plan_parts.phase import Phase
from locustfiles.plans import Plan

REPORTED_NS = 4_000_000_000
"""By then the workers' figures of all that ended have come: Locust's workers report each 3 s."""


def machine_of(plan: Plan, *, fleet: bool) -> PhaseMachine:
    """Return the machine that moves a run of a plan, by a fleet or one process, through its phases."""
    phases = enumerate(plan.phases.values())
    return PhaseMachine(
        [_times(phase, phase.pace(plan.pool.seed, n), fleet=fleet) for n, phase in phases]
    )


def _times(phase: Phase, pace: Pace, *, fleet: bool) -> PhaseTimes:
    return PhaseTimes(
        duration_ns=phase.duration_ns,
        settle_ns=phase.settle_ns,
        settle_max_ns=phase.settle_max_ns,
        count=phase.count,
        count_due_ns=pace.due_ns(phase.count - 1) if phase.count else 0,
        quiet_ns=REPORTED_NS if fleet and phase.profile == "search" else 0,
        stop_if_pending=phase.if_pending == "stop",
    )
